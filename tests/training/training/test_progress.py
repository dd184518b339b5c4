"""What a training says while it runs."""

import io
import logging

import pytest
from rich.console import Console

from ssd_training.training.progress import open_display, Pace, StepReport, Stopwatch


def report_of(step, total_steps=4):
    pace = Pace(images_per_s=20.04, data_wait_share=0.25, remaining_s=61.0)
    losses = {'loss': 3.5, 'class': 2.0, 'box': 1.5}
    return StepReport(1, step, total_steps, losses, 0.0005, pace)


def show_all(console, interval_steps):
    with open_display(console, total_steps=4, interval_steps=interval_steps) as display:
        for step in range(1, 5):
            display.show(report_of(step))


def test_elsewhere_than_on_a_terminal_there_are_plain_lines(caplog):
    logging.getLogger('ssd_training').propagate = True
    screen = io.StringIO()

    with caplog.at_level(logging.INFO, 'ssd_training'):
        show_all(Console(file=screen), interval_steps=3)

    assert screen.getvalue() == ''
    assert [record.getMessage() for record in caplog.records] == [
        f'epoch 1 step {step}/4: loss 3.500 class 2.000 box 1.500 | lr 5.0e-04 | '
        f'20.0 images/s | data wait 25% | ETA 1:01'
        for step in (3, 4)
    ]


def test_on_a_terminal_one_bar_shows_everything():
    screen = io.StringIO()

    show_all(Console(file=screen, force_terminal=True, width=160), interval_steps=1)

    for text in (
        'epoch 1',
        '4/4',
        'loss 3.500',
        'lr 5.0e-04',
        'images/s',
        'data wait',
        'ETA 1:01',
    ):
        assert text in screen.getvalue()


def test_the_pace_leaves_out_the_step_that_compiles():
    stopwatch = Stopwatch(images_per_step=8)
    stopwatch.add(wait_s=10.0, step_s=30.0)
    assert stopwatch.pace(1).images_per_s == pytest.approx(0.2)

    for _ in range(3):
        stopwatch.add(wait_s=0.1, step_s=0.3)

    pace = stopwatch.pace(remaining_steps=10)
    assert pace.images_per_s == pytest.approx(20.0)
    assert pace.data_wait_share == pytest.approx(0.25)
    assert pace.remaining_s == pytest.approx(4.0)
