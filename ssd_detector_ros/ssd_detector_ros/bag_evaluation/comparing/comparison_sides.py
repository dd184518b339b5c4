"""What compare_bags compares: folders of evaluate_bag, bundles, or topics of one recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssd_detector import Detections
from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_detector.evaluation.matching import Matching
from ssd_detector.report.files import MATCHES, read_matches
from ssd_detector.report.result import Result
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.pages.coco_files import DETECTIONS, GROUND_TRUTH
from ssd_detector_ros.bag_evaluation.pages.result_files import read_json, RESULT, TIMES
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


@dataclass(frozen=True, eq=False)
class BagSide:
    """
    One of the two.

    :param name: for people
    :param image_ids: of all frames, in order
    :param detections: image id -> detections; frames without an answer are missing
    :param frame_ms: image id -> from image to answer
    :param result: None without ground truth
    :param matching: likewise
    :param bags: recordings with the pictures, as far as they are known
    """

    name: str
    image_ids: tuple[str, ...]
    detections: Mapping[str, Detections]
    frame_ms: Mapping[str, float]
    result: Result | None
    matching: Matching | None
    bags: tuple[Path, ...]


def from_evaluation(evaluation: Evaluation, name: str, bags: tuple[Path, ...]) -> BagSide:
    """
    Take what was just evaluated.

    :param evaluation: what was found
    :param name: for people
    :param bags: its recordings
    :return: the side
    """
    return BagSide(
        name,
        tuple(frame.image_id for frame in evaluation.frames),
        evaluation.detections,
        evaluation.frame_ms,
        evaluation.result,
        evaluation.analysis.matching if evaluation.analysis else None,
        bags,
    )


def read_side(folder: Path) -> BagSide:
    """
    Read a folder of evaluate_bag.

    :param folder: of its --output
    :return: the side
    :raises BagError: when files are missing or damaged
    """
    tree, truth = read_json(folder / RESULT), read_json(folder / GROUND_TRUTH)
    try:
        labels = [category['name'] for category in truth['categories']]
        names = {image['id']: image['file_name'] for image in truth['images']}
        answered = {image['file_name'] for image in truth['images'] if image['is_answered']}
        rows: dict[str, list[Any]] = {name: [] for name in answered}
        for row in read_json(folder / DETECTIONS):
            rows[names[row['image_id']]].append(row)
        result = _read_result(tree['accuracy'], folder)
        return BagSide(
            name=f'{tree["source"]["title"]} ({folder})',
            image_ids=tuple(names.values()),
            detections={name: _to_detections(own, labels) for name, own in rows.items()},
            frame_ms=read_json(folder / TIMES)['frame_ms'],
            result=result,
            matching=read_matches(folder / MATCHES) if result else None,
            bags=tuple(Path(recording['path']) for recording in tree['recordings']),
        )
    except (KeyError, TypeError, IndexError) as error:
        finding = f'{folder}: is no result of this version ({error!r}); run evaluate_bag again'
        raise BagError([finding]) from error


def _read_result(tree: Any, folder: Path) -> Result | None:
    if tree is None:
        return None
    try:
        return parse_config(tree, Result, str(folder / RESULT))
    except ConfigError as error:
        raise BagError([*error.findings[:3], f'{folder}: run evaluate_bag again']) from error


def _to_detections(rows: list[Any], labels: list[str]) -> Detections:
    boxes = np.array([row['bbox'] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    class_ids = np.array([row['category_id'] for row in rows], np.int64)
    return Detections(
        boxes.astype(np.float32),
        np.array([row['score'] for row in rows], np.float32),
        class_ids,
        [labels[class_id - 1] for class_id in class_ids],
    )
