"""A command on a node of a cluster, in a process that ends with who has started it."""

from collections.abc import Mapping, Sequence
import ctypes
import os
import signal
import subprocess
import time

# Of prctl(2): the signal that a process gets when its parent dies.
_SET_PARENT_DEATH_SIGNAL = 1
_PERIOD_S = 0.2


class NodeCommand:
    """
    A command; Ray starts it, in a process of Ray's own.

    Where that process dies, of whatever signal, the command gets SIGTERM: a training saves and
    gives its experiment back, and does not go on beside the one that takes its place.

    :param words: of the command
    :param environment: variables beside those of the node
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        prctl = ctypes.CDLL(None).prctl
        self._process = subprocess.Popen(
            words,
            env={**os.environ, **environment},
            preexec_fn=lambda: prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM),
        )

    def wait(self) -> int:
        """
        Wait for the end.

        :return: the exit code, 128 + n after signal n
        """
        # Ray cancels by a flag in Python, which ends no system call that waits.
        while (exit_code := self._process.poll()) is None:
            time.sleep(_PERIOD_S)
        return exit_code if exit_code >= 0 else 128 - exit_code

    def end(self, patience_s: float) -> None:
        """
        Have it end: SIGTERM, and SIGKILL when that was not enough.

        :param patience_s: in between
        """
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
