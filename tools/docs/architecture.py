"""
Makes the architecture page of the site and its drawing from the code, whenever the site is built.

Packages and their imports come from the sources, layers from import-linter's contracts, texts from
CONTRIBUTING.md and docstrings. What the page would say wrongly is an error.
"""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
import re

import grimp
import tomllib
from ways import WAYS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    'ssd_training': 'from pictures to a bundle; TensorFlow, never ROS',
    'ssd_detector_ros': 'the node; ROS, never TensorFlow',
    'ssd_detector': 'the core; NumPy, OpenCV, ONNX Runtime',
}
PLACES_XY = {'ssd_training': (15, 20), 'ssd_detector_ros': (335, 20), 'ssd_detector': (175, 190)}
BOX_WH = (290, 90)
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


def draw(graph: grimp.ImportGraph) -> str:
    """
    Draw the packages and the imports between them.

    :param graph: of all packages
    :return: an SVG, readable on light and dark pages
    """
    width, height = BOX_WH
    shapes = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#374151"/></marker></defs>',
        '<rect width="640" height="300" rx="10" fill="#f8fafc"/>',
    ]
    for name, text in PACKAGES.items():
        x, y = PLACES_XY[name]
        shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#dbeafe" '
            f'stroke="#1d4ed8"/>'
        )
        lines = (name, *text.split('; '))
        for number, line in enumerate(lines):
            weight = 'bold' if number == 0 else 'normal'
            shapes.append(
                f'<text x="{x + width / 2:g}" y="{y + 28 + 24 * number}" text-anchor="middle" '
                f'font-size="16" font-weight="{weight}" fill="#111827">{line}</text>'
            )
    for importer, imported in sorted(find_package_imports(graph)):
        (x, y), (to_x, to_y) = PLACES_XY[importer], PLACES_XY[imported]
        start_x, end_x = x + width / 2, to_x + width / 2 + (x - to_x) / 3
        shapes.append(
            f'<line x1="{start_x:g}" y1="{y + height}" x2="{end_x:g}" y2="{to_y}" '
            f'stroke="#374151" stroke-width="2" marker-end="url(#tip)"/>'
        )
    return '\n'.join([*shapes, '</svg>', ''])


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


def find_package_imports(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """
    Find which package imports which.

    :param graph: of all packages
    :return: pairs of importer and imported
    """
    return {
        (importer, imported)
        for importer in PACKAGES
        for imported in PACKAGES
        if importer != imported
        and graph.find_shortest_chains(importer=importer, imported=imported, as_packages=True)
    }


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
