"""Classes and boxes as a training can take them; what is changed or left out is a finding."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import shlex

from ssd_detector.bundles.labels import BACKGROUND, find_label_faults
from ssd_training.data.annotations.annotations import (
    AnnotatedObject,
    Annotation,
    check_objects,
    Finding,
    letters_of,
    Policy,
)
from ssd_training.data.annotations.boxes import Box, find_usable_box, is_normalized
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.labelled import LabelledImage

_MIN_SIZE_PX = 1.0
# In pictures with a shorter side, pixels and shares look alike.
_MIN_SIDE_PX = 16
# Labels of YOLO and COCO are rounded: a box may leave its picture by so much unsaid.
_ROUNDING_PX = 0.5


def rename(
    annotations: Sequence[Annotation], names: Mapping[str, str], notes: list[str]
) -> list[Annotation]:
    """
    Give objects other class names, without blanks around them.

    :param annotations: of all pictures
    :param names: name in the labels -> name wanted
    :param notes: gets names that no object has
    :return: the annotations
    """
    stripped = [_relabel(annotation, str.strip) for annotation in annotations]
    if missing := sorted({*names} - {*_count(stripped)}):
        notes.append(f'--rename: no object is called {", ".join(missing)}')
    return [_relabel(annotation, lambda label: names.get(label, label)) for annotation in stripped]


def choose_labels(
    annotations: Sequence[Annotation], declared: Sequence[str], wanted: Sequence[str]
) -> list[str]:
    """
    Choose the classes: those wanted, or all that some object has.

    :param annotations: of all pictures
    :param declared: classes in the order of the labelling tool
    :param wanted: of the command line; none means all
    :return: the classes, in the order wanted, declared or of the alphabet
    :raises DataError: when one of those wanted is neither declared nor has objects, or a name can
        not be one
    """
    counts = _count(annotations)
    if missing := [label for label in wanted if not (counts[label] or label in declared)]:
        present = ', '.join(f'{label} ({count})' for label, count in counts.most_common())
        raise DataError(
            [
                f'--labels: {", ".join(missing)}: no object of that name; there are '
                f'{present or "none"}'
            ]
        )
    order = [*dict.fromkeys((*wanted, *declared, *sorted(counts)))]
    chosen = set(wanted or counts) - {BACKGROUND}
    labels = [label for label in order if counts[label] and label in chosen]
    if faults := [*find_label_faults(labels)]:
        raise DataError([f'classes: {fault}; give another with --rename' for fault in faults])
    return labels


def straighten_others(
    image: LabelledImage, wanted: Sequence[str], names: Mapping[str, str]
) -> LabelledImage:
    """
    Order the edges of objects that are not wanted: they are no reason to leave a picture out.

    :param image: as labelled
    :param wanted: classes of the command line; none means all
    :param names: see rename
    :return: the picture
    """
    if not wanted:
        return image
    objects = []
    for found in image.objects:
        label = found.label.strip()
        if names.get(label, label) not in wanted:
            (x1, x2), (y1, y2) = sorted(found.box_xyxy[0::2]), sorted(found.box_xyxy[1::2])
            found = dataclasses.replace(found, box_xyxy=(x1, y1, x2, y2))
        objects.append(found)
    return dataclasses.replace(image, objects=tuple(objects))


def find_untrusted(annotation: Annotation) -> Iterator[Finding]:
    """
    Find boxes that say that an object is there, but not where: it would be learnt as background.

    A side of nothing is a slip of the mouse instead, which clean leaves out alone; so is what
    looks like shares where another box has pixels.

    :param annotation: of a picture, which is to be left out where there is a finding
    :return: the findings
    """
    are_shares = min(annotation.size_wh) >= _MIN_SIDE_PX and all(
        max(found.box_xyxy) <= 1 for found in annotation.objects
    )
    for found in annotation.objects:
        x1, y1, x2, y2 = found.box_xyxy
        is_swapped = min(x2 - x1, y2 - y1) <= -_MIN_SIZE_PX
        is_share = x1 < x2 and y1 < y2 and is_normalized(found.box_xyxy, annotation.size_wh)
        if is_swapped or (are_shares and is_share):
            alone = dataclasses.replace(annotation, objects=(found,))
            what = 'its edges are swapped: mend it; ' if is_swapped else ''
            for finding in check_objects(alone, Policy([found.label], max_boxes=1)):
                text = f'{finding.text}; {what}its picture is left out'
                yield dataclasses.replace(finding, text=text)


def clean(annotation: Annotation, labels: Sequence[str], findings: list[Finding]) -> Annotation:
    """
    Leave out objects that can't be trained on, and cut boxes at the picture's edge.

    :param annotation: of a picture
    :param labels: the classes
    :param findings: gets what was changed
    :return: the annotation
    """
    policy = Policy(labels, max_boxes=len(annotation.objects) + 1, min_box_size_px=_MIN_SIZE_PX)
    objects = []
    seen = set[AnnotatedObject]()
    for found in annotation.objects:
        alone = dataclasses.replace(annotation, objects=(found,))
        box = find_usable_box(found.box_xyxy, annotation.size_wh, _MIN_SIZE_PX)
        is_kept = box is not None and found.label in labels
        for finding in check_objects(alone, policy):
            is_outside = finding.kind == 'box outside image'
            if not (box and is_outside and _is_rounding(found.box_xyxy, box)):
                findings.append(_say(finding, is_kept))
        if box is None or not is_kept:
            continue
        inside = dataclasses.replace(found, box_xyxy=box)
        if inside in seen:
            text = f'{found.label}: the same box twice; left out'
            findings.append(Finding('duplicate box', annotation.place, text))
        else:
            objects.append(inside)
            seen.add(inside)
    return dataclasses.replace(annotation, objects=tuple(objects))


def find_similar_names(annotations: Sequence[Annotation]) -> Iterator[Finding]:
    """
    Find classes that are one, written in two ways.

    :param annotations: of all pictures
    :return: the findings
    """
    counts = _count(annotations)
    by_letters: dict[str, list[str]] = {}
    for label, _ in counts.most_common():
        by_letters.setdefault(letters_of(label), []).append(label)
    for most, *others in by_letters.values():
        for other in others:
            same = f'{other} ({counts[other]}) and {most} ({counts[most]})'
            text = f'{same}: one class? --rename {shlex.quote(f"{other}={most}")}'
            yield Finding('similar names', 'classes', text)


def _relabel(annotation: Annotation, change: Callable[[str], str]) -> Annotation:
    objects = tuple(
        dataclasses.replace(found, label=change(found.label)) for found in annotation.objects
    )
    return dataclasses.replace(annotation, objects=objects)


def _count(annotations: Sequence[Annotation]) -> Counter[str]:
    return Counter(found.label for annotation in annotations for found in annotation.objects)


def _is_rounding(box_xyxy: Box, cut_xyxy: Box) -> bool:
    pairs = zip(box_xyxy, cut_xyxy, strict=True)
    return all(abs(edge - cut) <= _ROUNDING_PX for edge, cut in pairs)


def _say(finding: Finding, is_kept: bool) -> Finding:
    if finding.kind == 'unknown class':
        label = finding.text.partition(': unknown class')[0]
        why = 'is where no object is' if label == BACKGROUND else 'not in --labels'
        text = f'{label}: {why}; left out'
    else:
        text = f'{finding.text}; {"cut at the edge" if is_kept else "left out"}'
    return dataclasses.replace(finding, text=text)
