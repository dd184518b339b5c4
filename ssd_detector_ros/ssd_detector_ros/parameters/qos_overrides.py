"""QoS overrides, which come as parameters: checked before rclpy, which ends in a traceback."""

from collections.abc import Iterator, Mapping, Sequence
import difflib

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, ReliabilityPolicy

from ssd_detector import ConfigError
from ssd_detector.printable import quoted

PREFIX = 'qos_overrides.'
# How many images wait is for drop_policy and queue_size to say.
SUBSCRIPTION_POLICIES = (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
PUBLISHER_POLICIES = ('history', 'depth', 'reliability')
_VALUES = {
    name: [value.name.lower() for value in policy if value.name != 'UNKNOWN']
    for name, policy in (
        ('reliability', ReliabilityPolicy),
        ('durability', DurabilityPolicy),
        ('history', HistoryPolicy),
    )
}
# Messages that the middleware keeps: it makes room for them.
_DEEPEST = 10_000
# rclpy's own, of any node.
_FOREIGN_TOPICS = ('/clock', '/parameter_events', '/rosout')


class QosOverrides:
    """
    What the node was given of them; a value that no topic can have is taken out.

    :param node: before its first publisher, which rclpy would not make with such a value
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        # rclpy offers no public way to see parameters that were given but not declared.
        given = node._parameter_overrides
        self._names = sorted(name for name in given if name.startswith(PREFIX))
        self._impossible = []
        for name in self._names:
            if expected := _expected(name, given[name]):
                received = quoted(str(given[name].value))
                self._impossible.append(
                    f'parameter {name}: received {received}; expected {expected}'
                )
                del given[name]

    def check_values(self) -> None:
        """
        Report the values that no topic can have.

        :raises ConfigError: with all of them
        """
        if self._impossible:
            raise ConfigError(self._impossible)

    def check_topics(self, image_topics: Sequence[str]) -> list[str]:
        """
        Compare with the topics that there are, once the publishers have been made.

        An override of another topic is warned of: files and launch files give them to all nodes.

        :param image_topics: that the node will subscribe to, absolute, after remapping
        :return: what is wrong
        """
        policies = [policy.name.lower() for policy in SUBSCRIPTION_POLICIES]
        wanted = {f'{topic}.subscription': policies for topic in image_topics}
        published: dict[str, Sequence[str]] = {
            name.removesuffix('.reliability'): PUBLISHER_POLICIES
            for name in self._node.get_parameters_by_prefix(PREFIX.rstrip('.'))
            if name.endswith('.publisher.reliability')
        }
        known = wanted | published
        for finding in _find_foreign(self._names, known):
            self._node.get_logger().warning(finding)
        return list(_find_faults(self._names, known))


def reliability_parameter(topic: str) -> str:
    """
    Name the parameter that says how to subscribe.

    :param topic: of the images
    :return: its full name
    """
    return f'{PREFIX}{topic}.subscription.reliability'


def _find_faults(given: Sequence[str], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name in given:
        entity, _, policy = name.removeprefix(PREFIX).rpartition('.')
        if entity in known and policy not in known[entity]:
            yield (
                f'parameter {name}: no policy that can be overridden there; '
                f'expected one of {", ".join(known[entity])}'
            )


def _find_foreign(given: Sequence[str], known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name in given:
        entity, _, _ = name.removeprefix(PREFIX).rpartition('.')
        if entity in known or entity.startswith(_FOREIGN_TOPICS):
            continue
        near = difflib.get_close_matches(entity, known, 1)
        hint = f'did you mean {PREFIX}{near[0]}?' if near else f'of this node: {", ".join(known)}'
        yield f'parameter {name}: without effect, for this node has no such topic; {hint}'


def _expected(name: str, parameter: Parameter) -> str:
    """Say what the value of a policy has to be; empty when it is good, or of another policy."""
    policy = name.rpartition('.')[2]
    if policy in _VALUES:
        is_good = str(parameter.value).lower() in _VALUES[policy]
        return '' if is_good else f'one of {", ".join(_VALUES[policy])}'
    if policy == 'depth':
        is_integer = parameter.type_ == Parameter.Type.INTEGER
        is_good = is_integer and 0 <= parameter.value <= _DEEPEST
        return '' if is_good else f'a whole number from 0 to {_DEEPEST}'
    return ''
