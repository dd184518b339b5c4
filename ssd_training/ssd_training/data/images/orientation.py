"""Which way up the photographs of a split are read, and what is not sure about it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
import logging

from ssd_training.data.images.decoding import Decision
from ssd_training.data.images.records import EncodedImage, ImageSource, Record
from ssd_training.errors import DataError

logger = logging.getLogger(__name__)


def explain_orientations(images: Iterable[ImageSource]) -> list[Decision]:
    """
    Tell which way up images are read.

    :param images: of a split
    :return: for each, see Decoding.explain; plain for those that can't be read, and those whose
        heads say nothing
    """
    # Waiting for files leaves Python alone, so that threads do.
    with ThreadPoolExecutor() as executor:
        return list(executor.map(_explain, images))


def log_orientations(records: Sequence[Record]) -> None:
    """
    Say in the log which images are read upright without being sure.

    :param records: of a split
    """
    decisions = explain_orientations(record.image for record in records)
    if 'undecided' in decisions:
        first = records[decisions.index('undecided')].image.name
        count = decisions.count('undecided')
        logger.warning('%d images, such as %s: %s', count, first, describe_undecided(decisions))


def describe_undecided(decisions: Sequence[Decision]) -> str:
    """
    Tell what was done with an image whose size does not show which way up it was labelled.

    :param decisions: of all images of the split
    :return: in words
    """
    counts = Counter(decisions)
    return (
        f'EXIF data turn it, and no size tells whether its boxes were drawn on it turned: taken '
        f'upright, as most tools show it (by size, {counts["upright"]} others fit upright, '
        f'{counts["stored"]} as stored); data.exif_orientation=stored takes it as stored'
    )


def _explain(image: ImageSource) -> Decision:
    if not isinstance(image, EncodedImage):
        return 'plain'
    try:
        if image.decoding.explain(image.read_head()) == 'plain':
            return 'plain'
        return image.decoding.explain(image.read_bytes())
    except DataError:
        return 'plain'
