"""Runs tests on a mutant: a child of this process, in which the module has another source."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import importlib
import importlib.abc
import importlib.machinery
from itertools import islice
import linecache
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
from types import CodeType, ModuleType
from typing import Literal, TypeVar

Outcome = Literal['killed', 'survived', 'timeout', 'not imported']
# Exit codes of pytest go to 5.
_NOT_IMPORTED = 100
_LARGEST_BYTES = 8 << 30
Tag = TypeVar('Tag')
_FORK = multiprocessing.get_context('fork')


@dataclass(frozen=True)
class Trial:
    """
    What is to be run.

    :param module: dotted name of what is replaced
    :param path: of its source
    :param source: the text that takes its place
    :param tests: files, those that run first come first
    :param limit_s: after which it is killed
    """

    module: str
    path: Path
    source: str
    tests: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True)
class Result:
    """
    What became of it.

    :param outcome: a mutant is killed when a test fails
    :param wall_s: that it took
    :param output: what pytest wrote
    """

    outcome: Outcome
    wall_s: float
    output: str


def preload(names: Sequence[str]) -> None:
    """
    Import libraries once for all trials: TensorFlow takes longer than most tests.

    :param names: of modules; none of them may start threads
    """
    for name in names:
        importlib.import_module(name)


def run_trials(trials: Iterable[tuple[Tag, Trial]], *, jobs: int) -> Iterator[tuple[Tag, Result]]:
    """
    Run each in a child of its own.

    :param trials: what to run, each with something to know it by; the next one is asked for when
        there is room for it
    :param jobs: children at a time
    :return: as they end
    """
    waiting, running = iter(trials), list[tuple[Tag, _Running]]()
    try:
        while True:
            for tag, trial in islice(waiting, jobs - len(running)):
                running.append((tag, _Running(trial)))
            if not running:
                return
            soonest_s = min(one.end_s for _, one in running) - time.monotonic()
            wait([one.child.sentinel for _, one in running], timeout=max(soonest_s, 0.0))
            for tag, one in [pair for pair in running if pair[1].is_over()]:
                running.remove((tag, one))
                yield tag, one.finish()
    finally:
        for _, one in running:
            one.finish()


class _Running:
    """A child at work."""

    def __init__(self, trial: Trial) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix='mutant_'))
        # This process has not used any library yet: nothing in it is half done when it forks.
        self.child = _FORK.Process(target=_run, args=(trial, self.folder))
        self.start_s = time.monotonic()
        self.end_s = self.start_s + trial.limit_s
        self.child.start()

    def is_over(self) -> bool:
        return not self.child.is_alive() or time.monotonic() >= self.end_s

    def finish(self) -> Result:
        has_ended, wall_s = not self.child.is_alive(), time.monotonic() - self.start_s
        _kill_group(self.child.pid)
        self.child.join()
        output = self.folder / 'output'
        text = output.read_text(errors='replace') if output.exists() else ''
        shutil.rmtree(self.folder, ignore_errors=True)
        outcomes: dict[int | None, Outcome] = {0: 'survived', _NOT_IMPORTED: 'not imported'}
        outcome = outcomes.get(self.child.exitcode, 'killed') if has_ended else 'timeout'
        return Result(outcome, wall_s, text)


def _kill_group(pid: int | None) -> None:
    """End the child, and what it started."""
    assert pid is not None
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended and left nothing behind.
        return


def _run(trial: Trial, folder: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with (folder / 'output').open('w') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_DATA, (_LARGEST_BYTES, _LARGEST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The usual profile goes on to a smaller example, which takes longer than all tests.
    os.environ['HYPOTHESIS_PROFILE'] = _register_profile()
    replacement = _Replacement(trial)
    sys.meta_path.insert(0, replacement)
    import pytest

    code = pytest.main(
        ['-x', '-q', '-p', 'no:cacheprovider', '--basetemp', str(folder / 'tmp')]
        + ['-m', 'not slow', *trial.tests]
    )
    if code == 0 and not replacement.is_loaded:
        code = _NOT_IMPORTED
    sys.stdout.flush()
    # Threads of a mutant may never end.
    os._exit(int(code))


def _register_profile() -> str:
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        'mutants',
        max_examples=40,
        deadline=None,
        database=None,
        # The same examples for every mutant, so that a result can be had again.
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return 'mutants'


class _Replacement(importlib.abc.MetaPathFinder):
    """Finds one module, with a source of its own."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.is_loaded = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._trial.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        if Path(spec.origin).resolve() != self._trial.path.resolve():
            raise ImportError(f'{fullname} is {spec.origin}, not {self._trial.path}; make build')
        self.is_loaded = True
        spec.loader = _Loader(fullname, spec.origin, self._trial.source)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        # TensorFlow reads sources to make graphs of them. Without a time it is not read anew.
        lines = self._source.splitlines(keepends=True)
        linecache.cache[self.path] = (len(self._source), None, lines, self.path)
        return compile(self._source, self.path, 'exec', dont_inherit=True)
