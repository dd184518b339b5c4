"""
The contract of a good detector, line by line, from what was heard or recorded.

    header      array and detections carry stamp and frame_id of their image
    one answer  each image has exactly one message, also when nothing was found
    boxes       inside the image, in its pixels, upright and not empty
    classes     class_id is a label or number that label_info knows
    scores      in [0, 1], one hypothesis at least
    label_info  published, latched
    qos         a reader who asks for reliable messages hears them
    rate        answers come as often as images
    age         an answer is there before its image is too old
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ssd_detector_ros.bag_evaluation.box_reading import BoxArray

_EDGE_PX = 1.0
# Of arrays: a listener may hear the answer to an image that it did not hear.
_KNOWN_SHARE = 0.95
_LIKELY_NETWORK_SIDES = (224, 256, 300, 320, 416, 512, 640)


@dataclass(frozen=True)
class SeenImage:
    """
    An image as it was seen.

    :param stamp_ns: of its header
    :param frame_id: likewise
    :param size_wh: px
    :param time_ns: when it came
    """

    stamp_ns: int
    frame_id: str
    size_wh: tuple[int, int]
    time_ns: int


@dataclass(frozen=True, eq=False)
class Observation:
    """
    What was seen of a detector for a while.

    :param images: in order
    :param arrays: its messages, in order
    :param class_map: number -> label, as label_info says; None where there is none
    :param is_reliable: whether it offers reliable messages; None where nobody could see
    :param is_latched: whether late joiners hear label_info; likewise
    :param max_age_ms: what an answer may take
    :param min_answered: share of the images that need an answer: one may be lost on the way
    """

    images: Sequence[SeenImage]
    arrays: Sequence[BoxArray]
    class_map: Mapping[str, str] | None
    is_reliable: bool | None = None
    is_latched: bool | None = None
    max_age_ms: float = 1000.0
    min_answered: float = 0.95
    by_stamp: Mapping[int, SeenImage] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'by_stamp', {image.stamp_ns: image for image in self.images})

    def pairs(self) -> Iterator[tuple[BoxArray, SeenImage]]:
        """Give the answers that bear the stamp of an image."""
        for array in self.arrays:
            image = self.by_stamp.get(array.stamp_ns)
            if image is not None:
                yield array, image


@dataclass(frozen=True)
class Line:
    """
    One line of the contract.

    :param name: of the line
    :param is_kept: None where it could not be checked
    :param why: what was seen, and what to do
    """

    name: str
    is_kept: bool | None
    why: str


def check_contract(seen: Observation) -> list[Line]:
    """
    Hold what was seen against the contract.

    :param seen: images and answers
    :return: every line, kept or not
    """
    checks: tuple[tuple[str, Callable[[Observation], tuple[bool | None, str]]], ...] = (
        ('header', _check_header),
        ('one answer', _check_answers),
        ('boxes', _check_boxes),
        ('classes', _check_classes),
        ('scores', _check_scores),
        ('label_info', _check_label_info),
        ('qos', _check_qos),
        ('rate', _check_rate),
        ('age', _check_age),
    )
    return [Line(name, *check(seen)) for name, check in checks]


def _check_header(seen: Observation) -> tuple[bool | None, str]:
    if not seen.arrays:
        return False, 'no message was seen'
    pairs = list(seen.pairs())
    strange = len(seen.arrays) - len(pairs)
    if strange > (1 - _KNOWN_SHARE) * len(seen.arrays):
        return False, (
            f'{strange} of {len(seen.arrays)} arrays have a stamp that no image has; copy the '
            f'header of the image, do not stamp anew'
        )
    other = {
        (array.frame_id, image.frame_id)
        for array, image in pairs
        if array.frame_id != image.frame_id
    }
    if other:
        theirs, ours = sorted(other)[0]
        return False, f'frame_id {theirs!r} where the image has {ours!r}; copy the header'
    odd = sum(
        header != (array.stamp_ns, array.frame_id)
        for array in seen.arrays
        for header in array.headers
    )
    if odd:
        return False, f'{odd} detections have another header than their array; copy it'
    return True, f'{len(pairs)} arrays and their detections carry the header of their image'


def _check_answers(seen: Observation) -> tuple[bool | None, str]:
    answered = {array.stamp_ns for array, _ in seen.pairs()}
    if not seen.images:
        return None, 'no image was seen'
    doubled = len(list(seen.pairs())) - len(answered)
    if doubled:
        return False, f'{doubled} images were answered more than once'
    share = len(answered) / len(seen.images)
    text = f'{len(answered)} of {len(seen.images)} images were answered'
    num_empty = sum(not len(array.class_ids) for array in seen.arrays)
    if share >= seen.min_answered:
        return True, f'{text}; {num_empty} of the arrays are empty'
    hint = 'publish an empty array, too, when nothing is found' if not num_empty else 'frames drop'
    return False, f'{text}, and {num_empty} arrays are empty; {hint}'


def _check_boxes(seen: Observation) -> tuple[bool | None, str]:
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


def _check_classes(seen: Observation) -> tuple[bool | None, str]:
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


def _check_scores(seen: Observation) -> tuple[bool | None, str]:
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


def _check_label_info(seen: Observation) -> tuple[bool | None, str]:
    if seen.class_map is None:
        return False, 'no LabelInfo beside the detections; publish one, latched'
    if seen.is_latched is False:
        return False, 'label_info is not latched (transient local): late joiners never hear it'
    latched = ', latched' if seen.is_latched else ''
    return True, f'{len(seen.class_map)} classes{latched}'


def _check_qos(seen: Observation) -> tuple[bool | None, str]:
    if seen.is_reliable is None:
        return None, 'a recording does not tell'
    if not seen.is_reliable:
        return False, 'detections are best effort: a reader who asks for reliable hears nothing'
    return True, 'detections are reliable'


def _check_rate(seen: Observation) -> tuple[bool | None, str]:
    images_hz, answers_hz = _rate(seen.images), _rate(seen.arrays)
    if images_hz is None:
        return None, 'too few images'
    if answers_hz is None:
        return False, f'images at {images_hz:.1f} Hz, and next to no answers'
    is_kept = answers_hz >= seen.min_answered * images_hz
    hint = '' if is_kept else '; the detector is too slow, or silent when it finds nothing'
    return is_kept, f'images at {images_hz:.1f} Hz, answers at {answers_hz:.1f} Hz{hint}'


def _check_age(seen: Observation) -> tuple[bool | None, str]:
    ages_ms = [(array.time_ns - image.time_ns) / 1e6 for array, image in seen.pairs()]
    if not ages_ms:
        return None, 'no image has an answer of its stamp'
    p95 = float(np.percentile(ages_ms, 95))
    if min(ages_ms) < -1:
        return None, f'answers were recorded before their image ({min(ages_ms):.0f} ms)'
    is_kept = p95 <= seen.max_age_ms
    return is_kept, f'image to answer, p95: {p95:.1f} ms; at most {seen.max_age_ms:g} ms'


def _rate(messages: Sequence[SeenImage] | Sequence[BoxArray]) -> float | None:
    if len(messages) < 2:
        return None
    seconds = (messages[-1].time_ns - messages[0].time_ns) / 1e9
    return (len(messages) - 1) / seconds if seconds > 0 else None
