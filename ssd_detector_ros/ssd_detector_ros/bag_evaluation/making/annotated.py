"""A recording to look at in Foxglove: images, ground truth and detections drawn as annotations."""

from collections.abc import Sequence
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections, ImageError
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.images.drawing import class_color_rgb
from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Box, Stamp
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.message_types import ANNOTATIONS
from ssd_detector_ros.bag_evaluation.reading.naming import choose_image_topic
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation

IMAGE = '/image'
_LINE_LOOP = 2
_TRUTH_RGB = (255, 255, 255)


def write_annotated(
    evaluation: Evaluation,
    bags: Sequence[Path],
    path: Path,
    *,
    image_topic: str | None,
    score_threshold: float,
) -> None:
    """
    Write the recording; one of the same name is replaced.

    :param evaluation: what was found
    :param bags: its recordings
    :param path: folder of the new recording
    :param image_topic: as given
    :param score_threshold: detections below it are not drawn
    """
    shutil.rmtree(path, ignore_errors=True)
    with BagWriter(path) as writer:
        if evaluation.labels and evaluation.frames:
            first = Stamp(evaluation.frames[0].stamp_ns)
            writer.write_labels('/label_info', evaluation.labels, first)
        for bag, sequence in zip(bags, evaluation.sequences, strict=False):
            recording = Recording(bag)
            prefix = f'{sequence.name}/' if len(bags) > 1 else ''
            topic = choose_image_topic(image_topic, recording.topics)
            reader = ImageReader(recording, topic, prefix)
            for frame in reader.frames():
                try:
                    image_rgb = reader.to_rgb(frame)
                except ImageError:
                    continue
                stamp = Stamp(frame.stamp_ns, frame.frame_id)
                writer.write_image(IMAGE, image_rgb, stamp, 'jpeg')
                _write_frame(
                    writer,
                    stamp,
                    sequence.detections.get(frame.image_id),
                    evaluation.ground_truths.get(frame.image_id),
                    labels=evaluation.labels,
                    score_threshold=score_threshold,
                )


def _write_frame(
    writer: BagWriter,
    stamp: Stamp,
    found: Detections | None,
    truth: GroundTruths | None,
    *,
    labels: Sequence[str],
    score_threshold: float,
) -> None:
    if found is not None:
        boxes = _boxes(found.labels, found.scores.tolist(), found.boxes_xyxy)
        writer.write_boxes('/detections', boxes, stamp)
        colors = [class_color_rgb(int(class_id)) for class_id in found.class_ids]
        shown = [
            (box, color, f'{box.class_id} {box.score:.2f}')
            for box, color in zip(boxes, colors, strict=True)
            if box.score >= score_threshold
        ]
        drawn = _annotate(writer, stamp, shown)
        writer.write('/detections/annotations', ANNOTATIONS, stamp.time_ns, drawn)
    if truth is not None:
        names = [labels[class_id - 1] for class_id in truth.class_ids]
        boxes = _boxes(names, [1.0] * len(names), truth.boxes_xyxy)
        writer.write_boxes('/ground_truth', boxes, stamp)
        shown = [(box, _TRUTH_RGB, box.class_id) for box in boxes]
        writer.write(
            '/ground_truth/annotations',
            ANNOTATIONS,
            stamp.time_ns,
            _annotate(writer, stamp, shown),
        )


def _boxes(
    labels: Sequence[str], scores: Sequence[float], boxes_xyxy: NDArray[np.float32]
) -> list[Box]:
    rows = zip(labels, scores, boxes_xyxy.tolist(), strict=True)
    return [Box(label, score, (x1, y1, x2, y2)) for label, score, (x1, y1, x2, y2) in rows]


def _annotate(
    writer: BagWriter, stamp: Stamp, shown: Sequence[tuple[Box, tuple[int, int, int], str]]
) -> Any:
    """Build foxglove_msgs/ImageAnnotations: a closed line and a text for each box."""

    def make(name: str, **fields: Any) -> Any:
        return writer.types.types[f'foxglove_msgs/msg/{name}'](**fields)

    time = writer.header(stamp).stamp
    clear = make('Color', r=0.0, g=0.0, b=0.0, a=0.0)
    points, texts = [], []
    for box, color_rgb, text in shown:
        red, green, blue = (channel / 255 for channel in color_rgb)
        color = make('Color', r=red, g=green, b=blue, a=1.0)
        x1, y1, x2, y2 = box.box_xyxy
        corners = [make('Point2', x=x, y=y) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]
        points.append(
            make(
                'PointsAnnotation',
                timestamp=time,
                type=_LINE_LOOP,
                points=corners,
                outline_color=color,
                outline_colors=[],
                fill_color=clear,
                thickness=2.0,
            )
        )
        dark = make('Color', r=0.0, g=0.0, b=0.0, a=1.0)
        texts.append(
            make(
                'TextAnnotation',
                timestamp=time,
                position=make('Point2', x=x1, y=y1),
                text=text,
                font_size=14.0,
                text_color=dark,
                background_color=color,
            )
        )
    return make('ImageAnnotations', circles=[], points=points, texts=texts)
