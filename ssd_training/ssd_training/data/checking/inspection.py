"""What is odd about images themselves: found by decoding each of them once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
import hashlib

import numpy as np
from numpy.typing import NDArray

from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.checking.room import PixelRoom
from ssd_training.data.files import without_place
from ssd_training.data.images.decoding import count_used_bits, Decision
from ssd_training.data.images.orientation import describe_undecided
from ssd_training.data.images.records import check_size, EncodedImage, ImageSource
from ssd_training.errors import DataError


@dataclass(frozen=True, eq=False)
class Inspected:
    """
    An image that was looked at.

    :param image_rgb: (H, W, 3) uint8; None when it can't be used
    :param digest: a hash of its pixels and size; empty when it can't be used
    :param findings: what is odd
    :param decision: why it is turned, or not
    """

    image_rgb: NDArray[np.uint8] | None
    digest: str
    findings: Sequence[Finding]
    decision: Decision = 'plain'


def inspect_image(
    image: ImageSource, size_wh: tuple[int, int] | None, room: PixelRoom
) -> Inspected:
    """
    Decode an image.

    :param image: where it is
    :param size_wh: px, as its annotation says, if it does
    :param room: that threads share
    :return: its pixels and what is odd about them
    """
    try:
        if not isinstance(image, EncodedImage):
            return _inspect(image.load(), size_wh, image.name)
        with room.take(image) as content:
            image_rgb = image.decoding.decode(content, image.name)
            found = _inspect(image_rgb, size_wh, image.name)
            decision = image.decoding.explain(content)
            findings = [*_find_unused_bits(image, content)]
            return replace(found, findings=findings, decision=decision)
    except DataError as error:
        text = without_place(error, image.name)
        return Inspected(None, '', [Finding('unreadable image', image.name, text)])


def _inspect(
    image_rgb: NDArray[np.uint8], size_wh: tuple[int, int] | None, name: str
) -> Inspected:
    if size_wh is not None:
        check_size(image_rgb, size_wh, name)
    digest = hashlib.sha256(np.ascontiguousarray(image_rgb).data)
    digest.update(str(image_rgb.shape).encode())
    return Inspected(image_rgb, digest.hexdigest(), [])


def find_undecided(
    images: Sequence[ImageSource], decisions: Sequence[Decision]
) -> Iterator[Finding]:
    """
    Find images of which nothing tells which way up they were labelled.

    :param images: of a split
    :param decisions: of each
    :return: the findings
    """
    text = describe_undecided(decisions)
    for image, decision in zip(images, decisions, strict=True):
        if decision == 'undecided':
            yield Finding('undecided orientation', image.name, text)


def _find_unused_bits(image: EncodedImage, content: bytes) -> Iterator[Finding]:
    if num_bits := count_used_bits(content, max_pixels=image.decoding.max_pixels):
        text = (
            f'has 16 bits, but no value above {2**num_bits - 1}: read as nearly black, since '
            f'{2**16 - 1} is white; write it with 8 bits'
        )
        yield Finding('unused bits', image.name, text)
