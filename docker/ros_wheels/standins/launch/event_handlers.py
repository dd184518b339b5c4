"""Handlers of process and shutdown events."""

from typing import Any

from ._engine import Event, EventHandler
from .events import Shutdown
from .events.process import ProcessExited, ProcessStarted


class _OnProcess(EventHandler):
    event_type: type = Event

    def __init__(self, target_action: Any, entities: Any, **kwargs: Any) -> None:
        def matches(event: Event) -> bool:
            if type(event) is not self.event_type:
                return False
            if target_action is None:
                return True
            is_action = hasattr(target_action, 'visit')
            return event.action is target_action if is_action else target_action(event.action)

        super().__init__(matcher=matches, entities=entities, **kwargs)


class OnProcessStart(_OnProcess):
    event_type = ProcessStarted

    def __init__(self, *, target_action: Any = None, on_start: Any, **kwargs: Any) -> None:
        super().__init__(target_action, on_start, **kwargs)


class OnProcessExit(_OnProcess):
    event_type = ProcessExited

    def __init__(self, *, target_action: Any = None, on_exit: Any, **kwargs: Any) -> None:
        super().__init__(target_action, on_exit, **kwargs)


class OnShutdown(EventHandler):
    def __init__(self, *, on_shutdown: Any, **kwargs: Any) -> None:
        super().__init__(
            matcher=lambda event: isinstance(event, Shutdown), entities=on_shutdown, **kwargs
        )
