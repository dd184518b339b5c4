"""Who publishes on an image topic, and what is offered."""

from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility, QoSProfile, ReliabilityPolicy


@dataclass(frozen=True)
class Offer:
    """
    A publisher on an image topic.

    :param node_name: full name
    :param message_type: such as sensor_msgs/msg/Image
    :param qos: what it offers
    :param is_reliable: whether it sends again what was lost
    :param misfit: why nothing arrives from it; empty when it fits
    """

    node_name: str
    message_type: str
    qos: str
    misfit: str
    is_reliable: bool = False


def find_offers(node: Node, given: str, qos: QoSProfile) -> list[Offer]:
    """
    List the publishers on a topic.

    :param node: that subscribes
    :param given: the topic before remapping: rclpy remaps it here as well
    :param qos: that it asks for
    :return: the publishers, known so far
    """
    return [
        Offer(
            node_name=f'{info.node_namespace.rstrip("/")}/{info.node_name}',
            message_type=info.topic_type,
            qos=f'{info.qos_profile.reliability.name}, {info.qos_profile.durability.name}',
            misfit=_misfit(info.qos_profile, qos),
            is_reliable=info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
        )
        for info in node.get_publishers_info_by_topic(given)
    ]


def _misfit(offered: QoSProfile, asked: QoSProfile) -> str:
    compatibility, reason = qos_check_compatible(offered, asked)
    return reason.strip() if compatibility == QoSCompatibility.ERROR else ''
