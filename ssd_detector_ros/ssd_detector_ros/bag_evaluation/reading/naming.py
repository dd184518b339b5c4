"""Names of topics as people give them, and what they may have meant."""

from collections.abc import Collection, Iterable, Mapping
import difflib

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.message_types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE,
    LABEL_INFO,
)
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
GROUND_TRUTH_TOPIC = '/ground_truth'
# Objects that are neither hit nor miss; beside the topic of the others.
DIFFICULT_SUFFIX = '/difficult'


def find_topic(
    name: str, topics: Mapping[str, Topic], types: Collection[str], *, option: str
) -> Topic:
    """
    Find a topic that was asked for.

    :param name: as given; a leading slash may be missing
    :param topics: of the recording
    :param types: that it may have
    :param option: where the name comes from, for the message
    :return: the topic
    :raises BagError: when it is not there, with the nearest name, or has another type
    """
    names = [name, f'/{name}', name.removeprefix('/')]
    topic = next((topics[candidate] for candidate in names if candidate in topics), None)
    if topic is None:
        near = difflib.get_close_matches(name, topics, 1, 0.5)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise BagError([f'{option}: no topic {name}{hint} It has {list_topics(topics.values())}'])
    if topic.type_name not in types:
        raise BagError(
            [f'{option}: {name} is of type {topic.type_name}; expected {" or ".join(types)}']
        )
    return topic


def choose_image_topic(name: str | None, topics: Mapping[str, Topic]) -> Topic:
    """
    Choose the images.

    :param name: as given, or None
    :param topics: of the recording
    :return: the topic
    :raises BagError: when there is none, or several and none was chosen
    """
    if name is not None:
        return find_topic(name, topics, IMAGE_TYPES, option='image_topic')
    found = [topic for topic in topics.values() if topic.type_name in IMAGE_TYPES]
    if not found:
        raise BagError([f'no topic of images; the recording has {list_topics(topics.values())}'])
    # Pictures that a detector drew are no camera; a camera and its compressed twin are one.
    found = [topic for topic in found if not is_drawn(topic.name)] or found
    names = {topic.name for topic in found}
    found = [
        topic
        for topic in found
        if topic.name.removesuffix('/compressed') not in names - {topic.name}
    ]
    if len(found) > 1:
        listed = ', '.join(topic.name for topic in found)
        raise BagError([f'{len(found)} topics of images: {listed}; choose one: --image_topic'])
    return found[0]


def is_drawn(name: str) -> bool:
    """
    Tell what a detector publishes for people from what a camera does, by our names.

    :param name: of a topic
    :return: whether it is an overlay
    """
    return name.removesuffix('/compressed').endswith('/overlay')


def choose_ground_truth(name: str | None, topics: Mapping[str, Topic]) -> Topic | None:
    """
    Choose what was annotated.

    :param name: as given, or None
    :param topics: of the recording
    :return: the topic; None when none was asked for and no topic is named ground_truth
    :raises BagError: when it is not there, or several could be meant
    """
    if name is not None:
        return find_topic(name, topics, (DETECTIONS,), option='ground_truth')
    found = [
        topic
        for topic in topics.values()
        if topic.type_name == DETECTIONS and topic.name.endswith(GROUND_TRUTH_TOPIC.lstrip('/'))
    ]
    if len(found) > 1:
        listed = ', '.join(topic.name for topic in found)
        raise BagError([f'{len(found)} topics of ground truth: {listed}; choose: --ground_truth'])
    return found[0] if found else None


def find_label_info(topic: Topic, topics: Mapping[str, Topic]) -> Topic | None:
    """
    Find the topic that names the classes of another: label_info beside or below it.

    :param topic: of detections
    :param topics: of the recording
    :return: the topic, or None
    """
    parent = topic.name.rpartition('/')[0]
    for name in (f'{topic.name}/label_info', f'{parent}/label_info', f'{topic.name}_label_info'):
        if name in topics and topics[name].type_name == LABEL_INFO:
            return topics[name]
    return None


def list_topics(topics: Iterable[Topic]) -> str:
    """
    List what a recording has.

    :param topics: all of them
    :return: for a message
    """
    listed = [f'{topic.name} ({topic.type_name})' for topic in topics]
    shown = ', '.join(listed[:20]) or 'no topic at all'
    return shown + (f' and {len(listed) - 20} more' if len(listed) > 20 else '')
