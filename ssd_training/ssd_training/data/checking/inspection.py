"""What is odd about images themselves: found by decoding each of them once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import hashlib

import numpy as np
from numpy.typing import NDArray

from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.files import without_place
from ssd_training.data.images.decoding import count_used_bits
from ssd_training.data.images.orientation import describe_undecided, explain_orientations
from ssd_training.data.images.records import check_size, EncodedImage, ImageSource
from ssd_training.errors import DataError


@dataclass(frozen=True, eq=False)
class Inspected:
    """
    An image that was looked at.

    :param image_rgb: (H, W, 3) uint8; None when it can't be used
    :param digest: a hash of its pixels and size; empty when it can't be used
    :param findings: what is odd
    """

    image_rgb: NDArray[np.uint8] | None
    digest: str
    findings: Sequence[Finding]


def inspect_image(image: ImageSource, size_wh: tuple[int, int] | None) -> Inspected:
    """
    Decode an image.

    :param image: where it is
    :param size_wh: px, as its annotation says, if it does
    :return: its pixels and what is odd about them
    """
    try:
        image_rgb = image.load()
        if size_wh is not None:
            check_size(image_rgb, size_wh, image.name)
    except DataError as error:
        text = without_place(error, image.name)
        return Inspected(None, '', [Finding('unreadable image', image.name, text)])
    digest = hashlib.sha256(image_rgb.tobytes())
    digest.update(str(image_rgb.shape).encode())
    return Inspected(image_rgb, digest.hexdigest(), [*_find_unused_bits(image)])


def find_undecided(images: Sequence[ImageSource]) -> Iterator[Finding]:
    """
    Find images of which nothing tells which way up they were labelled.

    :param images: of a split
    :return: the findings
    """
    decisions = explain_orientations(images, reads_all=True)
    text = describe_undecided(decisions)
    for image, decision in zip(images, decisions, strict=True):
        if decision == 'undecided':
            yield Finding('undecided orientation', image.name, text)


def _count_used_bits(image: EncodedImage) -> int | None:
    return count_used_bits(image.read_bytes(), max_pixels=image.decoding.max_pixels)


def _find_unused_bits(image: ImageSource) -> Iterator[Finding]:
    if isinstance(image, EncodedImage) and (num_bits := _count_used_bits(image)):
        text = (
            f'has 16 bits, but no value above {2**num_bits - 1}: read as nearly black, since '
            f'{2**16 - 1} is white; write it with 8 bits'
        )
        yield Finding('unused bits', image.name, text)
