"""What quantization learns from images: which were taken, and the range of every tensor."""

# First: it keeps onnxruntime from reporting home.
import ssd_detector  # noqa: F401

# isort: split
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
import tempfile
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

from ssd_detector.backends.backend import INPUT_NAME
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.images.records import ImageFile, ImageSource, Record
from ssd_training.errors import DataError, ExportError

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


def sample_balanced(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """
    Draw images so that every class is seen: in turn one image of each class, without repetition.

    :param records: of the training split
    :param count: images wanted
    :param seed: of the draw
    :return: at most count records, in the order in which they were drawn
    """
    rng = np.random.default_rng(seed)
    shuffled = [records[index] for index in rng.permutation(len(records))]
    by_class: dict[int, list[Record]] = {}
    for record in shuffled:
        for class_id in sorted({int(one) for one in record.ground_truths.class_ids}):
            by_class.setdefault(class_id, []).append(record)
    drawn: dict[str, Record] = {}
    queues = [iter(by_class[class_id]) for class_id in sorted(by_class)]
    while queues and len(drawn) < count:
        queues = [queue for queue in queues if _draw_one(queue, drawn, count)]
    return list(drawn.values())


def _draw_one(queue: Iterator[Record], drawn: dict[str, Record], count: int) -> bool:
    """Take the first image of a class that is new; False when the class has no more."""
    if len(drawn) >= count:
        return True
    for record in queue:
        if record.image_id not in drawn:
            drawn[record.image_id] = record
            return True
    return False


def find_images(
    folder: Path, count: int, seed: int, *, excluded: Collection[str] = ()
) -> list[ImageSource]:
    """
    Draw images of a folder.

    :param folder: searched with everything below it
    :param count: images wanted
    :param seed: of the draw
    :param excluded: names of images that must not be taken: those that are tested with
    :return: at most count images, in the order in which they were drawn
    :raises DataError: when there is no such folder or no image in it
    """
    if not folder.is_dir():
        raise DataError([f'{folder}: no such folder of images; check the path'])
    tested = {str(Path(name).resolve()) for name in excluded}
    paths = sorted(
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in IMAGE_SUFFIXES and str(path.resolve()) not in tested
    )
    if not paths:
        raise DataError(
            [
                f'{folder}: holds no image ({", ".join(IMAGE_SUFFIXES)}) but those of the '
                f'validation split; give a folder of training photographs'
            ]
        )
    order = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [ImageFile(paths[index]) for index in order]


def load_images(sources: Sequence[ImageSource]) -> list[NDArray[np.uint8]]:
    """
    Decode images.

    :param sources: where they are
    :return: each (H, W, 3) uint8, RGB
    :raises DataError: with every one that can't be read
    """
    images: list[NDArray[np.uint8]] = []
    findings: list[str] = []
    for source in sources:
        try:
            images.append(source.load())
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(findings)
    return images


def hash_images(sources: Sequence[ImageSource]) -> str:
    """
    Hash the content of images, in their order.

    :param sources: where they are
    :return: sha256, hex
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


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
    with tempfile.TemporaryDirectory() as scratch:
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
