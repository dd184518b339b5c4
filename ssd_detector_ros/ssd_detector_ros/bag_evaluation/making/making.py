"""Makes a recording of annotated images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import itertools
from pathlib import Path

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Box, Stamp, Transport
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene
from ssd_detector_ros.bag_evaluation.making.virtual_camera import film, VirtualCamera
from ssd_detector_ros.bag_evaluation.reading.naming import DIFFICULT_SUFFIX, GROUND_TRUTH_TOPIC

# Some day in November 2023: recordings of one source are equal, and no stamp is 0.
START_NS = 1_700_000_000 * 10**9


@dataclass(frozen=True)
class Layout:
    """
    What a recording that is made looks like.

    :param image_topic: without /compressed
    :param transport: raw, jpeg or png
    :param storage: mcap or sqlite3
    :param compression: of the recording: none, message or file
    :param rate_hz: images a second
    :param frame_id: of the camera
    :param labels: classes 1, 2, ...; empty takes those of the annotations, by name
    """

    image_topic: str = '/camera/image_raw'
    transport: Transport = 'raw'
    storage: str = 'mcap'
    compression: str = 'none'
    rate_hz: float = 10.0
    frame_id: str = 'camera'
    labels: tuple[str, ...] = ()


def make_recording(
    scenes: Iterable[Scene],
    path: Path,
    layout: Layout,
    *,
    camera: VirtualCamera | None = None,
    limit: int | None = None,
) -> int:
    """
    Write images, and what was annotated in them.

    :param scenes: in order
    :param path: folder of the recording, which must not be there
    :param layout: see Layout
    :param camera: moves over each image; None writes each image once
    :param limit: of scenes
    :return: images written
    :raises BagError: when the folder is there, or an image can't be read
    """
    if layout.rate_hz <= 0:
        raise BagError([f'rate_hz: {layout.rate_hz}; expected more than 0'])
    frames: Iterator[Scene] = itertools.islice(scenes, limit)
    if camera is not None:
        frames = (frame for scene in frames for frame in film(scene, camera))
    num_written = 0
    seen: set[str] = set()
    is_annotated = False
    with BagWriter(path, storage=layout.storage, compression=layout.compression) as writer:
        for index, frame in enumerate(frames):
            stamp = Stamp(START_NS + round(index * 1e9 / layout.rate_hz), layout.frame_id)
            writer.write_image(layout.image_topic, frame.load(), stamp, layout.transport)
            if frame.objects is not None:
                _write_objects(writer, frame.objects, stamp)
                seen.update(frame.objects.labels)
                is_annotated = True
            num_written += 1
        if is_annotated:
            labels = layout.labels or tuple(sorted(seen))
            first = Stamp(START_NS, layout.frame_id)
            writer.write_labels(f'{GROUND_TRUTH_TOPIC}/label_info', labels, first)
        if not num_written:
            raise BagError([f'{path}: nothing to write'])
    return num_written


def _write_objects(writer: BagWriter, objects: Objects, stamp: Stamp) -> None:
    writer.write_boxes(GROUND_TRUTH_TOPIC, _boxes(objects.select(~objects.is_difficult)), stamp)
    difficult = objects.select(objects.is_difficult)
    if difficult.labels:
        writer.write_boxes(GROUND_TRUTH_TOPIC + DIFFICULT_SUFFIX, _boxes(difficult), stamp)


def _boxes(objects: Objects) -> Sequence[Box]:
    return [
        Box(label, 1.0, (x1, y1, x2, y2))
        for label, (x1, y1, x2, y2) in zip(
            objects.labels, objects.boxes_xyxy.tolist(), strict=True
        )
    ]
