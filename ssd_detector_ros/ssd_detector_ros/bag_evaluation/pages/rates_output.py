"""What --find_max_rate found, as result.json and report.html."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssd_detector.report.page import make_environment
from ssd_detector_ros.bag_evaluation.pages.result_files import (
    make_folder,
    PAGE,
    RESULT,
    write_json,
)


def write_rates(trials: Sequence[dict[str, Any]], best_hz: float | None, folder: Path) -> None:
    """
    Write both files.

    :param trials: rate_hz, played and answered of each, in the order of trying
    :param best_hz: highest rate with under 5 % drops; None where there was none
    :param folder: is made when missing
    """
    make_folder(folder)
    tree = {
        'schema_version': 1,
        'mode': 'find_max_rate',
        'max_rate_hz': best_hz,
        'trials': list(trials),
    }
    write_json(tree, folder / RESULT)
    environment = make_environment('ssd_detector_ros.bag_evaluation')
    page = environment.get_template('bag_rates.html.jinja').render(title='highest rate', **tree)
    (folder / PAGE).write_text(page, encoding='utf-8')
