"""Texts of others: whatever they hold, what is shown is one line that does nothing."""

import json
import logging

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_detector.errors import BundleError, ImageError
from ssd_detector.printable import LineFormatter, printable, printable_json, quoted, shown

anything = st.text(st.characters(exclude_categories=[]))


@given(anything)
def test_any_text_becomes_one_line_that_every_terminal_can_show(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode('utf-8').decode() == shown
    assert printable(shown) == shown


@pytest.mark.parametrize('text', ['', 'wörter, 犬, emoji 🐕', 'a\\b', '\'quotes\' and "others"'])
def test_a_text_that_does_nothing_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('\x1b[31mred', r'\x1b[31mred'),
        ('two\nlines\0', r'two\nlines\x00'),
        ('\ud800', r'\ud800'),
        ('a\u202egpj.exe', r'a\u202egpj.exe'),
        ('\x9b2J', r'\x9b2J'),
    ],
)
def test_what_moves_the_cursor_or_turns_the_line_is_escaped(text, shown):
    assert printable(text) == shown


def test_a_long_text_is_cut_and_says_how_long_it_was():
    assert printable('x' * 10**6).endswith('xxx... (1000000 characters)')
    assert shown(['x' * 400]) == f"['{'x' * 298}..."
    assert quoted('x' * 61) == f"'{'x' * 60}'... (61 characters)"


def test_every_error_of_ours_shows_foreign_texts_so():
    assert str(ImageError('a\x1b[2J')) == r'a\x1b[2J'
    error = BundleError(['one\ntwo: fine', 'three'])
    assert error.findings == (r'one\ntwo: fine', 'three')
    assert str(error).splitlines() == list(error.findings)


@given(st.recursive(anything, lambda inner: st.lists(inner) | st.dictionaries(anything, inner)))
def test_json_for_people_means_the_same_and_does_nothing(tree):
    text = printable_json(tree)
    assert json.loads(text) == tree
    assert all(map(str.isprintable, text.split('\n')))
    text.encode('utf-8')


def test_json_for_people_leaves_letters_as_they_are():
    assert printable_json(['wört 犬', 'a\x7f']) == '[\n "wört 犬",\n "a\\u007f"\n]'


def test_lines_of_a_log_do_nothing_to_a_terminal():
    record = logging.LogRecord(
        'x', logging.INFO, __file__, 1, '%s: left out\nso is %s', ('a\x1b[2J', '\ud800'), None
    )
    line = LineFormatter('%(levelname)s %(message)s').format(record)
    assert line == 'INFO a\\x1b[2J: left out\nso is \\ud800'


def test_a_value_of_too_many_levels_is_named():
    value = []
    for _ in range(10**5):
        value = [value]
    assert shown(value) == 'a list of too many levels'
