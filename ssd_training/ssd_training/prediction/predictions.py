"""Detects in every image of a source, writes annotated copies, and says what was found."""

from collections.abc import Generator
from dataclasses import dataclass
import itertools
from pathlib import Path
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ssd_detector import Detections, Detector
from ssd_detector.errors import ConfigError, ImageError
from ssd_detector.images.drawing import draw_detections
from ssd_detector.printable import printable
from ssd_training.prediction.annotated import open_writer, Unwritten
from ssd_training.prediction.frame_sources import Frame, FrameSource, LeftOut, Unreadable
from ssd_training.progress import count_progress

_WINDOW = 'ssd_training.predict'


@dataclass(frozen=True, eq=False)
class Prediction:
    """
    What was found in one image.

    :param frame: the image
    :param detections: in its pixels
    :param copy: the annotated one
    :param latency_ms: of the detector, from pixels to boxes
    """

    frame: Frame
    detections: Detections
    copy: Path | Unwritten
    latency_ms: float

    def to_json(self) -> dict[str, Any]:
        """
        Give plain values.

        :return: boxes as [x1, y1, x2, y2] in pixels of the image
        """
        found = self.detections
        rows = zip(found.labels, found.class_ids, found.scores, found.boxes_xyxy, strict=True)
        return {
            'name': self.frame.name,
            'frame': self.frame.index,
            **self._tell_copy(),
            'latency_ms': round(self.latency_ms, 3),
            'detections': [
                {
                    'label': label,
                    'class_id': int(class_id),
                    'score': round(float(score), 6),
                    'box_xyxy': [round(float(edge), 3) for edge in box],
                }
                for label, class_id, score, box in rows
            ],
        }

    def _tell_copy(self) -> dict[str, str | None]:
        if isinstance(self.copy, Path):
            return {'annotated': str(self.copy)}
        return {'annotated': None, 'reason': self.copy.reason}

    def __str__(self) -> str:
        name = self.frame.name
        if self.frame.index is not None:
            name = f'{name} #{self.frame.index}'
        found = self.detections
        pairs = [
            (label, round(float(s), 2))
            for label, s in zip(found.labels, found.scores, strict=True)
        ]
        return printable(f'{name}  {len(pairs)} detections: {pairs}')


def predict(
    detector: Detector,
    source: FrameSource,
    folder: Path,
    *,
    max_frames: int | None = None,
    is_shown: bool = False,
) -> Generator[Prediction | Unreadable | LeftOut]:
    """
    Detect in every image; q in the window ends it.

    :param detector: loaded
    :param source: from open_frame_source
    :param folder: of the annotated copies
    :param max_frames: None takes all
    :param is_shown: in a window, too
    :return: what was found in each image, or why it can't be read; what was left out. After one
        that says that no copy can be written there is no other
    :raises ConfigError: when there is no screen to show anything on
    :raises DataError: when there can't be such a folder, or a video can't be finished
    """
    if is_shown:
        _open_window()
    writer = open_writer(source, folder)
    total = _smaller(source.total, max_frames)
    try:
        with count_progress(Console(stderr=True), 'predict', total) as count:
            for frame in itertools.islice(source.frames(), max_frames):
                if not isinstance(frame, Frame):
                    yield frame
                    continue
                start_s = time.perf_counter()
                try:
                    detections = detector(frame.image_rgb)
                except ImageError as error:
                    yield Unreadable(frame.name, str(error))
                    continue
                latency_ms = 1e3 * (time.perf_counter() - start_s)
                annotated_rgb = draw_detections(frame.image_rgb, detections)
                copy = writer.write(frame, annotated_rgb)
                count()
                yield Prediction(frame, detections, copy, latency_ms)
                if isinstance(copy, Unwritten) and copy.is_last:
                    return
                if is_shown and not _show(annotated_rgb, latency_ms):
                    return
    finally:
        writer.close()


def _smaller(total: int | None, limit: int | None) -> int | None:
    given = [count for count in (total, limit) if count is not None]
    return min(given, default=None)


def _open_window() -> None:
    try:
        cv2.namedWindow(_WINDOW)
    except cv2.error as error:
        raise ConfigError(
            [
                '--show: there is no window to be had: no screen (DISPLAY), or an OpenCV without '
                'windows (opencv-python-headless; opencv-python has them); leave --show out and '
                'look into the output folder'
            ]
        ) from error


def _show(annotated_rgb: NDArray[np.uint8], latency_ms: float) -> bool:
    """Show an image with the rate; False once q was pressed."""
    image_bgr = cv2.cvtColor(annotated_rgb, cv2.COLOR_RGB2BGR)
    text = f'{1e3 / max(latency_ms, 1e-3):.0f} FPS'
    cv2.putText(image_bgr, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 255, 255), 2)
    cv2.imshow(_WINDOW, image_bgr)
    return cv2.waitKey(1) & 0xFF != ord('q')
