"""Handlers of lifecycle events."""

from typing import Any

from launch import Event, EventHandler

from .events.lifecycle import StateTransition


class OnStateTransition(EventHandler):
    def __init__(
        self,
        *,
        entities: Any,
        target_lifecycle_node: Any = None,
        transition: str | None = None,
        start_state: str | None = None,
        goal_state: str | None = None,
        matcher: Any = None,
        **kwargs: Any,
    ) -> None:
        def matches(event: Event) -> bool:
            if not isinstance(event, StateTransition):
                return False
            pairs = (
                (target_lifecycle_node, event.action),
                (transition, event.transition),
                (start_state, event.start_state),
                (goal_state, event.goal_state),
            )
            return all(wanted is None or wanted == actual for wanted, actual in pairs)

        super().__init__(matcher=matcher or matches, entities=entities, **kwargs)
