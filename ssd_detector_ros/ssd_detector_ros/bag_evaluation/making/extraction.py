"""Takes frames out of a recording, into a VOC folder: for labelling and training."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections, ImageError
from ssd_detector_ros.bag_evaluation.making.bag_writing import encode, Transport
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray, read_box_arrays
from ssd_detector_ros.bag_evaluation.reading.image_reading import Frame, ImageReader
from ssd_detector_ros.bag_evaluation.reading.naming import DIFFICULT_SUFFIX
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic
from ssd_detector_ros.bag_evaluation.scoring.truths import read_label_names
from ssd_detector_ros.outputs.snapshots import AnsweredFrame, to_annotation

SPLIT = 'extracted'
# Frames are compared this small and grey: noise of the sensor is no change.
_THUMBNAIL_PX = 32
_SUFFIXES: dict[Transport, str] = {'jpeg': '.jpg', 'png': '.png', 'raw': '.png'}


@dataclass(frozen=True)
class Rule:
    """
    Which frames are taken; all that is given has to hold.

    :param every: every n-th frame
    :param min_gap_s: stamps at least so far from that of the frame taken last
    :param min_change: mean difference of grey levels from the frame taken last, of the full range
    :param uncertain: scores between which a detection makes a frame worth labelling; needs boxes
    :param limit: frames at most
    """

    every: int = 1
    min_gap_s: float = 0.0
    min_change: float = 0.0
    uncertain: tuple[float, float] | None = None
    limit: int | None = None


@dataclass(eq=False)
class Extracted:
    """
    What was taken.

    :param image_ids: names of the files without suffix
    :param num_objects: written into the annotations
    :param num_frames: looked at
    :param excluded: why images are no frames
    """

    image_ids: list[str] = field(default_factory=list)
    num_objects: int = 0
    num_frames: int = 0
    excluded: Counter[str] = field(default_factory=Counter)


def extract_frames(
    recording: Recording,
    reader: ImageReader,
    folder: Path,
    *,
    boxes: Topic | None,
    rule: Rule,
    transport: Transport = 'jpeg',
) -> Extracted:
    """
    Write frames, and the boxes of a topic as their annotations.

    :param recording: where from
    :param reader: its images
    :param folder: root of the VOC tree; is made when missing
    :param boxes: detections or ground truth; None writes no annotations
    :param rule: which frames
    :param transport: format of the files: jpeg or png
    :return: what was taken
    """
    annotations = _Annotations(recording, boxes)
    extracted = Extracted()
    for name in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for frame, image_rgb in _choose(reader, annotations, rule, extracted):
        name = f'{recording.name}_{frame.stamp_ns}'
        file = f'{name}{_SUFFIXES[transport]}'
        (folder / 'JPEGImages' / file).write_bytes(encode(image_rgb, transport).tobytes())
        if boxes is not None:
            tree, count = annotations.describe(frame, image_rgb, file)
            ElementTree.indent(tree)
            path = folder / 'Annotations' / f'{name}.xml'
            ElementTree.ElementTree(tree).write(path, encoding='utf-8')
            extracted.num_objects += count
        extracted.image_ids.append(name)
    extracted.excluded.update(reader.excluded)
    lines = ''.join(f'{name}\n' for name in extracted.image_ids)
    (folder / 'ImageSets/Main' / f'{SPLIT}.txt').write_text(lines, encoding='utf-8')
    return extracted


def _choose(
    reader: ImageReader, annotations: '_Annotations', rule: Rule, extracted: Extracted
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    last_ns: int | None = None
    last_small: NDArray[np.float64] | None = None
    num_taken = 0
    for index, frame in enumerate(reader.frames()):
        extracted.num_frames += 1
        is_due = index % rule.every == 0 and (
            last_ns is None or frame.stamp_ns - last_ns >= rule.min_gap_s * 1e9
        )
        if not is_due or not annotations.are_uncertain(frame, rule.uncertain):
            continue
        try:
            image_rgb = reader.to_rgb(frame)
        except ImageError as error:
            extracted.excluded[str(error).split(';')[0]] += 1
            continue
        small = _shrink(image_rgb)
        if last_small is not None and np.abs(small - last_small).mean() < 255 * rule.min_change:
            continue
        last_ns, last_small = frame.stamp_ns, small
        yield frame, image_rgb
        num_taken += 1
        if num_taken == rule.limit:
            return


def _shrink(image_rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    size_wh = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    small = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float64)


class _Annotations:
    """The boxes of a topic, by stamp."""

    def __init__(self, recording: Recording, topic: Topic | None) -> None:
        self._arrays: dict[int, BoxArray] = {}
        self._difficult: dict[int, BoxArray] = {}
        self._names: dict[str, str] = {}
        if topic is None:
            return
        self._arrays = {array.stamp_ns: array for array in read_box_arrays(recording, topic)}
        beside = recording.topics.get(topic.name + DIFFICULT_SUFFIX)
        if beside is not None:
            self._difficult = {
                array.stamp_ns: array for array in read_box_arrays(recording, beside)
            }
        self._names = read_label_names(recording, topic)

    def are_uncertain(self, frame: Frame, between: tuple[float, float] | None) -> bool:
        if between is None:
            return True
        array = self._arrays.get(frame.stamp_ns)
        low, high = between
        return array is not None and bool(np.any((array.scores >= low) & (array.scores <= high)))

    def describe(
        self, frame: Frame, image_rgb: NDArray[np.uint8], file: str
    ) -> tuple[ElementTree.Element, int]:
        parts = [
            (array, is_difficult)
            for arrays, is_difficult in ((self._arrays, 0), (self._difficult, 1))
            if (array := arrays.get(frame.stamp_ns)) is not None
        ]
        boxes = [box for array, _ in parts for box in array.boxes_xyxy]
        labels = [self._names.get(text, text) for array, _ in parts for text in array.class_ids]
        flags = [flag for array, flag in parts for _ in array.class_ids]
        count = len(boxes)
        height_px, width_px = image_rgb.shape[:2]
        limits = (width_px, height_px, width_px, height_px)
        clipped = np.clip(np.array(boxes, np.float32).reshape(-1, 4), 0, limits)
        found = Detections(
            clipped.astype(np.float32),
            np.ones(count, np.float32),
            np.ones(count, np.int64),
            labels,
        )
        tree = to_annotation(AnsweredFrame(image_rgb, found, '', frame.stamp_ns), file)
        database = tree.find('source/database')
        if database is not None:
            database.text = 'extracted from a recording'
        for node, flag in zip(tree.iter('object'), flags, strict=True):
            difficult = node.find('difficult')
            if difficult is not None:
                difficult.text = str(flag)
        return tree, count
