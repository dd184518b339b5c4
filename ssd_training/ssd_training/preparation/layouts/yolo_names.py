"""Names of YOLO's classes: data.yaml, classes.txt, obj.names and their like."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
import re

import yaml

from ssd_detector.printable import shown
from ssd_detector.yaml_tree import parse_yaml_texts
from ssd_training.data.sources.texts import read_text
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.yolo_texts import looks_like_labels, NAME_FILES

_MOST_DIGITS = 9
_SHOWN = 60
# Darknet's and Roboflow's, called like the data set.
_NAME_SUFFIXES = ('.names', '.labels')
_YAMLS = ('.yaml', '.yml')
_NO_NAME = re.compile(r'[\[\]{}:/\\]')


@dataclass(frozen=True)
class Classes:
    """
    What the lines of label files mean.

    :param names: number -> name
    :param num_keypoint_values: numbers behind the box, as data.yaml says of poses
    """

    names: Mapping[int, str] = field(default_factory=dict)
    num_keypoint_values: int = 0


def read_classes(listing: Listing) -> Classes:
    """
    Read all files that name classes; those with names of their own only where no other does.

    :param listing: of the source
    :return: the classes; no names where no file has them
    :raises DataError: when none can be read, or two give one number different names
    """
    unreadable: list[str] = []
    found: dict[Path, Classes] = {}
    for paths in _list_sources(listing):
        if any(ours.names for ours in found.values()):
            break
        for path in paths:
            try:
                found[path] = _read_file(path)
            except DataError as error:
                unreadable.append(str(error))
    names: dict[int, str] = {}
    for ours in found.values():
        names = {**ours.names, **names}
    wrong = [*_find_conflicts(found, names)]
    if wrong or (unreadable and not names):
        raise DataError([*unreadable, *wrong])
    num_values = max((ours.num_keypoint_values for ours in found.values()), default=0)
    return Classes(dict(sorted(names.items())), num_values)


def _list_sources(listing: Listing) -> Iterator[list[Path]]:
    """Give the files that name classes for sure, then those that do where no other does."""
    yield [
        path
        for path in listing.files
        if path.suffix.lower() in _YAMLS
        or (path.name.lower() in NAME_FILES and not looks_like_labels(path))
    ]
    yield listing.with_suffix(*_NAME_SUFFIXES)


def _read_file(path: Path) -> Classes:
    if path.suffix.lower() in _YAMLS:
        tree = read_yaml(path)
        names = _number_names(path, _list_names(path, tree))
        return Classes(names, _count_values(tree.get('kpt_shape')))
    lines = enumerate(read_text(path).splitlines())
    # A blank line is a number without a name.
    return Classes({number: line.strip() for number, line in lines if line.strip()})


def _find_conflicts(found: Mapping[Path, Classes], names: Mapping[int, str]) -> Iterator[str]:
    for path, ours in found.items():
        for number, name in ours.names.items():
            if names[number] != name:
                first = next(source for source, other in found.items() if number in other.names)
                yield (
                    f'{path}: class {number} is {name}, and {names[number]} in {first}; keep the '
                    f'file that the labels were written with'
                )
                break


def read_yaml(path: Path) -> Mapping[str, object]:
    """
    Read a YAML file of another program.

    :param path: of the file
    :return: its tree, every scalar a text; empty when it is no mapping
    :raises DataError: when it can not be read
    """
    try:
        # All scalars are texts: a class may be called on, no or 1.
        tree = parse_yaml_texts(read_text(path))
    except yaml.YAMLError as error:
        text = ' '.join(str(error).split())
        raise DataError([f'{path}: no valid YAML: {text}; mend or remove it']) from error
    return tree if isinstance(tree, dict) else {}


def _list_names(path: Path, tree: Mapping[str, object]) -> object:
    """Give the names; some write them as one text with commas."""
    names, number = tree.get('names') or [], tree.get('nc')
    if not isinstance(names, str):
        return names
    parts = [part.strip() for part in names.strip().removesuffix(',').split(',')]
    # One name alone may be that of a file.
    count = int(str(number)) if _is_number(number) else max(len(parts), 2)
    if not all(parts) or len(parts) != count or _NO_NAME.search(names):
        said = f'; nc is {number}' if _is_number(number) else ''
        raise DataError(
            [f'{path}: names: {shown(names)[:_SHOWN]}{said}; expected a list: [first, second]']
        )
    return parts


def _number_names(path: Path, names: object) -> dict[int, str]:
    pairs = names.items() if isinstance(names, dict) else enumerate(names or ())  # type: ignore[arg-type]
    numbered: dict[int, str] = {}
    for number, name in pairs:
        if not (_is_number(number) and isinstance(name, str) and name.strip()):
            raise DataError(
                [f'{path}: names: {number!r}: {name!r}; expected a number and a name each']
            )
        numbered[int(number)] = name.strip()
    return numbered


def _count_values(shape: object) -> int:
    """Read kpt_shape: points, and numbers of each."""
    if not (isinstance(shape, list) and all(map(_is_number, shape))):
        return 0
    points, values = [*map(int, shape), 0, 0][:2]
    return points * values


def _is_number(value: object) -> bool:
    text = str(value) if isinstance(value, str | int) else ''
    return text.isdecimal() and len(text) <= _MOST_DIGITS
