"""What is left of a split to learn from, or to score with, and why so little."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ssd_training.data.annotations.annotations import (
    Annotation,
    find_similar,
    Finding,
    Policy,
)
from ssd_training.data.annotations.boxes import find_usable_box, is_normalized

# From this share on it is no longer a matter of a few odd boxes.
_MANY = 0.1
_SHOWN = 8


@dataclass
class Remaining:
    """
    Objects of a split, counted.

    :param labels: names of the classes 1, 2, ...
    :param num_images: all of them
    :param usable: label -> objects that are learnt and scored
    :param unknown: label -> objects that are of no class
    :param num_difficult: neither learnt nor scored
    :param num_degenerate: objects that are too small to be used
    :param num_normalized: of these, those whose edges are all between 0 and 1
    """

    labels: Sequence[str]
    num_images: int = 0
    usable: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    num_difficult: int = 0
    num_degenerate: int = 0
    num_normalized: int = 0

    @property
    def num_dropped(self) -> int:
        """Objects that are left out."""
        return self.unknown.total() + self.num_degenerate

    @property
    def num_objects(self) -> int:
        """Objects that were annotated."""
        return self.usable.total() + self.num_difficult + self.num_dropped


def count_remaining(annotations: Iterable[Annotation], policy: Policy) -> Remaining:
    """
    Count what is left of a split when the policy has repaired and left out.

    :param annotations: of the split
    :param policy: its labels and limits
    :return: the counts
    """
    counts = Remaining(policy.labels)
    for annotation in annotations:
        counts.num_images += 1
        for found in annotation.objects:
            box = find_usable_box(found.box_xyxy, annotation.size_wh, policy.min_box_size_px)
            if found.label not in policy.labels:
                counts.unknown[found.label] += 1
            elif box is None:
                counts.num_degenerate += 1
                counts.num_normalized += is_normalized(found.box_xyxy, annotation.size_wh)
            elif found.is_difficult:
                counts.num_difficult += 1
            else:
                counts.usable[found.label] += 1
    return counts


def describe_remaining(counts: Remaining, split: str) -> Iterator[Finding]:
    """
    Tell what is missing to learn or to score.

    :param counts: of the split
    :param split: its name
    :return: the findings; "no objects" alone keeps a training from being one
    """
    if not counts.usable:
        text = f'nothing to learn or to score: {"; ".join(_reasons(counts))}'
        yield Finding('no objects', split, text)
        return
    is_odd = counts.num_normalized or any(
        find_similar(label, counts.labels) for label in counts.unknown
    )
    if is_odd or counts.num_dropped >= _MANY * counts.num_objects:
        text = f'{counts.num_dropped} of {counts.num_objects} objects are left out'
        if counts.num_dropped:
            yield Finding('dropped objects', split, f'{text}: {"; ".join(_reasons(counts))}')
    if absent := [label for label in counts.labels if not counts.usable[label]]:
        text = f'{len(absent)} of {len(counts.labels)} classes have no object: {_join(absent)}'
        yield Finding('class without objects', split, text)


def _reasons(counts: Remaining) -> Iterator[str]:
    if not counts.num_objects:
        yield f'none of {counts.num_images} images has an object'
    if counts.unknown:
        names = [f'{label} ({count})' for label, count in counts.unknown.most_common()]
        yield f'{counts.unknown.total()} are of classes that data.labels lacks: {_join(names)}'
    for label in counts.unknown:
        if similar := find_similar(label, counts.labels):
            yield f'{label!r} is {similar!r} but for capitals or blanks: write it in data.labels'
    if counts.num_degenerate:
        yield f'{counts.num_degenerate} have a side below data.min_box_size_px'
    if counts.num_normalized:
        yield (
            f'{counts.num_normalized} of these have edges between 0 and 1, as shares of the '
            f'image: expected pixels'
        )
    if counts.num_difficult and not counts.usable:
        yield f'{counts.num_difficult} are difficult (or crowds), neither learnt nor scored'


def _join(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {rest} more' if rest > 0 else '')
