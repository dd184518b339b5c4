"""Children of this process: each does one work, in a group of its own, for a limited time."""

from collections.abc import Callable, Iterable, Iterator
import ctypes
from dataclasses import dataclass
from itertools import islice
import multiprocessing
from multiprocessing.connection import wait
import os
from pathlib import Path
import resource
import shutil
import signal
import sys
import tempfile
import time
from typing import Literal

Outcome = Literal['killed', 'survived', 'timeout', 'not imported']
FORK = multiprocessing.get_context('fork')
# An exit code beyond those of pytest: the mutant was not there.
NOT_IMPORTED = 100
_LARGEST_BYTES = 8 << 30
# Of linux/prctl.h.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Result:
    """
    What became of a mutant, or of the code as it is.

    :param outcome: killed when a test fails
    :param wall_s: that it took
    :param output: of pytest
    """

    outcome: Outcome
    wall_s: float
    output: str


class _Child:
    """A child at work, in a process group of its own."""

    def __init__(self, work: Callable[[], int], limit_s: float) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix='mutant_'))
        self.start_s = time.monotonic()
        self.end_s = self.start_s + limit_s
        self.process = FORK.Process(target=_run_alone, args=(work, self.folder))
        self.process.start()

    def is_over(self) -> bool:
        return not self.process.is_alive() or time.monotonic() >= self.end_s

    def finish(self) -> Result:
        has_ended, wall_s = not self.process.is_alive(), time.monotonic() - self.start_s
        kill_group(self.process.pid)
        # On a busy machine it may not have come to lead its group yet.
        self.process.kill()
        self.process.join()
        output = self.folder / 'output'
        text = output.read_text(errors='replace') if output.exists() else ''
        shutil.rmtree(self.folder, ignore_errors=True)
        outcomes: dict[int | None, Outcome] = {0: 'survived', NOT_IMPORTED: 'not imported'}
        outcome = outcomes.get(self.process.exitcode, 'killed') if has_ended else 'timeout'
        return Result(outcome, wall_s, text)


def run_children(
    works: Iterable[Callable[[], int]], *, jobs: int, limit_s: float
) -> Iterator[tuple[int, Result]]:
    """
    Do each work in a child of its own.

    :param works: each gives an exit code; the next one is asked for when there is room for it
    :param jobs: children at a time
    :param limit_s: after which a child is killed
    :return: number of the work, from 0, and what became of it, as they end
    """
    waiting, running = enumerate(works), list[tuple[int, _Child]]()
    while True:
        for index, work in islice(waiting, jobs - len(running)):
            running.append((index, _Child(work, limit_s)))
        if not running:
            return
        soonest_s = min(child.end_s for _, child in running) - time.monotonic()
        wait([child.process.sentinel for _, child in running], timeout=max(soonest_s, 0.0))
        for index, child in [pair for pair in running if pair[1].is_over()]:
            running.remove((index, child))
            yield index, child.finish()


def _run_alone(work: Callable[[], int], folder: Path) -> None:
    os.setsid()
    prepare(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (_LARGEST_BYTES, _LARGEST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        code = work()
    finally:
        sys.stdout.flush()
        # Threads of a mutant may never end.
        os._exit(code)


def prepare(folder: Path) -> None:
    """
    Write to a file, keep temporary files apart, and end with the parent, however it ends.

    :param folder: for both
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with (folder / 'output').open('w') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ['PYTEST_DEBUG_TEMPROOT'] = str(folder)
    os.environ['HYPOTHESIS_PROFILE'] = _register_profile()


def _register_profile() -> str:
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        'mutants',
        max_examples=40,
        deadline=None,
        database=None,
        # The same examples for every mutant, so that a result can be had again.
        derandomize=True,
        # Without the search for a smaller example, which takes longer than all tests.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return 'mutants'


def kill_group(pid: int | None) -> None:
    """
    End a child, and what it started.

    :param pid: of the child, which leads the group
    """
    assert pid is not None
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended and left nothing behind, or has not begun.
        return
