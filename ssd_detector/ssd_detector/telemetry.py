"""Keeps the libraries underneath from reporting to their makers; ours reports nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
import sys
import threading

# From 1.29 on onnxruntime writes a device id below HOME and reports to Microsoft, unless this
# variable says otherwise when it is imported.
ONNXRUNTIME_VARIABLE = 'ORT_DISABLE_TELEMETRY'
# openvino sends an event to Google Analytics, from a fork of the process, whenever it is imported;
# where this package is not installed it does not.
OPENVINO_REPORTER = 'openvino_telemetry'
_one_at_a_time = threading.Lock()


def silence_onnxruntime() -> None:
    """Set the variable for this process and its children; who set it to 0 keeps that."""
    if not os.environ.get(ONNXRUNTIME_VARIABLE):
        os.environ[ONNXRUNTIME_VARIABLE] = '1'


@contextmanager
def silent_openvino() -> Iterator[None]:
    """Hide what openvino reports with, while openvino is imported; others may import it later."""
    with _one_at_a_time:
        # A copy: other threads may import something meanwhile.
        modules = sys.modules.copy()
        loaded = {name: module for name, module in modules.items() if _is_reporter(name)}
        for name in loaded:
            del sys.modules[name]
        # As the import system has it: a module that can't be imported.
        sys.modules[OPENVINO_REPORTER] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            del sys.modules[OPENVINO_REPORTER]
            sys.modules.update(loaded)


def _is_reporter(name: str) -> bool:
    return name.partition('.')[0] == OPENVINO_REPORTER


silence_onnxruntime()
