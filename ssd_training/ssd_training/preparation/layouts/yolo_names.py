"""Names of YOLO's classes: data.yaml, classes.txt, obj.names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ssd_detector.yaml_tree import parse_yaml_texts
from ssd_training.data.sources.texts import read_text
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.listing import Listing

_MOST_DIGITS = 9
NAME_FILES = ('classes.txt', 'obj.names', 'labels.txt')


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
    Read all files that name classes.

    :param listing: of the source
    :return: the classes; no names where no file has them
    :raises DataError: when none can be read, or two give one number different names
    """
    unreadable: list[str] = []
    found: dict[Path, dict[int, str]] = {}
    num_values = 0
    for path in listing.files:
        try:
            if path.suffix.lower() in ('.yaml', '.yml'):
                tree = read_yaml(path)
                num_values = _count_values(tree.get('kpt_shape')) or num_values
                found[path] = _number_names(path, tree.get('names') or [])
            elif path.name.lower() in NAME_FILES:
                lines = read_text(path).splitlines()
                # A blank line is a number without a name.
                found[path] = {at: line.strip() for at, line in enumerate(lines) if line.strip()}
        except DataError as error:
            unreadable.append(str(error))
    wrong: list[str] = []
    names: dict[int, str] = {}
    for path, ours in found.items():
        for number, name in ours.items():
            if names.setdefault(number, name) != name:
                first = next(source for source, others in found.items() if number in others)
                wrong.append(
                    f'{path}: class {number} is {name}, and {names[number]} in {first}; keep the '
                    f'file that the labels were written with'
                )
                break
    if wrong or (unreadable and not names):
        raise DataError([*unreadable, *wrong])
    return Classes(dict(sorted(names.items())), num_values)


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


def _number_names(path: Path, names: object) -> dict[int, str]:
    pairs = names.items() if isinstance(names, dict) else enumerate(names or ())  # type: ignore[arg-type]
    numbered: dict[int, str] = {}
    for number, name in () if isinstance(names, str) else pairs:
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
