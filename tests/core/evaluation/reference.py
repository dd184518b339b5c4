"""
Slow, obviously right versions of evaluation: loops over boxes, nothing shared with the product.

A data set is a list of images; an image is (objects, detections), an object (box, class,
is_difficult), a detection (box, class, score), a box (x1, y1, x2, y2) with exclusive edges.
"""

from collections.abc import Mapping
import math

NUM_CLASSES = 3
BACKGROUND_IOU = 0.1


def to_images(detections: Mapping, ground_truths: Mapping) -> list:
    """Take apart what the product scores."""
    images = []
    for image_id, truth in ground_truths.items():
        objects = [
            (tuple(map(float, box)), int(class_id), bool(is_difficult))
            for box, class_id, is_difficult in zip(
                truth.boxes_xyxy, truth.class_ids, truth.is_difficult, strict=True
            )
        ]
        found = detections.get(image_id)
        rows = [] if found is None else zip(found.boxes_xyxy, found.class_ids, found.scores)  # noqa: B905
        images.append((objects, [(tuple(map(float, b)), int(c), float(s)) for b, c, s in rows]))
    return images


# --- the devkit, VOCevaldet.m and VOCap.m -----------------------------------------------------


def pixel_overlap(box_a: tuple, box_b: tuple) -> float:
    """Overlap of boxes whose corners are pixels, counted from 1, both part of the box."""
    ax1, ay1, ax2, ay2 = box_a[0] + 1, box_a[1] + 1, box_a[2], box_a[3]
    bx1, by1, bx2, by2 = box_b[0] + 1, box_b[1] + 1, box_b[2], box_b[3]
    width = min(ax2, bx2) - max(ax1, bx1) + 1
    height = min(ay2, by2) - max(ay1, by1) + 1
    if width <= 0 or height <= 0:
        return 0.0
    area_a = (ax2 - ax1 + 1) * (ay2 - ay1 + 1)
    area_b = (bx2 - bx1 + 1) * (by2 - by1 + 1)
    return width * height / (area_a + area_b - width * height)


def best_object(box: tuple, objects: list, wanted) -> tuple:
    """Return overlap and index of the first object that is wanted and overlaps most."""
    best, best_overlap = None, -math.inf
    for index, candidate in enumerate(objects):
        overlap = pixel_overlap(box, candidate[0])
        if wanted(candidate) and overlap > best_overlap:
            best, best_overlap = index, overlap
    return best_overlap, best


def mark(images: list, class_id: int, iou_threshold: float) -> list:
    """
    Rank the detections of a class, and mark each.

    :return: (score, mark, image, detection, object) by falling score; the mark is hit, second,
        ignored or nothing
    """
    ranked = [
        (score, image, position, box)
        for image, (_, detections) in enumerate(images)
        for position, (box, its_class, score) in enumerate(detections)
        if its_class == class_id
    ]
    ranked.sort(key=lambda row: -row[0])
    taken, marked = set(), []
    for score, image, position, box in ranked:
        objects = images[image][0]
        overlap, best = best_object(box, objects, lambda candidate: candidate[1] == class_id)
        if best is None or overlap < iou_threshold:
            marked.append((score, 'nothing', image, position, None))
        elif objects[best][2]:
            marked.append((score, 'ignored', image, position, best))
        elif (image, best) in taken:
            marked.append((score, 'second', image, position, best))
        else:
            taken.add((image, best))
            marked.append((score, 'hit', image, position, best))
    return marked


def count_objects(images: list, class_id: int) -> int:
    return sum(
        c == class_id and not difficult for objects, _ in images for _, c, difficult in objects
    )


