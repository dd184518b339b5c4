"""Everything that is wrong with a data set, found before it is trained on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ssd_training.data.annotations.annotations import (
    Annotation,
    check_objects,
    Finding,
    Kind,
    Policy,
)
from ssd_training.data.annotations.remaining import count_remaining, describe_remaining
from ssd_training.data.checking.inspection import find_undecided, inspect_image, Inspected
from ssd_training.data.checking.room import PixelRoom
from ssd_training.data.datasets import policy_of, read_annotations
from ssd_training.data.images.decoding import Decision
from ssd_training.experiments.data_schema import DataSettings


@dataclass(frozen=True)
class CheckResult:
    """
    What was found.

    :param num_images: split -> its annotated images
    :param findings: split -> everything that is wrong; leakage is found in the val split
    :param allowed: kinds that the section `data` repairs, leaves out or keeps
    """

    num_images: Mapping[str, int]
    findings: Mapping[str, Sequence[Finding]]
    allowed: frozenset[Kind]

    @property
    def is_good(self) -> bool:
        """Whether a training may start."""
        return all(f.kind in self.allowed for found in self.findings.values() for f in found)

    def rows(self) -> Iterator[tuple[str, Kind, int, bool, Finding]]:
        """
        Count the findings of each split and kind.

        :return: split, kind, count, whether it is allowed, the first one
        """
        for split, findings in self.findings.items():
            for kind, count in Counter(finding.kind for finding in findings).most_common():
                first = next(finding for finding in findings if finding.kind == kind)
                yield split, kind, count, kind in self.allowed, first

    def as_tree(self) -> dict[str, Any]:
        """
        Give everything as JSON has it.

        :return: the tree
        """
        return {
            'good': self.is_good,
            'allowed': sorted(self.allowed),
            'splits': {
                split: {
                    'images': self.num_images[split],
                    'findings': [vars(finding) for finding in findings],
                }
                for split, findings in self.findings.items()
            },
        }


def check_data(settings: DataSettings) -> CheckResult:
    """
    Read all annotations and decode all images of all splits.

    :param settings: the section `data`
    :return: everything that is wrong
    :raises DataError: when a split can not be read at all
    """
    findings: dict[str, list[Finding]] = {}
    num_images: dict[str, int] = {}
    digests: dict[str, Sequence[_Looked]] = {}
    for split in settings.splits:
        annotations, unread = read_annotations(settings, split)
        num_images[split] = len(annotations)
        findings[split] = [*unread, *_check_annotations(annotations, policy_of(settings))]
        digests[split] = _check_images(annotations, findings[split])
        findings[split] += _check_copies(digests[split])
        counts = count_remaining(annotations, policy_of(settings))
        findings[split] += describe_remaining(counts, split)
    train, val = settings.train_split, settings.val_split
    if val is not None:
        findings[val] += _check_leakage(digests[train], digests[val], train)
    return CheckResult(num_images, findings, _allowed_kinds(settings))


def _check_annotations(annotations: Sequence[Annotation], policy: Policy) -> Iterator[Finding]:
    for annotation in annotations:
        yield from check_objects(annotation, policy)
        if not annotation.objects:
            yield Finding('empty image', annotation.place, 'has no object')
        counts = Counter((found.label, found.box_xyxy) for found in annotation.objects)
        for (label, box), count in counts.items():
            if count > 1:
                edges = ', '.join(f'{value:g}' for value in box)
                text = f'{label}: {count} equal boxes {edges}'
                yield Finding('duplicate box', annotation.place, text)


class _Looked(NamedTuple):
    """An image, and a hash of its pixels or nothing."""

    annotation: Annotation
    digest: str


def _check_images(annotations: Sequence[Annotation], findings: list[Finding]) -> list[_Looked]:
    """Decode all images; add to findings."""
    known = {finding.place for finding in findings if finding.kind == 'missing file'}
    present = [annotation for annotation in annotations if annotation.image.name not in known]
    looked: list[_Looked] = []
    decisions: list[Decision] = []
    room = PixelRoom()

    def look(annotation: Annotation) -> Inspected:
        inspected = inspect_image(annotation.image, annotation.size_wh, room)
        # Results wait for those before them: without their pixels.
        return replace(inspected, image_rgb=None)

    # Decoding and hashing leave Python alone, so that threads do.
    with ThreadPoolExecutor() as executor:
        for annotation, inspected in zip(
            present,
            executor.map(look, present),
            strict=True,
        ):
            findings += inspected.findings
            looked.append(_Looked(annotation, inspected.digest))
            decisions.append(inspected.decision)
    findings += find_undecided([annotation.image for annotation in present], decisions)
    return looked


def _check_copies(looked: Sequence[_Looked]) -> Iterator[Finding]:
    owners: dict[str, Annotation] = {}
    for annotation, digest in looked:
        owner = owners.setdefault(digest, annotation)
        if digest and owner is not annotation:
            same = set(owner.objects) == set(annotation.objects)
            objects = 'and the same objects' if same else 'but other objects: look at both'
            text = f'has the pixels of {owner.image.name}, {objects}; keep one'
            yield Finding('duplicate image', annotation.image.name, text)


def _check_leakage(
    train: Sequence[_Looked], val: Sequence[_Looked], train_split: str
) -> Iterator[Finding]:
    trained_on = {annotation.image.identity for annotation, _ in train}
    owners = {digest: annotation.image.name for annotation, digest in train if digest}
    for annotation, digest in val:
        name = annotation.image.name
        if annotation.image.identity in trained_on:
            yield Finding('leakage', name, f'is in {train_split}, too')
        elif digest in owners:
            text = f'has the pixels of {owners[digest]} in {train_split}'
            yield Finding('leakage', name, text)


def _allowed_kinds(settings: DataSettings) -> frozenset[Kind]:
    allowed: set[Kind] = {
        'empty image',
        'undecided orientation',
        'class without objects',
        'dropped objects',
    }
    if settings.invalid_boxes == 'repair':
        allowed |= {'box outside image', 'degenerate box'}
    if settings.unknown_classes == 'ignore':
        allowed |= {'unknown class'}
    if settings.unreadable_images == 'skip':
        allowed |= {'unreadable image'}
    return frozenset(allowed)
