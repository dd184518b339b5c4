"""Commands in the process of the test: it has TensorFlow already, which takes seconds to come."""

from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
import io
import logging


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


class Heard(io.StringIO):
    """Text that somebody listens to."""

    def __init__(self, listener) -> None:
        super().__init__()
        self._listener = listener

    def write(self, text: str) -> int:
        """Keep the text, and pass it on."""
        if self._listener is not None:
            self._listener(text)
        return super().write(text)


def call(main, *arguments, listener=None) -> Done:
    """
    Run a command as its module does when it is started.

    :param main: of the module
    :param arguments: of the command line
    :param listener: called with each text that goes to stderr
    :return: how it ended
    """
    # Commands set up logging for a process of their own.
    logger = logging.getLogger('ssd_training')
    before = list(logger.handlers), logger.level, logger.propagate
    out, err = io.StringIO(), Heard(listener)
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    return Done(code, out.getvalue(), err.getvalue())
