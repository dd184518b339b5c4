"""Slow, obviously right versions of the hot code: one loop a rule, no vectorization."""

from collections.abc import Sequence
import math

import numpy as np

# --- core: boxes, resize, NMS -----------------------------------------------------------------


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


# --- training: priors, box coding, matching, loss ---------------------------------------------


def ssd_300_priors(
    grids: Sequence[tuple[int, int]], ratios: Sequence[Sequence[float]]
) -> list[tuple[float, ...]]:
    """
    List the priors of the layout ssd_300, scales 0.2 to 0.95.

    :param grids: rows and columns of each map
    :param ratios: of each map
    :return: cx, cy, w, h of each prior
    """
    priors = []
    scales = [0.2 + 0.75 * k / (len(grids) - 1) for k in range(len(grids))] + [1.0]
    for k, (rows, columns) in enumerate(grids):
        for row in range(rows):
            for column in range(columns):
                for ratio in ratios[k]:
                    for scale in (scales[k], math.sqrt(scales[k] * scales[k + 1])):
                        box = (
                            (column + 0.5) / columns,
                            (row + 0.5) / rows,
                            scale * math.sqrt(ratio),
                            scale / math.sqrt(ratio),
                        )
                        priors.append(tuple(min(max(value, 0.0), 1.0) for value in box))
    return priors


