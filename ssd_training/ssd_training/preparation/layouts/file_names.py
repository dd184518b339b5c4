"""How names and places of files compare, whichever systems wrote them."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
import unicodedata
from urllib.parse import unquote


def is_text(path: Path) -> bool:
    """
    Tell whether a name is UTF-8; names out of archives of other systems may not be.

    :param path: of a file
    :return: whether it can be written
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def normalize_name(name: str) -> str:
    """
    Spell a name as every system could.

    :param name: of a file
    :return: in lower case, each letter and its accent as one character
    """
    return unicodedata.normalize('NFC', name).lower()


def spell_name(name: str) -> str:
    """
    Spell a name as every system and the web could.

    :param name: of a file, in which %C3%A9 (Label Studio) may be é
    :return: see normalize_name
    """
    return normalize_name(unquote(name))


def count_equal(one: Sequence[str], other: Sequence[str]) -> int:
    """
    Count how many parts two paths have in common.

    :param one: parts of a path
    :param other: of the other
    :return: equal ones before the first that differ
    """
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def measure_nearness(image: Path, annotation: Path) -> tuple[int, int]:
    """
    Tell how near a picture is.

    :param image: the picture
    :param annotation: a file of labels
    :return: folders at the end of both paths that are equal (of train/images/a and
        train/labels/a none, of images/train/a and labels/train/a one), then at their start
    """
    one, other = image.parent.parts, annotation.parent.parts
    if one == other:
        return len(one) + 1, 0
    return count_equal(one[::-1], other[::-1]), count_equal(one, other)


def pick_best(paths: Sequence[Path], scores: Sequence[int | tuple[int, int]]) -> list[Path]:
    """
    Pick the files with the highest score.

    :param paths: of the files
    :param scores: of each
    :return: one file, or those between which the scores do not choose
    """
    best = max(scores, default=None)
    return [path for path, score in zip(paths, scores, strict=True) if score == best]
