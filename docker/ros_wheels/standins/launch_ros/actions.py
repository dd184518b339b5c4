"""Nodes, and what applies to all nodes after it."""

import asyncio
from collections.abc import Iterable
import contextlib
import os
import threading
from typing import Any

from launch import Action, EventHandler, LaunchContext
from launch._engine import log, perform
from launch.actions import EmitEvent, ExecuteProcess
from launch.events import matches_action

from .event_handlers import OnStateTransition
from .events.lifecycle import ChangeState, StateTransition
from .parameter_descriptions import parameter_file
from .substitutions import ExecutableInPackage


def join_namespace(base: str | None, namespace: str | None) -> str | None:
    if base is None and namespace is None:
        return None
    absolute = namespace is not None and namespace.startswith('/')
    parts = [namespace] if absolute else [base, namespace]
    return '/' + '/'.join(part.strip('/') for part in parts if part and part.strip('/'))


class Node(ExecuteProcess):
    def __init__(
        self,
        *,
        executable: Any,
        package: Any = None,
        name: Any = None,
        namespace: Any = None,
        exec_name: Any = None,
        parameters: Iterable[Any] | None = None,
        remappings: Iterable[tuple[Any, Any]] | None = None,
        ros_arguments: Iterable[Any] | None = None,
        arguments: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cmd=[], name=exec_name, **kwargs)
        self._program = executable if package is None else ExecutableInPackage(executable, package)
        self._node_name, self._namespace = name, namespace
        self._parameters, self._remappings = list(parameters or []), list(remappings or [])
        self._ros_arguments, self._arguments = list(ros_arguments or []), list(arguments or [])
        self.node_name = ''

    def command(self, context: LaunchContext) -> list[str]:
        name = perform(context, self._node_name) if self._node_name is not None else None
        own = perform(context, self._namespace) if self._namespace is not None else None
        namespace = join_namespace(context.launch_configurations.get('ros_namespace'), own)
        fully_named = name is not None and namespace is not None
        self.node_name = f'{(namespace or "").rstrip("/")}/{name}'
        command = [self._program, *self._arguments]
        if self._ros_arguments:
            command += ['--ros-args', *self._ros_arguments]
        command += ['--ros-args']
        if name is not None:
            command += ['-r', f'__node:={name}']
        if namespace:
            command += ['-r', f'__ns:={namespace}']
        for entry in self._parameters:
            path = parameter_file(context, entry, self.node_name if fully_named else '/**')
            command += [] if path is None else ['--params-file', path]
        for source, target in self._remappings:
            command += ['-r', f'{perform(context, source)}:={perform(context, target)}']
        self.cmd = command
        return super().command(context)


class LaunchRosNode:
    """The launcher's own node: watches transitions and asks for them."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

        self._rclpy_context = rclpy.Context()
        rclpy.init(
            args=[],
            context=self._rclpy_context,
            signal_handler_options=rclpy.SignalHandlerOptions.NO,
        )
        self.node = rclpy.create_node(f'launch_ros_{os.getpid()}', context=self._rclpy_context)
        self._executor = SingleThreadedExecutor(context=self._rclpy_context)
        self._executor.add_node(self.node)

        def spin() -> None:
            with contextlib.suppress(ExternalShutdownException):
                self._executor.spin()

        self._thread = threading.Thread(target=spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._rclpy_context.try_shutdown()
        self._thread.join(timeout=2.0)
        self.node.destroy_node()


class LifecycleNode(Node):
    def __init__(
        self, *, name: Any, namespace: Any, autostart: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(name=name, namespace=namespace, **kwargs)
        self._autostart = autostart

    def execute(self, context: LaunchContext) -> None:
        from lifecycle_msgs.msg import Transition, TransitionEvent
        from lifecycle_msgs.srv import ChangeState as ChangeStateService

        if context.ros_node is None:
            context.ros_node = LaunchRosNode()
        super().execute(context)
        node, loop = context.ros_node.node, context.asyncio_loop

        def on_transition(message: TransitionEvent) -> None:
            event = StateTransition(action=self, msg=message)
            loop.call_soon_threadsafe(context.emit_event_sync, event)

        self._subscription = node.create_subscription(
            TransitionEvent, f'{self.node_name}/transition_event', on_transition, 10
        )
        self._client = node.create_client(ChangeStateService, f'{self.node_name}/change_state')
        context.register_event_handler(
            EventHandler(
                matcher=lambda event: (
                    isinstance(event, ChangeState) and event.lifecycle_node_matcher(self)
                ),
                entities=self._on_change_state,
            )
        )
        if self._autostart:

            def ask_for(transition: int) -> EmitEvent:
                return EmitEvent(
                    event=ChangeState(
                        lifecycle_node_matcher=matches_action(self), transition_id=transition
                    )
                )

            context.register_event_handler(
                OnStateTransition(
                    target_lifecycle_node=self,
                    start_state='configuring',
                    goal_state='inactive',
                    handle_once=True,
                    entities=[ask_for(Transition.TRANSITION_ACTIVATE)],
                )
            )
            context.visit(ask_for(Transition.TRANSITION_CONFIGURE))

    def _on_change_state(self, event: ChangeState, context: LaunchContext) -> None:
        context.add_completion_future(
            context.asyncio_loop.create_task(self._change(event.transition_id, context))
        )

    async def _change(self, transition_id: int, context: LaunchContext) -> None:
        request = self._client.srv_type.Request()
        request.transition.id = transition_id
        while not self._client.service_is_ready():
            if context.is_shutdown:
                log(
                    'WARNING',
                    'launch_ros.actions.lifecycle_node',
                    f"Abandoning wait for the '{self._client.srv_name}' service, due to shutdown.",
                )
                return
            await asyncio.sleep(0.05)
        future = self._client.call_async(request)
        while not future.done():
            if context.is_shutdown:
                return
            await asyncio.sleep(0.01)
        if not future.result().success:
            log(
                'ERROR',
                'launch_ros.actions.lifecycle_node',
                f"Failed to make transition '{transition_id}' "
                f"for LifecycleNode '{self.node_name}'",
            )


class PushRosNamespace(Action):
    def __init__(self, namespace: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._namespace = namespace

    def execute(self, context: LaunchContext) -> None:
        base = context.launch_configurations.get('ros_namespace')
        context.launch_configurations['ros_namespace'] = join_namespace(
            base, perform(context, self._namespace)
        )


PushROSNamespace = PushRosNamespace
