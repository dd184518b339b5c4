"""Data sets for tests of evaluation: on a grid, so that overlaps and scores tie."""

from collections.abc import Iterator, Mapping

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.evaluation.ground_truths import GroundTruths

LABELS = ('cat', 'dog', 'cow')

DataSet = tuple[dict[str, Detections], dict[str, GroundTruths]]


def to_truths(boxes, class_ids, is_difficult) -> GroundTruths:
    return GroundTruths(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
        np.array(is_difficult, bool),
    )


def to_detections(boxes, scores, class_ids) -> Detections:
    order = np.argsort(-np.array(scores, np.float32), kind='stable')
    class_ids = np.array(class_ids, np.int64)[order]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array(scores, np.float32)[order],
        class_ids,
        [LABELS[class_id - 1] for class_id in class_ids],
    )


def random_data_sets(count: int, *, seed: int = 0, scale: float = 1.0) -> Iterator[DataSet]:
    """
    Draw data sets that have something to find.

    Many boxes are copies or shifts of an object: duplicates, near misses and wrong classes are
    common. The third class is often without objects.

    :param count: data sets
    :param seed: of the drawing
    :param scale: px of one step of the grid
    """
    rng = np.random.default_rng(seed)
    while count:
        data = _draw(rng, scale)
        if any(not truth.is_difficult.all() for truth in data[1].values()):
            count -= 1
            yield data


def distinct_scores(detections: Mapping[str, Detections], seed: int) -> dict[str, Detections]:
    """Give every detection of a data set a score of its own."""
    total = sum(map(len, detections.values()))
    scores = np.random.default_rng(seed).permutation(total) / (total + 1) + 0.01
    changed, first = {}, 0
    for image_id, found in detections.items():
        own = scores[first : first + len(found)]
        changed[image_id] = to_detections(found.boxes_xyxy, own, found.class_ids)
        first += len(found)
    return changed


def _draw(rng: np.random.Generator, scale: float) -> DataSet:
    detections, truths = {}, {}
    num_classes = rng.integers(2, 4)
    for image in range(rng.integers(1, 5)):
        boxes = _draw_boxes(rng, rng.integers(0, 5))
        class_ids = rng.integers(1, num_classes + 1, len(boxes))
        truths[f'{image:06}'] = to_truths(boxes * scale, class_ids, rng.random(len(boxes)) < 0.25)
        found = _draw_boxes(rng, rng.integers(0, 8))
        found_classes = rng.integers(1, 4, len(found))
        for index in range(len(found)):
            if len(boxes) and rng.random() < 0.7:
                target = rng.integers(len(boxes))
                moved = boxes[target] + rng.integers(-1, 2, 4) * rng.integers(0, 2)
                if np.all(moved[2:] > moved[:2]):
                    found[index] = moved
                if rng.random() < 0.7:
                    found_classes[index] = class_ids[target]
        scores = rng.integers(1, 9, len(found)) / 8
        if rng.random() < 0.9:
            detections[f'{image:06}'] = to_detections(found * scale, scores, found_classes)
    return detections, truths


def _draw_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    starts = rng.integers(0, 12, (count, 2))
    return np.concatenate([starts, starts + rng.integers(1, 8, (count, 2))], axis=1)
