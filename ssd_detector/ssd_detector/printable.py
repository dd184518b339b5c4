"""Texts of others (names, labels, keys, fields of messages), fit for a line that people read."""

import codecs
import json
import logging
from typing import Final

# Of streams and files: how they take letters that their encoding has not.
ESCAPING: Final = 'ssd_detector.escaping'
# The longest encoding of sensor_msgs has 17 letters; a sender may put anything into the field.
_LONGEST_QUOTE = 60
# A list of a configuration that is nearly right is worth reading.
_LONGEST_VALUE = 300
# Of one message: room for the longest path of Linux and a sentence around it.
_LONGEST = 5000


def printable(text: str) -> str:
    r"""
    Escape what is not seen, or does something to a terminal, a log or the order of letters.

    Control characters, ESC, line ends, lone surrogates, and marks that turn the direction of
    writing become `\x1b`, `\n`, `\ud800`, `\u202e`, as Python writes them.

    :param text: of any length; one that is long is cut, and says how long it was
    :return: one line, which every encoding of Unicode takes
    """
    if len(text) > _LONGEST:
        text = f'{text[:_LONGEST]}... ({len(text)} characters)'
    if text.isprintable():
        return text
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def quoted(text: str) -> str:
    """
    Quote a text that came from elsewhere; what `printable` escapes is escaped.

    :param text: of any length
    :return: its beginning in quotes, and how long it is where that is not all
    """
    if len(text) <= _LONGEST_QUOTE:
        return repr(text)
    return f'{text[:_LONGEST_QUOTE]!r}... ({len(text)} characters)'


def shown(value: object) -> str:
    """
    Show a value of a file or request as Python writes it.

    :param value: any
    :return: its beginning, on one line
    """
    try:
        text = repr(value)
    except RecursionError:
        text = f'a {type(value).__name__} of too many levels'
    return text if len(text) <= _LONGEST_VALUE else f'{text[:_LONGEST_VALUE]}...'


def printable_json(tree: object) -> str:
    """
    Write JSON that people may read on a terminal: letters as they are, the rest escaped.

    :param tree: of plain values
    :return: lines of text, which every encoding of Unicode takes; they mean what the tree does
    """
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    if text.replace('\n', '').isprintable():
        return text
    # Line ends of values are escaped already.
    return ''.join(char if char.isprintable() or char == '\n' else _escape(char) for char in text)


def _escape(text: str) -> str:
    units = text.encode('utf-16-be', 'surrogatepass').hex()
    return ''.join(f'\\u{units[at : at + 4]}' for at in range(0, len(units), 4))


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _escape(error.object[error.start : error.end]), error.end


# As JSON escapes them: Python's own way, backslashreplace, would make it invalid.
codecs.register_error(ESCAPING, _escape_unencodable)


class LineFormatter(logging.Formatter):
    """Formats log messages, which quote names and texts from anywhere, as `printable` does."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """
        Write one message.

        :param record: with the message
        :return: its lines
        """
        # What says several things says them on several lines.
        record.message = '\n'.join(map(printable, record.message.split('\n')))
        return super().formatMessage(record)
