"""Lifecycle transitions that tell what went wrong, and do not end the process (rclpy, Jazzy)."""

from collections.abc import Callable
from functools import wraps
import traceback
from typing import Any, TypeVar

from rclpy._rclpy_pybind11 import RCLError
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

Node = TypeVar('Node', bound=LifecycleNode)
Transition = Callable[[Node, LifecycleState], TransitionCallbackReturn]


def logs_exceptions(transition: Transition[Node]) -> Transition[Node]:
    """
    Log the exception that ends a transition; rclpy itself drops it and says only ERROR.

    :param transition: on_configure or the like
    :return: the same, logging
    """

    @wraps(transition)
    def logging(node: Node, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            # After an interrupt anything may fail; that is no news.
            if node.context.ok():
                node.get_logger().error(f'{transition.__name__}: {traceback.format_exc()}')
            raise

    return logging


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
