"""A stand-in for ROS 2's `rosidl_runtime_py`: messages to and from YAML."""

import array
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from .utilities import get_message


def is_message(value: Any) -> bool:
    return hasattr(type(value), 'get_fields_and_field_types')


def message_to_ordereddict(
    msg: Any, *, truncate_length: int | None = None, no_arr: bool = False, no_str: bool = False
) -> OrderedDict:
    return OrderedDict(
        (name, _plain(getattr(msg, name), type_name, truncate_length, no_arr, no_str))
        for name, type_name in type(msg).get_fields_and_field_types().items()
    )


def _plain(value: Any, type_name: str, limit: int | None, no_arr: bool, no_str: bool) -> Any:
    if is_message(value):
        return message_to_ordereddict(value, truncate_length=limit, no_arr=no_arr, no_str=no_str)
    if isinstance(value, (list, tuple, array.array, np.ndarray)):
        if no_arr:
            return f'<sequence type: {type_name}, length: {len(value)}>'
        kept = value if limit is None or len(value) <= limit else value[:limit]
        items = [_plain(item, type_name, limit, no_arr, no_str) for item in kept]
        return items + ['...'] if len(kept) < len(value) else items
    if isinstance(value, bytes):
        # YAML writes what can't be printed as "\0".
        return ''.join(map(chr, value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        if no_str:
            return f'<string length: <{len(value)}>>'
        return value if limit is None or len(value) <= limit else value[:limit] + '...'
    return value


def message_to_yaml(
    msg: Any,
    *,
    truncate_length: int | None = None,
    no_arr: bool = False,
    no_str: bool = False,
    flow_style: bool = False,
) -> str:
    values = _unordered(
        message_to_ordereddict(msg, truncate_length=truncate_length, no_arr=no_arr, no_str=no_str)
    )
    return yaml.safe_dump(
        values,
        sort_keys=False,
        allow_unicode=True,
        width=float('inf'),
        default_flow_style=flow_style,
    )


def _unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unordered(item) for key, item in value.items()}
    return [_unordered(item) for item in value] if isinstance(value, list) else value


def set_message_fields(
    msg: Any,
    values: Mapping | None,
    expand_header_auto: bool = False,
    expand_time_now: bool = False,
) -> None:
    types = type(msg).get_fields_and_field_types()
    for name, value in (values or {}).items():
        if name not in types:
            raise AttributeError(f"'{type(msg).__name__}' object has no attribute '{name}'")
        current = getattr(msg, name)
        if is_message(current):
            set_message_fields(current, value)
        elif '/' in types[name] and isinstance(value, (list, tuple)):
            element = get_message(
                types[name]
                .removeprefix('sequence<')
                .split('[')[0]
                .rstrip('>')
                .split(',')[0]
                .replace('/', '/msg/')
            )
            items = []
            for item in value:
                items.append(element())
                set_message_fields(items[-1], item)
            setattr(msg, name, items)
        elif isinstance(current, (float, np.floating)) and isinstance(value, int):
            setattr(msg, name, float(value))
        elif isinstance(current, np.ndarray):
            setattr(msg, name, np.array(value, dtype=current.dtype))
        elif isinstance(current, array.array):
            setattr(msg, name, array.array(current.typecode, value))
        else:
            setattr(msg, name, value)


__all__ = ['message_to_ordereddict', 'message_to_yaml', 'set_message_fields']
