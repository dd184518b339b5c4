"""The cameras of a node: names and topics, and what is known of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import time

from rclpy.node import Node

from ssd_detector import ConfigError
from ssd_detector_ros.outputs import CameraOutputs
from ssd_detector_ros.rate_limit import RateLimit
from ssd_detector_ros.snapshots import AnsweredFrame

COMPRESSED_SUFFIX = '/compressed'


@dataclass(frozen=True)
class CameraName:
    """
    Where a camera's images come from and go to.

    :param topic: subscribed to, absolute, after remapping
    :param prefix: of what is published for it
    """

    topic: str
    prefix: str


@dataclass(eq=False)
class Camera:
    """
    What the node knows of a camera.

    :param index: from 0
    :param name: its topics
    :param outputs: its publishers
    :param last_received_s: when the last image arrived, by time.monotonic; None before the first
    :param num_lost: images that the transport reported as lost
    :param last_error: of the last image that could not be used, and when
    :param last_answered: for snapshots
    """

    index: int
    name: CameraName
    outputs: CameraOutputs
    rate_limit: RateLimit = field(default_factory=RateLimit)
    last_received_s: float | None = None
    num_lost: int = 0
    last_error: tuple[str, float] | None = None
    last_answered: AnsweredFrame | None = None

    def note_received(self) -> None:
        """Remember that an image arrived, of whatever worth."""
        self.last_received_s = time.monotonic()

    def forget_images(self) -> None:
        """Begin anew: what came before a pause says nothing about the camera now."""
        self.last_received_s = self.last_error = self.last_answered = None
        self.num_lost = 0

    def note_error(self, text: str) -> None:
        """
        Remember why an image could not be used.

        :param text: for people
        """
        self.last_error = (text, time.monotonic())


def name_cameras(
    node: Node, *, image_topic: str, image_topics: Sequence[str], image_transport: str
) -> list[CameraName]:
    """
    Find out what to subscribe to, and what to call what is published.

    Remappings apply to the name of the image topic, as image_transport does it; `/compressed`
    is added afterwards.

    :param node: whose namespace and remappings apply
    :param image_topic: of the only camera
    :param image_topics: of several cameras; empty texts do not count
    :param image_transport: raw or compressed
    :return: a name for each camera; one alone publishes below `~`, several below `~/<topic>`
    :raises ConfigError: when topics are no topic names, or two are the same
    """
    given = [topic for topic in image_topics if topic]
    topics = given or [image_topic]
    findings = list(_check_topics(topics, 'image_topics' if given else 'image_topic'))
    if findings:
        raise ConfigError(findings)
    suffix = COMPRESSED_SUFFIX if image_transport == 'compressed' else ''
    resolved = [name + suffix for name in _resolve_all(node, topics)]
    prefixes = [f'~/{topic.strip("~/")}' for topic in topics] if given else ['~']
    return [CameraName(*pair) for pair in zip(resolved, prefixes, strict=True)]


def _resolve_all(node: Node, topics: Sequence[str]) -> list[str]:
    resolved, findings = [], []
    for topic in topics:
        try:
            resolved.append(str(node.resolve_topic_name(topic)))
        # rclpy raises errors of several kinds for a name that is no topic's.
        except Exception as error:  # noqa: BLE001
            reason = str(error).partition(', at ')[0]
            findings.append(f"image topic: received '{topic}': {reason}")
    findings += [
        f'image topic: {topic} is what several cameras are remapped to; give each its own'
        for topic in sorted({one for one in resolved if resolved.count(one) > 1})
    ]
    if findings:
        raise ConfigError(findings)
    return resolved


def _check_topics(topics: Sequence[str], parameter: str) -> Iterator[str]:
    stripped = [topic.strip('~/') for topic in topics]
    for topic in sorted({topic for topic in stripped if stripped.count(topic) > 1}):
        yield f'{parameter}: {topic} is given twice; name each camera once'
    for topic in topics:
        if not topic.strip('~/'):
            yield f"{parameter}: received '{topic}'; expected the name of a topic, such as image"
        if topic.endswith(COMPRESSED_SUFFIX):
            base = topic.removesuffix(COMPRESSED_SUFFIX)
            yield (
                f'{parameter}: received {topic}; expected {base}, with image_transport compressed'
            )
