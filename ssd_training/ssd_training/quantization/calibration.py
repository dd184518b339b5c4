"""What quantization learns from images: the range of every tensor."""

# First: it keeps onnxruntime from reporting home.
import ssd_detector  # noqa: F401

# isort: split
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
import tempfile
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from ssd_detector.backends.backend import INPUT_NAME
from ssd_training.errors import ExportError

Method = Literal['minmax', 'entropy', 'percentile']

# Histogram calibrators keep every activation of a chunk: 0.11 GB an image.
_CHUNK = 8
_METHODS: dict[Method, tuple[CalibrationMethod, dict[str, Any]]] = {
    'minmax': (CalibrationMethod.MinMax, {}),
    'entropy': (CalibrationMethod.Entropy, {'num_bins': 2048, 'num_quantized_bins': 128}),
    'percentile': (CalibrationMethod.Percentile, {'num_bins': 2048, 'percentile': 99.99}),
}


@dataclass(frozen=True)
class Range:
    """What a tensor's values lie between, as the calibration method sees it; holds 0."""

    low: float
    high: float


def measure_ranges(
    model_path: Path,
    inputs: Sequence[NDArray[np.float32]],
    *,
    method: Method,
    op_types: Sequence[str],
) -> dict[str, Range]:
    """
    Run the float model on the images and find the range of every tensor around some operators.

    :param model_path: the float32 ONNX file
    :param inputs: each (1, S, S, 3) float32, in [0, 1]; at least one
    :param method: minmax, entropy (Kullback-Leibler) or percentile (99.99)
    :param op_types: operators whose inputs and outputs are wanted
    :return: tensor name -> range
    :raises ExportError: when there is no image to calibrate with
    """
    if not inputs:
        raise ExportError([f'{model_path}: no calibration image; give at least one'])
    calibration_method, options = _METHODS[method]
    # ONNX Runtime prints what it does to stdout, where the results of the commands stand.
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(StringIO()):
        calibrator = create_calibrator(
            model_path,
            op_types_to_calibrate=list(op_types),
            augmented_model_path=str(Path(scratch, 'augmented.onnx')),
            calibrate_method=calibration_method,
            extra_options=options,
        )
        for first in range(0, len(inputs), _CHUNK):
            calibrator.collect_data(InputReader(inputs[first : first + _CHUNK]))
        found = calibrator.compute_data()
    return {name: _to_range(data.range_value) for name, data in found.data.items()}


def _to_range(bounds: tuple[Any, Any]) -> Range:
    low, high = (float(np.asarray(bound).reshape(())) for bound in bounds)
    # A grid without 0 could hold neither padding nor what ReLU6 cuts off.
    return Range(min(low, 0.0), max(high, 0.0))


class InputReader(CalibrationDataReader):
    """
    Hands images to ONNX Runtime's quantization one by one.

    :param inputs: each (1, S, S, 3) float32
    """

    def __init__(self, inputs: Sequence[NDArray[np.float32]]) -> None:
        self._rest = iter(inputs)

    def get_next(self) -> Mapping[str, NDArray[np.float32]] | None:
        """
        Give the next image.

        :return: input name -> image; None after the last one
        """
        image = next(self._rest, None)
        return None if image is None else {INPUT_NAME: image}
