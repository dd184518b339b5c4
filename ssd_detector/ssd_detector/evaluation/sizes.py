"""What is found of small, medium and large objects (areas of COCO, pixels of the original)."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ssd_detector.evaluation.matching import judge, Matching
from ssd_detector.evaluation.voc import Interpolation, score_voc, VocResult

_EDGES_PX = {'small': (0, 32), 'medium': (32, 96), 'large': (96, np.inf)}


@dataclass(frozen=True)
class SizeBand:
    """
    The objects of one size.

    :param name: small, medium or large
    :param min_side_px: of a square with the smallest area in the band, which is part of it
    :param max_side_px: likewise with the largest, which is not; infinity for large
    :param num_objects: to find
    :param recall: share of them that is found by any detection; NaN without objects
    :param voc: AP; a false detection counts in the band of its own size
    """

    name: str
    min_side_px: float
    max_side_px: float
    num_objects: int
    recall: float
    voc: VocResult


def split_sizes(
    matching: Matching, iou_threshold: float, interpolation: Interpolation
) -> tuple[SizeBand, ...]:
    """
    Score each size as if objects of the others were difficult, as COCO does.

    :param matching: from match
    :param iou_threshold: of a hit
    :param interpolation: 11point or area
    :return: small, medium, large
    """
    bands = []
    for name, (low_px, high_px) in _EDGES_PX.items():
        objects_px2, found_px2 = matching.objects.areas_px2, matching.areas_px2
        is_other = (objects_px2 < low_px**2) | (objects_px2 >= high_px**2)
        is_other |= matching.objects.is_difficult
        judgement = judge(matching, iou_threshold, is_ignored=is_other)
        is_inside = (found_px2 >= low_px**2) & (found_px2 < high_px**2)
        judgement = dataclasses.replace(
            judgement, is_counted=judgement.is_counted & (judgement.is_hit | is_inside)
        )
        num_objects = int(judgement.num_objects.sum())
        recall = float(judgement.is_hit.sum() / num_objects) if num_objects else float('nan')
        voc = score_voc(matching, judgement, interpolation)
        bands.append(SizeBand(name, low_px, high_px, num_objects, recall, voc))
    return tuple(bands)
