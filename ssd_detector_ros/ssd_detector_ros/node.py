"""The node `ssd_detector`: wiring and lifecycle; the work is done elsewhere."""

from collections.abc import Iterable
import sys
from typing import Any

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import Image

from ssd_detector import ConfigError, Detector, SsdDetectorError, Thresholds
from ssd_detector_ros import parameters
from ssd_detector_ros.outputs import Outputs
from ssd_detector_ros.processing import Arrival, FrameProcessor
from ssd_detector_ros.statistics import Statistics
from ssd_detector_ros.transitions import answer_impossible_transitions, logs_exceptions
from ssd_detector_ros.worker import Worker

# Depth 1 and best effort: the newest frame of any camera, whatever it offers.
IMAGE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
STATISTICS_PERIOD_S = 1.0


class DetectorNode(LifecycleNode):
    """
    Subscribes to images and publishes what is found in them.

    :param options: of rclpy.node.Node
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('ssd_detector', **options)
        self.failure: Exception | None = None
        self._declaration_findings = parameters.declare_parameters(self)
        self._names_from_bundle: set[str] = set()
        self._detector: Detector | None = None
        self._outputs: Outputs | None = None
        self._statistics = Statistics()
        self._worker: Worker[Arrival] | None = None
        self._subscription: Subscription | None = None
        self._timer: Timer | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)
        answer_impossible_transitions(self)

    def start(self) -> bool:
        """
        Configure and activate, as a lifecycle manager would.

        :return: whether the node is active now
        """
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success and self.trigger_activate() == success)

    @logs_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Load the bundle; with anything wrong, log all of it and stay unconfigured.

        :param state: the state before
        :return: SUCCESS or FAILURE
        """
        try:
            detector = self._load_detector()
        except SsdDetectorError as error:
            for finding in str(error).splitlines():
                self.get_logger().error(finding)
            return TransitionCallbackReturn.FAILURE
        self._outputs = Outputs(self)
        self._detector = detector
        self._show_thresholds(detector)
        manifest = detector.bundle.manifest
        self.get_logger().info(
            f'loaded {detector.bundle.path}: {manifest.name}, '
            f'{manifest.num_classes} classes, input {manifest.input_size_px} px'
        )
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Subscribe to the images.

        :param state: the state before
        :return: SUCCESS
        """
        result = super().on_activate(state)
        self._publish_label_info()
        self._statistics = Statistics()
        assert self._detector and self._outputs, 'active comes after configured'
        processor = FrameProcessor(
            self._detector,
            self._outputs,
            statistics=self._statistics,
            class_id_format=lambda: self.get_parameter('class_id_format').value,
            logger=self.get_logger(),
        )
        self._worker = Worker(processor.process, self._on_worker_failure)
        self._subscription = self.create_subscription(
            Image,
            self.get_parameter('image_topic').value,
            self._on_image,
            IMAGE_QOS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        # Steady: it also ticks while the simulation is paused.
        self._timer = self.create_timer(
            STATISTICS_PERIOD_S, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.get_logger().info(f'active: waiting for images on {self._subscription.topic_name}')
        return result

    @logs_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Finish the frame at hand and subscribe no longer.

        :param state: the state before
        :return: SUCCESS
        """
        self._stop()
        return super().on_deactivate(state)

    @logs_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Let go of the bundle.

        :param state: the state before
        :return: SUCCESS
        """
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Stop working; the process ends later.

        :param state: the state before
        :return: SUCCESS
        """
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Go back to unconfigured after an exception in a transition.

        :param state: the state before
        :return: SUCCESS
        """
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before its publishers go."""
        self._stop()
        super().destroy_node()

    def _load_detector(self) -> Detector:
        """Load what the parameters ask for; raise one error with everything that is wrong."""
        findings = list(self._declaration_findings.values())
        try:
            parameters.check_class_id_format(self.get_parameter('class_id_format').value)
        except ConfigError as error:
            findings += error.findings
        try:
            detector = Detector.from_bundle(
                parameters.bundle_path(self.get_parameter('bundle').value),
                model=self.get_parameter('model').value,
                num_threads=self.get_parameter('num_threads').value,
            )
            detector.thresholds = parameters.read_thresholds(
                self, detector.thresholds, ignore=self._names_from_bundle
            )
            detector.thresholds.by_class(detector.labels)
        except SsdDetectorError as error:
            findings += str(error).splitlines()
        if findings:
            raise ConfigError(findings)
        return detector

    def _show_thresholds(self, detector: Detector) -> None:
        """Give the thresholds that the user left open the bundle's values, for all to see."""
        is_open = {
            name
            for name in parameters.THRESHOLD_NAMES
            if name in self._names_from_bundle or self.get_parameter_or(name).value is None
        }
        shown = parameters.threshold_parameters(detector.thresholds)
        self.set_parameters([one for one in shown if one.name in is_open])
        self._names_from_bundle = is_open

    def _on_set_parameters(self, changed: Iterable[Parameter]) -> SetParametersResult:
        """Check changes and apply them; the next message obeys."""
        values = {parameter.name: parameter.value for parameter in changed}
        detector = self._detector
        findings = [
            f'{name}: takes effect at configure; first: ros2 lifecycle set '
            f'{self.get_fully_qualified_name()} cleanup'
            for name in values
            if name in parameters.STATIC and detector is not None
        ]
        try:
            before = Thresholds() if detector is None else detector.thresholds
            thresholds = parameters.update_thresholds(before, values)
            if detector is not None:
                thresholds.by_class(detector.labels)
            if 'class_id_format' in values:
                parameters.check_class_id_format(values['class_id_format'])
        except ConfigError as error:
            findings += error.findings
        if findings:
            return SetParametersResult(successful=False, reason='; '.join(findings))
        self._names_from_bundle -= set(values)
        for name in values:
            self._declaration_findings.pop(name, None)
        if detector is not None:
            detector.thresholds = thresholds
            if thresholds.score_threshold != before.score_threshold:
                self._publish_label_info()
        return SetParametersResult(successful=True)

    def _on_image(self, message: Image) -> None:
        self._statistics.count_received()
        if self._worker is not None and self._worker.submit(Arrival(message)):
            self._statistics.count_drop('superseded')

    def _on_timer(self) -> None:
        if self._outputs is not None:
            self._outputs.publish_statistics(self._statistics.end_period())

    def _publish_label_info(self) -> None:
        if self._outputs is not None and self._detector is not None:
            self._outputs.publish_label_info(self._detector)

    def _stop(self) -> None:
        """Undo activate, however far it came."""
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
        if self._timer is not None:
            self.destroy_timer(self._timer)
        if self._worker is not None:
            self._worker.stop()
        self._subscription = self._timer = self._worker = None

    def _release(self) -> None:
        """Undo activate and configure, however far they came."""
        self._stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._detector = None

    def _on_worker_failure(self, error: Exception) -> None:
        """End the process with an error: an unforeseen exception is a bug."""
        if not self.context.ok():
            return  # After an interrupt publishers fail; that is no news.
        self.failure = error
        self.get_logger().fatal(f'the worker ended: {error!r}')
        self.context.try_shutdown()


def main(args: list[str] | None = None) -> int:
    """
    Run the node until it is interrupted.

    :param args: command line; None takes that of the process
    :return: 0 after an interrupt, 1 when the node could not start or failed
    """
    try:
        rclpy.init(args=args)
    except RCLError as error:
        sys.stderr.write(f'ssd_detector: {error}\n')
        return 1
    node = DetectorNode()
    try:
        if node.get_parameter('autostart').value and not node.start():
            return 1 if rclpy.ok() else 0
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RCLError:
        # An interrupt in the middle of spin shows as an error of whatever was being done.
        if rclpy.ok():
            raise
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node.failure else 0


if __name__ == '__main__':
    sys.exit(main())
