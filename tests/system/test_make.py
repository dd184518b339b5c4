"""The targets of the Makefile: those of the reference are there, and each says what it does."""

from pathlib import Path
import re
import subprocess

import pytest

from tests.patience import patience_s

ROOT = Path(__file__).parents[2]
OF_THE_REFERENCE = (
    *('install', 'dev', 'test', 'test-unit', 'test-integration', 'test-all', 'test-cov'),
    *('lint', 'format', 'clean'),
)


def make(*words):
    done = subprocess.run(
        ['make', *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_s(30),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def listed():
    return re.findall(r'^  make ([\w-]+) +\S', make('help'), re.MULTILINE)


def test_help_lists_each_target_on_a_line_of_a_terminal(listed):
    phony = re.findall(r'^\.PHONY: (.*)$', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(' '.join(phony).split())
    assert max(map(len, make('help').splitlines())) <= 100


@pytest.mark.parametrize('target', OF_THE_REFERENCE)
def test_a_target_of_the_reference_does_something(listed, target):
    assert target in listed and make('-n', target)


def folders_of(target):
    return set(re.findall(r' (tests/\w+)', make('-n', target)))


def test_unit_and_integration_tests_together_are_all_tests():
    unit, integration = folders_of('test-unit'), folders_of('test-integration')
    files = (ROOT / 'tests').glob('*/**/test_*.py')
    folders = {f'tests/{path.relative_to(ROOT / "tests").parts[0]}' for path in files}
    assert unit | integration == folders_of('test') == folders_of('test-cov') == folders
    assert unit & integration == set()
