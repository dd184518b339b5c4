"""Runs tests on mutants: collected once, then run in a child for each mutant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
import gc
import importlib
from multiprocessing.connection import Connection
import os
from pathlib import Path
import sys
import tempfile
import time

from changes import Mutant
from children import FORK, kill_group, NOT_IMPORTED, prepare, Result, run_children
import pytest
from replacing import find_module, Functions, Importer

_LONGEST_S = 600.0
# A trial may take so many times what the tests take without a change, and so much longer.
_PATIENCE, _PATIENCE_S = 5, 20.0


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


def preload(names: Sequence[str]) -> None:
    """
    Import libraries once for all: TensorFlow takes longer than most tests.

    :param names: of modules; none of them may start threads
    """
    for name in names:
        importlib.import_module(name)


def run_mutants(
    subject: Subject, mutants: Sequence[Mutant], *, jobs: int, end_s: float
) -> Iterator[tuple[Mutant | None, Result]]:
    """
    Run the tests without a change, and on mutants.

    :param subject: the module
    :param mutants: of it
    :param jobs: tests run at a time
    :param end_s: by time.monotonic, after which no other one is begun
    :return: None with the result without a change, which is the last if tests fail; then mutants
        as they end
    """
    unchanged = _run_anew(subject, None)
    yield None, unchanged
    if unchanged.outcome != 'survived':
        return
    limit_s = _PATIENCE * unchanged.wall_s + _PATIENCE_S
    # In what defines functions, anything may have been made of a constant: it is imported anew.
    in_functions = [mutant for mutant in mutants if mutant.function_line]
    others = [mutant for mutant in mutants if not mutant.function_line]
    receiver, sender = FORK.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix='mutants_') as folder:
        arguments = (sender, subject, in_functions, jobs, limit_s, end_s, Path(folder))
        session = FORK.Process(target=_serve, args=arguments)
        session.start()
        sender.close()
        try:
            while True:
                index, result = receiver.recv()
                if result.outcome == 'not imported':
                    others.append(in_functions[index])
                else:
                    yield in_functions[index], result
        except EOFError:
            session.join()
        finally:
            kill_group(session.pid)
            session.kill()
            session.join()
    for mutant in others:
        if time.monotonic() < end_s:
            yield mutant, _run_anew(subject, mutant.source, limit_s=limit_s)


def _run_anew(subject: Subject, source: str | None, *, limit_s: float = _LONGEST_S) -> Result:
    """Run the tests in a child that imports everything of ours, this module from the source."""

    def work() -> int:
        if source is not None:
            sys.meta_path.insert(0, Importer(subject.module, subject.path, source))
        code = int(pytest.main(_arguments(subject)))
        is_there = find_module(subject.module, subject.path) is not None
        return NOT_IMPORTED if code == 0 and not is_there else code

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
    prepare(folder)
    pytest.main([*_arguments(subject)], plugins=[Server()])
    os._exit(0)


def _try(
    session: pytest.Session, items: Sequence[pytest.Item], functions: Functions, mutant: Mutant
) -> int:
    if not functions.replace(mutant.source, mutant.function_line):
        return NOT_IMPORTED
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def _arguments(subject: Subject) -> list[str]:
    return ['-x', '-q', '-p', 'no:cacheprovider', '-m', 'not slow', *subject.tests]
