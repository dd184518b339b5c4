"""COCO annotations and results of an evaluation, for other tools and for compare_bags."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssd_detector_ros.bag_evaluation.pages.result_files import write_json
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation

DETECTIONS = 'detections.json'
GROUND_TRUTH = 'ground_truth.json'


def write_coco(evaluation: Evaluation, folder: Path) -> None:
    """
    Write both files; image ids count from 1, file names are the ids of the frames.

    :param evaluation: what was found
    :param folder: is there
    """
    numbers = {frame.image_id: index for index, frame in enumerate(evaluation.frames, start=1)}
    write_json(list(_list_results(evaluation, numbers)), folder / DETECTIONS)
    write_json(
        {
            'images': [
                {
                    'id': numbers[frame.image_id],
                    'file_name': frame.image_id,
                    'width': frame.size_wh[0],
                    'height': frame.size_wh[1],
                    'stamp_ns': frame.stamp_ns,
                    'is_answered': frame.image_id in evaluation.detections,
                    'is_annotated': frame.image_id in evaluation.ground_truths,
                }
                for frame in evaluation.frames
            ],
            'categories': [
                {'id': number, 'name': label}
                for number, label in enumerate(evaluation.labels, start=1)
            ],
            'annotations': list(_list_objects(evaluation, numbers)),
        },
        folder / GROUND_TRUTH,
    )


def _list_results(evaluation: Evaluation, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    for image_id, found in evaluation.detections.items():
        rows = zip(
            found.boxes_xyxy.tolist(),
            found.scores.tolist(),
            found.class_ids.tolist(),
            strict=True,
        )
        for (x1, y1, x2, y2), score, class_id in rows:
            yield {
                'image_id': numbers[image_id],
                'category_id': class_id,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'score': score,
            }


def _list_objects(evaluation: Evaluation, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    number = 0
    for image_id, truth in evaluation.ground_truths.items():
        rows = zip(
            truth.boxes_xyxy.tolist(),
            truth.class_ids.tolist(),
            truth.is_difficult.tolist(),
            strict=True,
        )
        for (x1, y1, x2, y2), class_id, is_difficult in rows:
            number += 1
            yield {
                'id': number,
                'image_id': numbers[image_id],
                'category_id': class_id,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
                'iscrowd': int(is_difficult),
            }
