"""Runs tests on mutants: collected once, then run in a child for each mutant."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
import gc
import importlib
from itertools import islice
import multiprocessing
from multiprocessing.connection import Connection, wait
import os
from pathlib import Path
import resource
import shutil
import signal
import sys
import tempfile
import time
from typing import Literal

from changes import Mutant
import pytest
from replacing import find_module, Functions, Importer

Outcome = Literal['killed', 'survived', 'timeout', 'not imported']
# Beyond those of pytest.
_NOT_IMPORTED = 100
_LARGEST_BYTES = 8 << 30
_LONGEST_S = 600.0
# A trial may take so many times what the tests take without a change, and so much longer.
_PATIENCE, _PATIENCE_S = 5, 20.0
_FORK = multiprocessing.get_context('fork')


@dataclass(frozen=True)
class Subject:
    """
    A module and what holds it.

    :param module: dotted name
    :param path: of its source
    :param tests: files
    """

    module: str
    path: Path
    tests: tuple[str, ...]


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


def preload(names: Sequence[str]) -> None:
    """
    Import libraries once for all: TensorFlow takes longer than most tests.

    :param names: of modules; none of them may start threads
    """
    for name in names:
        importlib.import_module(name)


def run_mutants(
    subject: Subject, mutants: Sequence[Mutant], *, jobs: int, seconds: float
) -> Iterator[tuple[Mutant | None, Result]]:
    """
    Run the tests without a change, and on mutants.

    :param subject: the module
    :param mutants: of it
    :param jobs: tests run at a time
    :param seconds: after which no other one is begun
    :return: None with the result without a change, which is the last if tests fail; then mutants
        as they end
    """
    end_s = time.monotonic() + seconds
    unchanged = _run_anew(subject, None)
    yield None, unchanged
    if unchanged.outcome != 'survived':
        return
    limit_s = _PATIENCE * unchanged.wall_s + _PATIENCE_S
    # In what defines functions, anything may have been made of a constant: it is imported anew.
    in_functions = [one for one in mutants if one.function_line]
    receiver, sender = _FORK.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix='mutants_') as folder:
        arguments = (sender, subject, in_functions, jobs, limit_s, end_s, Path(folder))
        session = _FORK.Process(target=_serve, args=arguments)
        session.start()
        sender.close()
        try:
            while True:
                index, result = receiver.recv()
                yield in_functions[index], result
        except EOFError:
            session.join()
        finally:
            _kill_group(session.pid)
            session.join()
    for mutant in mutants:
        if not mutant.function_line and time.monotonic() < end_s:
            yield mutant, _run_anew(subject, mutant.source, limit_s=limit_s)


class _Child:
    """A child at work, in a process group of its own."""

    def __init__(self, work: Callable[[], int], limit_s: float) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix='mutant_'))
        self.start_s = time.monotonic()
        self.end_s = self.start_s + limit_s
        self.process = _FORK.Process(target=_run_alone, args=(work, self.folder))
        self.process.start()

    def is_over(self) -> bool:
        return not self.process.is_alive() or time.monotonic() >= self.end_s

    def finish(self) -> Result:
        has_ended, wall_s = not self.process.is_alive(), time.monotonic() - self.start_s
        _kill_group(self.process.pid)
        self.process.join()
        output = self.folder / 'output'
        text = output.read_text(errors='replace') if output.exists() else ''
        shutil.rmtree(self.folder, ignore_errors=True)
        outcomes: dict[int | None, Outcome] = {0: 'survived', _NOT_IMPORTED: 'not imported'}
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


def _run_anew(subject: Subject, source: str | None, *, limit_s: float = _LONGEST_S) -> Result:
    """Run the tests in a child that imports everything of ours, this module from the source."""

    def work() -> int:
        if source is not None:
            sys.meta_path.insert(0, Importer(subject.module, subject.path, source))
        code = int(pytest.main(_arguments(subject)))
        is_there = find_module(subject.module, subject.path) is not None
        return _NOT_IMPORTED if code == 0 and not is_there else code

    ((_, result),) = run_children([work], jobs=1, limit_s=limit_s)
    return result


def _serve(
    sender: Connection,
    subject: Subject,
    mutants: Sequence[Mutant],
    jobs: int,
    limit_s: float,
    end_s: float,
    folder: Path,
) -> None:
    """Collect the tests, and send what becomes of each mutant."""

    class Server:
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            module = find_module(subject.module, subject.path)
            assert module is not None
            # Properties take longest, and a plain test may fail before.
            items = sorted(session.items, key=lambda item: 'property' in item.keywords)
            functions = Functions(module)
            # What the children share would be copied by the mere look of the collector at it.
            gc.freeze()

            def works() -> Iterator[Callable[[], int]]:
                for mutant in mutants:
                    if time.monotonic() > end_s:
                        return
                    yield partial(_try, session, items, functions, mutant)

            for index, result in run_children(works(), jobs=jobs, limit_s=limit_s):
                sender.send((index, result))
            return True

    os.setsid()
    _prepare(folder)
    pytest.main([*_arguments(subject)], plugins=[Server()])
    os._exit(0)


def _try(
    session: pytest.Session, items: Sequence[pytest.Item], functions: Functions, mutant: Mutant
) -> int:
    if not functions.replace(mutant.source, mutant.function_line):
        return _NOT_IMPORTED
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def _arguments(subject: Subject) -> list[str]:
    return ['-x', '-q', '-p', 'no:cacheprovider', '-m', 'not slow', *subject.tests]


def _run_alone(work: Callable[[], int], folder: Path) -> None:
    os.setsid()
    _prepare(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (_LARGEST_BYTES, _LARGEST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        code = work()
    finally:
        sys.stdout.flush()
        # Threads of a mutant may never end.
        os._exit(code)


def _prepare(folder: Path) -> None:
    """Write to a file, and keep temporary files apart."""
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


def _kill_group(pid: int | None) -> None:
    """End a child, and what it started."""
    assert pid is not None
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended and left nothing behind.
        return
