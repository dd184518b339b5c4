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
    for name in ('mutants', 'changes', 'trials'):
        del sys.modules[name]


def test_each_small_change_is_made_once(tool):
    found = tool.find_mutants('a.py', SOURCE)
    assert len({one.source for one in found}) == len(found)
    missing = [
        (function, old, new)
        for function, old, new in CHANGES
        if not any(one.function == function and old in one.old and new in one.new for one in found)
    ]
    assert missing == []
    lines = SOURCE.splitlines()
    for one in found:
        changed = [a for a, b in zip(lines, one.source.splitlines(), strict=True) if a != b]
        assert [line.strip() for line in changed] == [one.old] == [lines[one.line - 1].strip()]


def test_places_name_sources_and_tests_that_are_there(tool):
    places = tool.read_places()
    names = [name for place in places for name in (place.path, *place.tests)]
    assert [name for name in names if not (tool.ROOT / name.partition('::')[0]).is_file()] == []


def test_every_change_that_makes_no_difference_is_one_that_is_made(tool):
    made = {one.key for place in tool.read_places() for one in tool.list_mutants(place)}
    reasons = tool.read_equivalent()
    assert [key for key in reasons if key not in made] == []
    assert all(reasons.values())


PROGRAM = """
import sys
from pathlib import Path
from trials import run_trials, Trial
folder = Path.cwd()
sources = {'as it is': 'x', 'changed': '-x', 'endless': '[0 for _ in iter(int, 1)]'}
trials = [
    (name, Trial('twice', folder / 'twice.py', f'def twice(x): return x + {text}',
                 ('test_twice.py',), limit_s=3.0 if name == 'endless' else 60.0))
    for name, text in sources.items()
]
trials.append(('elsewhere', Trial('other', folder / 'twice.py', '', ('test_twice.py',), 60.0)))
for name, result in run_trials(trials, jobs=2):
    print(f'{name}: {result.outcome}')
"""


def test_a_trial_tells_a_change_that_tests_see_from_one_that_they_do_not(tmp_path):
    (tmp_path / 'twice.py').write_text('def twice(x): return 2 * x\n')
    (tmp_path / 'test_twice.py').write_text(
        'from twice import twice\n\n\ndef test_two():\n    assert twice(2) == 4\n'
    )
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
        'as it is: survived',
        'changed: killed',
        'elsewhere: not imported',
        'endless: timeout',
    ], done.stderr
