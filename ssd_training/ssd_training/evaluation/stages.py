"""What can be scored, each opened as the same kind of model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.backend import (
    Backend,
    INPUT_NAME,
    open_predict,
)
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend, read_shapes
from ssd_detector.backends.tensorrt.api import load_module
from ssd_detector.backends.tensorrt.backend import TensorRtBackend
from ssd_detector.backends.tensorrt.cuda import find_gpu
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import INT8_TRT
from ssd_detector.errors import BackendError
from ssd_detector.many_images import Model
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.training_schema import EmaSettings
from ssd_training.runs.finished_run import finished_weights

if TYPE_CHECKING:
    import keras

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Stage:
    """
    One step of the chain from checkpoint to robot.

    :param name: for people
    :param path: the file or folder that is scored, or None
    :param open: makes the model, or None when the stage is absent
    :param before: name of the stage that it is made from, or None
    :param reason: why it is absent
    :param may_lack_hardware: a BackendError at opening makes it absent, not the command fail
    """

    name: str
    path: Path | None
    open: Callable[[], Model] | None
    before: str | None = None
    reason: str = ''
    may_lack_hardware: bool = False


def open_onnx(path: Path, labels: tuple[str, ...]) -> Model:
    """
    Open an ONNX file; INT8 for TensorRT runs as it is written, without optimizations.

    :param path: the file
    :param labels: names of the classes 1, 2, ...
    :return: the model
    :raises BackendError: when it can't be loaded
    """
    # Fusions of ONNX Runtime would compute in integers where TensorRT dequantizes.
    backend = OnnxRuntimeBackend(
        path, graph_optimization='off' if path.name == INT8_TRT else 'all'
    )
    size_px = read_shapes(path)[INPUT_NAME][1]
    return _from_backend(backend, int(str(size_px)), labels)


def open_engine(path: Path, size_px: int, *, labels: tuple[str, ...]) -> Model:
    """
    Open a TensorRT engine.

    :param path: the file
    :param size_px: side of its input
    :param labels: names of the classes 1, 2, ...
    :return: the model
    :raises BackendError: when TensorRT or a GPU is missing, or the engine is of another machine
    """
    if not path.is_file():
        raise BackendError(f'{path}: no such file; build it: python -m ssd_detector.build_engine')
    if find_gpu() is None:
        raise BackendError(
            f'{path}: no NVIDIA GPU is to be seen; score an engine on the machine that built it'
        )
    backend = TensorRtBackend(path, load_module())
    return _from_backend(backend, size_px, labels)


def open_bundle_engine(bundle: Bundle, precision: str) -> Model:
    """
    Open the engine that was built from a bundle on this machine.

    :param bundle: read and checked
    :param precision: FP32, FP16 or INT8
    :return: the model
    :raises BackendError: when there is none, with the reason and the command that builds it
    """
    request = BackendRequest(backend='tensorrt', precision=precision, engine_build='off')
    backend = open_backend(bundle, request)
    return _from_backend(backend, bundle.manifest.input_size_px, bundle.labels)


def open_saved_model(path: Path, labels: tuple[str, ...]) -> Model:
    """
    Open a SavedModel.

    :param path: its folder
    :param labels: names of the classes 1, 2, ...
    :return: the model
    :raises ExportError: when it can't be read
    """
    # TensorFlow, which takes seconds.
    from ssd_training.model.serving import load_saved_model, make_predict

    serve, signature = load_saved_model(path)
    return Model(make_predict(serve), signature.shape[1], 1, labels)


def open_checkpoint(path: Path, architecture: Architecture, *, ema: EmaSettings) -> Model:
    """
    Open what was trained with Keras.

    :param path: run folder, *.weights.h5, ckpt-<step>.npz, or the archive *.npz of a detector
    :param architecture: of the experiment that trained it
    :param ema: its section `train.ema`
    :return: the model
    :raises RunError: when the run folder or checkpoint can't be used
    :raises WeightsError: when the weights do not fit
    """
    # TensorFlow, which takes seconds.
    from ssd_training.training.trained import load_trained

    weights_path = finished_weights(path) if path.is_dir() else path
    return open_network(load_trained(weights_path, architecture, ema=ema), architecture)


def open_network(network: 'keras.Model', architecture: Architecture) -> Model:
    """
    Open a network that is at hand.

    :param network: from build_ssd
    :param architecture: that it has
    :return: the model
    """
    # TensorFlow, which takes seconds.
    from ssd_training.model.serving import make_predict, Serving
    from ssd_training.targets.priors import generate_priors

    serving = Serving(
        network,
        generate_priors(architecture.priors, architecture.input_size),
        architecture.priors.variances,
        activation=architecture.activation,
    )
    return Model(make_predict(serving.serve), architecture.input_size[0], 1, architecture.labels)


def _from_backend(backend: Backend, size_px: int, labels: tuple[str, ...]) -> Model:
    return Model(open_predict(backend), size_px, 1, labels)
