"""What a training says while it runs: a bar on a terminal, lines elsewhere."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
import logging
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_WINDOW_STEPS = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """
    How fast a training is, over its last steps.

    :param images_per_s: trained
    :param data_wait_share: of the time, spent waiting for the next batch, in [0, 1]
    :param remaining_s: to the end at this pace, evaluations not counted
    """

    images_per_s: float
    data_wait_share: float
    remaining_s: float


@dataclass(frozen=True)
class StepReport:
    """
    One step.

    :param epoch: from 1
    :param step: steps done, from 1
    :param total_steps: of the training
    :param losses: by name, the total first
    :param learning_rate: of the step
    :param pace: see Pace
    """

    epoch: int
    step: int
    total_steps: int
    losses: Mapping[str, float]
    learning_rate: float
    pace: Pace

    def describe(self) -> str:
        """
        Word the report.

        :return: loss parts, rate, speed, share of waiting, time left
        """
        parts = ' '.join(f'{name} {value:.3f}' for name, value in self.losses.items())
        minutes, seconds = divmod(round(self.pace.remaining_s), 60)
        return (
            f'{parts} | lr {self.learning_rate:.1e} | {self.pace.images_per_s:.1f} images/s | '
            f'data wait {self.pace.data_wait_share:.0%} | ETA {minutes}:{seconds:02d}'
        )


class Stopwatch:
    """
    Times of the last steps; the first one, which compiles, does not count.

    :param images_per_step: of all workers together
    """

    def __init__(self, images_per_step: int) -> None:
        self._images_per_step = images_per_step
        self._times_s: deque[tuple[float, float]] = deque(maxlen=_WINDOW_STEPS)
        self._num_steps = 0

    def add(self, *, wait_s: float, step_s: float) -> None:
        """
        Take in a step.

        :param wait_s: waiting for the batch
        :param step_s: training on it
        """
        # The step that compiles stands in until there is another one.
        if self._num_steps == 1:
            self._times_s.clear()
        self._num_steps += 1
        self._times_s.append((wait_s, step_s))

    @property
    def has_steps(self) -> bool:
        """Whether there is a pace to tell."""
        return self._num_steps > 0

    def pace(self, remaining_steps: int) -> Pace:
        """
        Tell the pace.

        :param remaining_steps: to the end
        :return: see Pace
        """
        wait_s = sum(wait for wait, _ in self._times_s)
        total_s = wait_s + sum(step for _, step in self._times_s)
        step_s = total_s / len(self._times_s)
        return Pace(self._images_per_step / step_s, wait_s / total_s, remaining_steps * step_s)


class Display(Protocol):
    """Shows reports."""

    def show(self, report: StepReport) -> None:
        """
        Take a report.

        :param report: of a step
        """


class Lines:
    """
    A line in the log, every few steps.

    :param interval_steps: from one line to the next
    """

    def __init__(self, interval_steps: int) -> None:
        self._interval_steps = interval_steps

    def show(self, report: StepReport) -> None:
        """
        Log the report when it is time.

        :param report: of a step
        """
        if report.step % self._interval_steps == 0 or report.step == report.total_steps:
            logger.info(
                'epoch %d step %d/%d: %s',
                *(report.epoch, report.step, report.total_steps, report.describe()),
            )


class Bar:
    """
    One bar that fills up.

    :param progress: rich's
    :param total_steps: of the training
    """

    def __init__(self, progress: Progress, total_steps: int) -> None:
        self._progress = progress
        self._task = progress.add_task('', total=total_steps, text='compiling')

    def show(self, report: StepReport) -> None:
        """
        Move the bar.

        :param report: of a step
        """
        self._progress.update(
            self._task,
            completed=report.step,
            description=f'epoch {report.epoch}',
            text=report.describe(),
        )


@contextmanager
def open_display(console: Console, *, total_steps: int, interval_steps: int) -> Iterator[Display]:
    """
    Choose how to show a training.

    :param console: where to
    :param total_steps: of the training
    :param interval_steps: from one line to the next, where there is no bar
    :return: a bar on a terminal, lines elsewhere
    """
    if not console.is_terminal:
        yield Lines(interval_steps)
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn('{task.fields[text]}'),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, total_steps)
