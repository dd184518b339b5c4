"""Terraform's files as blocks and attributes, for the tests of ssd_training/infrastructure/."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

import tree_sitter
import tree_sitter_hcl

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


@dataclass(frozen=True)
class Block:
    """
    A block, or a whole module.

    :param labels: its kind and what stands behind it, such as ('resource', 'aws_s3_bucket', 'all')
    :param attributes: their values: strings, numbers, booleans, null and lists of those as Python
        has them, any other expression as it is written
    :param blocks: those inside
    """

    labels: tuple[str, ...]
    attributes: Mapping[str, Any]
    blocks: tuple['Block', ...]

    def all(self, *labels: str) -> Iterator['Block']:
        """
        Find blocks at any depth.

        :param labels: the first of theirs
        :return: the blocks
        """
        for block in self.blocks:
            if block.labels[: len(labels)] == labels:
                yield block
            yield from block.all(*labels)

    def one(self, *labels: str) -> 'Block':
        """
        Find the only such block.

        :param labels: the first of its
        :return: the block
        """
        (found,) = self.all(*labels)
        return found


def read_files(folder: Path) -> dict[str, str]:
    """
    Read a module.

    :param folder: of the module
    :return: the texts of its files by name
    """
    return {path.name: path.read_text() for path in sorted(folder.glob('*.tf'))}


def parse(texts: Mapping[str, str]) -> Block:
    """
    Parse a module.

    :param texts: of its files, by name
    :return: the blocks of all
    """
    blocks = []
    for name, text in texts.items():
        root = _PARSER.parse(text.encode()).root_node
        assert not root.has_error, f'{name}: no HCL'
        blocks += [_block(node) for body in root.named_children for node in _blocks(body)]
    return Block((), {}, tuple(blocks))


def _blocks(body: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [node for node in body.named_children if node.type == 'block']


def _block(node: tree_sitter.Node) -> Block:
    labels = tuple(
        _text(child).strip('"')
        for child in node.children
        if child.type in ('identifier', 'string_lit')
    )
    body = next((child for child in node.children if child.type == 'body'), None)
    if body is None:
        return Block(labels, {}, ())
    attributes = {}
    for child in body.named_children:
        if child.type == 'attribute':
            name, value = child.named_children[:2]
            attributes[_text(name)] = _value(_text(value))
    return Block(labels, attributes, tuple(_block(inner) for inner in _blocks(body)))


def _text(node: tree_sitter.Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _value(text: str) -> Any:
    known = {'true': True, 'false': False, 'null': None}
    if text in known:
        return known[text]
    if re.fullmatch(r'-?\d+(\.\d+)?', text):
        return float(text) if '.' in text else int(text)
    if re.fullmatch(r'"[^"$\\]*"', text):
        return text.strip('"')
    if re.fullmatch(r'\[(\s*"[^"$\\]*",?)*\s*\]', text):
        return re.findall(r'"([^"]*)"', text)
    return text
