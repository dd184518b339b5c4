"""
How long evaluation takes, and that it is linear in the detections: made-up data, 20 classes.

VOC's test set has 4,952 images, the val split of VOC2007 that the suite scores has 2,008.
"""

from collections.abc import Callable
import sys
import time
from typing import TypeVar

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.evaluation.analysis import analyse
from ssd_detector.evaluation.bootstrap import compare
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.matching import match
from ssd_detector.evaluation.voc import evaluate_voc

LABELS = [f'class {number}' for number in range(1, 21)]
Result = TypeVar('Result')
DataSet = tuple[dict[str, Detections], dict[str, GroundTruths]]


def main() -> int:
    """
    Measure and print.

    :return: 0
    """
    half, whole = (make_data_set(count, 100) for count in (2476, 4952))
    half_s, _ = time_call(lambda: evaluate_voc(*half, labels=LABELS))
    whole_s, _ = time_call(lambda: evaluate_voc(*whole, labels=LABELS))
    print(f'VOC AP, 4952 images of 100 detections     {whole_s:7.2f} s')
    print(f'against half of the images                {whole_s / half_s:7.2f} times as long')
    found, truths = make_data_set(2008, 200)
    analyse_s, analysis = time_call(lambda: analyse(found, truths, labels=LABELS))
    print(f'analysis, 2008 images of 200 detections   {analyse_s:7.2f} s')
    other, _ = make_data_set(2008, 200, seed=1)
    matching = match(other, truths, LABELS)
    compare_s, _ = time_call(lambda: compare(analysis.matching, matching))
    print(f'1000 resamples of two such results        {compare_s:7.2f} s')
    return 0


def make_data_set(num_images: int, num_detections: int, *, seed: int = 0) -> DataSet:
    """
    Draw objects, detections around them, and detections of nothing.

    :param num_images: images
    :param num_detections: of each
    :param seed: of the detections; the objects are always the same
    :return: detections and ground truths by image id
    """
    objects_rng, rng = np.random.default_rng(0), np.random.default_rng(seed + 1)
    detections, truths = {}, {}
    for image in range(num_images):
        count = objects_rng.integers(1, 6)
        boxes = _draw_boxes(objects_rng, count)
        class_ids = objects_rng.integers(1, len(LABELS) + 1, count)
        is_difficult = objects_rng.random(count) < 0.1
        truths[f'{image:06}'] = GroundTruths(boxes, class_ids, is_difficult)
        near = rng.integers(0, count, num_detections)
        is_near = rng.random(num_detections) < 0.3
        found = _draw_boxes(rng, num_detections)
        moved = boxes[near] + rng.normal(0, 5, (num_detections, 4))
        found[is_near] = moved[is_near]
        found_ids = rng.integers(1, len(LABELS) + 1, num_detections)
        found_ids[is_near] = class_ids[near][is_near]
        scores = np.sort(rng.random(num_detections))[::-1].astype(np.float32)
        labels = [LABELS[class_id - 1] for class_id in found_ids]
        detections[f'{image:06}'] = Detections(found, scores, found_ids, labels)
    return detections, truths


def _draw_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    starts = rng.uniform(0, 300, (count, 2))
    boxes = np.concatenate([starts, starts + rng.uniform(50, 200, (count, 2))], axis=1)
    return boxes.astype(np.float32)


def time_call(function: Callable[[], Result]) -> tuple[float, Result]:
    """
    Call once.

    :param function: the work
    :return: seconds, and its result
    """
    start_s = time.perf_counter()
    result = function()
    return time.perf_counter() - start_s, result


if __name__ == '__main__':
    sys.exit(main())
