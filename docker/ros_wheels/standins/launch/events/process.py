"""Events of processes."""

from typing import Any

from .._engine import Event


class ProcessStarted(Event):
    def __init__(self, *, action: Any, name: str, pid: int) -> None:
        self.action, self.process_name, self.pid = action, name, pid


class ProcessExited(ProcessStarted):
    def __init__(self, *, returncode: int, **process: Any) -> None:
        super().__init__(**process)
        self.returncode = returncode
