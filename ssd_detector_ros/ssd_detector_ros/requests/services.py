"""The node's services: ~/load_model, ~/set_enabled, ~/snapshot."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
import traceback
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

from ssd_detector import SsdDetectorError
from ssd_detector.printable import printable, quoted
from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.outputs.snapshots import AnsweredFrame, SnapshotStore
from ssd_detector_ros.parameters.declaring import folder_path
from ssd_detector_ros.threads.background import InBackground, waker_of
from ssd_msgs.srv import LoadModel, SetEnabled, Snapshot

# PATH_MAX of Linux.
_LONGEST_PATH = 4096
# That wait for an answer; of the middleware's default, 10, the others of a flood get none.
MOST_REQUESTS = 1000
_MOST_SNAPSHOTS = 4


class ServiceError(SsdDetectorError):
    """A request that the node can't fulfil; the text says why."""


class Services:
    """
    Answers requests, in any state of the node.

    :param node: just constructed
    :param swap_model: (bundle, model) -> what was loaded
    :param set_enabled: enabled -> the state then
    :param snapshots: writes frames
    :param cameras: -> those of the node at this moment
    """

    def __init__(
        self,
        node: Node,
        *,
        swap_model: Callable[[str, str], Awaitable[str]],
        set_enabled: Callable[[bool], str],
        snapshots: SnapshotStore,
        cameras: Callable[[], Sequence[Camera]],
    ) -> None:
        self._node = node
        self._logger = node.get_logger()
        self._swap_model = swap_model
        self._set_enabled = set_enabled
        self._snapshots = snapshots
        self._num_snapshots = 0
        self._cameras = cameras
        # A service that waits would keep the others of its callback group waiting.
        group = ReentrantCallbackGroup()
        for service_type, name, callback in (
            (LoadModel, '~/load_model', self._on_load_model),
            (SetEnabled, '~/set_enabled', self._on_set_enabled),
            (Snapshot, '~/snapshot', self._on_snapshot),
        ):
            node.create_service(
                service_type,
                name,
                callback,
                qos_profile=QoSProfile(depth=MOST_REQUESTS),
                callback_group=group,
            )

    async def _on_load_model(self, request: Any, response: Any) -> Any:
        try:
            _check_lengths({'bundle': request.bundle, 'model': request.model})
            response.message = await self._swap_model(request.bundle, request.model)
            response.success = True
            self._logger.info(response.message)
        # Nothing that a request brings about may end the node.
        except Exception as error:  # noqa: BLE001
            response.message = self._tell(error)
            self._logger.error(f'load_model refused, the old model stays: {response.message}')
        return response

    def _on_set_enabled(self, request: Any, response: Any) -> Any:
        try:
            response.message = self._set_enabled(request.enabled)
            response.success = True
            self._logger.info(response.message)
        except ServiceError as error:
            response.message = str(error)
        return response

    async def _on_snapshot(self, request: Any, response: Any) -> Any:
        try:
            _check_lengths({'folder': request.folder})
            if self._num_snapshots >= _MOST_SNAPSHOTS:
                raise ServiceError(f'{self._num_snapshots} snapshots are being written; try again')
            frame = find_frame(self._cameras(), request.image_topic)
            given = request.folder or self._node.get_parameter('snapshot_folder').value
            folder = folder_path(given)
            paths = await self._save(frame, folder)
        except Exception as error:  # noqa: BLE001
            response.message = f'nothing was saved: {self._tell(error)}'
            self._logger.error(f'snapshot: {response.message}')
            return response
        response.image_path, response.annotation_path = (str(path) for path in paths)
        response.message = f'saved {response.image_path} with {len(frame.detections)} objects'
        response.success = True
        self._logger.info(response.message)
        return response

    async def _save(self, frame: AnsweredFrame, folder: Path) -> tuple[Path, Path]:
        self._num_snapshots += 1
        try:
            return await InBackground(
                lambda: self._snapshots.save(frame, folder),
                on_end=waker_of(self._node),
                what=f'a snapshot into {folder}',
            )
        finally:
            self._num_snapshots -= 1

    def _tell(self, error: Exception) -> str:
        """Say what went wrong; what nobody foresaw is logged with its traceback."""
        if isinstance(error, SsdDetectorError):
            return str(error)
        if isinstance(error, OSError):
            return printable(str(error))
        self._logger.error(''.join(traceback.format_exception(error)))
        return printable(f'{type(error).__name__}: {error}')


def _check_lengths(paths: Mapping[str, str]) -> None:
    """Refuse what no system takes, before it is in logs and diagnostics."""
    for name, path in paths.items():
        if len(path) > _LONGEST_PATH:
            raise ServiceError(
                f'{name}: received {quoted(path)}; expected at most {_LONGEST_PATH} characters'
            )


def find_frame(cameras: Sequence[Camera], image_topic: str) -> AnsweredFrame:
    """
    Find the frame that was answered last.

    :param cameras: of the node
    :param image_topic: of the camera; empty for any
    :return: the frame
    :raises ServiceError: when there is none
    """
    frames = [
        camera.last_answered
        for camera in cameras
        if camera.last_answered and image_topic in ('', camera.name.topic)
    ]
    if not frames:
        known = ', '.join(camera.name.topic for camera in cameras) or 'none'
        of_camera = f' of {quoted(image_topic)}' if image_topic else ''
        raise ServiceError(f'no frame{of_camera} was answered yet; cameras: {known}')
    return max(frames, key=lambda frame: frame.answered_s)
