"""The lines of the contract that are about what messages hold: boxes, classes, scores."""

import numpy as np

from ssd_detector_ros.bag_evaluation.checking.observation import Observation

_EDGE_PX = 1.0
_LIKELY_NETWORK_SIDES = (224, 256, 300, 320, 384, 416, 512, 640)

Verdict = tuple[bool | None, str]


def check_boxes(seen: Observation) -> Verdict:
    """
    Hold boxes against their images.

    :param seen: images and answers
    :return: whether the line is kept, and why
    """
    outside, empty, total = 0, 0, 0
    furthest = np.zeros(2)
    sizes = np.zeros(2)
    for array, image in seen.pairs():
        boxes, limit = array.boxes_xyxy, np.array(image.size_wh, np.float64)
        total += len(boxes)
        if not len(boxes):
            continue
        is_box = np.all(np.isfinite(boxes), axis=1) & np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
        empty += int(np.sum(~is_box))
        low, high = boxes[is_box, :2], boxes[is_box, 2:]
        beyond = np.any(low < -_EDGE_PX, axis=1) | np.any(high > limit + _EDGE_PX, axis=1)
        outside += int(np.sum(beyond))
        if len(high):
            furthest = np.maximum(furthest, high.max(axis=0))
        sizes = np.maximum(sizes, limit)
    if not total:
        return None, 'no box was seen'
    if empty:
        return False, f'{empty} of {total} boxes are empty, inverted or not finite'
    if np.all(furthest <= 1.5) and np.all(sizes > 16):
        return False, (
            'no box goes beyond 1.5 px: shares of the image; publish pixels of the source image'
        )
    side = _network_side(seen)
    if side:
        return False, (
            f'no box goes beyond {side} px in images of {sizes[0]:.0f}x{sizes[1]:.0f}, and boxes '
            f'end exactly there: pixels of the network; scale them to the source image'
        )
    if outside:
        return False, f'{outside} of {total} boxes leave their image; clip them'
    return True, f'{total} boxes lie inside their images'


def _network_side(seen: Observation) -> int | None:
    """Recognize boxes that pile up at the side of a usual network, well inside the image."""
    ends = [
        array.boxes_xyxy[:, 2:]
        for array, image in seen.pairs()
        if len(array.boxes_xyxy) and max(image.size_wh) > 0
    ]
    if not ends:
        return None
    high = np.concatenate(ends)
    limits = np.array([image.size_wh for _, image in seen.pairs()]).max(axis=0)
    for side in _LIKELY_NETWORK_SIDES:
        is_inside = side < limits[0] - 2 * _EDGE_PX
        at_edge = (
            np.abs(high - side).max(axis=1) < _EDGE_PX
            if side > limits[1]
            else (np.abs(high[:, 0] - side) < _EDGE_PX)
        )
        if is_inside and high.max() <= side + _EDGE_PX and np.sum(at_edge) >= 2:
            return side
    return None


def check_classes(seen: Observation) -> Verdict:
    """
    Hold class_id against label_info.

    :param seen: images and answers
    :return: whether the line is kept, and why
    """
    texts = sorted({text for array in seen.arrays for text in array.class_ids})
    if not texts:
        return None, 'no detection was seen'
    raw = [text for text in texts if len(text) == 1 and not text.isprintable()]
    if raw:
        return False, (
            f'class_id {raw[0]!r} is one raw byte: a number was assigned to a text; publish the '
            f'label, or the number as digits'
        )
    if '' in texts:
        return False, 'class_id is empty; publish the label, or the number as digits'
    if seen.class_map is None:
        return None, f'there is no label_info to know {", ".join(texts[:5])} by'
    known = {*seen.class_map, *seen.class_map.values()}
    unknown = [text for text in texts if text not in known]
    if unknown:
        return False, f'class_id {unknown[0]!r} is neither a label nor a number of label_info'
    return True, f'{len(texts)} classes, all of them in label_info'


def check_scores(seen: Observation) -> Verdict:
    """
    Hold scores against [0, 1].

    :param seen: images and answers
    :return: whether the line is kept, and why
    """
    scores = np.concatenate([array.scores for array in seen.arrays] or [np.zeros(0)])
    if not len(scores):
        return None, 'no detection was seen'
    if np.any(np.isnan(scores)):
        return (
            False,
            f'{int(np.isnan(scores).sum())} detections have no hypothesis, or NaN as score',
        )
    if scores.min() < 0 or scores.max() > 1:
        return False, f'scores go from {scores.min():g} to {scores.max():g}; expected 0 to 1'
    return True, f'{len(scores)} scores from {scores.min():.2f} to {scores.max():.2f}'
