"""
The folder of --report, written and read again.

    report.html    the page
    metrics.json   its figures, see ssd_detector.report.result.Result
    matches.npz    detection by detection, for --compare
"""

from collections.abc import Sequence
import json
from pathlib import Path

from ssd_detector.report.comparison import ResultComparison, Side, to_tree
from ssd_detector.report.files import (
    MATCHES,
    METRICS,
    read_matches,
    read_result,
    write_matches,
    write_result,
)
from ssd_detector.report.page import render_comparison, render_report
from ssd_detector.report.pictures import mark_worst
from ssd_training.data.images.records import Record
from ssd_training.errors import RunError
from ssd_training.evaluation.scoring import Score

PAGE = 'report.html'
COMPARISON = 'comparison'


def make_folder(path: Path) -> None:
    """
    Make the folder before anything slow begins.

    :param path: of the folder; may be there
    :raises RunError: when it can't be made
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError([f'{path}: can not be made ({error.strerror}); check --report']) from error


def write_report(score: Score, records: Sequence[Record], path: Path) -> Path:
    """
    Write page, figures and matches.

    :param score: of a stage that is there
    :param records: what it was scored on
    :param path: of the folder; is made when missing
    :return: the page
    """
    assert score.result is not None and score.analysis is not None
    make_folder(path)
    by_id = {record.image_id: record for record in records}
    pictures = [
        mark_worst(worst, by_id[worst.image_id].load_image(), score.result.labels)
        for worst in score.analysis.worst_images
    ]
    write_result(score.result, path / METRICS)
    write_matches(score.analysis.matching, path / MATCHES)
    page = path / PAGE
    page.write_text(render_report(score.result, pictures), encoding='utf-8')
    return page


def read_side(path: Path) -> Side:
    """
    Read what write_report wrote, for a comparison.

    :param path: the folder, or its metrics.json
    :return: the side
    :raises EvaluationError: when files are missing or can't be read
    """
    folder = path.parent if path.name == METRICS else path
    result = read_result(folder / METRICS)
    return Side(f'{result.origin.title} ({folder})', result, read_matches(folder / MATCHES))


def write_comparison(comparison: ResultComparison, path: Path) -> Path:
    """
    Write page and figures.

    :param comparison: from compare_results
    :param path: of the folder; is made when missing
    :return: the page
    """
    make_folder(path)
    text = json.dumps(to_tree(comparison), indent=1, allow_nan=False) + '\n'
    (path / f'{COMPARISON}.json').write_text(text, encoding='utf-8')
    page = path / f'{COMPARISON}.html'
    page.write_text(render_comparison(comparison), encoding='utf-8')
    return page
