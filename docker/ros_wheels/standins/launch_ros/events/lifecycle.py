"""Events of lifecycle nodes."""

from collections.abc import Callable
from typing import Any

from launch import Event


class ChangeState(Event):
    def __init__(
        self, *, lifecycle_node_matcher: Callable[[Any], bool], transition_id: int
    ) -> None:
        self.lifecycle_node_matcher, self.transition_id = lifecycle_node_matcher, transition_id


class StateTransition(Event):
    def __init__(self, *, action: Any, msg: Any) -> None:
        self.action, self.msg = action, msg
        self.timestamp, self.transition = msg.timestamp, msg.transition.label
        self.start_state, self.goal_state = msg.start_state.label, msg.goal_state.label
