"""Interface classes by name."""

import importlib
from typing import Any


def _interface(identifier: str, kind: str) -> Any:
    parts = identifier.split('/')
    if len(parts) == 2:
        parts.insert(1, kind)
    if len(parts) != 3 or parts[1] != kind:
        raise ValueError(f"Expected the full name of a {kind}, got '{identifier}'")
    return getattr(importlib.import_module(f'{parts[0]}.{parts[1]}'), parts[2])


def get_message(identifier: str) -> Any:
    return _interface(identifier, 'msg')


def get_service(identifier: str) -> Any:
    return _interface(identifier, 'srv')


def get_interface(identifier: str) -> Any:
    return _interface(
        identifier, identifier.split('/')[1] if identifier.count('/') == 2 else 'msg'
    )
