"""Lists of PASCAL VOC: the ids of a split, one a line."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
import re

from ssd_detector.files import MAX_LIST_BYTES
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.files import read_data_file
from ssd_training.data.sources.texts import decode_text
from ssd_training.errors import DataError

_ADVICE = (
    'data.root has to hold ImageSets, Annotations and JPEGImages: set DATA_ROOT or give '
    'data.root=DIR'
)
# Lists of one class have a second column: 1 there, 0 there but difficult, -1 not there.
_FLAGGED = re.compile(r'(.*\S)\s+(?:-1|0|1)')


def read_list(
    path: Path, is_there: Callable[[str], bool], *, homes: Sequence[Path] = ()
) -> list[str]:
    """
    Read the ids of a split.

    A line is an id that has files, whatever else it could be read as: names may have blanks,
    suffixes, a folder in front, and the flag of a class behind.

    :param path: of the list
    :param is_there: tells whether an id has files
    :param homes: from find_homes
    :return: the ids; of a line without files the most likely one
    :raises DataError: when the list can not be read or is empty
    """
    content = read_data_file(path, limit_bytes=MAX_LIST_BYTES, homes=homes, advice=_ADVICE)
    text = decode_text(content, str(path))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError([f'{path}: lists no image; expected one id a line'])
    has_flags = all(_FLAGGED.fullmatch(line) for line in lines)
    return [_choose(line, is_there, has_flags) for line in lines]


def _choose(line: str, is_there: Callable[[str], bool], has_flags: bool) -> str:
    flagged = _FLAGGED.fullmatch(line)
    texts = [line, flagged[1]] if flagged else [line]
    readings = [image_id for text in texts for image_id in _readings(text)]
    _, likely, _ = _readings(texts[-1] if has_flags else line)
    return next(filter(is_there, readings), likely)


def _readings(text: str) -> Iterator[str]:
    name = text.replace('\\', '/').removeprefix('./')
    yield name
    yield _strip(name)
    yield _strip(name.rpartition('/')[2])


def _strip(name: str) -> str:
    """Take an image's suffix off; other dots stay."""
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in IMAGE_SUFFIXES else name
