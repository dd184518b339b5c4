"""What the commands of this package have in common; imports no TensorFlow: --help is quick."""

import argparse
from collections.abc import Callable
import logging
from pathlib import Path
import platform
import sys

from ssd_detector import command_line
from ssd_detector.printable import LineFormatter
from ssd_training.errors import MissingPackageError
from ssd_training.quiet import quiet_tensorflow

# Where the component files of experiments lie.
CONFIG_ROOT = Path(__file__).parent / 'configs'
# Where predict puts copies with boxes drawn in, unless told otherwise; no pictures to learn from.
PREDICTED = 'inference_out'
# In another folder a file of this name tells so.
PREDICTED_MARK = '.predicted'


def positive(text: str) -> int:
    """
    Read a count.

    :param text: as given
    :return: at least 1
    :raises ArgumentTypeError: when it is none
    """
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number from 1 on')
    return value


def run_command(action: Callable[[], int | None]) -> int:
    """
    Run a command; an error of ours is one sentence a finding.

    :param action: does the work; may give an exit code, else it is 0
    :return: 0 good, 1 failed, 2 wrong usage, 130 after Ctrl-C, 141 when nobody reads the output
    """
    quiet_tensorflow()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter('%(message)s'))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger('ssd_training').setLevel(logging.INFO)
    return command_line.run_command(lambda: with_tensorflow(action))


def with_tensorflow(action: Callable[[], int | None]) -> int | None:
    """
    Do what may need TensorFlow.

    :param action: does the work; may give an exit code
    :return: what the action gives
    :raises MissingPackageError: when it needs TensorFlow, and that is not installed
    """
    try:
        return action()
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] not in ('tensorflow', 'keras'):
            raise
        raise MissingPackageError(
            [
                f'TensorFlow: this command needs it, and Python {platform.python_version()} here '
                f"has none; `pip install tensorflow-cpu` ('tensorflow[and-cuda]' for a GPU), with "
                f'--pre or an older Python where pip finds no release. The detector and its node '
                f'do without'
            ]
        ) from error
