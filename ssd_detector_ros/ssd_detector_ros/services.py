"""The node's services: ~/load_model, ~/set_enabled, ~/snapshot."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from ssd_detector import SsdDetectorError
from ssd_detector_ros.background import InBackground, waker_of
from ssd_detector_ros.snapshots import AnsweredFrame, save_snapshot
from ssd_msgs.srv import LoadModel, SetEnabled, Snapshot


class ServiceError(SsdDetectorError):
    """A request that the node can't fulfil; the text says why."""


class Services:
    """
    Answers requests, in any state of the node.

    :param node: just constructed
    :param swap_model: (bundle, model) -> what was loaded
    :param set_enabled: enabled -> the state then
    :param find_frame: image topic, or an empty text -> (frame, folder of snapshots)
    """

    def __init__(
        self,
        node: Node,
        *,
        swap_model: Callable[[str, str], Awaitable[str]],
        set_enabled: Callable[[bool], str],
        find_frame: Callable[[str], tuple[AnsweredFrame, str]],
    ) -> None:
        self._node = node
        self._logger = node.get_logger()
        self._swap_model = swap_model
        self._set_enabled = set_enabled
        self._find_frame = find_frame
        # A service that waits would keep the others of its callback group waiting.
        group = ReentrantCallbackGroup()
        for service_type, name, callback in (
            (LoadModel, '~/load_model', self._on_load_model),
            (SetEnabled, '~/set_enabled', self._on_set_enabled),
            (Snapshot, '~/snapshot', self._on_snapshot),
        ):
            node.create_service(service_type, name, callback, callback_group=group)

    async def _on_load_model(self, request: Any, response: Any) -> Any:
        try:
            response.message = await self._swap_model(request.bundle, request.model)
            response.success = True
            self._logger.info(response.message)
        except SsdDetectorError as error:
            response.message = str(error)
            self._logger.error(f'load_model refused, the old model stays: {error}')
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
            frame, default_folder = self._find_frame(request.image_topic)
            folder = Path(request.folder or default_folder).expanduser().absolute()
            paths = await InBackground(
                lambda: save_snapshot(frame, folder), on_end=waker_of(self._node)
            )
        except (ServiceError, OSError) as error:
            response.message = f'nothing was saved: {error}'
            self._logger.error(f'snapshot: {response.message}')
            return response
        response.image_path, response.annotation_path = (str(path) for path in paths)
        response.message = f'saved {response.image_path} with {len(frame.detections)} objects'
        response.success = True
        self._logger.info(response.message)
        return response
