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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ssd_detector_ros.bag_evaluation.checking.contract_content import (
    check_boxes,
    check_classes,
    check_scores,
    Verdict,
)
from ssd_detector_ros.bag_evaluation.checking.observation import Observation, SeenImage
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray

# Of arrays: a listener may hear the answer to an image that it did not hear.
_KNOWN_SHARE = 0.95


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
    checks: tuple[tuple[str, Callable[[Observation], Verdict]], ...] = (
        ('header', _check_header),
        ('one answer', _check_answers),
        ('boxes', check_boxes),
        ('classes', check_classes),
        ('scores', check_scores),
        ('label_info', _check_label_info),
        ('qos', _check_qos),
        ('rate', _check_rate),
        ('age', _check_age),
    )
    return [Line(name, *check(seen)) for name, check in checks]


def _check_header(seen: Observation) -> Verdict:
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


def _check_answers(seen: Observation) -> Verdict:
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


def _check_label_info(seen: Observation) -> Verdict:
    if seen.class_map is None:
        return False, 'no LabelInfo beside the detections; publish one, latched'
    if seen.is_latched is False:
        return False, 'label_info is not latched (transient local): late joiners never hear it'
    latched = ', latched' if seen.is_latched else ''
    return True, f'{len(seen.class_map)} classes{latched}'


def _check_qos(seen: Observation) -> Verdict:
    if seen.is_reliable is None:
        return None, 'a recording does not tell'
    if not seen.is_reliable:
        return False, 'detections are best effort: a reader who asks for reliable hears nothing'
    return True, 'detections are reliable'


def _check_rate(seen: Observation) -> Verdict:
    images_hz, answers_hz = _rate(seen.images), _rate(seen.arrays)
    if images_hz is None:
        return None, 'too few images'
    if answers_hz is None:
        return False, f'images at {images_hz:.1f} Hz, and next to no answers'
    is_kept = answers_hz >= seen.min_answered * images_hz
    hint = '' if is_kept else '; the detector is too slow, or silent when it finds nothing'
    return is_kept, f'images at {images_hz:.1f} Hz, answers at {answers_hz:.1f} Hz{hint}'


def _check_age(seen: Observation) -> Verdict:
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
