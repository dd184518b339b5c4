"""What to subscribe to for each camera, and what to call what is published for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rclpy.node import Node

from ssd_detector import ConfigError
from ssd_detector_ros.cameras.transports import RAW, Transport

COMPRESSED_SUFFIX = '/compressed'


@dataclass(frozen=True)
class CameraName:
    """
    Where a camera's images come from and go to.

    :param given: what to subscribe to; rcl remaps it, once
    :param topic: what becomes of it: where the images come from, absolute
    :param other_given: the same images with the other transport, before remapping
    :param other_topic: after remapping
    :param prefix: of what is published for it
    :param transport: how the images are sent
    """

    given: str
    topic: str
    other_given: str
    other_topic: str
    prefix: str
    transport: Transport = RAW


def name_cameras(
    node: Node, *, image_topic: str, image_topics: Sequence[str], transport: Transport
) -> list[CameraName]:
    """
    Find out what to subscribe to, and what to call what is published.

    Remapping rules apply once. With compressed images they apply to the name of the image topic,
    as image_transport does it, or to that name with `/compressed`, where there is such a rule.

    :param node: whose namespace and remappings apply
    :param image_topic: of the only camera
    :param image_topics: of several cameras; none for that one
    :param transport: how all of them send
    :return: a name for each camera; one alone publishes below `~`, several below `~/<topic>`
    :raises ConfigError: when topics are no topic names, or two are the same
    """
    topics = image_topics or [image_topic]
    findings = list(_check_topics(topics, 'image_topics' if image_topics else 'image_topic'))
    if findings:
        raise ConfigError(findings)
    prefixes = [f'~/{topic.strip("~/")}' for topic in topics] if image_topics else ['~']
    names = []
    for topic, prefix in zip(topics, prefixes, strict=True):
        try:
            raw, compressed = _find_raw(node, topic), _find_compressed(node, topic)
        # rclpy raises errors of several kinds for a name that is no topic's.
        except Exception as error:  # noqa: BLE001
            reason = str(error).partition(', at ')[0]
            findings.append(f"image topic: received '{topic}': {reason}")
            continue
        chosen, other = (raw, compressed) if transport is RAW else (compressed, raw)
        names.append(CameraName(*chosen, *other, prefix, transport))
    found = [name.topic for name in names]
    findings += [
        f'image topic: {topic} is what several cameras are remapped to; give each its own'
        for topic in sorted({taken for taken in found if found.count(taken) > 1})
    ]
    if findings:
        raise ConfigError(findings)
    return names


def _find_raw(node: Node, topic: str) -> tuple[str, str]:
    """Find the topic of raw images: as given, and after remapping."""
    return topic, str(node.resolve_topic_name(topic))


def _find_compressed(node: Node, topic: str) -> tuple[str, str]:
    """Find the topic of compressed images: as it has to be given, and after remapping."""
    given = topic + COMPRESSED_SUFFIX
    has_own_rule = node.resolve_topic_name(given) != _expand(node, given)
    base = node.resolve_topic_name(topic)
    if not has_own_rule and base != _expand(node, topic):
        given = base + COMPRESSED_SUFFIX
    return given, str(node.resolve_topic_name(given))


def _expand(node: Node, topic: str) -> str:
    return str(node.resolve_topic_name(topic, only_expand=True))


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
