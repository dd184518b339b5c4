"""
Run the code cells of a guide from top to bottom, without Sphinx.

    python tools/docs/run_guide.py docs/guides/03_priors.md

Line numbers of errors are those of the page. Exits with 1 when a cell raises.
"""

from collections.abc import Iterator
import os
from pathlib import Path
import sys

OPENING = '```{code-cell}'
CLOSING = '```'


def main() -> int:
    """
    Run the guide that the command line names, in its folder, as the site's build does.

    :return: 0; what a cell raises ends the process
    """
    page = Path(sys.argv[1]).resolve()
    os.chdir(page.parent)
    os.environ.setdefault('MPLBACKEND', 'agg')
    namespace = {'__name__': '__main__'}
    for first_line, code in read_cells(page.read_text()):
        # Blank lines before it give each statement the line that it has in the page.
        exec(compile('\n' * first_line + code, str(page), 'exec'), namespace)
    return 0


def read_cells(text: str) -> Iterator[tuple[int, str]]:
    """
    List the code cells of a MyST page.

    :param text: of the page
    :return: lines before the cell's code, and the code, without the cell's own options
    """
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if start is None and line.startswith(OPENING):
            start = number + 1
        elif start is not None and line == CLOSING:
            cell = [code if not code.startswith(':') else '' for code in lines[start:number]]
            yield start, '\n'.join(cell)
            start = None


if __name__ == '__main__':
    sys.exit(main())
