"""The guides of docs/: what they claim holds; `make docs` runs all of them, this three."""

from importlib.util import find_spec
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.patience import patience_s

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / 'tools/docs/run_guide.py'
GUIDES = sorted((ROOT / 'docs/guides').glob('[0-9]*.md'))
FAST = ('03_priors', '07_decoding', '08_map')


def run(page):
    """Run a page as `make docs` does, but for Sphinx and the notebook's process."""
    return subprocess.run(
        [sys.executable, str(RUNNER), str(page)],
        capture_output=True,
        text=True,
        check=False,
        timeout=patience_s(120),
    )


@pytest.mark.parametrize('name', FAST)
def test_a_guide_runs_from_top_to_bottom_and_its_figures_hold(name):
    for package in ('matplotlib', 'skimage'):
        if find_spec(package) is None:
            pytest.skip(f'{package} is not installed; run `make test`')
    if not os.environ.get('AMENT_PREFIX_PATH'):
        pytest.skip('no workspace with the released bundle is sourced; run `make test`')
    done = run(ROOT / f'docs/guides/{name}.md')
    assert done.returncode == 0, done.stderr


def test_a_broken_figure_ends_a_guide_at_its_line(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(
        '# Page\n\n```{code-cell} ipython3\n:tags: [x]\nmap = 0.5\nassert map > 0.7\n```\n'
    )
    done = run(page)
    assert done.returncode == 1
    assert 'page.md", line 6' in done.stderr


@pytest.mark.parametrize('page', GUIDES, ids=lambda page: page.stem)
def test_a_guide_asserts_what_it_shows_and_leads_on(page):
    text = page.read_text()
    cells = re.findall(r'^```\{code-cell\} ipython3\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    assert sum('assert' in cell for cell in cells) >= 3
    assert text.startswith('---\njupytext:\n') and '\nNeeds: ' in text
    assert not re.search(r'!pip|urlopen|requests\.|download\(', text)


def test_guides_are_numbered_without_gaps_and_at_most_14():
    numbers = [int(page.name[:2]) for page in GUIDES]
    assert numbers == list(range(1, len(GUIDES) + 1))
    assert len(GUIDES) <= 14
