"""
What every backend has to give for some recorded images: parity.npz, and how far a backend is off.

It holds what the network that was trained makes of the images; the backend, file and device that
serve have to give the same, within the tolerance of their precision. INT8 rounds too much for
that: a box may be pixels away although nothing is wrong. It has to give what an INT8 file of the
bundle gave where it was made, for the priors that would be reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import Backend, RawOutputs, stack_outputs
from ssd_detector.bundles.contents import PARITY
from ssd_detector.errors import BundleError
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.int8_parity import Int8Outputs, measure_int8_difference

# Boxes compared in each image: the best ones. What nobody would report may move freely.
_NUM_COMPARED = 20


@dataclass(frozen=True)
class Tolerance:
    """
    What may differ.

    :param box_px: shift of a box's edge, in pixels of the model's input
    :param score: of any class
    """

    box_px: float
    score: float


@dataclass(frozen=True, eq=False)
class Parity:
    """
    The content of parity.npz.

    :param images_rgb: (N, S, S, 3) uint8
    :param boxes_normalized_xyxy: (N, P, 4) float32, of the trained network
    :param scores: (N, P, C + 1) float32, of the trained network
    :param tolerances: precision -> tolerance
    :param int8_outputs: name of an INT8 file -> what it gave
    """

    images_rgb: NDArray[np.uint8]
    boxes_normalized_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    tolerances: Mapping[str, Tolerance]
    int8_outputs: Mapping[str, Int8Outputs] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """
    How far a backend is from the network that was trained; with INT8, from an INT8 file.

    :param description: of the backend
    :param precision: FP32, FP16 or INT8
    :param box_shift_px: the largest, of each image's 20 best boxes (INT8: of the confident ones),
        px of the model's input
    :param score_change: the largest, of any class (INT8: of the confident boxes)
    :param tolerance: what is allowed
    :param is_finite: no output is NaN or infinite
    """

    description: str
    precision: str
    box_shift_px: float
    score_change: float
    tolerance: Tolerance
    is_finite: bool

    @property
    def is_good(self) -> bool:
        """Everything is within the tolerance."""
        return (
            self.is_finite
            and self.box_shift_px <= self.tolerance.box_px
            and self.score_change <= self.tolerance.score
        )

    def __str__(self) -> str:
        verdict = 'PASS' if self.is_good else 'FAIL'
        return (
            f'{verdict} {self.description} ({self.precision}): largest box shift '
            f'{self.box_shift_px:.3g} px (allowed {self.tolerance.box_px:g}), score change '
            f'{self.score_change:.3g} (allowed {self.tolerance.score:g})'
            f'{"" if self.is_finite else ", outputs hold NaN or infinity"}'
        )


def verify_backend(
    backend: Backend, parity: Parity, *, precision: str, path: Path
) -> Verification:
    """
    Compare an open backend with recorded outputs.

    :param backend: ready to run
    :param parity: from read_parity
    :param precision: FP32, FP16 or INT8: decides on the tolerance
    :param path: of the bundle, for messages
    :return: the differences
    :raises BundleError: when there is no tolerance for this precision
    :raises BackendError: when the backend fails
    """
    if precision == 'INT8' and not parity.int8_outputs:
        raise BundleError(
            [f'{path / PARITY}: holds no outputs of an INT8 file; validate the bundle again']
        )
    if precision not in parity.tolerances:
        raise BundleError(
            [
                f'{path / PARITY}: has no tolerance for {precision}; it knows '
                f'{", ".join(sorted(parity.tolerances))}; validate the bundle again'
            ]
        )
    size_px = parity.images_rgb.shape[1]
    outputs = stack_outputs(
        [backend.run(preprocess(image, size_px)) for image in parity.images_rgb]
    )
    if precision == 'INT8':
        # Both files are right; whichever serves is the one that is nearer.
        differences = [
            measure_int8_difference(outputs, expected, size_px)
            for expected in parity.int8_outputs.values()
        ]
    else:
        differences = [measure_difference(outputs, parity)]
    box_shift_px, score_change = min(differences, key=lambda difference: difference[1])
    return Verification(
        description=backend.description,
        precision=precision,
        box_shift_px=box_shift_px,
        score_change=score_change,
        tolerance=parity.tolerances[precision],
        is_finite=all(np.isfinite(output).all() for output in outputs),
    )


def measure_difference(outputs: RawOutputs, parity: Parity) -> tuple[float, float]:
    """
    Measure how far outputs are from the recorded ones.

    :param outputs: of the images in parity
    :param parity: what is expected
    :return: largest shift of an edge among each image's best boxes, px of the model's input;
        largest change of a score
    """
    boxes, scores = outputs
    size_px = parity.images_rgb.shape[1]
    best = np.argsort(-parity.scores[..., 1:].max(axis=-1), axis=1)[:, :_NUM_COMPARED, None]
    shifts = np.take_along_axis(np.abs(boxes - parity.boxes_normalized_xyxy), best, axis=1)
    return float(size_px * shifts.max()), float(np.abs(scores - parity.scores).max())
