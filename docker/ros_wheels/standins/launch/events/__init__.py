from collections.abc import Callable
from typing import Any

from .._engine import Event


class Shutdown(Event):
    def __init__(
        self,
        *,
        reason: str = 'reason not given',
        due_to_sigint: bool = False,
        due_to_exception: bool = False,
    ) -> None:
        self.reason, self.due_to_sigint, self.due_to_exception = (
            reason,
            due_to_sigint,
            due_to_exception,
        )


def matches_action(target_action: Any) -> Callable[[Any], bool]:
    return lambda action: action is target_action
