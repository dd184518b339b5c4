"""Processes of a ROS test: the node and others, and what they say when the test fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

from ament_index_python.packages import get_package_prefix

from tests.patience import patience_s, WaitedTooLong

# With a sitecustomize.py that every Python process finds: it dumps stacks when asked to.
IN_PROCESSES = Path(__file__).parent / 'in_processes'
LOG_TAIL_LINES = 40
# Processes of running() that run, with their logs.
_at_work: dict[subprocess.Popen[bytes], Path] = {}


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a process; interrupt it at the end, if it still runs.

    Where a test fails, what it printed last is shown, after a failure to wait with all its stacks.

    :param command: program and arguments
    :param log: file for its output
    :param environment: instead of this process's
    :param folder: to run in
    :return: the process
    """
    environment = dict(os.environ if environment is None else environment)
    paths = [str(IN_PROCESSES), *filter(None, [environment.get('PYTHONPATH')])]
    environment['PYTHONPATH'] = os.pathsep.join(paths)
    with log.open('wb') as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            # A group of its own, as of a terminal: a test can interrupt the whole of it.
            start_new_session=True,
        )
        _at_work[process] = log
        try:
            yield process
        except BaseException as error:
            sys.stderr.write(last_words(is_stuck=isinstance(error, WaitedTooLong)))
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(patience_s())
            except subprocess.TimeoutExpired:
                sys.stderr.write(last_words(is_stuck=True))
                process.kill()
                process.wait()
                raise
            finally:
                del _at_work[process]


def last_words(*, is_stuck: bool) -> str:
    """
    Collect what the processes at work printed last.

    :param is_stuck: ask them first where each of their threads is
    :return: for people; empty where none is at work
    """
    words = []
    for process, log in _at_work.items():
        if is_stuck and process.poll() is None:
            _dump_stacks(process, log)
        lines = log.read_text(errors='replace').splitlines()[-LOG_TAIL_LINES:]
        words += [f'--- {log}, the last lines:', *lines, '']
    return '\n'.join(words)


def _dump_stacks(process: subprocess.Popen[bytes], log: Path) -> None:
    """Have the stacks of a process, and of those that it started, written to its log."""
    before = log.stat().st_size
    os.killpg(process.pid, signal.SIGUSR2)
    for _ in range(20):
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        if log.stat().st_size > before:
            break


def outcome(command: list[str | Path], **options: Any) -> tuple[int, str]:
    """
    Run a command that ends by itself.

    :param command: program and arguments
    :param options: of subprocess.run
    :return: its exit code and all that it printed
    """
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience_s(),
        check=False,
        **options,
    )
    return done.returncode, done.stdout


def detector_command(namespace: str = '', **parameters: object) -> list[str | Path]:
    """
    Build the command line of the node.

    :param namespace: of the node
    :param parameters: of the node
    :return: program and arguments
    """
    program = Path(get_package_prefix('ssd_detector_ros'), 'lib/ssd_detector_ros/detector')
    # The bundles of a test lie in folders of their own.
    parameters = {'bundle_root': '/', 'snapshot_root': '/'} | parameters
    command: list[str | Path] = [program, '--ros-args', '-r', f'__ns:=/{namespace}']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command
