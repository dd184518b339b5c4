"""One HTML page for one result: no network, nothing beside the file."""

from collections.abc import Sequence
import math
from typing import Any

import jinja2

from ssd_detector.report.charts import Plot, round_up
from ssd_detector.report.comparison import Change, ResultComparison
from ssd_detector.report.matrix import MatrixDrawing
from ssd_detector.report.pictures import ReportPicture
from ssd_detector.report.result import Result
from ssd_detector.report.summary import describe_error, summarize
from ssd_detector.report.text import (
    format_count,
    format_number,
    format_percent,
    format_points,
    plural,
)

_CURVE_PLOT = Plot(left=20, top=6, width=154, height=114)
_CALIBRATION_PLOT = Plot(left=24, top=6, width=328, height=210)


def render_report(result: Result, pictures: Sequence[ReportPicture] = ()) -> str:
    """
    Write a page.

    :param result: what was found
    :param pictures: the worst images
    :return: HTML
    """
    values = report_values(result, pictures)
    return make_environment().get_template('report.html.jinja').render(values)


def report_values(result: Result, pictures: Sequence[ReportPicture] = ()) -> dict[str, Any]:
    """
    Give what report.html.jinja shows; templates that extend it take more.

    :param result: what was found
    :param pictures: the worst images
    :return: for its rendering
    """
    counts = [calibration_bin.count for calibration_bin in result.calibration]
    decades = math.log10(max(counts, default=0) or 1)
    return {
        'title': f'{result.origin.title}: {format_percent(result.mean_ap)} mAP',
        'result': result,
        'origin': result.origin,
        'pictures': pictures,
        'summary': summarize(result),
        'largest_loss': max((error.ap_lost or 0 for error in result.errors), default=0),
        'total_ms': sum(result.origin.speed_ms.values()),
        'matrix': MatrixDrawing(result.confusion),
        'curve_plot': _CURVE_PLOT,
        'calibration_plot': _CALIBRATION_PLOT,
        'counts_plot': Plot(24, 250, 328, 56, y_range=(0, max(decades, 1))),
    }


def render_comparison(comparison: ResultComparison) -> str:
    """
    Write a page of two results.

    :param comparison: from compare_results
    :return: HTML
    """
    values = comparison_values(comparison)
    return make_environment().get_template('comparison.html.jinja').render(values)


def comparison_values(comparison: ResultComparison) -> dict[str, Any]:
    """
    Give what comparison.html.jinja shows; templates that extend it take more.

    :param comparison: from compare_results
    :return: for its rendering
    """
    bootstraps = (comparison.at_iou, comparison.at_75)
    reach = round_up(
        max(abs(v) for bootstrap in bootstraps for v in (bootstrap.low, bootstrap.high, 0.001))
    )

    def largest(rows: Sequence[Change]) -> float:
        return max((abs(row.difference or 0) for row in rows), default=0)

    return {
        'title': 'A against B',
        'comparison': comparison,
        'plot': Plot(30, 16, 500, 40, x_range=(-reach, reach)),
        'largest_class': largest(comparison.by_class),
        'largest_error': largest(comparison.errors),
        'largest_size': largest(comparison.by_size),
    }


def make_environment(*more_packages: str) -> jinja2.Environment:
    """
    Make what fills the templates; text is escaped.

    :param more_packages: with templates of their own in a folder `templates`
    :return: with the filters of the templates
    """
    packages = ('ssd_detector.report', *more_packages)
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        'count': format_count,
        'error_text': describe_error,
        'log10': math.log10,
        'number': format_number,
        'percent': format_percent,
        'points': format_points,
    }
    environment.globals['plural'] = plural
    return environment
