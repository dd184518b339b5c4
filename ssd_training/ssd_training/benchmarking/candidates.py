"""Everything that can run the network on this machine: our backends, and runtimes to compare."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.backend import (
    BOXES_NAME,
    INPUT_NAME,
    open_predict,
    Predict,
    RawOutputs,
    SCORES_NAME,
)
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_detector.errors import BackendError
from ssd_training.quiet import quiet_tensorflow

Images = NDArray[np.float32]

_PRECISIONS = {MODEL: 'FP32', MODEL_FP16: 'FP16', INT8_CPU: 'INT8', INT8_TRT: 'INT8'}


@dataclass(frozen=True)
class Candidate:
    """
    A file in a runtime.

    :param runtime: its name
    :param file: that it runs, or that its own file is made from
    :param precision: FP32, FP16 or INT8
    :param is_ours: a backend that `Detector` can take, not only a peer
    :param open: makes it ready; raises BackendError or ImportError with what is missing
    """

    runtime: str
    file: str
    precision: str
    is_ours: bool
    open: Callable[[], Predict]

    @property
    def name(self) -> str:
        """Runtime and file."""
        return f'{self.runtime}, {self.file}'

    def to_json(self) -> dict[str, str | bool]:
        """
        Give plain values.

        :return: all but how it is opened
        """
        return {
            'runtime': self.runtime,
            'file': self.file,
            'precision': self.precision,
            'is_ours': self.is_ours,
        }


def list_candidates(
    bundle: Bundle, saved_model: Path, samples: Images, *, num_threads: int
) -> list[Candidate]:
    """
    List what could run a bundle; whether it does here shows when it is opened.

    :param bundle: from load_bundle
    :param saved_model: what the bundle was converted from, for TensorFlow and LiteRT
    :param samples: (N, S, S, 3) float32 in [0, 1], which LiteRT calibrates its INT8 file with
    :param num_threads: of one inference
    :return: ours first, then peers
    """
    files = [name for name in _PRECISIONS if name in bundle.manifest.models]
    # CPUs compute float16 as float32.
    on_cpu = [name for name in files if name != MODEL_FP16]
    return [
        *(_onnx_runtime(bundle, name, num_threads) for name in on_cpu),
        *(_openvino(bundle, name, num_threads) for name in on_cpu if name != INT8_TRT),
        *(_tensorrt(bundle, name) for name in files if name != INT8_CPU),
        _opencv(bundle, num_threads),
        Candidate(
            'TensorFlow',
            'saved_model',
            'FP32',
            False,
            lambda: _open_saved_model(saved_model, num_threads),
        ),
        *(
            Candidate(
                'LiteRT',
                'saved_model',
                precision,
                False,
                lambda precision=precision: _open_litert(  # type: ignore[misc]
                    saved_model, samples if precision == 'INT8' else None, num_threads
                ),
            )
            for precision in ('FP32', 'INT8')
        ),
    ]


def _onnx_runtime(bundle: Bundle, name: str, num_threads: int) -> Candidate:
    path = bundle.model_path(name)
    return Candidate(
        'ONNX Runtime',
        name,
        _PRECISIONS[name],
        True,
        lambda: OnnxRuntimeBackend(path, num_threads=num_threads).run_batch,
    )


def _openvino(bundle: Bundle, name: str, num_threads: int) -> Candidate:
    path = bundle.model_path(name)
    return Candidate(
        'OpenVINO',
        name,
        _PRECISIONS[name],
        True,
        lambda: OpenVinoBackend(path, num_threads=num_threads).run_batch,
    )


def _tensorrt(bundle: Bundle, name: str) -> Candidate:
    precision = _PRECISIONS[name]

    def open_engine() -> Predict:
        request = BackendRequest(backend='tensorrt', precision=precision, engine_build='wait')
        return open_predict(open_backend(bundle, request))

    return Candidate('TensorRT', name, precision, True, open_engine)


def _opencv(bundle: Bundle, num_threads: int) -> Candidate:
    path = bundle.model_path(MODEL)

    def open_net() -> Predict:
        try:
            net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise BackendError(f'cv2.dnn can not read {path.name} ({error.err})') from error

        def run(images: Images) -> RawOutputs:
            net.setInput(images, INPUT_NAME)
            outputs: Any = net.forward([BOXES_NAME, SCORES_NAME])
            return RawOutputs(*outputs)

        cv2.setNumThreads(num_threads)
        return run

    return Candidate('cv2.dnn', MODEL, 'FP32', False, open_net)


def _check_saved_model(path: Path) -> None:
    if not path.is_dir():
        raise BackendError(
            f'no SavedModel at {path}; export the bundle here, or give --saved_model'
        )


@cache
def _import_tensorflow(num_threads: int) -> Any:
    quiet_tensorflow()
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise BackendError('TensorFlow takes one number of threads a process') from error
    return tf


def _open_saved_model(path: Path, num_threads: int) -> Predict:
    _check_saved_model(path)
    # Sets the threads, before the module below brings TensorFlow.
    _import_tensorflow(num_threads)
    from ssd_training.model.serving import load_saved_model, make_predict

    serve, _ = load_saved_model(path)
    return make_predict(serve)


def _open_litert(path: Path, samples: Images | None, num_threads: int) -> Predict:
    """Convert the SavedModel; with samples to INT8, as its users do: after the training."""
    _check_saved_model(path)
    import tensorflow as tf

    interpreter = _make_interpreter(tf, _convert_to_litert(tf, path, samples), num_threads)
    runner = interpreter.get_signature_runner()

    def run(images: Images) -> RawOutputs:
        outputs = runner(**{INPUT_NAME: images})
        # Names are lost; the order is that of the SavedModel's signature: boxes, scores.
        return RawOutputs(outputs['output_0'], outputs['output_1'])

    # The runner does not keep it alive.
    run.interpreter = interpreter  # type: ignore[attr-defined]
    return run


def _make_interpreter(tf: Any, content: bytes, num_threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        # The same library in its old place, where it warns of the new one.
        with warnings.catch_warnings(action='ignore'):
            return tf.lite.Interpreter(model_content=content, num_threads=num_threads)
    return Interpreter(model_content=content, num_threads=num_threads)


def _convert_to_litert(tf: Any, path: Path, samples: Images | None) -> bytes:
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    module = tf.saved_model.load(path)
    # With variables, calibration fails on READ_VARIABLE.
    frozen = convert_variables_to_constants_v2(module.signatures['serving_default'])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], module)
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in samples)
    return bytes(converter.convert())
