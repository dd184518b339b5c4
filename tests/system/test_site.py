"""The site of docs/: what is made from code is true, each text and error leads somewhere."""

import ast
from importlib.util import find_spec
from pathlib import Path
import re
import runpy
import subprocess
import sys

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
# Pages that the build makes.
MADE = {'architecture.md'}
NODE_HEALTH = ROOT / 'ssd_detector_ros/ssd_detector_ros/health'
# Said of the outputs of a model that was loaded; the rest of that text is a description.
ABOUT_THE_MODEL = 'parity failed'
NAMED_TEXTS = ('text', '_NO_CLOCK')
FENCED = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
LINK = r'\]\(([^)#\s]*)(#([^)\s]*))?[^)]*\)'


def pages():
    return [*DOCS.glob('*.md'), *DOCS.glob('guides/*.md')]


def first_column(title):
    text = (DOCS / 'which_page.md').read_text()
    section = text.split(f'## {title}')[1].split('\n## ')[0]
    rows = re.findall(r'^\| `(.+?)` \| (?:.* \| )?(.+) \|$', section, re.MULTILINE)
    return dict(rows)


def template(node):
    """Give a text with its placeholders as one character, up to the advice; None for no text."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else '…' for part in node.values]
        text = ''.join(parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        return None
    return text.split(';')[0] if re.search(r'\w \w', text) else None


def texts_of_diagnostics():
    for path in NODE_HEALTH.glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == 'Verdict':
                yield template(node.args[1])
            elif isinstance(node, ast.Return):
                yield template(node.value)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in NAMED_TEXTS:
                yield template(node.value)


def test_drawings_and_stars_of_docstrings_are_shown_as_they_stand():
    to_rst = runpy.run_path(str(ROOT / 'tools/docs/docstrings.py'))['to_rst']
    drawing = ['States.', '', '    a -> b', '    |----|', '', 'The *.npz of `**kwargs`.']
    assert to_rst(drawing) == [
        *('States.', '', '::', '', '    a -> b', '    |----|', ''),
        r'The \*.npz of `**kwargs`.',
    ]
    fields = [':param x: one', '    and more', '* a point of a list']
    assert to_rst(fields) == fields


def test_each_text_of_the_diagnostics_leads_to_a_page():
    said = {text for text in texts_of_diagnostics() if text} | {ABOUT_THE_MODEL}
    assert len(said) > 15
    assert set(first_column('The node publishes')) == said


def test_each_error_of_the_packages_leads_to_a_page():
    classes = {}
    for path in ROOT.glob('ssd_*/ssd_*/**/*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes[node.name] = [ast.unparse(base).split('.')[-1] for base in node.bases]
    ours = {'SsdDetectorError'}
    while more := {name for name, bases in classes.items() if ours & {*bases}} - ours:
        ours |= more
    listed = first_column('A command ends')
    assert set(listed) == ours
    assert all('](' in target or '{py:mod}' in target for target in listed.values())


def pages_elsewhere():
    """Give the files outside of docs/ that are pages, out of conf.py: Sphinx is not installed."""
    for node in ast.parse((DOCS / 'conf.py').read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'PAGES_ELSEWHERE':
            return set(ast.literal_eval(node.value))
    raise LookupError('PAGES_ELSEWHERE is not in conf.py')


def headings(path):
    """Give the anchors that GitHub and the site make of a page's headings."""
    text = FENCED.sub('', path.read_text())
    titles = re.findall(r'^#+ (.+)$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-') for title in titles}


@pytest.mark.parametrize('page', pages(), ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files_of_the_repository(page):
    elsewhere = pages_elsewhere()
    for target, _, anchor in re.findall(LINK, FENCED.sub('', page.read_text())):
        if target.startswith(('http://', 'https://')) or target in MADE:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f'{page.name}: {target} is not there'
        if path.suffix == '.md':
            is_page = path.is_relative_to(DOCS) or target in elsewhere
            assert is_page, f'{page.name}: {target} is no page (PAGES_ELSEWHERE)'
            assert not anchor or anchor in headings(path), f'{page.name}: {target}#{anchor}'


def test_the_architecture_page_is_what_the_code_says(tmp_path):
    if find_spec('grimp') is None:
        pytest.skip('grimp is not installed (import-linter brings it); run `make test`')
    code = (
        f'import pathlib, architecture; architecture.write_page(pathlib.Path({str(tmp_path)!r}))'
    )
    command = [sys.executable, '-c', code]
    done = subprocess.run(
        command, cwd=ROOT / 'tools/docs', capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / 'architecture.md').read_text()
    for package in ('ssd_detector', 'ssd_detector_ros', 'ssd_training'):
        names = {
            path.stem for path in (ROOT / package / package).iterdir() if path.suffix == '.py'
        }
        missing = [name for name in names - {'__init__'} if f'<{package}.{name}>' not in page]
        assert missing == []
    # Two arrows: both packages import the core, and nobody else.
    assert (tmp_path / 'architecture.svg').read_text().count('<line ') == 2


@pytest.mark.parametrize('package', ['ssd_detector', 'ssd_detector_ros', 'ssd_msgs'])
def test_a_package_tells_rosdoc2_how_it_is_documented(package):
    assert '<rosdoc2>rosdoc2.yaml</rosdoc2>' in (ROOT / package / 'package.xml').read_text()
    head, settings = yaml.safe_load_all((ROOT / package / 'rosdoc2.yaml').read_text())
    assert head == {'type': 'rosdoc2 config', 'version': 1}
    source = settings['settings'].get('python_source')
    assert source is None or (ROOT / package / source / '__init__.py').is_file()
    assert settings['builders'] == [{'sphinx': {'name': package, 'output_dir': ''}}]
