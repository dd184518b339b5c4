"""The node `ssd_detector`: wiring and lifecycle; the work is done elsewhere."""

from collections.abc import Iterable
import sys
from typing import Any

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from ssd_detector import ConfigError, Detector, SsdDetectorError, Thresholds
from ssd_detector.draw import draw_detections
from ssd_detector_ros import parameters
from ssd_detector_ros.image_conversion import to_rgb
from ssd_detector_ros.messages import to_detection_array, to_image, to_label_info
from ssd_detector_ros.transitions import answer_impossible_transitions
from ssd_detector_ros.worker import Worker

# Depth 1 and best effort: the newest frame of any camera, whatever it offers.
IMAGE_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
DETECTIONS_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10)
LABEL_INFO_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
WARNING_PERIOD_S = 5.0


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
        self._worker: Worker[Image] | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)
        answer_impossible_transitions(self)

    def start(self) -> bool:
        """
        Configure and activate, as a lifecycle manager would.

        :return: whether the node is active now
        """
        success = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == success and self.trigger_activate() == success

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Load the bundle; with anything wrong, log all of it and stay unconfigured.

        :param state: the state before
        :return: SUCCESS or FAILURE
        """
        try:
            self._detector = self._load_detector()
        except SsdDetectorError as error:
            for finding in str(error).splitlines():
                self.get_logger().error(finding)
            return TransitionCallbackReturn.FAILURE
        self._show_thresholds(self._detector)
        self._detections_publisher = self.create_lifecycle_publisher(
            Detection2DArray, '~/detections', DETECTIONS_QOS
        )
        self._overlay_publisher = self.create_lifecycle_publisher(Image, '~/overlay', IMAGE_QOS)
        self._label_info_publisher = self.create_lifecycle_publisher(
            LabelInfo, '~/label_info', LABEL_INFO_QOS
        )
        manifest = self._detector.bundle.manifest
        self.get_logger().info(
            f'loaded {self._detector.bundle.path}: {manifest.name}, '
            f'{manifest.num_classes} classes, input {manifest.input_size_px} px'
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Subscribe to the images.

        :param state: the state before
        :return: SUCCESS
        """
        result = super().on_activate(state)
        self._publish_label_info()
        self._worker = Worker(self._process, self._on_worker_failure)
        topic = self.get_parameter('image_topic').value
        self._subscription = self.create_subscription(
            Image,
            topic,
            self._worker.submit,
            IMAGE_QOS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self.get_logger().info(f'active: waiting for images on {self._subscription.topic_name}')
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Finish the frame at hand and subscribe no longer.

        :param state: the state before
        :return: SUCCESS
        """
        self._stop_worker()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Let go of the bundle.

        :param state: the state before
        :return: SUCCESS
        """
        for publisher in (
            self._detections_publisher,
            self._overlay_publisher,
            self._label_info_publisher,
        ):
            self.destroy_publisher(publisher)
        self._detector = None
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Stop working; the process ends later.

        :param state: the state before
        :return: SUCCESS
        """
        self._stop_worker()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before its publishers go."""
        self._stop_worker()
        super().destroy_node()

    def _load_detector(self) -> Detector:
        """Load what the parameters ask for; raise one error with everything that is wrong."""
        findings = list(self._declaration_findings)
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
        if detector is not None:
            detector.thresholds = thresholds
            if thresholds.score_threshold != before.score_threshold:
                self._publish_label_info()
        return SetParametersResult(successful=True)

    def _process(self, message: Image) -> None:
        """Detect in one frame and publish, also when nothing was found; runs on the worker."""
        detector = self._detector
        assert detector is not None, 'the worker runs between activate and deactivate only'
        try:
            image_rgb = to_rgb(message)
            detections = detector(image_rgb)
        except SsdDetectorError as error:
            self.get_logger().error(
                f'frame dropped: {error}', throttle_duration_sec=WARNING_PERIOD_S
            )
            return
        class_id_format = self.get_parameter('class_id_format').value
        self._detections_publisher.publish(
            to_detection_array(detections, message.header, class_id_format)
        )
        if self._overlay_publisher.get_subscription_count() > 0:
            drawn_rgb = draw_detections(image_rgb, detections)
            self._overlay_publisher.publish(to_image(drawn_rgb, message.header))

    def _publish_label_info(self) -> None:
        detector = self._detector
        if detector is None:
            return
        header = Header(stamp=self.get_clock().now().to_msg())
        self._label_info_publisher.publish(
            to_label_info(detector.labels, detector.thresholds.score_threshold, header)
        )

    def _stop_worker(self) -> None:
        if self._worker is not None:
            self.destroy_subscription(self._subscription)
            self._worker.stop()
            self._worker = None

    def _on_worker_failure(self, error: Exception) -> None:
        """End the process with an error: an unforeseen exception is a bug."""
        self.failure = error
        self.get_logger().fatal(f'the worker ended: {error!r}')
        self.context.try_shutdown()


def main(args: list[str] | None = None) -> int:
    """
    Run the node until it is interrupted.

    :param args: command line; None takes that of the process
    :return: 0 after an interrupt, 1 when the node could not start or failed
    """
    rclpy.init(args=args)
    node = DetectorNode()
    try:
        if node.get_parameter('autostart').value and not node.start():
            return 1
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node.failure else 0


if __name__ == '__main__':
    sys.exit(main())
