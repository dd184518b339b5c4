"""What happens to one image message, from conversion to publication."""

from collections.abc import Callable
from dataclasses import dataclass, field
import time

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ROSClock
from rclpy.impl.rcutils_logger import RcutilsLogger

from ssd_detector import Detections, Detector, ImageError, SsdDetectorError
from ssd_detector_ros.cameras import Camera
from ssd_detector_ros.conversion_choice import Converter, Message
from ssd_detector_ros.settings import Settings
from ssd_detector_ros.snapshots import AnsweredFrame
from ssd_detector_ros.statistics import Statistics, Stopwatch

WARNING_PERIOD_S = 5.0


@dataclass(frozen=True, eq=False)
class Operation:
    """What works at a moment: swapped as one, so that no frame meets half of a change."""

    detector: Detector
    settings: Settings


@dataclass(frozen=True, eq=False)
class Arrival:
    """
    A message.

    :param message: the image
    :param camera: where it comes from
    :param age_ms: at arrival, against its stamp; None without a stamp
    :param time_s: when it arrived, by time.perf_counter
    """

    message: Message
    camera: Camera
    age_ms: float | None = None
    time_s: float = field(default_factory=time.perf_counter)

    @property
    def stamp_ns(self) -> int:
        """The stamp of the image."""
        return stamp_ns(self.message)


class FrameProcessor:
    """
    Detects in one frame after the other and publishes; called by the worker.

    :param operation: asked anew for each frame
    :param convert: message -> RGB
    :param statistics: what counts the frames
    :param clock: of the node, also of a simulation
    :param logger: told of frames that can't be used
    :param has_age_limit: whether frames older than max_age_ms are dropped
    """

    def __init__(
        self,
        operation: Callable[[], Operation],
        convert: Converter,
        *,
        statistics: Statistics,
        clock: Clock,
        logger: RcutilsLogger,
        has_age_limit: bool,
    ) -> None:
        self._operation = operation
        self._convert = convert
        self._statistics = statistics
        self._clock = clock
        self._logger = logger
        self._has_age_limit = has_age_limit

    def process(self, arrival: Arrival) -> None:
        """
        Answer a frame, also when nothing was found; drop one that can't be used, and say so.

        :param arrival: the frame
        """
        operation = self._operation()
        if self._is_too_old(arrival, operation.settings):
            self._statistics.count_drop('too_old')
            return
        watch = Stopwatch(
            arrival.time_s,
            age_ms=arrival.age_ms,
            age_clock_ms=lambda: age_ms(self._clock, arrival.stamp_ns),
        )
        watch.lap('wait')
        try:
            image_rgb = self._convert(arrival.message)
            watch.lap('convert')
            outputs = self._infer(operation, image_rgb, watch)
            detections = self._postprocess(operation, image_rgb, outputs)
            watch.lap('postprocess')
        except SsdDetectorError as error:
            self.drop(arrival.camera, error)
            return
        self._answer(arrival, detections, operation.settings, watch)
        camera, header = arrival.camera, arrival.message.header
        camera.last_answered = AnsweredFrame(
            image_rgb, detections, camera.name.topic, arrival.stamp_ns
        )
        if camera.outputs.candidates_are_read():
            candidates = self._postprocess(operation, image_rgb, outputs, are_candidates=True)
            class_id_format = operation.settings.class_id_format
            camera.outputs.publish_candidates(candidates, header, class_id_format)
        camera.outputs.publish_pictures(image_rgb, detections, header)

    def _answer(
        self, arrival: Arrival, detections: Detections, settings: Settings, watch: Stopwatch
    ) -> None:
        arrival.camera.outputs.publish_detections(
            detections, arrival.message.header, settings.class_id_format
        )
        watch.lap('publish')
        self._statistics.count_processed(
            watch.laps_ms(), ages_ms=watch.ages_ms, camera_index=arrival.camera.index
        )

    def _is_too_old(self, arrival: Arrival, settings: Settings) -> bool:
        if not self._has_age_limit or arrival.stamp_ns == 0:
            return False
        return age_ms(self._clock, arrival.stamp_ns) > settings.max_age_ms

    def _infer(
        self, operation: Operation, image_rgb: NDArray[np.uint8], watch: Stopwatch
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Do what the first half of `detector(image_rgb)` does, and time each stage."""
        window = operation.settings.regions.window((image_rgb.shape[1], image_rgb.shape[0]))
        input_image = operation.detector.preprocess(window.crop(image_rgb))
        watch.lap('preprocess')
        outputs = operation.detector.infer(input_image)
        watch.lap('infer')
        return outputs

    def _postprocess(
        self,
        operation: Operation,
        image_rgb: NDArray[np.uint8],
        outputs: tuple[NDArray[np.float32], NDArray[np.float32]],
        *,
        are_candidates: bool = False,
    ) -> Detections:
        settings = operation.settings
        return operation.detector.postprocess(
            *outputs,
            (image_rgb.shape[1], image_rgb.shape[0]),
            thresholds=settings.candidate_thresholds if are_candidates else settings.thresholds,
            regions=settings.regions,
        )

    def drop(self, camera: Camera, error: SsdDetectorError) -> None:
        """
        Count a frame that can't be used, and say why.

        :param camera: where it comes from
        :param error: what is wrong
        """
        reason = 'bad_image' if isinstance(error, ImageError) else 'backend_error'
        count = self._statistics.count_drop(reason)
        camera.note_error(str(error))
        self._logger.error(
            f'{camera.name.topic}: frame dropped ({reason}, {count} so far): {error}',
            throttle_duration_sec=WARNING_PERIOD_S,
        )


def stamp_ns(message: Message) -> int:
    """
    Read the stamp of a message.

    :param message: with a header
    :return: 0 when the publisher set none
    """
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def age_ms(clock: Clock, stamp_ns: int) -> float:
    """
    Tell how old something is.

    :param clock: of the node
    :param stamp_ns: when it came about
    :return: negative when that lies ahead
    """
    # Without a simulation the node's clock is the system's, which Python reads 40 times faster.
    is_system_time = isinstance(clock, ROSClock) and not clock.ros_time_is_active
    now_ns = time.time_ns() if is_system_time else clock.now().nanoseconds
    return float(now_ns - stamp_ns) / 1e6
