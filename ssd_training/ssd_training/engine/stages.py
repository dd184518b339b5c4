"""The stages of the chain from checkpoint to robot, each opened as a model to score."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import INPUT_NAME
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend, read_shapes
from ssd_detector.bundle import Bundle
from ssd_detector.evaluation.running import Model
from ssd_training.engine.run_folder import read_finished_run
from ssd_training.experiments.schema import ExperimentConfig

INT8_CPU, INT8_TRT = 'model_int8_cpu.onnx', 'model_int8_trt.onnx'


@dataclass(frozen=True)
class Stage:
    """
    One step of the chain.

    :param name: for people
    :param before: name of the stage that it is made from, or None
    :param open: makes the model, or None when the stage is absent
    :param reason: why it is absent
    """

    name: str
    before: str | None
    open: Callable[[], Model] | None
    reason: str = ''


def chain_stages(bundle: Bundle, config: ExperimentConfig, checkpoint: Path | None) -> list[Stage]:
    """
    List the stages of a bundle.

    :param bundle: read and checked
    :param config: the experiment that trained it
    :param checkpoint: run folder or file *.weights.h5, or None
    :return: in order, the absent ones with their reason
    """
    if checkpoint is None:
        keras = Stage('checkpoint', None, None, 'not given; add --checkpoint')
    else:
        keras = Stage('checkpoint', None, lambda: open_checkpoint(checkpoint, config))
    files = {'ONNX': ('model.onnx', 'checkpoint')}
    files |= {'INT8 CPU': (INT8_CPU, 'ONNX'), 'INT8 TRT': (INT8_TRT, 'ONNX')}
    stages = [keras]
    for name, (file, before) in files.items():
        if file not in bundle.manifest.models:
            stages.append(Stage(name, before, None, f'{file} is not in the bundle'))
            continue
        path = bundle.model_path(file)
        stages.append(
            Stage(name, before, lambda path=path: open_onnx(path, bundle.labels))  # type: ignore[misc]
        )
    return stages


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

    def predict(
        images: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes, scores = backend.run(images)
        return boxes[None], scores[None]

    size_px = read_shapes(path)[INPUT_NAME][1]
    return Model(predict, int(str(size_px)), 1, labels)


def open_checkpoint(path: Path, config: ExperimentConfig) -> Model:
    """
    Open a Keras checkpoint.

    :param path: run folder, or file *.weights.h5
    :param config: the experiment that trained it
    :return: the model
    :raises RunError: when the run folder can't be used
    :raises WeightsError: when the weights do not fit
    """
    # TensorFlow, which takes seconds.
    from ssd_training.deploy.serving import Serving
    from ssd_training.engine.trained import load_float
    from ssd_training.targets.priors import generate_priors

    weights_path = read_finished_run(path).weights_path if path.is_dir() else path
    model = load_float(config, weights_path)
    serving = Serving(
        model,
        generate_priors(config.priors, config.input_size),
        config.priors.variances,
        activation=config.loss.classification.activation,
    )

    def predict(
        images: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = serving.serve(images)
        return outputs['boxes'].numpy(), outputs['scores'].numpy()

    return Model(predict, config.input_size[0], 1, config.data.labels)
