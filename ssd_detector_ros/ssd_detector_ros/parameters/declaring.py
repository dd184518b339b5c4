"""Declares the node's parameters and checks what was given, all at once."""

from collections.abc import Mapping
import difflib
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ssd_detector import ConfigError
from ssd_detector.printable import quoted, shown
from ssd_detector_ros.parameters.declarations import Declaration, DECLARATIONS, STATIC
from ssd_detector_ros.parameters.qos_overrides import PREFIX
from ssd_detector_ros.parameters.static_settings import (
    LONGEST_TEXT,
    MAX_CAMERAS,
    read_static_settings,
    StaticSettings,
)

RELEASED_BUNDLE = 'mobilenetv2_ssd_voc'
# Given by rclpy itself, to any node.
_FOREIGN_PREFIXES = ('use_sim_time', 'start_type_description_service', PREFIX)
# Of difflib: names of ours with a letter wrong or two; names that may have been meant so.
_NEAR_MISS, _ALIKE = 0.82, 0.7


def declare_parameters(node: Node) -> dict[str, str]:
    """
    Declare every parameter; one that was given wrongly keeps its default.

    :param node: the node
    :return: name -> finding, for each value of wrong type or out of range and each name that is
        nearly one of ours; others are warned of, for files and launch files give them to all nodes
    """
    findings = {}
    # rclpy offers no public way to see parameters that were given but not declared (ros2/rclpy).
    given = node._parameter_overrides
    given.update({name: take_whole_numbers(parameter) for name, parameter in given.items()})
    for name, declaration in DECLARATIONS.items():
        try:
            _declare(node, name, declaration, ignore_override=False)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            findings[name] = f'parameter {name}: {error}{_advice(node, name)}'
            _declare(node, name, declaration, ignore_override=True)
    unknown = {name: _find_fault(name) for name in sorted(given) if not _is_known(name)}
    if foreign := [_hint(name) for name, fault in unknown.items() if not fault]:
        node.get_logger().warning(
            f'given, but no parameters of this node, and without effect: {", ".join(foreign)}'
        )
    return findings | {name: fault for name, fault in unknown.items() if fault}


def take_whole_numbers(parameter: Parameter) -> Parameter:
    """
    Read whole numbers as doubles where ours are doubles: `1` is an integer to YAML and ROS.

    :param parameter: any
    :return: the same, or with its value as double
    """
    declaration = DECLARATIONS.get(parameter.name)
    given, wanted = parameter.type_, declaration.type_ if declaration else None
    kinds = Parameter.Type
    if (given, wanted) == (kinds.INTEGER, kinds.DOUBLE):
        return Parameter(parameter.name, wanted, float(parameter.value))
    if (given, wanted) == (kinds.INTEGER_ARRAY, kinds.DOUBLE_ARRAY):
        return Parameter(parameter.name, wanted, [float(value) for value in parameter.value])
    return parameter


def is_given(node: Node, name: str) -> bool:
    """
    Tell whether a parameter was given at the start.

    :param node: the node
    :param name: of the parameter
    """
    return name in node._parameter_overrides


def check_choices(values: Mapping[str, Any]) -> dict[str, str]:
    """
    Check the texts that have to be one of some.

    :param values: parameter name -> value
    :return: name -> finding, for each other one
    """
    return {
        name: f'{name}: received {shown(value)}; expected one of '
        f'{", ".join(DECLARATIONS[name].choices)}'
        for name, value in values.items()
        if name in DECLARATIONS
        and DECLARATIONS[name].choices
        and value not in DECLARATIONS[name].choices
    }


def check_sizes(values: Mapping[str, Any]) -> dict[str, str]:
    """
    Check that texts and lists are no larger than anybody needs.

    :param values: parameter name -> value
    :return: name -> finding, for each larger one
    """
    findings = {}
    for name, value in values.items():
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            findings[name] = (
                f'{name}: received {quoted(value)}, {len(value)} characters; expected at most '
                f'{LONGEST_TEXT}'
            )
        elif name == 'image_topics' and len(value or ()) > MAX_CAMERAS:
            findings[name] = (
                f'{name}: received {len(value)} topics; expected at most {MAX_CAMERAS}'
            )
    return findings


def read_static(node: Node) -> tuple[StaticSettings, list[str]]:
    """
    Read what takes effect at configure.

    :param node: with parameters declared
    :return: the settings, where a choice that there is not leaves the default, so that the rest
        can be checked as well; a finding for each such choice
    """
    values = {name: node.get_parameter(name).value for name in STATIC}
    findings = check_choices(values) | check_sizes(values)
    values |= {name: STATIC[name].default for name in findings}
    return read_static_settings(values), list(findings.values())


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


def _is_known(name: str) -> bool:
    return name in DECLARATIONS or name.startswith(_FOREIGN_PREFIXES)


def _find_fault(name: str) -> str:
    """Say what is wrong with an unknown name; empty when it is likely that of another node."""
    near = _nearest(name, _NEAR_MISS)
    # A whole word more makes another thing: sync_queue_size.
    if not near or f'_{near}_' in f'_{name}_':
        return ''
    return f'parameter {name}: unknown; did you mean {near}?'


def _hint(name: str) -> str:
    near = _nearest(name, _ALIKE)
    return f'{name} (did you mean {near}?)' if near else name


def _nearest(name: str, similarity: float) -> str:
    return next(iter(difflib.get_close_matches(name.lower(), DECLARATIONS, 1, similarity)), '')
