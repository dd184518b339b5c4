"""Histograms and timelines of a page: where bars, lines and texts go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssd_detector.report.charts import Plot, round_up
from ssd_detector_ros.bag_evaluation.scoring.latency import summarize

_NUM_BARS = 30
_NUM_STEPS = 120


@dataclass(frozen=True)
class Mark:
    """A text at a place across."""

    x: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Histogram:
    """
    How often a time was taken.

    :param title: of the axis
    :param bars: left to right
    :param marks: percentiles
    :param ticks: of the axis
    """

    title: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Mark, ...]


@dataclass(frozen=True)
class Row:
    """
    A figure over the time of a recording.

    :param title: of the figure
    :param highest: text at the upper edge
    :param line: points of an SVG polyline
    :param area: points of an SVG polygon; empty without values
    :param ticks: seconds
    """

    title: str
    highest: str
    line: str
    area: str
    ticks: tuple[Mark, ...]
    left: float
    right: float
    top: float
    bottom: float


def draw_histogram(times_ms: Sequence[float], title: str) -> Histogram | None:
    """
    Draw times; what is beyond twice the 99th percentile goes into the last bar.

    :param times_ms: of frames
    :param title: of the axis
    :return: None without any
    """
    summary = summarize(times_ms)
    if summary is None:
        return None
    end = round_up(max(min(summary.max_ms, 2 * summary.p99_ms), 1e-3))
    counts, edges = np.histogram(np.minimum(times_ms, end), _NUM_BARS, (0, end))
    plot = Plot(14, 14, 322, 136, (0, end), (0, float(counts.max())))
    bars = tuple(
        Bar(
            plot.x(low),
            plot.y(count),
            round(plot.width / _NUM_BARS - 1, 2),
            round(plot.bottom - plot.y(count), 2),
            f'{low:.3g} to {high:.3g} ms: {count} frames',
        )
        for count, low, high in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
        if count
    )
    marks = [('p50', summary.p50_ms), ('p95', summary.p95_ms)]
    return Histogram(
        title,
        bars,
        tuple(Mark(plot.x(min(value, end)), name) for name, value in marks),
        tuple(Mark(plot.x(value), f'{value:g}') for value in (0, end / 2, end)),
    )


def draw_row(
    title: str, times_s: Sequence[float], values: Sequence[float], *, how: str, end_s: float
) -> Row:
    """
    Draw a figure over time.

    :param title: of the figure
    :param times_s: when, from the start of the recording
    :param values: then
    :param how: mean of the values of a step, or their rate a second
    :param end_s: of the recording
    :return: the row
    """
    num_steps = max(min(_NUM_STEPS, len(times_s) // 2), 1)
    end_s = max(end_s, 1e-3)
    edges = np.linspace(0, end_s, num_steps + 1)
    weights, _ = np.histogram(times_s, edges, weights=values)
    if how == 'rate':
        steps = weights / (end_s / num_steps)
    else:
        counts, _ = np.histogram(times_s, edges)
        steps = weights / np.maximum(counts, 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    highest = round_up(max(float(steps.max(initial=0)), 1e-3))
    plot = Plot(40, 6, 990, 60, (0, end_s), (0, highest))
    has_values = len(times_s) > 0
    return Row(
        title=title,
        highest=f'{highest:g}',
        line=plot.line(middles, steps.tolist()) if has_values else '',
        area=plot.area(middles, steps.tolist()) if has_values else '',
        ticks=tuple(
            Mark(plot.x(value), f'{value:.3g} s') for value in np.linspace(0, end_s, 6).tolist()
        ),
        left=plot.left,
        right=plot.right,
        top=plot.top,
        bottom=plot.bottom,
    )
