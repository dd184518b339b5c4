"""Labelled pictures with their pixels looked at: size, copies, scene."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssd_training.data.annotations.annotations import AnnotatedObject, Annotation, Finding
from ssd_training.data.checking.inspection import find_undecided, inspect_image
from ssd_training.data.checking.room import PixelRoom
from ssd_training.data.images.decoding import Decision, Decoding
from ssd_training.data.images.records import ImageFile
from ssd_training.preparation.judging.cleaning import find_untrusted
from ssd_training.preparation.judging.scenes import hash_scene
from ssd_training.preparation.layouts.labelled import LabelledImage, Split

# Which of two copies is kept: that of the later one of these splits.
_KEPT: tuple[Split | None, ...] = (None, 'train', 'test', 'val')


@dataclass(frozen=True, eq=False)
class Picture:
    """
    One picture that can be read.

    :param annotation: with boxes in px
    :param split: that the labelling tool put it in
    :param pixels: a hash of them
    :param scene: from hash_scene
    :param decision: why it is turned, or not
    """

    annotation: Annotation
    split: Split | None
    pixels: str
    scene: NDArray[np.bool_]
    decision: Decision


def read_pictures(
    images: Sequence[LabelledImage], decoding: Decoding, findings: list[Finding]
) -> list[Picture]:
    """
    Decode all pictures; leave out what can't be read, labels that can't be true, and copies.

    :param images: as labelled
    :param decoding: how, but for the sizes that the labels say
    :param findings: gets what is left out, and what is odd
    :return: the others, in the same order
    """
    by_pixels: dict[str, Picture] = {}
    room = PixelRoom()
    # Decoding and hashing leave Python alone, so that threads do.
    with ThreadPoolExecutor() as executor:
        for picture, odd in executor.map(lambda image: _read(image, decoding, room), images):
            findings += odd
            if picture is None:
                continue
            first = by_pixels.setdefault(picture.pixels, picture)
            if _rank(picture) > _rank(first):
                by_pixels[picture.pixels], picture = picture, first
                first = by_pixels[picture.pixels]
            if first is not picture:
                findings.append(_describe_copy(picture, first))
    pictures = [*by_pixels.values()]
    sources = [picture.annotation.image for picture in pictures]
    findings += find_undecided(sources, [picture.decision for picture in pictures])
    return pictures


def _rank(picture: Picture) -> tuple[bool, int]:
    """Of copies, an unlabelled one says nothing, and what some split holds is not learnt."""
    return bool(picture.annotation.objects), _KEPT.index(picture.split)


def _read(
    image: LabelledImage, decoding: Decoding, room: PixelRoom
) -> tuple[Picture | None, Sequence[Finding]]:
    file = ImageFile(image.path, decoding=replace(decoding, size_wh=image.size_wh))
    inspected = inspect_image(file, image.size_wh, room)
    if inspected.image_rgb is None:
        return None, [
            replace(finding, text=f'{finding.text}; left out') for finding in inspected.findings
        ]
    height, width = inspected.image_rgb.shape[:2]
    size_wh = image.size_wh or (width, height)
    objects = tuple(_to_px(image, size_wh))
    annotation = Annotation(str(image.path), file, image.place, size_wh, objects)
    if untrusted := [*find_untrusted(annotation)]:
        return None, [*inspected.findings, *untrusted]
    scene = hash_scene(inspected.image_rgb)
    picture = Picture(annotation, image.split, inspected.digest, scene, inspected.decision)
    return picture, inspected.findings


def _to_px(image: LabelledImage, size_wh: tuple[int, int]) -> Iterator[AnnotatedObject]:
    width, height = size_wh if image.is_normalized else (1, 1)
    for found in image.objects:
        x1, y1, x2, y2 = found.box_xyxy
        box = (x1 * width, y1 * height, x2 * width, y2 * height)
        yield AnnotatedObject(found.label, box, found.is_difficult)


def _describe_copy(copy: Picture, first: Picture) -> Finding:
    name, other = copy.annotation.image.name, first.annotation.image.name
    same = sorted(copy.annotation.objects, key=repr) == sorted(first.annotation.objects, key=repr)
    labels = 'labels, too' if same else 'but other labels: look at both'
    return Finding('duplicate image', name, f'has the pixels of {other}, {labels}; left out')
