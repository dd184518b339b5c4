"""The node `ssd_detector`: wiring and lifecycle; the work is done elsewhere."""

from threading import current_thread
from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from ssd_detector import SsdDetectorError
from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName, name_cameras
from ssd_detector_ros.cameras.transports import TRANSPORTS
from ssd_detector_ros.frames.pipeline import Pipeline
from ssd_detector_ros.health.health import Health
from ssd_detector_ros.images.converter import Converter, make_converter
from ssd_detector_ros.images.sample_scale import SampleScale
from ssd_detector_ros.model.loading import tell_loaded
from ssd_detector_ros.model.model_slot import ModelSlot
from ssd_detector_ros.model.operation import Operation
from ssd_detector_ros.outputs.publishers import CameraOutputs, NodeOutputs
from ssd_detector_ros.outputs.snapshots import SnapshotStore
from ssd_detector_ros.parameters import declaring as parameters
from ssd_detector_ros.parameters.qos_overrides import QosOverrides
from ssd_detector_ros.parameters.roots import read_roots
from ssd_detector_ros.parameters.static_settings import StaticSettings
from ssd_detector_ros.requests.services import ServiceError, Services
from ssd_detector_ros.requests.transitions import answer_impossible_transitions, logs_exceptions
from ssd_detector_ros.threads.polled_group import PolledGroup
from ssd_detector_ros.wording.start_errors import explain

PERIOD_S = 1.0


class DetectorNode(LifecycleNode):
    """
    Subscribes to images and publishes what is found in them.

    :param options: of rclpy.node.Node
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('ssd_detector', **options)
        self.failure: Exception | None = None
        self._qos_overrides = QosOverrides(self)
        findings = parameters.declare_parameters(self)
        self._settings = StaticSettings()
        roots = read_roots(self)
        self._models = ModelSlot(self, findings, roots=roots, on_change=self._publish_label_info)
        self._events = PolledGroup()
        self._outputs = NodeOutputs(self, self._events)
        self._convert: Converter = make_converter('builtin')
        self._camera_names: list[CameraName] = []
        self._cameras: list[Camera] = []
        self._pipeline: Pipeline | None = None
        self._health = Health(self, self._outputs, self._models)
        self._request_services = Services(
            self,
            swap_model=self._models.swap,
            set_enabled=self._set_enabled,
            snapshots=SnapshotStore(
                check_folder=roots.check_snapshots,
                limit_mb=self.get_parameter('max_snapshots_mb').value,
            ),
            cameras=lambda: self._cameras,
        )
        # Steady: it also ticks while the simulation is paused.
        self.create_timer(
            PERIOD_S, self._end_period, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
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
        """Load the bundle; with anything wrong, log all of it and stay unconfigured."""
        try:
            findings = self._prepare()
        except Exception as error:
            self._models.fail([f'{type(error).__name__}: {error}'])
            raise
        if findings:
            self._release()
            self._models.fail(findings)
            for finding in findings:
                self.get_logger().error(finding)
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(tell_loaded(self._operation().detector))
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        result = super().on_activate(state)
        self._publish_label_info()
        self._pipeline = Pipeline(
            self,
            self._cameras,
            settings=self._settings,
            operation=self._operation,
            convert=self._convert,
            events=self._events,
            on_failure=self._on_thread_failure,
        )
        self._health.watch(self._pipeline)
        topics = ', '.join(camera.name.topic for camera in self._cameras)
        self.get_logger().info(f'active: waiting for images on {topics}')
        return result

    @logs_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the frame at hand and subscribe no longer."""
        self._stop()
        return super().on_deactivate(state)

    @logs_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the bundle."""
        self._release()
        self._models.forget_failure()
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop working; the process ends later."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    @logs_exceptions
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after an exception in a transition."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before its publishers go."""
        self._stop()
        super().destroy_node()

    def _end_period(self) -> None:
        self._health.end_period()
        self._events.open()

    def _prepare(self) -> list[str]:
        """Do what configure does, and return everything that is wrong."""
        self._settings, findings = parameters.read_static(self)
        for step in (
            self._load_model,
            self._choose_converter,
            self._name_cameras,
            self._qos_overrides.check_values,
        ):
            try:
                step()
            except SsdDetectorError as error:
                findings += str(error).splitlines()
        return findings or self._open_outputs()

    def _load_model(self) -> None:
        self._models.configure(self._settings)

    def _choose_converter(self) -> None:
        self._convert = make_converter(
            self._settings.image_conversion,
            sample_bits=self._settings.sample_bits,
            max_pixels=self._settings.max_image_pixels,
        )

    def _name_cameras(self) -> None:
        self._camera_names = name_cameras(
            self,
            image_topic=self._settings.image_topic,
            image_topics=self._settings.image_topics,
            transport=TRANSPORTS[self._settings.image_transport],
        )

    def _open_outputs(self) -> list[str]:
        """Make the publishers of each camera, and return what is wrong with names and QoS."""
        sample_bits = self._settings.sample_bits
        try:
            # One after the other: with an error those that exist are taken away again.
            for index, name in enumerate(self._camera_names):
                outputs = CameraOutputs(self, name.prefix, self._events)
                self._cameras.append(Camera(index, name, outputs, SampleScale(sample_bits)))
        except (RCLError, NameValidationException) as error:
            return [f'topics of the detections: {explain(error)}']
        return self._qos_overrides.check_topics([name.topic for name in self._camera_names])

    def _operation(self) -> Operation:
        operation = self._models.operation
        assert operation is not None, 'asked for between configure and cleanup only'
        return operation

    def _publish_label_info(self) -> None:
        if self._models.operation is not None:
            settings = self._models.operation.settings
            self._outputs.publish_label_info(
                self._models.operation.detector, settings.thresholds.score_threshold
            )

    def _set_enabled(self, is_enabled: bool) -> str:
        if self._pipeline is None:
            raise ServiceError('the node is not active; activate it first')
        self._pipeline.is_enabled = is_enabled
        return 'enabled' if is_enabled else 'disabled: images are dropped'

    def _stop(self) -> None:
        """Undo activate, however far it came."""
        self._health.watch(None)
        if self._pipeline is not None:
            self._pipeline.stop()
        self._pipeline = None

    def _release(self) -> None:
        """Undo activate and configure, however far they came."""
        self._stop()
        for camera in self._cameras:
            camera.outputs.destroy()
        self._cameras = []
        self._models.release()

    def _on_thread_failure(self, error: Exception) -> None:
        """End the process with an error: an unforeseen exception is a bug."""
        if not self.context.ok():
            return  # After an interrupt publishers fail; that is no news.
        self.failure = error
        self.get_logger().fatal(f'the thread {current_thread().name} ended: {error!r}')
        self.context.try_shutdown()
