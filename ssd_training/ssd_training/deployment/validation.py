"""
Each stage against the one before, in values: Keras, SavedModel, ONNX, INT8.

Tolerances and their origin. Stages in float32 compute the same sums in another order: 1e-6 to 1e-5
on photographs; a wrong graph is off by far more than 1e-4. TF32, the default of GPUs from Ampere
on, rounds products to 10 bits: 1e-3. FP16 keeps 11 bits: a pixel of 300, and scores near a
decision move by hundredths. INT8 is compared with itself: an input near the middle of two levels
is rounded either way elsewhere, which moved confident boxes of the released files' parity images
by at most 5.2 px and scores by 0.10 (ONNX Runtime with and without optimizations, OpenVINO); twice
that is allowed, or twice what the two ways of ONNX Runtime differ by on a file's own images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import onnx

from ssd_detector.backends.backend import (
    BOXES_NAME,
    INPUT_NAME,
    Predict,
    RawOutputs,
    SCORES_NAME,
    stack_outputs,
)
from ssd_detector.backends.onnxruntime import GraphOptimization, OnnxRuntimeBackend
from ssd_detector.bundles.contents import INT8_TRT
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.int8_parity import Int8Outputs, select_int8_outputs
from ssd_detector.proofs.parity import Parity, Tolerance, verify_backend
from ssd_training.deployment.conversion import find_avoidable
from ssd_training.errors import ExportError
from ssd_training.model.serving import load_saved_model, make_predict, Serving

logger = logging.getLogger(__name__)

FLOAT_TOLERANCE = 1e-4
TOLERANCES = {
    'FP32': Tolerance(0.3, 1e-3),
    'FP16': Tolerance(1.5, 0.03),
    'INT8': Tolerance(8.0, 0.2),
}
_MARGIN = 2
# Whether a file is for TensorRT -> how ONNX Runtime records it, and the other way to round.
_ROUNDINGS: dict[bool, tuple[GraphOptimization, GraphOptimization]] = {
    False: ('all', 'off'),
    True: ('off', 'all'),
}


@dataclass(frozen=True)
class Difference:
    """
    How far a stage is from the one before.

    :param stage: its name
    :param boxes: largest difference, normalized
    :param scores: largest difference
    """

    stage: str
    boxes: float
    scores: float

    @property
    def is_good(self) -> bool:
        """Both are within FLOAT_TOLERANCE; NaN is not."""
        # One by one: max() of a number and NaN is whichever comes first.
        return self.boxes <= FLOAT_TOLERANCE and self.scores <= FLOAT_TOLERANCE

    def __str__(self) -> str:
        return f'{self.stage}: boxes within {self.boxes:.1e}, scores within {self.scores:.1e}'


def keras_runner(serving: Serving) -> Predict:
    """
    Run the network as it was trained.

    :param serving: what is deployed
    :return: the function
    """

    def run(image: NDArray[np.float32]) -> RawOutputs:
        boxes, scores = serving.detect(image)
        return RawOutputs(boxes.numpy(), scores.numpy())

    return run


def saved_model_runner(path: Path) -> Predict:
    """
    Run a SavedModel.

    :param path: its folder
    :return: the function
    :raises ExportError: when it can't be read
    """
    serve, _ = load_saved_model(path)
    return make_predict(serve)


def compare(
    stage: str, run: Predict, before: Predict, images: Sequence[NDArray[np.float32]]
) -> Difference:
    """
    Compare two stages.

    :param stage: name of the later one
    :param run: the later one
    :param before: the earlier one
    :param images: each (1, S, S, 3) float32, in [0, 1]
    :return: the largest differences
    :raises ExportError: when the shapes differ
    """
    largest = np.zeros(2)
    for image in images:
        for index, (received, expected) in enumerate(zip(run(image), before(image), strict=True)):
            if received.shape != expected.shape:
                raise ExportError(
                    [f'{stage}: gives {received.shape}; the stage before {expected.shape}']
                )
            # The sum hands NaN on, which maximum would not for all positions.
            largest[index] = np.maximum(largest[index], np.abs(received - expected).max())
    return Difference(stage, float(largest[0]), float(largest[1]))


def check_stages(differences: Sequence[Difference]) -> None:
    """
    Refuse stages that do not agree.

    :param differences: of all stages
    :raises ExportError: with each that is too large
    """
    findings = [
        f'{difference}; expected at most {FLOAT_TOLERANCE:.0e}; nothing was written'
        for difference in differences
        if not difference.is_good
    ]
    if findings:
        raise ExportError(findings)


def check_onnx(path: Path, deploy: DeployConfig, *, num_priors: int, num_classes: int) -> None:
    """
    Check names, shapes, dtypes, opset and structure of an ONNX file.

    :param path: the file
    :param deploy: the deploy config
    :param num_priors: P
    :param num_classes: C, without the background
    :raises ExportError: with everything that is wrong
    """
    model = onnx.load(path)
    batch = deploy.deploy.runtime.batch_size
    expected = {
        INPUT_NAME: (batch, *deploy.deploy.input.size),
        BOXES_NAME: (batch, num_priors, 4),
        SCORES_NAME: (batch, num_priors, num_classes + 1),
    }
    received = {
        value.name: value.type.tensor_type for value in (*model.graph.input, *model.graph.output)
    }
    findings = [
        f'{path}: {name} is missing; the file has {", ".join(sorted(received))}'
        for name in expected.keys() - received.keys()
    ]
    findings += [
        f'{path}: {name} is one tensor too many' for name in received.keys() - expected.keys()
    ]
    for name in sorted(expected.keys() & received.keys()):
        shape = tuple(dimension.dim_value or 'dynamic' for dimension in received[name].shape.dim)
        if shape != expected[name]:
            findings.append(f'{path}: {name} has shape {shape}; expected {expected[name]}')
        if received[name].elem_type != onnx.TensorProto.FLOAT:
            findings.append(f'{path}: {name} is not float32')
    opset = {entry.domain: entry.version for entry in model.opset_import}.get('')
    if opset != deploy.deploy.runtime.opset:
        findings.append(
            f'{path}: has opset {opset}; deploy.runtime.opset is {deploy.deploy.runtime.opset}'
        )
    findings += find_avoidable(path)
    if findings:
        raise ExportError(findings)


def record_parity(
    run: Predict, images_rgb: Sequence[NDArray[np.uint8]], size_px: int, int8_paths: Sequence[Path]
) -> Parity:
    """
    Record what every backend has to give.

    :param run: the network as it was trained
    :param images_rgb: of any size
    :param size_px: S
    :param int8_paths: quantized files, each of which is held to what it gives now
    :return: the content of parity.npz
    """
    stretched = [
        cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        for image in images_rgb
    ]
    outputs = [run(preprocess(image, size_px)) for image in stretched]
    parity = Parity(
        images_rgb=np.stack(stretched),
        boxes_normalized_xyxy=np.concatenate([boxes for boxes, _ in outputs]),
        scores=np.concatenate([scores for _, scores in outputs]),
        tolerances=TOLERANCES,
        int8_outputs={path.name: record_int8(path, stretched) for path in int8_paths},
    )
    return replace(parity, tolerances={**TOLERANCES, 'INT8': _allow_rounding(parity, int8_paths)})


def check_half(path: Path, parity: Parity) -> None:
    """
    Refuse a float16 file that gives other boxes than the network.

    :param path: the file
    :param parity: what the network gives
    :raises ExportError: when boxes or scores are off by more than float16 explains
    """
    found = verify_backend(OnnxRuntimeBackend(path), parity, precision='FP16', path=path.parent)
    if not found.is_good:
        raise ExportError([f'{path}: {found}; nothing was written'])
    logger.info('%s: %s', path, found)


def record_int8(path: Path, images_rgb: Sequence[NDArray[np.uint8]]) -> Int8Outputs:
    """
    Record what an INT8 file gives.

    :param path: the file; the one for TensorRT runs as it is written, as TensorRT takes it
    :param images_rgb: each (S, S, 3)
    :return: what parity.npz holds of it
    """
    backend = OnnxRuntimeBackend(path, graph_optimization=_ROUNDINGS[path.name == INT8_TRT][0])
    outputs = [backend.run(preprocess(image, image.shape[0])) for image in images_rgb]
    return select_int8_outputs(*stack_outputs(outputs))


def _allow_rounding(parity: Parity, int8_paths: Sequence[Path]) -> Tolerance:
    """Let the tolerance of INT8 hold what rounding the other way does to these files."""
    allowed = TOLERANCES['INT8']
    for path in int8_paths:
        other = OnnxRuntimeBackend(path, graph_optimization=_ROUNDINGS[path.name == INT8_TRT][1])
        found = verify_backend(other, parity, precision='INT8', path=path.parent)
        if found.is_finite:
            allowed = Tolerance(
                max(allowed.box_px, _MARGIN * found.box_shift_px),
                max(allowed.score, _MARGIN * found.score_change),
            )
    return allowed
