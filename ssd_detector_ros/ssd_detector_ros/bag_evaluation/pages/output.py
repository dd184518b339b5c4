"""Writes the folder of an evaluation."""

from collections.abc import Sequence
from pathlib import Path

from ssd_detector.report.files import MATCHES, write_matches
from ssd_detector_ros.bag_evaluation.pages.coco_files import write_coco
from ssd_detector_ros.bag_evaluation.pages.page import make_pictures, render_page
from ssd_detector_ros.bag_evaluation.pages.result_files import (
    JUNIT,
    PAGE,
    RESULT,
    TIMES,
    times_tree,
    to_tree,
    write_json,
)
from ssd_detector_ros.bag_evaluation.scoring.gates import Gate, write_junit
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


def write_output(
    evaluation: Evaluation,
    gates: Sequence[Gate],
    folder: Path,
    *,
    bags: Sequence[Path],
    image_topic: str | None = None,
) -> Path:
    """
    Write everything.

    :param evaluation: what was found
    :param gates: from check_gates
    :param folder: is there
    :param bags: where the pictures come from
    :param image_topic: likewise, as given
    :return: the page
    """
    write_json(to_tree(evaluation, bags), folder / RESULT)
    write_json(times_tree(evaluation), folder / TIMES)
    write_junit(gates, evaluation, folder / JUNIT)
    write_coco(evaluation, folder)
    if evaluation.analysis is not None:
        write_matches(evaluation.analysis.matching, folder / MATCHES)
    page = folder / PAGE
    pictures = make_pictures(evaluation, bags, image_topic)
    page.write_text(render_page(evaluation, gates, pictures), encoding='utf-8')
    return page
