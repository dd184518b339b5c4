"""YAML as a tree: 1.1 as people write it, and bounded, for a few lines can mean a lot."""

from collections import Counter
import re
from typing import Any, NoReturn

import yaml

# Of a configuration; the largest hold a label for each of some thousand classes.
MAX_YAML_BYTES = 1_000_000
MAX_YAML_NODES = 20_000
MAX_YAML_DEPTH = 40
_MAX_NUMBER_LENGTH = 100
_EXPONENT = re.compile(r'[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$')
_NUMBERS = ('tag:yaml.org,2002:int', 'tag:yaml.org,2002:float')
# What PyYAML raises for 2001-99-99, !!bool maybe, !!timestamp x, and numbers that are none.
_CONSTRUCTION_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def parse_yaml(text: str) -> Any:
    """
    Read YAML 1.1, but 1e-4 as everybody who types it means it: a number, as in YAML 1.2.

    :param text: one document
    :return: what it holds: mappings with texts and numbers as keys, lists, scalars
    :raises yaml.YAMLError: when it is none, has a key twice, or means more than 20,000 values
    """
    return _parse(text, _Loader)


def parse_yaml_texts(text: str) -> Any:
    """
    Read YAML of another program: a class may be called on, no or 1.

    :param text: one document
    :return: what it holds, every scalar a text
    :raises yaml.YAMLError: when it is none, or means more than 20,000 values
    """
    return _parse(text, _TextLoader)


def dump_yaml(tree: Any) -> str:
    """
    Write YAML that parse_yaml reads back: a text such as 1e3 gets quotes.

    :param tree: of mappings, lists and scalars, keys in their order
    :return: one document
    """
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _parse(text: str, loader: Any) -> Any:
    if len(text) > MAX_YAML_BYTES:
        raise yaml.YAMLError(f'{len(text)} characters; expected at most {MAX_YAML_BYTES}')
    try:
        return yaml.load(text, Loader=loader)
    except _CONSTRUCTION_ERRORS as error:
        raise yaml.YAMLError(f'a value that can not be read ({error})') from error


class _Bounds(yaml.parser.Parser, yaml.composer.Composer):
    """
    For loaders of PyYAML, which trust sizes.

    An alias counts as all that it stands for: ten lines of aliases of aliases mean 10^10 values.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)  # type: ignore[call-arg]
        self._depth = 0
        # Values that a node means, by id; nodes live as long as the loader.
        self._weights: dict[int, int] = {}
        self._num_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """
        Refuse what is too deep or means too much, before anything is made of it.

        :param parent: as in PyYAML
        :param index: as in PyYAML
        :raises yaml.composer.ComposerError: when it is
        """
        is_alias = self.check_event(yaml.AliasEvent)
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        self._depth += 1
        if self._depth > MAX_YAML_DEPTH:
            _refuse(f'more than {MAX_YAML_DEPTH} levels', mark)
        before = self._num_nodes
        self._num_nodes += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._weights:
                _refuse('an alias of what it stands in', mark)
            self._num_nodes = before + self._weights[id(node)]
        else:
            self._weights[id(node)] = self._num_nodes - before
        if self._num_nodes > MAX_YAML_NODES:
            _refuse(f'more than {MAX_YAML_NODES} values', mark)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        """
        Refuse numbers without end.

        :param anchor: as in PyYAML
        :raises yaml.composer.ComposerError: when it is one
        """
        node = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS and len(node.value) > _MAX_NUMBER_LENGTH:
            _refuse(f'a number of {len(node.value)} characters', node.start_mark)
        return node


class _Loader(_Bounds, yaml.SafeLoader):
    """SafeLoader, which keeps the last of two equal keys in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """
        Refuse a mapping in which a key stands twice, or is neither text nor number.

        :param node: the mapping's node
        :param deep: as in PyYAML
        :raises yaml.constructor.ConstructorError: when there is one
        """
        keys = Counter(
            key.value
            for key, _ in node.value
            if isinstance(key, yaml.ScalarNode) and key.tag != 'tag:yaml.org,2002:merge'
        )
        for twice in (key for key, count in keys.items() if count > 1):
            raise yaml.constructor.ConstructorError(
                None, None, f'key {twice} is given twice', node.start_mark
            )
        mapping = super().construct_mapping(node, deep)
        for key in mapping:
            if not isinstance(key, str | int | float | None):
                raise yaml.constructor.ConstructorError(
                    None, None, f'key {key} is neither text nor number', node.start_mark
                )
        return mapping


class _TextLoader(_Bounds, yaml.BaseLoader):
    """Leaves every scalar a text, and keeps the last of two equal keys."""


class _Dumper(yaml.SafeDumper):
    """SafeDumper, which writes 1e3 as what it is to itself: a text without quotes."""


for each in (_Loader, _Dumper):
    each.add_implicit_resolver('tag:yaml.org,2002:float', _EXPONENT, list('-+.0123456789'))


def _refuse(what: str, mark: Any) -> NoReturn:
    raise yaml.composer.ComposerError(None, None, f'{what}; expected less', mark)
