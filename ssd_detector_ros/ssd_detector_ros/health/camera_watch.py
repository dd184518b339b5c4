"""What is known of a camera from the outside: silence and its cause, staleness, losses."""

from collections.abc import Sequence, Set
import os
import time

from rclpy.node import Node

from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.cameras.losses import advise, choose_reliability
from ssd_detector_ros.cameras.offers import find_offers, Offer
from ssd_detector_ros.cameras.shared_memory import find_other_owners
from ssd_detector_ros.cameras.transports import OTHERS
from ssd_detector_ros.frames.pipeline import Pipeline
from ssd_detector_ros.health.diagnostics import ERROR, OK, Verdict, WARN
from ssd_detector_ros.parameters.qos_overrides import reliability_parameter

STALE_AFTER_S = 2.0
# An error stays shown for so long after the frame that caused it.
ERROR_SHOWN_S = 5.0


def judge_silence(
    name: CameraName,
    offers: Sequence[Offer],
    *,
    others: Sequence[Offer] = (),
    other_users: Set[int] = frozenset(),
) -> Verdict:
    """
    Say why no image has arrived yet.

    :param name: what is subscribed to
    :param offers: the publishers on the topic
    :param others: those on the topic of the other transport
    :param other_users: whose shared memory lies on this machine
    :return: the verdict
    """
    if not offers:
        return _judge_absence(name, others)
    shown = ', '.join(f'{offer.node_name} ({offer.message_type}, {offer.qos})' for offer in offers)
    values = {'publishers': shown}
    if wrong := [offer for offer in offers if offer.message_type != name.transport.message_type]:
        return Verdict(ERROR, _say_wrong_type(name, wrong[0]), values)
    if misfits := [offer for offer in offers if offer.misfit]:
        return Verdict(ERROR, _say_misfit(name.topic, misfits[0]), values)
    advice = _advise_on_silence(other_users)
    return Verdict(WARN, f'no image yet: publishers on {name.topic}: {shown}; {advice}', values)


def _judge_absence(name: CameraName, others: Sequence[Offer]) -> Verdict:
    other = OTHERS[name.transport]
    if other.message_type in [offer.message_type for offer in others]:
        return Verdict(
            ERROR,
            f'no image yet: nobody publishes {name.topic}, but {name.other_topic} is published '
            f'as {other.message_type}; set image_transport to {other.name}',
        )
    return Verdict(
        WARN,
        f'no image yet: nobody publishes {name.topic}; start the camera, or set image_topic, '
        f'image_topics or a remapping to a topic that exists (ros2 topic list)',
    )


def _say_wrong_type(name: CameraName, offer: Offer) -> str:
    other = OTHERS[name.transport]
    advice = (
        f'set image_transport to {other.name}'
        if offer.message_type == other.message_type
        else 'choose the topic of the images'
    )
    return (
        f'no image yet: {name.topic} is published as {offer.message_type}, '
        f'expected {name.transport.message_type}; {advice}'
    )


def _say_misfit(topic: str, offer: Offer) -> str:
    return (
        f'QoS incompatible: {offer.node_name} offers {offer.qos} on {topic} '
        f'({offer.misfit}); set {reliability_parameter(topic)} to '
        f'best_effort and .durability to volatile'
    )


def _advise_on_silence(other_users: Set[int]) -> str:
    advice = (
        'check that they send, and that this machine hears them (ROS_DOMAIN_ID, ros2 topic hz)'
    )
    if other_users:
        users = ', '.join(str(user) for user in sorted(other_users))
        advice = (
            f'in /dev/shm are images of another user ({users}), which this one ({os.geteuid()}) '
            f'can not get: run both as one user (docker run --user), or both with '
            f'FASTDDS_BUILTIN_TRANSPORTS=UDPv4'
        )
    return advice


def judge_images(
    camera: Camera, *, now_s: float, new_lost: int, advice: str, is_lossy: bool = False
) -> Verdict:
    """
    Judge a camera that sends, or did so before.

    :param camera: what is known of it
    :param now_s: by time.monotonic
    :param new_lost: images lost by the transport in the last period
    :param advice: against losses
    :param is_lossy: whether losses may be why nothing arrives
    :return: the verdict
    """
    topic, values = camera.name.topic, {'images lost by DDS': camera.num_lost}
    if camera.last_received_s is None:
        new_lost = camera.num_lost
    elif now_s - camera.last_received_s > STALE_AFTER_S and not new_lost:
        silence = f'nothing on {topic} for {now_s - camera.last_received_s:.0f} s'
        cause = f'check the camera and its connection (ros2 topic hz {topic})'
        if is_lossy:
            cause += f', and that images are not lost on the way: {advice}'
        return Verdict(ERROR, f'image stale: {silence}; {cause}', values)
    if camera.last_error and now_s - camera.last_error[1] < ERROR_SHOWN_S:
        return Verdict(ERROR, f'images can not be used: {camera.last_error[0]}', values)
    if new_lost:
        text = f'{new_lost} images on {topic} were lost on the way; {advice}'
        return Verdict(WARN, text, values)
    if finding := camera.samples.finding:
        return Verdict(WARN, f'images arrive on {topic}, but {finding}', values)
    return Verdict(OK, f'images arrive on {topic}', values)


class CameraWatch:
    """
    Judges a camera once a period.

    :param node: that subscribes
    :param camera: what is known of it
    :param pipeline: that takes its images
    """

    def __init__(self, node: Node, camera: Camera, *, pipeline: Pipeline) -> None:
        self._node = node
        self._camera = camera
        self._pipeline = pipeline
        self._num_lost_before = camera.num_lost
        self._has_told_users = False

    def judge(self) -> Verdict:
        """
        Judge the period that ends now.

        :return: the verdict
        """
        name, qos = self._camera.name, self._pipeline.qos[self._camera.index]
        new_lost = self._camera.num_lost - self._num_lost_before
        self._num_lost_before = self._camera.num_lost
        offers = []
        if self._camera.last_received_s is None or self._camera.num_lost:
            offers = find_offers(self._node, name.given, qos)
        is_lossy = bool(self._camera.num_lost and offers)
        if is_lossy:
            wanted = choose_reliability(offers, is_lossy=True)
            self._pipeline.ask_for(self._camera, wanted)
            qos = self._pipeline.qos[self._camera.index]
        if self._camera.last_received_s is None and not is_lossy:
            others = find_offers(self._node, name.other_given, qos)
            users = find_other_owners() if offers else frozenset()
            verdict = judge_silence(name, offers, others=others, other_users=users)
            if users and not self._has_told_users:
                # The log as well: the other user does not hear /diagnostics either.
                self._has_told_users = True
                self._node.get_logger().warning(verdict.message)
            return verdict
        return judge_images(
            self._camera,
            now_s=time.monotonic(),
            new_lost=new_lost,
            advice=advise(name.topic, qos, offers),
            is_lossy=self._pipeline.has_chosen_reliable(self._camera),
        )