def integrate(marks: list, num_objects: int, interpolation: str) -> float:
    """Follow marks down the scores, and integrate precision over recall; NaN without objects."""
    if num_objects == 0:
        return math.nan
    hits = misses = 0
    recall, precision = [], []
    for verdict in marks:
        if verdict == 'ignored':
            continue
        hits += verdict == 'hit'
        misses += verdict != 'hit'
        recall.append(hits / num_objects)
        precision.append(hits / (hits + misses))
    if interpolation == '11point':
        points = [step * 0.1 for step in range(11)]
        curve = list(zip(recall, precision, strict=True))
        return sum(max((p for r, p in curve if r >= t), default=0.0) / 11 for t in points)
    recall, precision = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for index in range(len(precision) - 2, -1, -1):
        precision[index] = max(precision[index], precision[index + 1])
    return sum(
        (recall[index] - recall[index - 1]) * precision[index] for index in range(1, len(recall))
    )


def voc_ap(images: list, class_id: int, iou_threshold: float, interpolation: str) -> float:
    marks = [marked[1] for marked in mark(images, class_id, iou_threshold)]
    return integrate(marks, count_objects(images, class_id), interpolation)


def mean_ap(images: list, iou_threshold: float, interpolation: str) -> float:
    aps = [voc_ap(images, c, iou_threshold, interpolation) for c in range(1, NUM_CLASSES + 1)]
    known = [ap for ap in aps if not math.isnan(ap)]
    return sum(known) / len(known) if known else math.nan


# --- TIDE: sort errors, let an oracle mend the boxes, score again -----------------------------


def judge_all(images: list, iou_threshold: float) -> dict:
    """Return (image, detection) -> (mark, object)."""
    return {
        (image, position): (verdict, best)
        for class_id in range(1, NUM_CLASSES + 1)
        for _, verdict, image, position, best in mark(images, class_id, iou_threshold)
    }


def sort_errors(images: list, iou_threshold: float) -> dict:
    """Return kind -> [(image, detection, object to be)], and missed -> [(image, object)]."""
    marks = judge_all(images, iou_threshold)
    kinds = {k: [] for k in ('classification', 'localization', 'both', 'duplicate', 'background')}
    covered = set()
    for (image, position), (verdict, best) in marks.items():
        if verdict == 'hit':
            covered.add((image, best))
        if verdict in ('hit', 'ignored'):
            continue
        objects, detections = images[image]
        box, class_id, _ = detections[position]
        own_iou, own = best_object(box, objects, lambda o, c=class_id: o[1] == c)
        other_iou, other = best_object(box, objects, lambda o, c=class_id: o[1] != c and not o[2])
        if BACKGROUND_IOU <= own_iou < iou_threshold:
            kinds['localization'].append((image, position, own))
            covered.add((image, own))
        elif other_iou >= iou_threshold:
            kinds['classification'].append((image, position, other))
            covered.add((image, other))
        elif verdict == 'second':
            kinds['duplicate'].append((image, position, own))
        elif other_iou >= BACKGROUND_IOU:
            kinds['both'].append((image, position, other))
        else:
            kinds['background'].append((image, position, None))
    missed = [
        (image, index)
        for image, (objects, _) in enumerate(images)
        for index, candidate in enumerate(objects)
        if not candidate[2] and (image, index) not in covered
    ]
    return kinds | {'missed': missed}


def mend(images: list, kind: str, errors: list, iou_threshold: float) -> list:
    """Return the data set without the errors of one kind."""
    if kind in ('both', 'duplicate', 'background'):
        return remove_detections(images, {(image, position) for image, position, _ in errors})
    if kind == 'missed':
        # The objects that are not to be found any more; nothing overlaps them enough to hit.
        gone = set(errors)
        return [
            ([(b, c, d or (image, k) in gone) for k, (b, c, d) in enumerate(objects)], detections)
            for image, (objects, detections) in enumerate(images)
        ]
    moved = [(list(objects), list(detections)) for objects, detections in images]
    meeting = {}
    for (image, position), (verdict, best) in judge_all(images, iou_threshold).items():
        if verdict == 'hit':
            meeting.setdefault((image, best), []).append(position)
    hits = {key: list(positions) for key, positions in meeting.items()}
    for image, position, best in errors:
        box, class_id, score = images[image][1][position]
        target_box, target_class, _ = images[image][0][best]
        new = (
            (box, target_class, score)
            if kind == 'classification'
            else (target_box, class_id, score)
        )
        moved[image][1][position] = new
        meeting.setdefault((image, best), []).append(position)
    gone = set()
    for (image, best), positions in meeting.items():
        if positions != hits.get((image, best)):
            by_score = sorted(positions, key=lambda p, i=image: (-images[i][1][p][2], p))
            gone |= {(image, position) for position in by_score[1:]}
    return remove_detections(moved, gone)


