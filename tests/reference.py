"""Slow, obviously right versions of the hot code: one loop a rule, no vectorization."""

from collections.abc import Mapping, Sequence
import math

import numpy as np

# --- core: boxes, resize, NMS, VOC AP ---------------------------------------------------------


def iou(box_a: Sequence[float], box_b: Sequence[float]) -> float:
    """
    Divide the shared area of two boxes by the area that they cover together.

    :param box_a: x1, y1, x2, y2
    :param box_b: likewise
    :return: in [0, 1]
    """
    ax1, ay1, ax2, ay2 = map(float, box_a)
    bx1, by1, bx2, by2 = map(float, box_b)
    width = min(ax2, bx2) - max(ax1, bx1)
    height = min(ay2, by2) - max(ay1, by1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared)


def resize_bilinear(image: np.ndarray, size_px: int) -> np.ndarray:
    """
    Resize pixel by pixel: bilinear, half-pixel centres, edges repeated, no antialiasing.

    :param image: (H, W, 3) uint8
    :param size_px: side of the result
    :return: (S, S, 3) float64, in [0, 255]
    """
    height, width = image.shape[:2]
    result = np.zeros((size_px, size_px, 3))
    for row in range(size_px):
        for column in range(size_px):
            y = min(max((row + 0.5) * height / size_px - 0.5, 0), height - 1)
            x = min(max((column + 0.5) * width / size_px - 0.5, 0), width - 1)
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            lower = image[bottom, left] * (1 - (x - left)) + image[bottom, right] * (x - left)
            result[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return result


def nms(boxes: np.ndarray, scores: np.ndarray, iou_threshold: float) -> list[int]:
    """
    Take the best box again and again, and strike out what overlaps it too much.

    :param boxes: (N, 4)
    :param scores: (N,)
    :param iou_threshold: more than this is too much
    :return: indices, best first
    """
    left = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [
            other
            for other in left
            if np.float32(iou(boxes[best], boxes[other])) <= np.float32(iou_threshold)
        ]
    return kept


def postprocess(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    size_wh: tuple[int, int],
    thresholds: Sequence[float],
    iou_threshold: float,
    top_k: int,
    max_detections: int,
) -> list[tuple[int, float, tuple[float, ...]]]:
    """
    Select detections class by class.

    :param boxes: (P, 4), normalized
    :param scores: (P, C + 1)
    :param size_wh: px
    :param thresholds: C score thresholds
    :param iou_threshold: of NMS
    :param top_k: candidates of a class
    :param max_detections: of the image
    :return: (class id, score, box in px), best first
    """
    scale = np.array([*size_wh, *size_wh], np.float32)
    found = []
    for class_id, threshold in enumerate(thresholds, start=1):
        candidates = []
        for prior in range(len(boxes)):
            box = np.minimum(np.maximum(boxes[prior], np.float32(0)), np.float32(1)) * scale
            is_inside = box[2] > box[0] and box[3] > box[1]
            if is_inside and scores[prior, class_id] >= np.float32(threshold):
                candidates.append((prior, scores[prior, class_id], box))
        candidates.sort(key=lambda candidate: (-candidate[1], candidate[0]))
        candidates = candidates[:top_k]
        kept = nms(
            np.array([box for _, _, box in candidates]).reshape(-1, 4),
            np.array([score for _, score, _ in candidates]),
            iou_threshold,
        )
        found += [(class_id, *candidates[index]) for index in kept]
    found.sort(key=lambda one: (-one[2], one[1], one[0]))
    return [
        (class_id, float(score), tuple(map(float, box)))
        for class_id, _, score, box in found[:max_detections]
    ]


def voc_ap(
    detections: Mapping, ground_truths: Mapping, class_id: int, iou_threshold: float, kind: str
) -> float:
    """
    Follow the devkit: rank all detections of a class, mark each, integrate the curve.

    :param detections: image id -> Detections
    :param ground_truths: image id -> GroundTruths
    :param class_id: the class
    :param iou_threshold: of a hit
    :param kind: 11point or area
    :return: AP; NaN without objects
    """
    ranked = []
    for image_id in ground_truths:
        found = detections.get(image_id)
        for index in range(len(found) if found is not None else 0):
            if found.class_ids[index] == class_id:
                ranked.append((float(found.scores[index]), image_id, found.boxes_xyxy[index]))
    ranked.sort(key=lambda one: -one[0])
    num_objects = sum(
        int(truth.class_ids[index] == class_id and not truth.is_difficult[index])
        for truth in ground_truths.values()
        for index in range(len(truth.class_ids))
    )
    if num_objects == 0:
        return math.nan
    taken, hits, misses, curve = set(), 0, 0, []
    for _, image_id, box in ranked:
        truth = ground_truths[image_id]
        best_overlap, best = -1.0, None
        for index in range(len(truth.class_ids)):
            overlap = iou(box, truth.boxes_xyxy[index])
            if truth.class_ids[index] == class_id and overlap > best_overlap:
                best_overlap, best = overlap, index
        if best is not None and best_overlap >= iou_threshold:
            if truth.is_difficult[best]:
                continue
            if (image_id, best) in taken:
                misses += 1
            else:
                taken.add((image_id, best))
                hits += 1
        else:
            misses += 1
        curve.append((hits / num_objects, hits / (hits + misses)))
    return _integrate(curve, kind)


def _integrate(curve: list[tuple[float, float]], kind: str) -> float:
    """Integrate (recall, precision) pairs, precision made to fall by the best one to the right."""
    if kind == '11point':
        points = np.arange(0, 1.1, 0.1)
        best = [max((p for r, p in curve if r >= point), default=0.0) for point in points]
        return sum(best) / 11
    area, before = 0.0, 0.0
    for index, (recall, _) in enumerate(curve):
        area += (recall - before) * max(p for _, p in curve[index:])
        before = recall
    return area
