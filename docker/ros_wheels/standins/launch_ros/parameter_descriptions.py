"""Parameters of a node: files, dictionaries, single values."""

from collections.abc import Mapping
import os
from pathlib import Path
import tempfile
from typing import Any

from launch import LaunchContext, Substitution
from launch._engine import log, perform
import yaml


class ParameterValue:
    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.value, self.value_type = value, value_type

    def evaluate(self, context: LaunchContext) -> Any:
        return evaluate_value(context, self.value, self.value_type)


class ParameterFile:
    def __init__(self, param_file: Any, *, allow_substs: bool = False) -> None:
        self.param_file, self.allow_substs = param_file, allow_substs


def evaluate_value(context: LaunchContext, value: Any, value_type: Any = None) -> Any:
    """Keep plain text; read what comes out of substitutions as YAML, or as the type asked for."""
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    is_sequence = isinstance(value, (list, tuple))
    if is_sequence and not any(isinstance(part, Substitution) for part in value):
        return [evaluate_value(context, part) for part in value]
    if not isinstance(value, Substitution) and not is_sequence:
        return value_type(value) if value_type in (str, int, float) else value
    text = perform(context, value)
    if value_type is str:
        return text
    if value_type is bool:
        text = {'1': 'true', '0': 'false'}.get(text, text)
    parsed = yaml.safe_load(text)
    if value_type is None:
        return parsed if isinstance(parsed, (bool, int, float, str, list)) else text
    if value_type is float and isinstance(parsed, int) and not isinstance(parsed, bool):
        return float(parsed)
    if value_type in (bool, int, float) and type(parsed) is not value_type:
        raise ValueError(f"Cannot convert value '{text}' to {value_type.__name__}")
    return parsed


def flatten(context: LaunchContext, parameters: Mapping, prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        name = prefix + perform(context, key)
        if isinstance(value, Mapping):
            flat.update(flatten(context, value, name + '.'))
        else:
            flat[name] = evaluate_value(context, value)
    return flat


def write_parameters(node_name: str, parameters: Mapping) -> str:
    with tempfile.NamedTemporaryFile('w', prefix='launch_params_', delete=False) as stream:
        yaml.safe_dump({node_name: {'ros__parameters': dict(parameters)}}, stream)
    return stream.name


def parameter_file(context: LaunchContext, entry: Any, node_name: str) -> str | None:
    """Give the path of a YAML file that holds one entry of `parameters`; None if there is none."""
    if isinstance(entry, Mapping):
        return write_parameters(node_name, flatten(context, entry))
    if isinstance(entry, ParameterFile):
        if entry.allow_substs:
            raise NotImplementedError(
                'the stand-in does not expand substitutions inside parameter files'
            )
        entry = entry.param_file
    path = perform(context, entry) if not isinstance(entry, Path) else os.fspath(entry)
    if not os.path.isfile(path):
        log('WARNING', 'launch_ros.actions.node', f'Parameter file path is not a file: {path}')
        return None
    return path
