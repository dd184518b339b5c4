"""Declares the node's parameters and checks what was given, all at once."""

from collections.abc import Sequence
import difflib
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from ssd_detector import ConfigError
from ssd_detector_ros.declarations import Declaration, DECLARATIONS

RELEASED_BUNDLE = 'mobilenetv2_ssd_voc'
# Given by rclpy itself, to any node.
_FOREIGN_PREFIXES = ('use_sim_time', 'start_type_description_service')
_QOS_PREFIX = 'qos_overrides.'
_PUBLISHER_POLICIES = ('history', 'depth', 'reliability')
# How many images wait is for drop_policy and queue_size to say.
_SUBSCRIPTION_POLICIES = ('reliability', 'durability')


def declare_parameters(node: Node) -> dict[str, str]:
    """
    Declare every parameter; one that was given wrongly keeps its default.

    :param node: the node
    :return: name -> finding, for each value of wrong type or out of range and each unknown name
    """
    findings = {}
    for name, declaration in DECLARATIONS.items():
        try:
            _declare(node, name, declaration, ignore_override=False)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            findings[name] = f'parameter {name}: {error}{_advice(node, name)}'
            _declare(node, name, declaration, ignore_override=True)
    unknown = (name for name in _given_names(node) if not _is_known(name))
    return findings | {name: _unknown(name) for name in unknown}


def check_choices(values: dict[str, Any]) -> list[str]:
    """
    Check the texts that have to be one of some.

    :param values: parameter name -> value
    :return: a finding for each other one
    """
    return [
        f"{name}: received '{value}'; expected one of {', '.join(DECLARATIONS[name].choices)}"
        for name, value in values.items()
        if name in DECLARATIONS
        and DECLARATIONS[name].choices
        and value not in DECLARATIONS[name].choices
    ]


def bundle_path(value: str) -> Path:
    """
    Find the bundle.

    :param value: the parameter; empty for the bundle of this package
    :return: its folder
    :raises ConfigError: when it begins with the home of nobody
    """
    if value:
        return folder_path(value)
    return Path(get_package_share_directory('ssd_detector_ros'), 'models', RELEASED_BUNDLE)


def folder_path(value: str) -> Path:
    """
    Read a text as a folder.

    :param value: relative to the working folder, absolute, or below `~`
    :return: absolute
    :raises ConfigError: when it begins with the home of nobody
    """
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(
            [f'{value}: there is no such home; expected a folder, or ~/ for your own home']
        ) from error


def _declare(node: Node, name: str, declaration: Declaration, *, ignore_override: bool) -> None:
    # A type in place of a value declares a parameter that is not set.
    value = declaration.type_ if declaration.default is None else declaration.default
    node.declare_parameter(name, value, declaration.descriptor(), ignore_override=ignore_override)


def _advice(node: Node, name: str) -> str:
    """Explain the one text of ours that YAML takes for something else."""
    if node._parameter_overrides[name].value is False and 'off' in DECLARATIONS[name].choices:
        return "; YAML reads off as false: write 'off' in quotes"
    return ''


def _given_names(node: Node) -> list[str]:
    # rclpy offers no public way to see parameters that were given but not declared (ros2/rclpy).
    return sorted(node._parameter_overrides)


def _is_known(name: str) -> bool:
    if name.startswith(_QOS_PREFIX):
        return name.rpartition('.')[2] in _policies_of(name)
    return name in DECLARATIONS or name.startswith(_FOREIGN_PREFIXES)


def _policies_of(name: str) -> Sequence[str]:
    """List the policies that a QoS override of this entity can set."""
    return _SUBSCRIPTION_POLICIES if '.subscription' in name else _PUBLISHER_POLICIES


def _unknown(name: str) -> str:
    if name.startswith(_QOS_PREFIX):
        known = ', '.join(_policies_of(name))
        return f'parameter {name}: no policy that can be overridden there; expected one of {known}'
    near = difflib.get_close_matches(name, DECLARATIONS, n=1)
    advice = f'did you mean {near[0]}?' if near else f'known: {", ".join(sorted(DECLARATIONS))}'
    return f'parameter {name}: unknown; {advice}'
