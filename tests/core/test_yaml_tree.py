"""YAML is bounded before anything is made of it, and whatever it holds is a tree or an error."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
import yaml

from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_detector.yaml_tree import dump_yaml, parse_yaml

WORDS = st.sampled_from(
    ['1e3', '2E5', '-1.5e-7', 'on', 'null', '7', '0x10', '1:30', 'é', 'a: b']
) | st.text(st.characters(exclude_categories=['C', 'Z']), max_size=8)


def aliases(start, depth, width=10):
    """Write lines of which each means ten times the line before it."""
    lines = [f'a0: &a0 {start}']
    for level in range(1, depth):
        lines.append(f'a{level}: &a{level} [{", ".join([f"*a{level - 1}"] * width)}]')
    return '\n'.join(lines)


HOSTILE = {
    'aliases of aliases': (aliases('[x, x, x]', 10), 'more than 20000 values'),
    'merged aliases': (
        'a0: &a0 {k: 1}\n'
        + '\n'.join(f'a{i}: &a{i} {{<<: [{", ".join([f"*a{i - 1}"] * 9)}]}}' for i in range(1, 9)),
        'more than 20000 values',
    ),
    'an alias of itself': ('a: &a [*a]', 'an alias of what it stands in'),
    'depth': ('a: ' + '[' * 5000, 'more than 40 levels'),
    'depth of blocks': ('\n'.join(' ' * i + 'a:' for i in range(99)), 'more than 40 levels'),
    'length': ('x' * 1_000_001, 'at most 1000000'),
    'keys': ('\n'.join(f'k{i}: 1' for i in range(11_000)), 'more than 20000 values'),
    'digits': ('a: ' + '9' * 5000, 'a number of 5000 characters'),
    'hexadecimal digits': ('a: 0x' + 'f' * 5000, 'a number of 5002 characters'),
    'base 60': ('a: 1' + ':59' * 5000, 'a number of'),
    'a day that there is not': ('a: 2001-99-99', 'can not be read'),
    'no truth': ('a: !!bool maybe', 'can not be read'),
    'no time': ('a: !!timestamp x', 'can not be read'),
    'no number': ('a: !!int x', 'can not be read'),
    'a day as key': ('2001-01-01: a', 'neither text nor number'),
    'a list as key': ('? [a]\n: b', 'unhashable'),
    'a tag of Python': ('a: !!python/object/apply:os.system [ls]', 'could not determine'),
}


@pytest.mark.parametrize(('text', 'words'), HOSTILE.values(), ids=list(HOSTILE))
def test_yaml_that_costs_too_much_or_is_none_is_an_error(text, words):
    with pytest.raises(yaml.YAMLError, match=words):
        parse_yaml(text)


def test_aliases_and_merges_as_people_use_them_are_read():
    text = 'base: &base {rate: 1, size: [2, 3]}\nnext: {<<: *base, rate: 2}\nlist: [*base, *base]'
    tree = parse_yaml(text)
    assert tree['next'] == {'rate': 2, 'size': [2, 3]}
    assert tree['list'] == [tree['base']] * 2


@given(st.text(st.sampled_from('ab1:-?,[]{}&*!|>#%@"\'<~=. \n\t\\ud'), max_size=60))
def test_any_text_is_a_tree_that_has_a_schema_or_an_error(text):
    try:
        tree = parse_yaml(text)
    except yaml.YAMLError:
        return
    if isinstance(tree, dict):
        try:
            parse_config(tree, dict[str, int], 'here')
        except ConfigError as error:
            assert str(error)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_is_written_is_read_back(tree):
    """PyYAML's own writer left 1e3, a name of a class, without quotes."""
    assert parse_yaml(dump_yaml(tree)) == tree
