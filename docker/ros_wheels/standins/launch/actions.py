"""The actions that launch files use."""

import asyncio
from collections.abc import Iterable
import os
import shlex
import signal
import sys
from typing import Any

from . import events
from ._engine import (
    Action,
    LaunchContext,
    LaunchDescription,
    LaunchDescriptionEntity,
    log,
    perform,
)
from .event_handlers import OnProcessExit, OnShutdown
from .events.process import ProcessExited, ProcessStarted
from .launch_description_sources import LaunchDescriptionSource, PythonLaunchDescriptionSource


class DeclareLaunchArgument(Action):
    def __init__(
        self,
        name: str,
        *,
        default_value: Any = None,
        description: str | None = None,
        choices: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name, self.default_value, self.description, self.choices = (
            name,
            default_value,
            description,
            choices,
        )

    def execute(self, context: LaunchContext) -> None:
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(f"Required launch argument '{self.name}' was not provided.")
            context.launch_configurations[self.name] = perform(context, self.default_value)
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(
                f"Argument '{self.name}' provided value '{value}' is not valid. "
                f'Valid options are: {self.choices}'
            )


class SetEnvironmentVariable(Action):
    def __init__(self, name: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._name, self._value = name, value

    def execute(self, context: LaunchContext) -> None:
        context.environment[perform(context, self._name)] = perform(context, self._value)


class LogInfo(Action):
    def __init__(self, *, msg: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._message = msg

    def execute(self, context: LaunchContext) -> None:
        log('INFO', 'launch.user', perform(context, self._message))


class OpaqueFunction(Action):
    def __init__(
        self,
        *,
        function: Any,
        args: Iterable[Any] | None = None,
        kwargs: dict | None = None,
        **action: Any,
    ) -> None:
        super().__init__(**action)
        self._function, self._args, self._kwargs = function, list(args or []), dict(kwargs or {})

    def execute(self, context: LaunchContext) -> Any:
        return self._function(context, *self._args, **self._kwargs)


class _PopScope(Action):
    def execute(self, context: LaunchContext) -> None:
        context.pop_scope()


class GroupAction(Action):
    def __init__(
        self,
        actions: Iterable[Action],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._actions, self._scoped, self._forwarding = list(actions), scoped, forwarding
        self._configurations = dict(launch_configurations or {})

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        new = {
            perform(context, name): perform(context, value)
            for name, value in self._configurations.items()
        }
        if self._scoped:
            context.push_scope()
            if not self._forwarding:
                context.launch_configurations.clear()
        context.launch_configurations.update(new)
        return [*self._actions, _PopScope()] if self._scoped else self._actions


class _RestoreFile(Action):
    def __init__(self, path: str | None) -> None:
        super().__init__()
        self._path = path

    def execute(self, context: LaunchContext) -> None:
        context.launch_file = self._path


class IncludeLaunchDescription(Action):
    def __init__(
        self,
        launch_description_source: Any,
        *,
        launch_arguments: Iterable[tuple[Any, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        is_source = isinstance(launch_description_source, LaunchDescriptionSource)
        self._source = (
            launch_description_source
            if is_source
            else PythonLaunchDescriptionSource(launch_description_source)
        )
        self._arguments = list(launch_arguments or [])

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        description = self._source.get_launch_description(context)
        including = context.launch_file
        for name, value in self._arguments:
            context.launch_configurations[perform(context, name)] = perform(context, value)
        location = self._source.location(context)
        context.launch_file = os.path.abspath(location) if location else including
        return [description, _RestoreFile(including)]


class RegisterEventHandler(Action):
    def __init__(self, event_handler: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        context.register_event_handler(self.event_handler)


class EmitEvent(Action):
    def __init__(self, *, event: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event = event

    def execute(self, context: LaunchContext) -> None:
        context.emit_event_sync(self.event)


class Shutdown(Action):
    def __init__(self, *, reason: Any = 'reason not given', **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._reason = reason

    def execute(self, context: LaunchContext) -> None:
        # The real one does not print the reason either: a LogInfo before it does.
        context.emit_event_sync(events.Shutdown(reason=perform(context, self._reason)))


class ExecuteProcess(Action):
    def __init__(
        self,
        *,
        cmd: Iterable[Any],
        name: Any = None,
        cwd: Any = None,
        env: dict | None = None,
        additional_env: dict | None = None,
        prefix: Any = None,
        shell: bool = False,
        output: Any = 'log',
        sigterm_timeout: Any = '5',
        sigkill_timeout: Any = '5',
        respawn: Any = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        on_exit: Any = None,
        emulate_tty: bool = False,
        log_cmd: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cmd, self._name, self._cwd, self._env, self._additional_env = (
            list(cmd),
            name,
            cwd,
            env,
            additional_env,
        )
        self._prefix, self._shell, self._output, self._log_cmd = prefix, shell, output, log_cmd
        self._sigterm_timeout, self._sigkill_timeout = sigterm_timeout, sigkill_timeout
        self._respawn, self._respawn_delay, self._max_retries = (
            respawn,
            respawn_delay or 0.0,
            respawn_max_retries,
        )
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self.process_details: dict[str, Any] | None = None
        self.return_code: int | None = None

    def command(self, context: LaunchContext) -> list[str]:
        prefix = shlex.split(perform(context, self._prefix)) if self._prefix is not None else []
        return prefix + [perform(context, part) for part in self.cmd]

    def execute(self, context: LaunchContext) -> None:
        if context.is_shutdown:
            return
        command = self.command(context)
        label = (
            perform(context, self._name)
            if self._name is not None
            else os.path.basename(command[0])
        )
        environment = (
            dict(context.environment)
            if self._env is None
            else {
                perform(context, key): perform(context, value) for key, value in self._env.items()
            }
        )
        for key, value in (self._additional_env or {}).items():
            environment[perform(context, key)] = perform(context, value)
        cwd = perform(context, self._cwd) if self._cwd is not None else None
        name = f'{label}-{context.next_process_number()}'
        self.process_details = {'name': name, 'cmd': command, 'cwd': cwd, 'env': environment}
        context.register_event_handler(OnShutdown(on_shutdown=self._stop))
        if self._on_exit is not None:
            context.register_event_handler(
                OnProcessExit(target_action=self, on_exit=self._on_exit)
            )
        context.add_completion_future(context.asyncio_loop.create_task(self._run(context)))

    def _shown(self, stream: str) -> bool:
        output = self._output if isinstance(self._output, (str, dict)) else 'screen'
        wanted = (
            output.get(stream, output.get('both', 'log')) if isinstance(output, dict) else output
        )
        return wanted in ('screen', 'both') or (wanted == 'log' and stream == 'stderr')

    async def _forward(self, stream: asyncio.StreamReader, shown: bool, target: Any) -> None:
        async for line in stream:
            if shown:
                print(
                    f'[{self.process_details["name"]}] {line.decode(errors="replace").rstrip()}',
                    file=target,
                    flush=True,
                )

    async def _run(self, context: LaunchContext) -> None:
        details, retries = self.process_details, 0
        name, command = details['name'], details['cmd']
        while True:
            options = {
                'cwd': details['cwd'],
                'env': details['env'],
                'stdout': asyncio.subprocess.PIPE,
                'stderr': asyncio.subprocess.PIPE,
                'start_new_session': False,
                'limit': 2**20,
            }
            try:
                if self._shell:
                    process = await asyncio.create_subprocess_shell(' '.join(command), **options)
                else:
                    process = await asyncio.create_subprocess_exec(*command, **options)
            except OSError as error:  # the launch goes on without it
                log('ERROR', name, f'exception occurred while executing process: {error}')
                return
            self._process = process
            log('INFO', name, f'process started with pid [{process.pid}]')
            details['pid'] = process.pid
            context.emit_event_sync(ProcessStarted(action=self, name=name, pid=process.pid))
            await asyncio.gather(
                self._forward(process.stdout, self._shown('stdout'), sys.stdout),
                self._forward(process.stderr, self._shown('stderr'), sys.stderr),
            )
            self.return_code = await process.wait()
            if self.return_code == 0:
                log('INFO', name, f'process has finished cleanly [pid {process.pid}]')
            else:
                log(
                    'ERROR',
                    name,
                    f'process has died [pid {process.pid}, exit code {self.return_code}, '
                    f"cmd '{' '.join(command)}'].",
                )
            context.emit_event_sync(
                ProcessExited(action=self, name=name, pid=process.pid, returncode=self.return_code)
            )
            respawn = (
                self._respawn
                if isinstance(self._respawn, bool)
                else perform(context, self._respawn) == 'true'
            )
            if not respawn or context.is_shutdown or retries == self._max_retries:
                return
            retries += 1
            await asyncio.sleep(self._respawn_delay)
            if context.is_shutdown:
                return

    def _stop(self, event: events.Shutdown, context: LaunchContext) -> None:
        from_terminal = (
            event.due_to_sigint and not context.noninteractive
        )  # which told the whole group already
        context.add_completion_future(
            context.asyncio_loop.create_task(self._terminate(context, from_terminal))
        )

    async def _terminate(self, context: LaunchContext, interrupted: bool) -> None:
        """SIGINT, then SIGTERM, then SIGKILL, each after its time."""
        for signal_number, wait in (
            (signal.SIGINT, float(perform(context, self._sigterm_timeout))),
            (signal.SIGTERM, float(perform(context, self._sigkill_timeout))),
            (signal.SIGKILL, 5.0),
        ):
            if self._process is None or self._process.returncode is not None:
                return
            if not (interrupted and signal_number is signal.SIGINT):
                log(
                    'INFO',
                    self.process_details['name'],
                    f'sending signal {signal_number.name!r} to process'
                    f'[{self.process_details["name"]}]',
                )
                self._process.send_signal(signal_number)
            for _ in range(int(wait / 0.02)):
                if self._process.returncode is not None:
                    return
                await asyncio.sleep(0.02)


ExecuteLocal = ExecuteProcess

__all__ = [
    'DeclareLaunchArgument',
    'EmitEvent',
    'ExecuteLocal',
    'ExecuteProcess',
    'GroupAction',
    'IncludeLaunchDescription',
    'LaunchDescription',
    'LogInfo',
    'OpaqueFunction',
    'RegisterEventHandler',
    'SetEnvironmentVariable',
    'Shutdown',
]
