"""The node's parameters: type, range, meaning and default in one place; checked all at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
import difflib
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ssd_detector import ConfigError, Thresholds
from ssd_detector.bundle import AUTO
from ssd_detector_ros.messages import CLASS_ID_FORMATS, ClassIdFormat

RELEASED_BUNDLE = 'mobilenetv2_ssd_voc'
# Given by rclpy itself, to any node.
_FOREIGN_PREFIXES = ('use_sim_time', 'qos_overrides.', 'start_type_description_service')
_UNIT = [FloatingPointRange(from_value=0.0, to_value=1.0, step=0.0)]


@dataclass(frozen=True)
class Declaration:
    """
    One parameter.

    :param type_: its ROS type
    :param description: one sentence
    :param default: None when the bundle's deploy config gives it
    :param float_range: of a double
    :param integer_range: of an integer, both ends included
    """

    type_: Parameter.Type
    description: str
    default: Any = None
    float_range: Sequence[FloatingPointRange] = ()
    integer_range: tuple[int, int] | None = None

    def descriptor(self) -> ParameterDescriptor:
        """Build the ROS descriptor."""
        descriptor = ParameterDescriptor(
            description=self.description, floating_point_range=list(self.float_range)
        )
        if self.integer_range is not None:
            low, high = self.integer_range
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor


_TYPE = Parameter.Type
# Live: the next message obeys. Without a default of their own: as the bundle's deploy.yaml says.
LIVE = {
    'score_threshold': Declaration(
        _TYPE.DOUBLE, 'Boxes with at least this score are reported.', float_range=_UNIT
    ),
    'nms_iou_threshold': Declaration(
        _TYPE.DOUBLE, 'Of two boxes of a class that overlap more, one stays.', float_range=_UNIT
    ),
    'max_detections': Declaration(
        _TYPE.INTEGER, 'The best of an image that are reported.', integer_range=(1, 10_000)
    ),
    'class_thresholds': Declaration(
        _TYPE.STRING_ARRAY, "Score thresholds of single labels, such as ['cat=0.6', 'dog=0.5']."
    ),
    'class_id_format': Declaration(
        _TYPE.STRING, f'What class_id holds: {" or ".join(CLASS_ID_FORMATS)}.', default='label'
    ),
}
# These take effect at configure, and can be changed while the node is unconfigured.
STATIC = {
    'bundle': Declaration(
        _TYPE.STRING, 'Folder of the bundle; empty for the one of this package.', default=''
    ),
    'model': Declaration(
        _TYPE.STRING, 'Model file of the bundle, or auto for its deploy precision.', default=AUTO
    ),
    'num_threads': Declaration(
        _TYPE.INTEGER,
        'Threads of one inference; 0 takes the cores of this process, at most 4.',
        default=0,
        integer_range=(0, 256),
    ),
    'image_topic': Declaration(_TYPE.STRING, 'Topic of sensor_msgs/Image.', default='image'),
    'autostart': Declaration(
        _TYPE.BOOL, 'Configure and activate at start, without a lifecycle manager.', default=True
    ),
}
DECLARATIONS = STATIC | LIVE
THRESHOLD_NAMES = ('score_threshold', 'nms_iou_threshold', 'max_detections', 'class_thresholds')


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
            findings[name] = f'parameter {name}: {error}'
            _declare(node, name, declaration, ignore_override=True)
    unknown = (name for name in _given_names(node) if not _is_known(name))
    return findings | {name: _unknown(name) for name in unknown}


def read_thresholds(
    node: Node, defaults: Thresholds, *, ignore: Collection[str] = ()
) -> Thresholds:
    """
    Combine what the user set with what the bundle recommends.

    :param node: the node, with parameters declared
    :param defaults: the bundle's
    :param ignore: names whose values came from another bundle, not from the user
    :return: what applies
    :raises ConfigError: with everything that is wrong
    """
    values = {
        name: node.get_parameter_or(name).value for name in THRESHOLD_NAMES if name not in ignore
    }
    return update_thresholds(
        defaults, {name: value for name, value in values.items() if value is not None}
    )


def threshold_parameters(thresholds: Thresholds) -> list[Parameter]:
    """
    Express thresholds as ROS parameters.

    :param thresholds: what applies
    :return: a parameter for each of THRESHOLD_NAMES
    """
    pairs = [f'{label}={value}' for label, value in thresholds.class_thresholds.items()]
    values = {name: getattr(thresholds, name) for name in THRESHOLD_NAMES}
    values['class_thresholds'] = pairs
    return [Parameter(name, DECLARATIONS[name].type_, value) for name, value in values.items()]


def update_thresholds(thresholds: Thresholds, changes: Mapping[str, Any]) -> Thresholds:
    """
    Apply parameter values to thresholds.

    :param thresholds: what applied so far
    :param changes: parameter name -> value; names that are no thresholds are ignored
    :return: what applies now
    :raises ConfigError: with everything that is wrong
    """
    values = {name: changes[name] for name in THRESHOLD_NAMES if name in changes}
    if 'class_thresholds' in values:
        values['class_thresholds'] = parse_class_thresholds(values['class_thresholds'])
    current = {field: getattr(thresholds, field) for field in thresholds.__dataclass_fields__}
    return Thresholds(**(current | values))


def parse_class_thresholds(pairs: Iterable[str]) -> dict[str, float]:
    """
    Read `label=threshold` texts.

    :param pairs: empty texts are skipped: ROS can not tell an empty list from one of bytes
    :return: label -> threshold
    :raises ConfigError: with every text that is no such pair
    """
    result, findings = {}, []
    for pair in filter(None, pairs):
        label, _, value = pair.rpartition('=')
        try:
            if not label or label in result:
                raise ValueError
            result[label] = float(value)
        except ValueError:
            findings.append(
                f"class_thresholds: received '{pair}'; expected label=threshold, each label once, "
                f"such as 'cat=0.6'"
            )
    if findings:
        raise ConfigError(findings)
    return result


def check_class_id_format(value: str) -> ClassIdFormat:
    """
    Check the parameter class_id_format.

    :param value: what was given
    :return: the value
    :raises ConfigError: when it is no format
    """
    if value not in CLASS_ID_FORMATS:
        raise ConfigError(
            [f"class_id_format: received '{value}'; expected {' or '.join(CLASS_ID_FORMATS)}"]
        )
    return value


def bundle_path(value: str) -> Path:
    """
    Find the bundle.

    :param value: the parameter; empty for the bundle of this package
    :return: its folder
    """
    if value:
        return Path(value).expanduser()
    return Path(get_package_share_directory('ssd_detector_ros'), 'models', RELEASED_BUNDLE)


def _declare(node: Node, name: str, declaration: Declaration, *, ignore_override: bool) -> None:
    # A type in place of a value declares a parameter that is not set.
    value = declaration.type_ if declaration.default is None else declaration.default
    node.declare_parameter(name, value, declaration.descriptor(), ignore_override=ignore_override)


def _given_names(node: Node) -> list[str]:
    # rclpy offers no public way to see parameters that were given but not declared (ros2/rclpy).
    return sorted(node._parameter_overrides)


def _is_known(name: str) -> bool:
    return name in DECLARATIONS or name.startswith(_FOREIGN_PREFIXES)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, DECLARATIONS, n=1)
    advice = f'did you mean {near[0]}?' if near else f'known: {", ".join(sorted(DECLARATIONS))}'
    return f'parameter {name}: unknown; {advice}'
