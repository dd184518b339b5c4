"""What an evaluation says while it runs: a bar on a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ssd_detector.evaluation.inference import OnProgress

_INTERVAL_IMAGES = 200


@contextmanager
def open_progress(console: Console, name: str) -> Iterator[OnProgress]:
    """
    Choose how to show an evaluation.

    :param console: where to
    :param name: of what is scored
    :return: takes images done and images in all
    """
    if not console.is_terminal:

        def write_line(done: int, total: int) -> None:
            if done % _INTERVAL_IMAGES == 0 or done == total:
                console.print(f'{name}: {done}/{total} images', highlight=False)

        yield write_line
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn('images, {task.fields[pace]},'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None, pace='loading')

        def move_bar(done: int, total: int) -> None:
            speed = progress.tasks[0].speed
            pace = 'starting' if speed is None else f'{speed:.0f} a second'
            progress.update(task, completed=done, total=total, pace=pace)

        yield move_bar
