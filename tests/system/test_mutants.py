"""tools/mutants finds changes, runs tests on them, and its lists fit the code."""

from pathlib import Path
import subprocess
import sys

import pytest

TOOL = Path(__file__).parents[2] / 'tools/mutants'
SOURCE = '''
"""Nothing here."""
LIMIT = 2


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self, value: int = 1) -> bool:
        """Not 1."""
        with self.lock:
            self.count += value
        if self.count is not None and value >= LIMIT:
            raise ValueError(f'{self.count + 1}')
        self.log(-value)
        return not self.values[: self.count]
'''
CHANGES = {
    ('', 'LIMIT = 2', 'LIMIT = 3'),
    ('Counter.__init__', 'self.count = 0', 'self.count = 1'),
    ('Counter', 'def add(self, value: int = 1)', 'def add(self, value: int = 2)'),
    ('Counter.add', 'with self.lock:', 'if True:'),
    ('Counter.add', 'self.count += value', 'self.count -= value'),
    ('Counter.add', 'if self.count is not', 'if not (self.count is not'),
    ('Counter.add', 'is not None and', 'is None and'),
    ('Counter.add', 'is not None and', 'is not None or'),
    ('Counter.add', '>=', '>'),
    ('Counter.add', "raise ValueError(f'{self.count + 1}')", 'pass'),
    ('Counter.add', 'self.log(-value)', 'pass'),
    ('Counter.add', 'self.log(-value)', 'self.log(value)'),
    ('Counter.add', 'return not', 'return None'),
    ('Counter.add', 'return not', 'return self'),
    ('Counter.add', 'self.count]', '(self.count) + 1]'),
}


@pytest.fixture
def tool(monkeypatch):
    """Import the tool as it imports itself."""
    monkeypatch.syspath_prepend(str(TOOL))
    import mutants

    yield mutants
    for name in ('mutants', 'changes', 'syntax', 'sessions', 'children', 'replacing'):
        del sys.modules[name]


def test_each_small_change_is_made_once(tool):
    found = tool.find_mutants('a.py', SOURCE)
    assert len({mutant.source for mutant in found}) == len(found)
    missing = [
        (function, old, new)
        for function, old, new in CHANGES
        if not any(
            mutant.function == function and old in mutant.old and new in mutant.new
            for mutant in found
        )
    ]
    assert missing == []
    lines = SOURCE.splitlines()
    for mutant in found:
        changed = [a for a, b in zip(lines, mutant.source.splitlines(), strict=True) if a != b]
        assert (
            [line.strip() for line in changed] == [mutant.old] == [lines[mutant.line - 1].strip()]
        )


def test_places_name_sources_and_tests_that_are_there(tool):
    places = tool.read_places()
    names = [name for place in places for name in (place.path, *place.tests)]
    assert [name for name in names if not (tool.ROOT / name.partition('::')[0]).is_file()] == []


def test_every_change_that_makes_no_difference_is_of_a_place_and_has_a_reason(tool):
    paths, reasons = {place.path for place in tool.read_places()}, tool.read_equivalent()
    assert [key for key in reasons if key[0] not in paths] == []
    assert all(reasons.values())


PROGRAM = """
from pathlib import Path
from threading import Event
from time import monotonic
from changes import find_mutants
from children import run_children
from sessions import run_mutants, Subject
path = Path('twice.py').absolute()
mutants = find_mutants('twice.py', path.read_text())
for module in ('twice', 'other'):
    subject = Subject(module, path, ('test_twice.py',))
    for mutant, result in run_mutants(subject, mutants, jobs=2, end_s=monotonic() + 600):
        print(module, mutant.new if mutant else 'as it is', result.outcome, sep='; ')
for _, result in run_children([Event().wait], jobs=2, limit_s=0.1):
    print(result.outcome)
"""
TWICE = """
TWO = 2


class Number:
    def twice(self, x):
        if x == 1:
            return 2
        return TWO * x
"""
TEST = """
from twice import Number


def test_two():
    assert Number().twice(2) == 4
"""


def test_changes_that_a_test_sees_are_told_from_those_that_it_does_not(tmp_path):
    (tmp_path / 'twice.py').write_text(TWICE)
    (tmp_path / 'test_twice.py').write_text(TEST)
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers = slow\npythonpath = .\n')
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        cwd=tmp_path,
        env={'PYTHONPATH': str(TOOL), 'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(done.stdout.splitlines()) == [
        'other; as it is; not imported',
        'timeout',
        'twice; TWO = 3; killed',
        'twice; as it is; survived',
        'twice; if not (x == 1):; killed',
        'twice; if x != 1:; killed',
        'twice; if x == 2:; killed',
        'twice; return 3; survived',
        'twice; return None; killed',
        'twice; return None; survived',
        'twice; return TWO / x; killed',
    ], done.stderr
