"""Pictures that several files, or several entries of one, have labels for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.file_names import count_equal
from ssd_training.preparation.layouts.labelled import LabelledImage


def settle_claims(images: Sequence[LabelledImage], findings: list[Finding]) -> list[LabelledImage]:
    """
    Give each picture to the labels that name it best, and join them where several do.

    A name alone also finds a picture of another folder when its own is missing.

    :param images: as they were read
    :param findings: gets what is left out
    :return: each picture once, in the same order
    """
    by_path: dict[PurePath, list[LabelledImage]] = {}
    for image in images:
        by_path.setdefault(image.path, []).append(image)
    return [
        claims[0] if len(claims) == 1 else _settle(claims, findings) for claims in by_path.values()
    ]


def _settle(claims: Sequence[LabelledImage], findings: list[Finding]) -> LabelledImage:
    best = max(_agreement(claim) for claim in claims)
    first, *others = [claim for claim in claims if _agreement(claim) == best]
    findings += [
        Finding(
            'missing file',
            claim.place,
            f'its picture is missing; {claim.path} has others; left out',
        )
        for claim in claims
        if _agreement(claim) < best
    ]
    for other in others:
        if first.split and other.split and first.split != other.split:
            text = f'is in {other.split} ({other.place}), too; kept in {first.split}'
            findings.append(Finding('leakage', f'{first.path}', text))
        elif _can_join(first, other):
            objects = dict.fromkeys((*first.objects, *other.objects))
            split = first.split or other.split
            first = replace(first, objects=tuple(objects), split=split)
        else:
            text = f'has other labels in {other.place} than in {first.place}; these are taken'
            findings.append(Finding('duplicate image', f'{first.path}', text))
    return first


def _can_join(one: LabelledImage, other: LabelledImage) -> bool:
    """Tell whether labels are equal or of different classes, not two attempts at the same."""
    ours, theirs = {*one.objects}, {*other.objects}
    is_apart = {found.label for found in ours}.isdisjoint(found.label for found in theirs)
    return is_apart or ours <= theirs or theirs <= ours


def _agreement(image: LabelledImage) -> int:
    """Count the parts at the end of its path that its labels name, suffixes aside."""
    named = PurePath(image.named.replace('\\', '/')).with_suffix('').parts
    return count_equal(image.path.with_suffix('').parts[::-1], named[::-1])
