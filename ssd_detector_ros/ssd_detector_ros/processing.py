"""What happens to one image message, from conversion to publication."""

from collections.abc import Callable
from dataclasses import dataclass, field
import time

import numpy as np
from numpy.typing import NDArray
from rclpy.impl.rcutils_logger import RcutilsLogger
from sensor_msgs.msg import Image

from ssd_detector import Detections, Detector, ImageError, SsdDetectorError
from ssd_detector_ros.image_conversion import to_rgb
from ssd_detector_ros.messages import ClassIdFormat
from ssd_detector_ros.outputs import Outputs
from ssd_detector_ros.statistics import Statistics, Stopwatch

WARNING_PERIOD_S = 5.0


@dataclass(frozen=True)
class Arrival:
    """
    A message.

    :param message: the image
    :param time_s: when it arrived, by time.perf_counter
    """

    message: Image
    time_s: float = field(default_factory=time.perf_counter)


class FrameProcessor:
    """
    Detects in one frame after the other and publishes; called by the worker.

    :param detector: finds the objects
    :param outputs: where they go
    :param statistics: what counts the frames
    :param class_id_format: asked anew for each frame
    :param logger: told of frames that can't be used
    """

    def __init__(
        self,
        detector: Detector,
        outputs: Outputs,
        *,
        statistics: Statistics,
        class_id_format: Callable[[], ClassIdFormat],
        logger: RcutilsLogger,
    ) -> None:
        self._detector = detector
        self._outputs = outputs
        self._statistics = statistics
        self._class_id_format = class_id_format
        self._logger = logger

    def process(self, arrival: Arrival) -> None:
        """
        Answer a frame, also when nothing was found; drop one that can't be used, and say so.

        :param arrival: the frame
        """
        watch = Stopwatch(arrival.time_s)
        watch.lap('wait')
        try:
            image_rgb = to_rgb(arrival.message)
            watch.lap('convert')
            detections = self._detect(image_rgb, watch)
        except SsdDetectorError as error:
            self._drop(error)
            return
        header = arrival.message.header
        self._outputs.publish_detections(detections, header, self._class_id_format())
        watch.lap('publish')
        self._statistics.count_processed(watch.laps_ms())
        self._outputs.publish_overlay(image_rgb, detections, header)

    def _detect(self, image_rgb: NDArray[np.uint8], watch: Stopwatch) -> Detections:
        """Do what `detector(image_rgb)` does, and time each stage."""
        input_image = self._detector.preprocess(image_rgb)
        watch.lap('preprocess')
        boxes, scores = self._detector.infer(input_image)
        watch.lap('infer')
        height_px, width_px = image_rgb.shape[:2]
        detections = self._detector.postprocess(boxes, scores, (width_px, height_px))
        watch.lap('postprocess')
        return detections

    def _drop(self, error: SsdDetectorError) -> None:
        reason = 'bad_image' if isinstance(error, ImageError) else 'backend_error'
        count = self._statistics.count_drop(reason)
        self._logger.error(
            f'frame dropped ({reason}, {count} so far): {error}',
            throttle_duration_sec=WARNING_PERIOD_S,
        )