def ssd_300_tf_priors(grids: Sequence[tuple[int, int]]) -> list[list[float]]:
    """
    List the priors of TensorFlow's COCO detector, one after the other.

    :param grids: rows and columns of its six maps
    :return: [cx, cy, w, h] each, in shares of the image; not clipped
    """
    scales = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]
    priors = []
    for number, (rows, columns) in enumerate(grids):
        if number == 0:
            shapes = [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
        else:
            shapes = [(scales[number], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
            shapes.append((math.sqrt(scales[number] * scales[number + 1]), 1.0))
        for row in range(rows):
            for column in range(columns):
                center = [(column + 0.5) / columns, (row + 0.5) / rows]
                for scale, ratio in shapes:
                    size = [scale * math.sqrt(ratio), scale / math.sqrt(ratio)]
                    priors.append(center + size)
    return priors


def encode_box(
    box: Sequence[float], prior: Sequence[float], variances: Sequence[float]
) -> tuple[float, ...]:
    """
    Express a box as offsets from a prior.

    :param box: cx, cy, w, h
    :param prior: cx, cy, w, h
    :param variances: of centres, of sizes
    :return: tcx, tcy, tw, th
    """
    return (
        (box[0] - prior[0]) / prior[2] / variances[0],
        (box[1] - prior[1]) / prior[3] / variances[0],
        math.log(box[2] / prior[2]) / variances[1],
        math.log(box[3] / prior[3]) / variances[1],
    )


def match_priors(
    priors: np.ndarray,
    boxes: np.ndarray,
    class_ids: np.ndarray,
    is_difficult: np.ndarray,
    positive: float,
    negative: float,
    *,
    forces: bool = True,
) -> tuple[list[int], list[int]]:
    """
    Match the priors of one image.

    :param priors: (P, 4) corners
    :param boxes: (G, 4) corners
    :param class_ids: (G,); 0 is padding
    :param is_difficult: (G,)
    :param positive: IoU from which a prior is positive
    :param negative: IoU below which it is background
    :param forces: give each object its best prior, too
    :return: class of each prior (0 background, -1 ignored), object of each prior (-1 none)
    """
    objects = [g for g in range(len(boxes)) if class_ids[g] > 0]
    overlap = {
        (g, p): np.float32(iou(boxes[g], priors[p])) for g in objects for p in range(len(priors))
    }
    classes, owners = [0] * len(priors), [-1] * len(priors)
    for p in range(len(priors)):
        best, best_overlap = -1, np.float32(0)
        for g in objects:
            if overlap[g, p] > best_overlap:
                best, best_overlap = g, overlap[g, p]
        if best == -1 or best_overlap < np.float32(negative):
            continue
        if best_overlap >= np.float32(positive) and not is_difficult[best]:
            classes[p], owners[p] = int(class_ids[best]), best
        else:
            classes[p] = -1
    waiting = {g for g in objects if forces and not is_difficult[g]}
    free = set(range(len(priors)))
    while waiting:
        pairs = [(-overlap[g, p], g, p) for g in waiting for p in free if overlap[g, p] > 0]
        if not pairs:
            break
        _, g, p = min(pairs)
        classes[p], owners[p] = int(class_ids[g]), g
        waiting.remove(g)
        free.remove(p)
    return classes, owners


def select_hard_negatives(
    losses: np.ndarray,
    class_ids: np.ndarray,
    ratio: float,
    min_neg: int,
    max_neg: int | None = None,
) -> np.ndarray:
    """
    Take the worst background priors of each image, one by one.

    :param losses: (B, P)
    :param class_ids: (B, P); 0 is background, -1 is ignored
    :param ratio: negatives for each positive
    :param min_neg: at least so many
    :param max_neg: at most so many
    :return: (B, P) bool
    """
    chosen = np.zeros(losses.shape, bool)
    for image in range(len(losses)):
        num_positives = sum(1 for class_id in class_ids[image] if class_id > 0)
        wanted = max(math.floor(ratio * num_positives), min_neg)
        wanted = wanted if max_neg is None else min(wanted, max_neg)
        background = [p for p in range(losses.shape[1]) if class_ids[image, p] == 0]
        background.sort(key=lambda p: (-losses[image, p], p))
        for p in background[:wanted]:
            chosen[image, p] = True
    return chosen


def smooth_l1(difference: float, beta: float) -> float:
    """
    Compute smooth L1 of one number.

    :param difference: predicted less wanted
    :param beta: where it turns linear
    :return: at least 0
    """
    distance = abs(difference)
    return 0.5 * distance**2 / beta if distance < beta else distance - 0.5 * beta


def softmax_cross_entropy(logits: Sequence[float], class_id: int, smoothing: float) -> float:
    """
    Compute the cross-entropy of one prior, class by class.

    :param logits: C + 1 numbers
    :param class_id: the class wanted, 0 is background
    :param smoothing: share of the target spread over all classes
    :return: at least 0
    """
    total = math.log(sum(math.exp(value - max(logits)) for value in logits)) + max(logits)
    targets = [
        smoothing / len(logits) + (1 - smoothing) * (k == class_id) for k in range(len(logits))
    ]
    return sum(target * (total - value) for target, value in zip(targets, logits, strict=True))


def sigmoid_focal(
    logits: Sequence[float], class_id: int, smoothing: float, alpha: float | None, gamma: float
) -> float:
    """
    Compute the focal loss of one prior, class by class.

    :param logits: C + 1 numbers, the first one unused
    :param class_id: the class wanted, 0 is background
    :param smoothing: half of it is what a wrong class is asked for
    :param alpha: weight of what is wanted; None weighs everything 1
    :param gamma: 0 is cross-entropy
    :return: at least 0
    """
    total = 0.0
    for k in range(1, len(logits)):
        score = 1 / (1 + math.exp(-logits[k]))
        target = (1 - smoothing) * (k == class_id) + smoothing / 2
        entropy = -target * math.log(score) - (1 - target) * math.log(1 - score)
        miss = target * (1 - score) + (1 - target) * score
        weight = 1.0 if alpha is None else target * alpha + (1 - target) * (1 - alpha)
        total += weight * miss**gamma * entropy
    return total


def giou_loss(a: Sequence[float], b: Sequence[float]) -> float:
    """
    Compute 1 - GIoU of two boxes.

    :param a: corners
    :param b: corners
    :return: from 0 to 2
    """
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return 1 - shared / union + (hull - union) / hull


def ciou_loss(a: Sequence[float], b: Sequence[float], weight: float | None = None) -> float:
    """
    Compute 1 - CIoU of two boxes.

    :param a: corners
    :param b: corners
    :param weight: of the shape; None is what the paper gives it
    :return: at least 0
    """
    overlap = iou(a, b)
    width, height = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    shift_x, shift_y = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    turn = math.atan((b[2] - b[0]) / (b[3] - b[1])) - math.atan((a[2] - a[0]) / (a[3] - a[1]))
    shape = 4 / math.pi**2 * turn**2
    if weight is None:
        weight = ciou_shape_weight(a, b)
    return 1 - overlap + (shift_x**2 + shift_y**2) / (width**2 + height**2) + weight * shape


def ciou_shape_weight(a: Sequence[float], b: Sequence[float]) -> float:
    """
    Compute the weight of the shape in CIoU.

    :param a: corners
    :param b: corners
    :return: at least 0; 0 for equal shapes
    """
    turn = math.atan((b[2] - b[0]) / (b[3] - b[1])) - math.atan((a[2] - a[0]) / (a[3] - a[1]))
    shape = 4 / math.pi**2 * turn**2
    return shape / (1 - iou(a, b) + shape) if shape else 0.0


def multibox_loss(
    offsets: np.ndarray,
    logits: np.ndarray,
    wanted_offsets: np.ndarray,
    class_ids: np.ndarray,
    *,
    beta: float,
    ratio: float,
    min_neg: int,
) -> tuple[float, float]:
    """
    Sum up the loss prior by prior.

    :param offsets: (B, P, 4), predicted
    :param logits: (B, P, C + 1), predicted
    :param wanted_offsets: (B, P, 4)
    :param class_ids: (B, P); 0 is background, -1 is ignored
    :param beta: of smooth L1
    :param ratio: negatives for each positive
    :param min_neg: of each image at least
    :return: classification loss, regression loss
    """
    losses = np.zeros(class_ids.shape)
    for image, prior in np.ndindex(*class_ids.shape):
        row = [float(value) for value in logits[image, prior]]
        wanted = max(int(class_ids[image, prior]), 0)
        losses[image, prior] = softmax_cross_entropy(row, wanted, 0.0)
    negatives = select_hard_negatives(losses, class_ids, ratio, min_neg)
    classification = regression = 0.0
    for image, prior in np.ndindex(*class_ids.shape):
        is_positive = class_ids[image, prior] > 0
        if is_positive or negatives[image, prior]:
            classification += losses[image, prior]
        if is_positive:
            pairs = zip(offsets[image, prior], wanted_offsets[image, prior], strict=True)
            regression += sum(smooth_l1(float(a) - float(b), beta) for a, b in pairs)
    divisor = max(1, int(np.sum(class_ids > 0)))
    return classification / divisor, regression / divisor


def quantize_dequantize(values: np.ndarray, scale: float, *, low: int, high: int) -> np.ndarray:
    """
    Round as ONNX defines QuantizeLinear and DequantizeLinear, number by number.

    :param values: (N,) float32
    :param scale: of a level; a float32 number
    :param low: the lowest level
    :param high: the highest level
    :return: (N,) float32
    """
    # Python's round takes the even one of two neighbours, as ONNX does.
    levels = [
        min(max(round(float(np.float32(value) / np.float32(scale))), low), high)
        for value in values
    ]
    return np.array([np.float32(level) * np.float32(scale) for level in levels], np.float32)


def round_mantissa(value: float, num_bits: int) -> float:
    """
    Round a positive number to one of a short mantissa.

    :param value: above 0
    :param num_bits: of the mantissa, the leading one included
    :return: the nearest such number
    """
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(math.ldexp(mantissa, num_bits)), exponent - num_bits)


# --- deploy: what an NPU's runtime does with raw heads ---------------------------------------


def decode_like_hailort(
    offsets: np.ndarray, decoder: dict[str, list[float]], config: dict[str, float]
) -> list[list[float]]:
    """
    Decode one feature map as HailoRT's SSD post-processing describes it.

    :param offsets: (A * 4, H, W), the output named reg_layer; y, x, h, w of each anchor
    :param decoder: of nms_config.json
    :param config: nms_config.json
    :return: x1, y1, x2, y2, normalized; by row, column, anchor
    """
    boxes = []
    _, height, width = offsets.shape
    for row in range(height):
        for column in range(width):
            for anchor, (anchor_w, anchor_h) in enumerate(
                zip(decoder['w'], decoder['h'], strict=True)
            ):
                ty, tx, th, tw = (float(offsets[4 * anchor + k, row, column]) for k in range(4))
                center_x = (column + 0.5) / width + tx / config['centers_scale_factor'] * anchor_w
                center_y = (row + 0.5) / height + ty / config['centers_scale_factor'] * anchor_h
                half_w = math.exp(tw / config['bbox_dimensions_scale_factor']) * anchor_w / 2
                half_h = math.exp(th / config['bbox_dimensions_scale_factor']) * anchor_h / 2
                boxes.append(
                    [center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h]
                )
    return boxes