def mean_gain(before: list, after: list, iou_threshold: float, interpolation: str) -> float:
    """Average over the classes that had objects; where mending took all away, nothing is won."""
    gains = []
    for class_id in range(1, NUM_CLASSES + 1):
        old = voc_ap(before, class_id, iou_threshold, interpolation)
        new = voc_ap(after, class_id, iou_threshold, interpolation)
        if not math.isnan(old):
            gains.append(0.0 if math.isnan(new) else new - old)
    return sum(gains) / len(gains)


def remove_detections(images: list, gone: set) -> list:
    return [
        (objects, [detection for p, detection in enumerate(detections) if (image, p) not in gone])
        for image, (objects, detections) in enumerate(images)
    ]


# --- confusion, sizes, calibration ------------------------------------------------------------


def confusion(images: list, iou_threshold: float, score_threshold: float) -> list:
    """Return counts[true][detected]: hits first, then the best of what overlaps another class."""
    counts = [[0] * (NUM_CLASSES + 1) for _ in range(NUM_CLASSES + 1)]
    marks = judge_all(images, iou_threshold)
    for image, (objects, detections) in enumerate(images):
        free = {k for k, candidate in enumerate(objects) if not candidate[2]}
        left = []
        for position, (box, class_id, score) in enumerate(detections):
            verdict, best = marks[image, position]
            if score < score_threshold or verdict == 'ignored':
                continue
            if verdict == 'hit':
                counts[class_id][class_id] += 1
                free.remove(best)
            else:
                left.append((box, class_id))
        for box, class_id in left:
            overlap, best = best_object(box, objects, lambda o, c=class_id: o[1] != c and not o[2])
            if overlap >= iou_threshold and best in free:
                counts[objects[best][1]][class_id] += 1
                free.remove(best)
            else:
                counts[0][class_id] += 1
        for index in free:
            counts[objects[index][1]][0] += 1
    return counts


def ap_of_size(
    images: list, class_id: int, iou_threshold: float, interpolation: str, area_px2: tuple
) -> float:
    """Score as if objects of another size were difficult; misses of another size do not count."""

    def is_other(box: tuple) -> bool:
        return not area_px2[0] <= (box[2] - box[0]) * (box[3] - box[1]) < area_px2[1]

    seen = [
        ([(box, c, difficult or is_other(box)) for box, c, difficult in objects], detections)
        for objects, detections in images
    ]
    marks = [
        'ignored' if verdict != 'hit' and is_other(images[image][1][position][0]) else verdict
        for _, verdict, image, position, _ in mark(seen, class_id, iou_threshold)
    ]
    return integrate(marks, count_objects(seen, class_id), interpolation)


def calibration(images: list, iou_threshold: float, num_bins: int) -> list:
    """Return (detections, sum of scores, hits) of each bin of scores."""
    bins = [[0, 0.0, 0] for _ in range(num_bins)]
    for (image, position), (verdict, _) in judge_all(images, iou_threshold).items():
        if verdict == 'ignored':
            continue
        score = images[image][1][position][2]
        place = min(int(score * num_bins), num_bins - 1)
        bins[place][0] += 1
        bins[place][1] += score
        bins[place][2] += verdict == 'hit'
    return bins
