"""Writes the folder of an evaluation."""

from collections.abc import Sequence
from pathlib import Path

from ssd_detector.report.files import MATCHES, write_matches
from ssd_detector_ros.bag_evaluation.gates import Gate, write_junit
from ssd_detector_ros.bag_evaluation.result_files import (
    JUNIT,
    PAGE,
    RESULT,
    TIMES,
    times_tree,
    to_tree,
    write_json,
)
from ssd_detector_ros.bag_evaluation.scoring import Evaluation


def write_output(
    evaluation: Evaluation, gates: Sequence[Gate], folder: Path, *, bags: Sequence[Path]
) -> Path:
    """
    Write everything.

    :param evaluation: what was found
    :param gates: from check_gates
    :param folder: is there
    :param bags: where the pictures come from
    :return: the page
    """
    write_json(to_tree(evaluation), folder / RESULT)
    write_json(times_tree(evaluation), folder / TIMES)
    write_junit(gates, evaluation, folder / JUNIT)
    if evaluation.analysis is not None:
        write_matches(evaluation.analysis.matching, folder / MATCHES)
    return folder / PAGE
