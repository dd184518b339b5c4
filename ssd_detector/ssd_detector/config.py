"""
From YAML to frozen dataclasses, with every error at once.

A schema is a dataclass with type hints whose `__pydantic_config__` is STRICT (fields that are
dataclasses are sections). pydantic checks types; ranges are checked where they are defined, by
Field or by the dataclass itself raising ConfigError.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import difflib
from functools import cache
import json
from pathlib import Path
from typing import Any, get_args, get_type_hints, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
import yaml

from ssd_detector.errors import ConfigError
from ssd_detector.files import FileError, read_file
from ssd_detector.printable import shown
from ssd_detector.yaml_tree import MAX_YAML_BYTES, parse_yaml

STRICT = ConfigDict(extra='forbid')

Schema = TypeVar('Schema')

# For the configuration of a training, making one takes as long as all the rest.
_validator_of: Callable[[type], TypeAdapter[Any]] = cache(TypeAdapter)


def load_yaml(path: Path) -> dict[str, Any]:
    """
    Read one YAML file that holds a mapping; a key given twice is an error.

    :param path: the file
    :return: the tree; an empty file gives an empty one
    :raises ConfigError: when the file is missing, is no YAML, or holds no mapping
    """
    try:
        content = read_file(path, limit_bytes=MAX_YAML_BYTES)
    except FileError as error:
        raise ConfigError([str(error)]) from error
    except OSError as error:
        raise ConfigError([f'{path}: can not be read ({error}); check the path']) from error
    return read_yaml(content, str(path))


def read_yaml(content: bytes, origin: str) -> dict[str, Any]:
    """
    Read the YAML of a file that holds a mapping.

    :param content: of the file
    :param origin: where it comes from, for messages
    :return: the tree; an empty file gives an empty one
    :raises ConfigError: when it is no YAML, or holds no mapping
    """
    try:
        tree = parse_yaml(content.decode('utf-8'))
    except UnicodeDecodeError as error:
        raise ConfigError([f'{origin}: can not be read ({error}); save it as UTF-8']) from error
    except yaml.YAMLError as error:
        raise ConfigError([f'{origin}: no valid YAML: {" ".join(str(error).split())}']) from error
    if tree is not None and not isinstance(tree, dict):
        raise ConfigError(
            [f'{origin}: received a {type(tree).__name__}; expected keys and values']
        )
    return tree or {}


def parse_config(
    tree: Mapping[str, Any], schema: type[Schema], origin: str | Mapping[str, str]
) -> Schema:
    """
    Turn a tree into a frozen dataclass.

    :param tree: as YAML or JSON gives it
    :param schema: the dataclass wanted
    :param origin: where the tree comes from, for messages: one name, or a name for each key path
        (the longest path that leads to a key counts)
    :raises ConfigError: with a finding for every unknown key, wrong type and value out of range
    """
    try:
        # JSON is the form in which strict types still let a list be a tuple and a text a path.
        text = json.dumps(tree, default=str)
        config: Schema = _validator_of(schema).validate_json(text, strict=True)
        return config
    except ValidationError as error:
        findings = (
            f'{origin_of(path, origin)}: {finding}'
            for details in error.errors()
            for path, finding in _findings(details, schema)
        )
        raise ConfigError(findings) from error


def _findings(details: ErrorDetails, schema: type) -> Iterator[tuple[str, str]]:
    """Word one pydantic error as (key path, finding); checks of ours may bring several."""
    location = details['loc']
    path = '.'.join(str(part) for part in location)
    cause = details.get('ctx', {}).get('error')
    if isinstance(cause, ConfigError):
        for finding in cause.findings:
            full = f'{path}.{finding}' if path else finding
            # Whoever gave the key that it begins with is to blame.
            yield full.partition(':')[0], full
    elif details['type'] == 'unexpected_keyword_argument':
        valid = sorted(_field_names(schema, location[:-1]))
        near = difflib.get_close_matches(str(location[-1]), valid, n=1)
        prefix = path.rpartition('.')[0]
        advice = (
            f'did you mean {".".join(filter(None, (prefix, near[0])))}?'
            if near
            else f'valid here: {", ".join(valid)}'
        )
        yield path, f'{path}: unknown key; {advice}'
    elif details['type'] in ('missing', 'missing_argument'):
        yield path, f'{path}: missing; add it'
    elif details['type'] == 'string_type' and _is_unquoted(details['input'], location):
        yield (
            path,
            f'{path}: received {json.dumps(details["input"])}, which YAML makes of a word such as '
            f'on, off, yes, no, null or of a number; a text is wanted: quote it, "..."',
        )
    else:
        message = details['msg'][:1].lower() + details['msg'][1:]
        yield path, f'{path}: {message}; received {shown(details["input"])}'


def _is_unquoted(value: Any, location: tuple[int | str, ...]) -> bool:
    """Tell what was meant as a text; null stands for one in lists alone, elsewhere for nothing."""
    return isinstance(value, bool | int | float) or (
        value is None and isinstance(location[-1], int)
    )


def _field_names(schema: Any, location: tuple[int | str, ...]) -> set[str]:
    """Name the keys that are valid in the section at a location."""
    sections = list(_dataclasses_in(schema))
    for part in location:
        hints = [get_type_hints(section).get(str(part)) for section in sections]
        sections = [found for hint in hints for found in _dataclasses_in(hint)] or sections
    return {field.name for section in sections for field in dataclasses.fields(section)}


def _dataclasses_in(hint: Any) -> Iterator[Any]:
    """Find the dataclasses that a type hint may hold, also inside unions and containers."""
    if dataclasses.is_dataclass(hint):
        yield hint
    for argument in get_args(hint):
        yield from _dataclasses_in(argument)


def origin_of(path: str, origin: str | Mapping[str, str]) -> str:
    """
    Tell where a value comes from.

    :param path: its key path
    :param origin: as in parse_config
    :return: the name that messages start with
    """
    if isinstance(origin, str):
        return origin
    parts = path.split('.')
    for length in range(len(parts), 0, -1):
        if name := origin.get('.'.join(parts[:length])):
            return name
    return origin.get('', 'configuration')
