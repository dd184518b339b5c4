"""What is known of a camera from the outside: silence and its cause, staleness, losses."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
import os
import time

from rclpy.node import Node
from rclpy.qos import qos_check_compatible, QoSCompatibility, QoSProfile

from ssd_detector_ros.cameras import Camera, CameraName
from ssd_detector_ros.diagnostics import ERROR, OK, Verdict, WARN
from ssd_detector_ros.shared_memory import find_other_owners

STALE_AFTER_S = 2.0
# An error stays shown for so long after the frame that caused it.
ERROR_SHOWN_S = 5.0
IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


@dataclass(frozen=True)
class Offer:
    """
    A publisher on an image topic.

    :param node_name: full name
    :param message_type: such as sensor_msgs/msg/Image
    :param qos: what it offers
    :param misfit: why nothing arrives from it; empty when it fits
    """

    node_name: str
    message_type: str
    qos: str
    misfit: str


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
        )
        for info in node.get_publishers_info_by_topic(given)
    ]


def _misfit(offered: QoSProfile, asked: QoSProfile) -> str:
    compatibility, reason = qos_check_compatible(offered, asked)
    return reason.strip() if compatibility == QoSCompatibility.ERROR else ''


def judge_silence(
    name: CameraName,
    message_type: str,
    offers: Sequence[Offer],
    *,
    others: Sequence[Offer] = (),
    other_users: Set[int] = frozenset(),
) -> Verdict:
    """
    Say why no image has arrived yet.

    :param name: what is subscribed to
    :param message_type: that is expected
    :param offers: the publishers on the topic
    :param others: those on the topic of the other transport
    :param other_users: whose shared memory lies on this machine
    :return: the verdict
    """
    topic, is_raw = name.topic, message_type == IMAGE_TYPES[0]
    transport, other_type = ('compressed', IMAGE_TYPES[1]) if is_raw else ('raw', IMAGE_TYPES[0])
    shown = ', '.join(f'{one.node_name} ({one.message_type}, {one.qos})' for one in offers)
    if not offers and other_type in [one.message_type for one in others]:
        return Verdict(
            ERROR,
            f'no image yet: nobody publishes {topic}, but {name.other_topic} is published as '
            f'{other_type}; set image_transport to {transport}',
        )
    if not offers:
        return Verdict(
            WARN,
            f'no image yet: nobody publishes {topic}; start the camera, or set image_topic, '
            f'image_topics or a remapping to a topic that exists (ros2 topic list)',
        )
    if wrong := [one for one in offers if one.message_type != message_type]:
        advice = (
            f'set image_transport to {transport}'
            if wrong[0].message_type in IMAGE_TYPES
            else 'choose the topic of the images'
        )
        return Verdict(
            ERROR,
            f'no image yet: {topic} is published as {wrong[0].message_type}, '
            f'expected {message_type}; {advice}',
            {'publishers': shown},
        )
    if misfits := [one for one in offers if one.misfit]:
        return Verdict(
            ERROR,
            f'QoS incompatible: {misfits[0].node_name} offers {misfits[0].qos} on {topic} '
            f'({misfits[0].misfit}); set qos_overrides.{topic}.subscription.reliability to '
            f'best_effort and .durability to volatile',
            {'publishers': shown},
        )
    advice = (
        'check that they send, and that this machine hears them (ROS_DOMAIN_ID, ros2 topic hz)'
    )
    if other_users:
        users = ', '.join(str(one) for one in sorted(other_users))
        advice = (
            f'in /dev/shm are images of another user ({users}), which this one ({os.geteuid()}) '
            f'can not get: run both as one user (docker run --user), or both with '
            f'FASTDDS_BUILTIN_TRANSPORTS=UDPv4'
        )
    return Verdict(
        WARN,
        f'no image yet: publishers on {topic}: {shown}; {advice}',
        {'publishers': shown},
    )


def judge_images(camera: Camera, *, now_s: float, new_lost: int) -> Verdict:
    """
    Judge a camera that has sent before.

    :param camera: what is known of it
    :param now_s: by time.monotonic
    :param new_lost: images lost by the transport in the last period
    :return: the verdict
    """
    assert camera.last_received_s is not None, 'judge_silence is for the others'
    topic, values = camera.name.topic, {'images lost by DDS': camera.num_lost}
    silent_s = now_s - camera.last_received_s
    if silent_s > STALE_AFTER_S:
        return Verdict(
            ERROR,
            f'image stale: nothing on {topic} for {silent_s:.0f} s; check the camera and its '
            f'connection (ros2 topic hz {topic})',
            values,
        )
    if camera.last_error and now_s - camera.last_error[1] < ERROR_SHOWN_S:
        return Verdict(ERROR, f'images can not be used: {camera.last_error[0]}', values)
    if new_lost:
        return Verdict(
            WARN,
            f'{new_lost} images on {topic} were lost on the way; with Fast DDS give every process '
            f'on this machine the profile params/fastdds_images.xml, over a network send fewer or '
            f'compressed images',
            values,
        )
    if finding := camera.samples.finding:
        return Verdict(WARN, f'images arrive on {topic}, but {finding}', values)
    return Verdict(OK, f'images arrive on {topic}', values)


class CameraWatch:
    """
    Judges a camera once a period.

    :param node: that subscribes
    :param camera: what is known of it
    :param qos: of the subscription
    :param message_type: such as sensor_msgs/msg/Image
    """

    def __init__(self, node: Node, camera: Camera, *, qos: QoSProfile, message_type: str) -> None:
        self._node = node
        self._camera = camera
        self._qos = qos
        self._message_type = message_type
        self._num_lost_before = camera.num_lost
        self._has_told_users = False

    def judge(self) -> Verdict:
        """
        Judge the period that ends now.

        :return: the verdict
        """
        name = self._camera.name
        if self._camera.last_received_s is None:
            offers = find_offers(self._node, name.given, self._qos)
            others = find_offers(self._node, name.other_given, self._qos)
            users = find_other_owners() if offers else frozenset()
            verdict = judge_silence(
                name, self._message_type, offers, others=others, other_users=users
            )
            if users and not self._has_told_users:
                # The log as well: the other user does not hear /diagnostics either.
                self._has_told_users = True
                self._node.get_logger().warning(verdict.message)
            return verdict
        new_lost = self._camera.num_lost - self._num_lost_before
        self._num_lost_before = self._camera.num_lost
        return judge_images(self._camera, now_s=time.monotonic(), new_lost=new_lost)
