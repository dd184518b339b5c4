"""Mutants: texts of a source with one small change each."""

from dataclasses import dataclass
from hashlib import sha256

from syntax import Edit, find_edits


@dataclass(frozen=True)
class Mutant:
    """
    A source text with one change.

    :param path: of the source, from the root of the repository
    :param function: qualified name of what the change lies in; empty for the module itself
    :param function_line: of the outermost function, with its decorators; 0 outside of functions
    :param line: where it begins, from 1
    :param old: the changed lines as they were, with single blanks
    :param new: as they are
    :param source: the whole text
    """

    path: str
    function: str
    function_line: int
    line: int
    old: str
    new: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when other lines change."""
        return self.path, self.function, self.old, self.new

    @property
    def digest(self) -> str:
        """The hash of the whole text."""
        return sha256(f'{self.path}\n{self.source}'.encode()).hexdigest()[:16]


def find_mutants(path: str, source: str) -> list[Mutant]:
    """
    List the mutants of a source, by line.

    :param path: of the source, from the root of the repository
    :param source: its text
    :return: each with another text that compiles
    """
    text = source.encode()
    # Nodes count columns in bytes.
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    mutants = [_apply(path, text, starts, *found) for found in find_edits(source, starts)]
    return [mutant for mutant in mutants if _compiles(mutant.source)]


def _apply(
    path: str, text: bytes, starts: list[int], edit: Edit, function: str, function_line: int
) -> Mutant:
    start, end, replacement = edit
    first = max(index for index, offset in enumerate(starts) if offset <= start)
    line_end = text.find(b'\n', end)
    head, tail = text[starts[first] : start], text[end:line_end]
    old, new = text[starts[first] : line_end], head + replacement.encode() + tail
    return Mutant(
        path,
        function,
        function_line,
        line=first + 1,
        old=' '.join(old.decode().split()),
        new=' '.join(new.decode().split()),
        source=(text[:start] + replacement.encode() + text[end:]).decode(),
    )


def _compiles(source: str) -> bool:
    try:
        compile(source, '<mutant>', 'exec')
    except SyntaxError:
        return False
    return True
