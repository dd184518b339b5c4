"""Context, base classes and the loop that visits entities and hands out events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
import os
import signal
import sys
import threading
import traceback
from types import SimpleNamespace
from typing import Any


def log(level: str, name: str, text: str) -> None:
    print(f'[{level}] [{name}]: {text}', file=sys.stderr, flush=True)


class Substitution:
    """Text that is known only once the launch file runs."""

    def perform(self, context: LaunchContext) -> str:
        raise NotImplementedError

    def describe(self) -> str:
        return type(self).__name__


SomeSubstitutionsType = str | Substitution | Iterable[str | Substitution]


class Event:
    pass


class Condition:
    def __init__(self, predicate: Callable[[LaunchContext], bool]) -> None:
        self._predicate = predicate

    def evaluate(self, context: LaunchContext) -> bool:
        return self._predicate(context)


class LaunchDescriptionEntity:
    def visit(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        raise NotImplementedError


class Action(LaunchDescriptionEntity):
    def __init__(self, *, condition: Condition | None = None) -> None:
        self.condition = condition

    def visit(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        if self.condition is None or self.condition.evaluate(context):
            return self.execute(context)
        return None

    def execute(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
        return None


class LaunchDescription(LaunchDescriptionEntity):
    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self.entities = list(initial_entities or [])

    def add_entity(self, entity: LaunchDescriptionEntity) -> None:
        self.entities.append(entity)

    add_action = add_entity

    def visit(self, context: LaunchContext) -> Iterable[LaunchDescriptionEntity]:
        return self.entities


class EventHandler:
    def __init__(
        self, *, matcher: Callable[[Event], bool], entities: Any = None, handle_once: bool = False
    ) -> None:
        self._matcher, self._entities, self._handle_once = matcher, entities, handle_once

    def matches(self, event: Event) -> bool:
        return self._matcher(event)

    def handle(self, event: Event, context: LaunchContext) -> Any:
        context.locals.event = event
        if self._handle_once:
            context.unregister_event_handler(self)
        return self._entities(event, context) if callable(self._entities) else self._entities


class LaunchContext:
    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.argv, self.noninteractive = list(argv or []), noninteractive
        self.launch_configurations: dict[str, Any] = {}
        self.environment: dict[str, str] = dict(os.environ)
        self.locals = SimpleNamespace(event=None)
        self.launch_file: str | None = None
        self.is_shutdown = False
        self.asyncio_loop: asyncio.AbstractEventLoop | None = None
        self.ros_node: Any = None
        self._handlers: list[EventHandler] = []
        self._events: list[Event] = []
        self._tasks: set[asyncio.Future] = set()
        self._scopes: list[tuple[dict, dict]] = []
        self._process_count = 0

    def perform_substitution(self, substitution: Substitution) -> str:
        return substitution.perform(self)

    def emit_event_sync(self, event: Event) -> None:
        self._events.append(event)

    async def emit_event(self, event: Event) -> None:
        self._events.append(event)

    def register_event_handler(self, handler: EventHandler) -> None:
        self._handlers.insert(0, handler)

    def unregister_event_handler(self, handler: EventHandler) -> None:
        if handler in self._handlers:
            self._handlers.remove(handler)

    def add_completion_future(self, future: asyncio.Future) -> None:
        self._tasks.add(future)

    def next_process_number(self) -> int:
        self._process_count += 1
        return self._process_count

    def push_scope(self) -> None:
        self._scopes.append((dict(self.launch_configurations), dict(self.environment)))

    def pop_scope(self) -> None:
        self.launch_configurations, self.environment = self._scopes.pop()

    def visit(self, entities: Any) -> None:
        """Depth first, in order: what an entity returns is visited before its next sibling."""
        if entities is None:
            return
        for entity in entities if isinstance(entities, Iterable) else [entities]:
            if entity is not None:
                self.visit(entity.visit(self))


def perform(context: LaunchContext, value: Any) -> str:
    """Text, path, substitution or a sequence of them, as text."""
    if isinstance(value, Substitution):
        return value.perform(context)
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    return ''.join(perform(context, part) for part in value)


class LaunchService:
    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        self.context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self._debug = debug
        self._included: list[LaunchDescription] = []
        self._return_code = 0
        self._is_interrupted = False

    def include_launch_description(self, description: LaunchDescription) -> None:
        self._included.append(description)

    def emit_event(self, event: Event) -> None:
        if self.context.asyncio_loop is None:
            self.context.emit_event_sync(event)
        else:
            self.context.asyncio_loop.call_soon_threadsafe(self.context.emit_event_sync, event)

    def shutdown(self) -> None:
        from .events import Shutdown

        self.emit_event(Shutdown(reason='LaunchService.shutdown() called'))

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError('LaunchService can only be run in the main thread.')
        return asyncio.run(self.run_async(shutdown_when_idle=shutdown_when_idle))

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        from .events import Shutdown

        context = self.context
        context.asyncio_loop = asyncio.get_running_loop()
        # Only this one, as the real one: SIGTERM kills it and leaves its processes
        # (ros2/launch#666).
        context.asyncio_loop.add_signal_handler(signal.SIGINT, self._interrupted)
        self._guarded(context.visit, list(self._included))
        while True:
            while context._events:
                self._guarded(self._hand_out, context._events.pop(0))
            for task in [task for task in context._tasks if task.done()]:
                context._tasks.discard(task)
                if not task.cancelled() and task.exception() is not None:
                    self._failed(task.exception())
            if context._events:
                continue
            if not context._tasks:
                if context.is_shutdown:
                    break
                if shutdown_when_idle:
                    context.emit_event_sync(Shutdown(reason='idle'))
                    continue
            await asyncio.sleep(0.02)
        context.asyncio_loop = None
        if context.ros_node is not None:
            context.ros_node.close()
        return self._return_code

    def _hand_out(self, event: Event) -> None:
        from .events import Shutdown

        first_shutdown = isinstance(event, Shutdown) and not self.context.is_shutdown
        if isinstance(event, Shutdown) and not first_shutdown:
            return
        self.context.is_shutdown = self.context.is_shutdown or first_shutdown
        for handler in list(self.context._handlers):
            if handler.matches(event):
                self.context.visit(handler.handle(event, self.context))

    def _guarded(self, function: Callable, *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001  a faulty launch file ends the launch only
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        from .events import Shutdown

        log('ERROR', 'launch', f'Caught exception in launch (see debug for traceback): {error}')
        if self._debug:
            traceback.print_exception(error)
        self._return_code = 1
        self.context.emit_event_sync(Shutdown(reason=str(error), due_to_exception=True))

    def _interrupted(self) -> None:
        from .events import Shutdown

        text = 'user interrupted with ctrl-c (SIGINT)'
        if self._is_interrupted:
            log('WARNING', 'launch', f'{text} again, ignoring...')
            return
        self._is_interrupted = True
        log('WARNING', 'launch', text)
        self.context.emit_event_sync(Shutdown(reason='ctrl-c (SIGINT)', due_to_sigint=True))
