"""What is in a data set, and how much of it the priors can learn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import cxcywh_to_xyxy, iou_matrix
from ssd_training.data.images.records import Record

# Side of a square of the same area, px of the model's input.
SIZE_EDGES_PX = (0, 16, 32, 64, 128, 256, 100_000)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def describe_split(
    records: Sequence[Record],
    *,
    labels: Sequence[str],
    priors_cxcywh: NDArray[np.float32],
    input_size_px: int,
    iou_threshold_pos: float,
) -> dict[str, Any]:
    """
    Count objects and match them with the priors.

    :param records: of the split
    :param labels: names of the classes 1, 2, ...
    :param priors_cxcywh: (P, 4) float32, normalized
    :param input_size_px: side of the model's input
    :param iou_threshold_pos: a prior is positive from this IoU on
    :return: images, objects by class, quantiles of sizes, prior recall by size
    """
    truths = [record.ground_truths for record in records]
    class_ids = np.concatenate([t.class_ids for t in truths])
    is_difficult = np.concatenate([t.is_difficult for t in truths])
    boxes = np.concatenate([_normalize(record) for record in records])
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) * input_size_px
    ious, forced = measure_prior_match(records, priors_cxcywh)
    is_matched = ious >= iou_threshold_pos
    is_learnt = is_matched | (forced > 0)
    return {
        'images': len(records),
        'images_without_objects': sum(not len(t.class_ids) for t in truths),
        'objects': len(class_ids),
        'difficult': int(is_difficult.sum()),
        'classes': {
            label: {
                'objects': int(np.sum(class_ids == class_id)),
                'difficult': int(np.sum((class_ids == class_id) & is_difficult)),
                'images': sum(bool(np.any(t.class_ids == class_id)) for t in truths),
            }
            for class_id, label in enumerate(labels, start=1)
        },
        'side_px_quantiles': {
            f'{quantile:g}': round(float(np.quantile(sides, quantile)), 1)
            for quantile in _QUANTILES
            if len(sides)
        },
        'prior_recall': [
            {
                'side_px': [low, high],
                'objects': int(inside.sum()),
                'mean_best_iou': _mean(ious[inside]),
                'reach_threshold': _mean(is_matched[inside]),
                'with_forced_priors': _mean(is_learnt[inside]),
            }
            for low, high in _size_ranges()
            for inside in [~is_difficult & (sides >= low) & (sides < high)]
        ],
    }


def measure_prior_match(
    records: Sequence[Record], priors_cxcywh: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """
    Find out how well priors fit each object.

    :param records: of a split
    :param priors_cxcywh: (P, 4) float32, normalized
    :return: (N,) float32 IoU with the best prior; (N,) float32 IoU with the prior that is forced
        on the object, when the best pairs are fixed first and no prior is used twice; 0 is none
    """
    priors_xyxy = cxcywh_to_xyxy(priors_cxcywh)
    best, forced = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for record in records:
        ious = iou_matrix(_normalize(record), priors_xyxy)
        best.append(ious.max(axis=1, initial=0))
        forced.append(_force(np.where(record.ground_truths.is_difficult[:, None], 0, ious)))
    return np.concatenate(best), np.concatenate(forced)


def _force(ious: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each object a prior of its own, the best pair first."""
    free, forced = ious.copy(), np.zeros(len(ious), np.float32)
    for _ in range(len(ious)):
        found, prior = np.unravel_index(np.argmax(free), free.shape)
        if free[found, prior] <= 0:
            break
        forced[found] = free[found, prior]
        free[found], free[:, prior] = 0, 0
    return forced


def _normalize(record: Record) -> NDArray[np.float32]:
    sizes = np.array([*record.size_wh, *record.size_wh], np.float32)
    return record.ground_truths.boxes_xyxy / sizes


def _mean(values: NDArray[Any]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


def _size_ranges() -> list[tuple[int, int]]:
    return [*zip(SIZE_EDGES_PX[:-1], SIZE_EDGES_PX[1:], strict=True), (0, SIZE_EDGES_PX[-1])]
