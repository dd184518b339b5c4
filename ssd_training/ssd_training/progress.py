"""How far an evaluation, a prediction or a benchmark is: a bar on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import itertools
import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

_LINE_EVERY = 200

# What is done, and what is to do in all; None when there is no end to be seen.
OnProgress = Callable[[int, int | None], None]
Count = Callable[[], None]


@contextmanager
def open_progress(console: Console, name: str, *, unit: str = 'images') -> Iterator[OnProgress]:
    """
    Choose how to show some work.

    :param console: where to
    :param name: of the work
    :param unit: of what is done
    :return: takes what is done, and what there is in all
    """
    if not console.is_terminal:

        def write_line(done: int, total: int | None) -> None:
            if done % _LINE_EVERY == 0 or done == total:
                console.print(f'{name}: {done}/{total or "?"} {unit}', highlight=False)

        yield write_line
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn(f'{unit}, {{task.fields[pace]}},'),
        TimeRemainingColumn(),
    )
    # Else rich sends to the console what is printed into a file or pipe.
    redirects = sys.stdout.isatty()
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=redirects
    ) as progress:
        task = progress.add_task(name, total=None, pace='loading')

        def move_bar(done: int, total: int | None) -> None:
            speed = progress.tasks[0].speed
            pace = 'starting' if speed is None else f'{speed:.0f} a second'
            progress.update(task, completed=done, total=total, pace=pace)

        yield move_bar


@contextmanager
def count_progress(
    console: Console, name: str, total: int | None, *, unit: str = 'images'
) -> Iterator[Count]:
    """
    Show work that is done piece by piece.

    :param console: where to
    :param name: of the work
    :param total: of the pieces; None when there is no end to be seen
    :param unit: of the pieces
    :return: what is called after each piece
    """
    done = itertools.count(1)
    with open_progress(console, name, unit=unit) as on_progress:
        yield lambda: on_progress(next(done), total)
