"""Our docstrings as reStructuredText: drawings stay drawings, and stars and bars mean nothing."""

from collections.abc import Sequence
import re

# What stays: code, the star of a list. What is escaped: emphasis, substitutions, references.
_QUOTED_OR_SPECIAL = re.compile(r'(`[^`]*`|^\* )|([*|]|(?<=\w)_(?!\w))')


def to_rst(lines: Sequence[str]) -> list[str]:
    """
    Translate a docstring.

    :param lines: of the docstring, without its own indentation
    :return: lines; what is indented behind an empty line is shown as it stands
    """
    translated: list[str] = []
    is_drawing = False
    for number, line in enumerate(lines):
        is_indented = line.startswith('    ')
        if is_indented and not is_drawing and number > 0 and not lines[number - 1].strip():
            translated += ['::', '']
            is_drawing = True
        elif is_drawing and line.strip() and not is_indented:
            is_drawing = False
        translated.append(line if is_drawing else _QUOTED_OR_SPECIAL.sub(_escape, line))
    return translated


def _escape(match: re.Match[str]) -> str:
    return match[1] or f'\\{match[2]}'
