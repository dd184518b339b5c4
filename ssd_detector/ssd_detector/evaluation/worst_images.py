"""The images with the most errors, and the boxes to draw on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.matching import Judgement, Matching
from ssd_detector.evaluation.operating_points import OperatingPoint


@dataclass(frozen=True, eq=False)
class WorstImage:
    """
    One image at the best thresholds of the classes.

    :param image_id: the image
    :param hits: detections that found an object
    :param false_detections: those that did not; what belongs to a difficult object is in neither
    :param missed: objects that nothing found; difficult ones are not among them
    """

    image_id: str
    hits: Detections
    false_detections: Detections
    missed: GroundTruths

    @property
    def num_errors(self) -> int:
        """Count false detections and missed objects."""
        return len(self.false_detections) + len(self.missed.class_ids)


def find_worst_images(
    matching: Matching,
    judgement: Judgement,
    points: Sequence[OperatingPoint],
    *,
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    count: int,
) -> tuple[WorstImage, ...]:
    """
    Rank images by missed objects and false detections at the best-F1 threshold of each class.

    :param matching: from match
    :param judgement: from judge
    :param points: one a class; with a NaN as threshold nothing of the class is kept
    :param detections: those that were matched
    :param ground_truths: likewise
    :param count: images at most; fewer when fewer have errors
    :return: most errors first, equal ones in the order of the ground truth
    """
    # Class 0 is none; nothing reaches NaN.
    thresholds = np.array([np.nan, *(point.score_threshold for point in points)], np.float32)
    is_kept = judgement.is_counted & (matching.scores >= thresholds[matching.class_ids])
    is_hit, is_false = is_kept & judgement.is_hit, is_kept & ~judgement.is_hit
    is_missed = ~matching.objects.is_difficult
    is_missed[matching.own_objects[is_hit]] = False
    num_images = len(matching.image_ids)
    num_errors = np.bincount(matching.image_indices[is_false], minlength=num_images)
    num_errors += np.bincount(matching.objects.image_indices[is_missed], minlength=num_images)

    def positions(mask: NDArray[np.bool_], image: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = matching.positions[mask & (matching.image_indices == image)]
        return found

    worst = []
    for image in np.argsort(-num_errors, kind='stable')[:count]:
        if not num_errors[image]:
            break
        image_id = matching.image_ids[image]
        found = detections.get(image_id) or Detections.empty()
        objects = is_missed[matching.objects.image_indices == image]
        worst.append(
            WorstImage(
                image_id,
                _pick_detections(found, positions(is_hit, image)),
                _pick_detections(found, positions(is_false, image)),
                _pick_objects(ground_truths[image_id], objects),
            )
        )
    return tuple(worst)


def _pick_detections(found: Detections, indices: NDArray[np.int64]) -> Detections:
    return Detections(
        found.boxes_xyxy[indices],
        found.scores[indices],
        found.class_ids[indices],
        [found.labels[index] for index in indices],
    )


def _pick_objects(truth: GroundTruths, mask: NDArray[np.bool_]) -> GroundTruths:
    return GroundTruths(truth.boxes_xyxy[mask], truth.class_ids[mask], truth.is_difficult[mask])
