"""Once a second: statistics and diagnostics of the node."""

import platform

from rclpy.clock import ROSClock
from rclpy.lifecycle import LifecycleNode

from ssd_detector_ros.frames.pipeline import Pipeline
from ssd_detector_ros.health.camera_watch import CameraWatch
from ssd_detector_ros.health.diagnostics import ERROR, judge_speed, OK, Verdict, WARN
from ssd_detector_ros.model.loading import describe
from ssd_detector_ros.model.model_slot import ModelSlot
from ssd_detector_ros.outputs.publishers import NodeOutputs


class Health:
    """
    Publishes what was counted and how the node is doing.

    :param node: just constructed
    :param outputs: where it goes
    :param models: what works
    """

    def __init__(self, node: LifecycleNode, outputs: NodeOutputs, models: ModelSlot) -> None:
        self._node = node
        self._outputs = outputs
        self._models = models
        self._pipeline: Pipeline | None = None
        self._watches: list[CameraWatch] = []

    def watch(self, pipeline: Pipeline | None) -> None:
        """
        Look at another pipeline from now on.

        :param pipeline: None while the node is not active
        """
        self._pipeline, self._watches = pipeline, []
        if pipeline is None:
            return
        self._watches = [
            CameraWatch(self._node, camera, pipeline=pipeline) for camera in pipeline.cameras
        ]

    def end_period(self) -> None:
        """Publish."""
        verdicts = {'model': self._judge_model()}
        if self._pipeline is not None:
            report = self._pipeline.statistics.end_period()
            topics = [camera.name.topic for camera in self._pipeline.cameras]
            self._outputs.publish_statistics(report, topics)
            verdicts['speed'] = judge_speed(report, lacks_clock=self._lacks_clock())
            for topic, watch in zip(topics, self._watches, strict=True):
                verdicts[f'images {topic}'] = self._judge_camera(watch)
        name = self._node.get_fully_qualified_name().lstrip('/')
        self._outputs.publish_diagnostics(
            [
                verdict.to_status(f'{name}: {part}', platform.node())
                for part, verdict in verdicts.items()
            ]
        )

    def _lacks_clock(self) -> bool:
        clock = self._node.get_clock()
        is_simulated = isinstance(clock, ROSClock) and clock.ros_time_is_active
        return bool(is_simulated and clock.now().nanoseconds == 0)

    def _judge_camera(self, watch: CameraWatch) -> Verdict:
        if self._pipeline is not None and not self._pipeline.is_enabled:
            return Verdict(OK, 'disabled by ~/set_enabled; images are dropped')
        return watch.judge()

    def _judge_model(self) -> Verdict:
        operation, failure = self._models.operation, self._models.failure
        if operation is None:
            if failure:
                text = f'configure failed: {failure}; correct it and configure the node'
                return Verdict(ERROR, text)
            return Verdict(WARN, 'no model is loaded: the node is not configured')
        backend = operation.detector.backend
        values = {
            'bundle': operation.detector.bundle.path,
            'fingerprint': operation.detector.bundle.manifest.fingerprint,
            'runs on': backend.description,
        }
        text = describe(operation.detector)
        if failure:
            return Verdict(WARN, f'load_model refused, {text} goes on: {failure}', values)
        if self._models.warning:
            advice = 'export the bundle again, or choose another backend or model'
            return Verdict(WARN, f'{text}: {self._models.warning}; {advice}', values)
        notice = backend.notice
        if notice.text:
            text = f'{text}; {notice.text}'
        return Verdict(WARN if notice.needs_action else OK, text, values)
