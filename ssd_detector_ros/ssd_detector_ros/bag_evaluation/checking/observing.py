"""What a recording tells of a detector, for the contract."""

from dataclasses import dataclass

from ssd_detector_ros.bag_evaluation.checking.observation import Observation, SeenImage
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.box_reading import read_box_arrays
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.message_types import DETECTIONS
from ssd_detector_ros.bag_evaluation.reading.naming import (
    choose_image_topic,
    DIFFICULT_SUFFIX,
    find_topic,
    GROUND_TRUTH_TOPIC,
    list_topics,
)
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic
from ssd_detector_ros.bag_evaluation.scoring.detecting import list_frames
from ssd_detector_ros.bag_evaluation.scoring.truths import read_label_names


@dataclass(frozen=True)
class Watched:
    """
    What is looked at.

    :param image_topic: None where there is only one
    :param detections: likewise, ground truth aside
    :param max_age_ms: what an answer may take
    :param min_answered: share of the images that need an answer
    """

    image_topic: str | None = None
    detections: str | None = None
    max_age_ms: float = 1000.0
    min_answered: float = 0.95


def observe_recording(recording: Recording, watched: Watched) -> Observation:
    """
    Read images and answers.

    :param recording: where from
    :param watched: its topics
    :return: what was seen; a recording tells nothing of QoS
    :raises BagError: when topics are not there, or several and none was chosen
    """
    topic = _choose_detections(watched.detections, recording)
    images = choose_image_topic(watched.image_topic, recording.topics)
    sequence = list_frames(recording.name, ImageReader(recording, images))
    frames = sorted(sequence.frames, key=lambda frame: frame.time_ns)
    return Observation(
        images=[
            SeenImage(frame.stamp_ns, frame.frame_id, frame.size_wh, frame.time_ns)
            for frame in frames
        ],
        arrays=list(read_box_arrays(recording, topic)),
        class_map=read_label_names(recording, topic) or None,
        max_age_ms=watched.max_age_ms,
        min_answered=watched.min_answered,
    )


def _choose_detections(name: str | None, recording: Recording) -> Topic:
    topics = recording.topics
    if name is not None:
        return find_topic(name, topics, (DETECTIONS,), option='detections')
    truth = GROUND_TRUTH_TOPIC.lstrip('/')
    found = [
        topic
        for topic in topics.values()
        if topic.type_name == DETECTIONS
        and not topic.name.removesuffix(DIFFICULT_SUFFIX).endswith(truth)
        # Low scores, for whoever asks.
        and not topic.name.endswith('/candidates')
    ]
    if len(found) == 1:
        return found[0]
    listed = ', '.join(topic.name for topic in found) or list_topics(topics.values())
    what = 'no topic of detections' if not found else f'{len(found)} topics of detections'
    raise BagError([f'{recording.path}: {what}: {listed}; choose one: --detections'])
