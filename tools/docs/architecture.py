"""
Makes the architecture page of the site and its drawing from the code, whenever the site is built.

Packages and their imports come from the sources, layers from import-linter's contracts, texts from
CONTRIBUTING.md and docstrings. What the page would say wrongly is an error.
"""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
import re

from drawing import draw, PACKAGES
import grimp
import tomllib
from ways import WAYS

ROOT = Path(__file__).resolve().parents[2]
INTRODUCTION = """\
# Architecture

Three packages, and a bundle between them. Training writes it, the robot loads it; both import the
core, which does pre- and postprocessing and scoring for both: an image gives the same boxes in
training, on a laptop and on a robot. This page is made from the code.

![The packages and who imports whom](architecture.svg)

Imports point one way, between the packages and inside each; import-linter holds it in `make lint`.
Of a package below, each row imports from rows under it only.
"""


class UntrueError(Exception):
    """Something that the page would say and the code does not."""


def write_page(folder: Path) -> None:
    """
    Write the page and its drawing; a file that is right stays as it is.

    :param folder: of the site's sources
    :raises UntrueError: when the code is not what the page would say
    """
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    texts = {'architecture.svg': draw(graph), 'architecture.md': describe(graph)}
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def describe(graph: grimp.ImportGraph) -> str:
    """
    Write the page.

    :param graph: of all packages
    :return: Markdown
    """
    lines = [INTRODUCTION]
    for contract in read_contracts():
        (package,) = contract['containers']
        lines += [f'## {package}', '', '| modules | what |', '| --- | --- |']
        lines += [row for layer in contract['layers'] for row in describe_layer(package, layer)]
        lines.append('')
    for title, (text, stops) in WAYS.items():
        check_way(graph, title, [path for path, _ in stops])
        lines += [f'## {title}', '', text, '', '| file | does | |', '| --- | --- | --- |']
        lines += [describe_stop(path, name) for path, name in stops]
        lines.append('')
    return '\n'.join(lines)


def read_contracts() -> list[dict[str, list[str]]]:
    """
    Read the layers of the packages, the core last.

    :return: contracts of import-linter
    """
    settings = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    contracts = settings['tool']['importlinter']['contracts']
    by_package = {
        contract['containers'][0]: contract for contract in contracts if 'containers' in contract
    }
    return [by_package[name] for name in PACKAGES]


def describe_layer(package: str, layer: str) -> Iterator[str]:
    """
    Give a row for each module of a layer.

    :param package: its name
    :param layer: `one | other`
    :return: rows of a table
    """
    folder = ROOT / package / package
    for name in layer.split(' | '):
        link = f'{{py:mod}}`{name} <{package}.{name}>`'
        if (folder / f'{name}.py').is_file():
            yield f'| {link} | {first_line(folder / f"{name}.py")} |'
        else:
            yield f'| {link} | {read_folder_text(f"{package}/{package}/{name}/")} |'


def read_folder_text(folder: str) -> str:
    """
    Find what CONTRIBUTING.md says of a folder.

    :param folder: with a slash at its end
    :return: the text
    :raises UntrueError: when it says nothing
    """
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    row = re.search(rf'^\| `{re.escape(folder)}` \| (.*) \|$', text, re.MULTILINE)
    if row is None:
        raise UntrueError(f'CONTRIBUTING.md has no line for {folder}')
    return row[1]


def check_way(graph: grimp.ImportGraph, title: str, paths: Sequence[str]) -> None:
    """
    See that each stop of a way has to do with another one: one imports the other somehow.

    :param graph: of all packages
    :param title: for the message
    :param paths: of the stops
    :raises UntrueError: with the stop that has not
    """
    modules = [to_module(path) for path in paths]
    for module in modules:
        others = [other for other in modules if other != module]
        if not any(
            graph.chain_exists(module, other) or graph.chain_exists(other, module)
            for other in others
        ):
            raise UntrueError(f'{title}: {module} imports no other stop, and none imports it')


def to_module(path: str) -> str:
    """
    Name the module of a file.

    :param path: below the repository
    :return: as it is imported
    """
    return '.'.join(Path(path).with_suffix('').parts[1:])


def describe_stop(path: str, name: str) -> str:
    """
    Give the row of a stop.

    :param path: below the repository
    :param name: of a function or class in it
    :return: a row of a table
    """
    module = to_module(path)
    kind = 'class' if name[0].isupper() and '.' not in name else 'meth' if '.' in name else 'func'
    text = find_docstring(ROOT / path, name)
    file = '/'.join(Path(path).parts[1:])
    return f'| {{py:mod}}`{file} <{module}>` | {{py:{kind}}}`{name} <{module}.{name}>` | {text} |'


def find_docstring(path: Path, name: str) -> str:
    """
    Read the first line of a function's or class's docstring.

    :param path: of the file
    :param name: `function`, `Class` or `Class.method`
    :return: the line
    :raises UntrueError: when there is none
    """
    node: ast.AST = ast.parse(path.read_text())
    for part in name.split('.'):
        found = [
            child for child in getattr(node, 'body', []) if getattr(child, 'name', '') == part
        ]
        if not found:
            raise UntrueError(f'{path}: has no {name}; tools/docs/ways.py names it')
        node = found[0]
    return summary(ast.get_docstring(node))  # type: ignore[arg-type]


def first_line(path: Path) -> str:
    """
    Read the first line of a module's docstring.

    :param path: of the file
    :return: the line
    """
    return summary(ast.get_docstring(ast.parse(path.read_text())))


def summary(docstring: str | None) -> str:
    """
    Take the first line of a docstring, as a cell of a table.

    :param docstring: or None
    :return: the line
    """
    return (docstring or '').strip().split('\n')[0].replace('|', '\\|')
