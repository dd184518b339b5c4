"""What happens to image messages, from conversion to publication."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import time

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections, ImageError, SsdDetectorError
from ssd_detector.backends.backend import RawOutputs
from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.images.converter import Converter, Message
from ssd_detector_ros.model.operation import Operation
from ssd_detector_ros.outputs.snapshots import AnsweredFrame
from ssd_detector_ros.parameters.settings import Settings
from ssd_detector_ros.timing.ages import stamp_ns
from ssd_detector_ros.timing.statistics import Statistics, Stopwatch


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


@dataclass(eq=False)
class _Frame:
    """
    A frame on its way.

    :param image_rgb: (H, W, 3) uint8
    :param input_image: of the model
    :param outputs: of the model
    """

    arrival: Arrival
    watch: Stopwatch
    image_rgb: NDArray[np.uint8]
    input_image: NDArray[np.float32]
    outputs: RawOutputs = field(init=False)
    detections: Detections = field(init=False)

    def postprocess(self, operation: Operation, *, are_candidates: bool = False) -> Detections:
        """
        Choose among the outputs.

        :param operation: that they come from
        :param are_candidates: take the threshold of the candidates
        :return: boxes in pixels of the frame
        :raises BackendError: when the scores hold NaN
        """
        settings = operation.settings
        return operation.detector.postprocess(
            *self.outputs,
            (self.image_rgb.shape[1], self.image_rgb.shape[0]),
            thresholds=settings.candidate_thresholds if are_candidates else settings.thresholds,
            regions=settings.regions,
        )


class FrameProcessor:
    """
    Detects in the frames that the worker brings, and publishes.

    :param operation: asked anew for each batch
    :param convert: message, scale of its samples -> RGB
    :param statistics: what counts the frames
    :param age_ms: stamp -> how old it is by the clock of the node, also of a simulation
    :param log_error: told of frames that can't be used
    :param has_age_limit: whether frames older than max_age_ms are dropped
    :param clock: in seconds, that of the arrivals
    """

    def __init__(
        self,
        operation: Callable[[], Operation],
        convert: Converter,
        *,
        statistics: Statistics,
        age_ms: Callable[[int], float],
        log_error: Callable[[str], object],
        has_age_limit: bool,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._operation = operation
        self._convert = convert
        self._statistics = statistics
        self._age_ms = age_ms
        self._log_error = log_error
        self._has_age_limit = has_age_limit
        self._clock = clock

    def process(self, arrivals: Sequence[Arrival]) -> None:
        """
        Answer frames, also when nothing was found; drop those that can't be used, and say so.

        :param arrivals: the frames; the model runs on all of them at once
        """
        operation = self._operation()
        prepared = [self._prepare(operation, arrival) for arrival in arrivals]
        frames = [frame for frame in prepared if frame is not None]
        if not frames or not self._infer(operation, frames):
            return
        answered = [frame for frame in frames if self._answer(operation, frame)]
        for frame in answered:
            self._publish_the_rest(operation, frame)

    def drop(self, camera: Camera, error: SsdDetectorError) -> None:
        """
        Count a frame that can't be used, and say why.

        :param camera: where it comes from
        :param error: what is wrong
        """
        reason = 'bad_image' if isinstance(error, ImageError) else 'backend_error'
        count = self._statistics.count_drop(reason)
        camera.note_error(str(error))
        # rclpy's own throttle goes by the line of code: one camera would silence another.
        if camera.may_log(_kind_of(error)):
            self._log_error(
                f'{camera.name.topic}: frame dropped ({reason}, {count} so far): {error}'
            )

    def _prepare(self, operation: Operation, arrival: Arrival) -> _Frame | None:
        """Do what comes before the model; None for a frame that was dropped."""
        if self._is_too_old(arrival, operation.settings):
            age_on_arrival_ms = arrival.age_ms or 0.0
            self._statistics.count_too_old(
                age_on_arrival_ms,
                is_late_arrival=age_on_arrival_ms > operation.settings.max_age_ms,
            )
            return None
        watch = Stopwatch(
            arrival.time_s,
            age_ms=arrival.age_ms,
            age_clock_ms=lambda: self._age_ms(arrival.stamp_ns),
            clock=self._clock,
        )
        watch.lap('wait')
        try:
            image_rgb = self._convert(arrival.message, arrival.camera.samples)
            watch.lap('convert')
            window = operation.settings.regions.window((image_rgb.shape[1], image_rgb.shape[0]))
            input_image = operation.detector.preprocess(window.crop(image_rgb))
            watch.lap('preprocess')
        except SsdDetectorError as error:
            self.drop(arrival.camera, error)
            return None
        return _Frame(arrival, watch, image_rgb, input_image)

    def _infer(self, operation: Operation, frames: Sequence[_Frame]) -> bool:
        """Run the model; False when all of the frames were dropped."""
        for frame in frames:
            frame.watch.lap('wait')  # For the others.
        try:
            outputs = operation.detector.infer_batch([frame.input_image for frame in frames])
        except SsdDetectorError as error:
            for frame in frames:
                self.drop(frame.arrival.camera, error)
            return False
        self._statistics.count_inference(len(frames))
        for frame, its_outputs in zip(frames, outputs, strict=True):
            frame.outputs = its_outputs
            frame.watch.lap('infer')
        return True

    def _answer(self, operation: Operation, frame: _Frame) -> bool:
        """Publish what was found; False when the frame was dropped."""
        arrival, watch = frame.arrival, frame.watch
        watch.lap('wait')
        try:
            frame.detections = frame.postprocess(operation)
            watch.lap('postprocess')
        except SsdDetectorError as error:
            self.drop(arrival.camera, error)
            return False
        arrival.camera.outputs.publish_detections(
            frame.detections, arrival.message.header, operation.settings.class_id_format
        )
        watch.lap('publish')
        self._statistics.count_processed(
            watch.laps_ms(), ages_ms=watch.ages_ms, camera_index=arrival.camera.index
        )
        return True

    def _publish_the_rest(self, operation: Operation, frame: _Frame) -> None:
        """Keep the frame for snapshots, and publish what is for those who look on."""
        arrival, camera, header = frame.arrival, frame.arrival.camera, frame.arrival.message.header
        camera.note_answered(
            AnsweredFrame(frame.image_rgb, frame.detections, camera.name.topic, arrival.stamp_ns)
        )
        if camera.outputs.candidates_are_read():
            candidates = frame.postprocess(operation, are_candidates=True)
            class_id_format = operation.settings.class_id_format
            camera.outputs.publish_candidates(candidates, header, class_id_format)
        camera.outputs.publish_pictures(frame.image_rgb, frame.detections, header)

    def _is_too_old(self, arrival: Arrival, settings: Settings) -> bool:
        if not self._has_age_limit or arrival.stamp_ns == 0:
            return False
        return self._age_ms(arrival.stamp_ns) > settings.max_age_ms


def _kind_of(error: SsdDetectorError) -> str:
    """Tell one fault from another; what was received may differ in each frame."""
    return str(error).partition(':')[0]
