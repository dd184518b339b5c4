"""Keeps a lifecycle node alive when a client asks for an impossible transition."""

from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.lifecycle import LifecycleNode


def answer_impossible_transitions(node: LifecycleNode) -> None:
    """
    Answer `success: false` to a transition that the state does not allow.

    Up to Jazzy rclpy lets such a request end the process (ros2/rclpy#1209); Kilted answers itself.

    :param node: just constructed
    """
    service = node._service_change_state
    change_state = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except RCLError as error:
            node.get_logger().warning(f'transition {request.transition.id} refused: {error}')
            response.success = False
            return response

    service.callback = guarded
