"""Matching: which prior learns which object (SSD, arXiv:1512.02325, section 2.2)."""

from typing import Any, NamedTuple

from keras import ops

from ssd_training.experiments.loss_schema import MatcherSettings
from ssd_training.targets.box_coding import (
    cxcywh_to_xyxy,
    encode_boxes,
    Variances,
    xyxy_to_cxcywh,
)

Tensor = Any

BACKGROUND = 0
IGNORED = -1


class GroundTruthBatch(NamedTuple):
    """
    Objects of a batch, padded to the image that has most.

    :param boxes_xyxy: (B, G, 4) float32, normalized
    :param class_ids: (B, G) int32, from 1; 0 is padding
    :param is_difficult: (B, G) bool
    """

    boxes_xyxy: Tensor
    class_ids: Tensor
    is_difficult: Tensor


class Targets(NamedTuple):
    """
    What every prior is to learn.

    :param offsets: (B, P, 4) float32; 0 where class_ids is not positive
    :param class_ids: (B, P) int32; 0 is background, -1 is ignored
    """

    offsets: Tensor
    class_ids: Tensor


def assign_targets(
    priors_cxcywh: Tensor,
    ground_truths: GroundTruthBatch,
    *,
    settings: MatcherSettings,
    variances: Variances,
) -> Targets:
    """
    Match every prior of every image, and encode the boxes.

    :param priors_cxcywh: (P, 4) float32, normalized
    :param ground_truths: objects of the batch
    :param settings: the section `matcher`
    :param variances: of the box coding
    :return: the targets
    """
    class_ids, boxes_xyxy = match_priors(priors_cxcywh, ground_truths, settings)
    is_positive = class_ids[..., None] > BACKGROUND
    # Encoding a prior as itself gives 0 and never log(0).
    boxes_cxcywh = ops.where(is_positive, xyxy_to_cxcywh(boxes_xyxy), priors_cxcywh[None])
    return Targets(encode_boxes(boxes_cxcywh, priors_cxcywh, variances), class_ids)


def match_priors(
    priors_cxcywh: Tensor, ground_truths: GroundTruthBatch, settings: MatcherSettings
) -> tuple[Tensor, Tensor]:
    """
    Decide for every prior: an object's class, background, or ignored.

    A prior belongs to the object that it overlaps most (of equals to the first). It is positive
    from iou_threshold_pos on, background below iou_threshold_neg, ignored in between, and ignored
    instead of positive where that object is difficult. Then, with allow_low_quality_matches, each
    object that is not difficult takes one prior more: of all pairs of such objects and priors the
    one with the largest IoU is fixed first (of equals the first object, then the first prior),
    both leave, and so on. So no object loses its prior to another one; only an object that
    overlaps no free prior gets none.

    :param priors_cxcywh: (P, 4) float32, normalized
    :param ground_truths: objects of the batch; G may be 0
    :param settings: the section `matcher`
    :return: (B, P) int32 classes, 0 background, -1 ignored; (B, P, 4) float32 xyxy, the box of
        the object where the class is positive
    """
    boxes_xyxy, object_classes, is_difficult = _add_padding(ground_truths)
    is_object = object_classes > BACKGROUND
    ious = pairwise_iou(boxes_xyxy, cxcywh_to_xyxy(priors_cxcywh)[None])
    ious = ops.where(is_object[..., None], ious, 0.0)
    best_objects, best_ious = ops.argmax(ious, axis=1), ops.max(ious, axis=1)
    is_on_difficult = ops.take_along_axis(is_difficult, best_objects, axis=1)
    classes = ops.take_along_axis(object_classes, best_objects, axis=1)
    classes = ops.where(
        (best_ious < settings.iou_threshold_pos) | is_on_difficult, IGNORED, classes
    )
    classes = ops.where(best_ious < settings.iou_threshold_neg, BACKGROUND, classes)
    # A threshold of 0 must not make priors positive that overlap nothing.
    classes = ops.where(best_ious > 0, classes, BACKGROUND)
    objects = ops.cast(best_objects, 'int32')
    if settings.allow_low_quality_matches:
        forced = _force_matches(ious, is_object & ~is_difficult)
        objects = ops.where(forced >= 0, forced, objects)
        forced_classes = ops.take_along_axis(object_classes, objects, axis=1)
        classes = ops.where(forced >= 0, forced_classes, classes)
    return classes, ops.take_along_axis(boxes_xyxy, objects[..., None], axis=1)


def pairwise_iou(boxes_a_xyxy: Tensor, boxes_b_xyxy: Tensor) -> Tensor:
    """
    Compute the intersection over union of every pair, image by image.

    :param boxes_a_xyxy: (B or 1, N, 4) float32
    :param boxes_b_xyxy: (B or 1, M, 4) float32, the same unit
    :return: (B, N, M) float32; 0 for boxes without area
    """
    a, b = boxes_a_xyxy[:, :, None], boxes_b_xyxy[:, None]
    # One coordinate at a time: a third of the memory of (B, N, M, 2) tensors.
    width = ops.minimum(a[..., 2], b[..., 2]) - ops.maximum(a[..., 0], b[..., 0])
    height = ops.minimum(a[..., 3], b[..., 3]) - ops.maximum(a[..., 1], b[..., 1])
    intersections = ops.maximum(width, 0.0) * ops.maximum(height, 0.0)
    unions = _areas(a) + _areas(b) - intersections
    return ops.where(intersections > 0, intersections / ops.maximum(unions, 1e-12), 0.0)


def _areas(boxes_xyxy: Tensor) -> Tensor:
    width = boxes_xyxy[..., 2] - boxes_xyxy[..., 0]
    height = boxes_xyxy[..., 3] - boxes_xyxy[..., 1]
    return ops.maximum(width, 0.0) * ops.maximum(height, 0.0)


def _add_padding(ground_truths: GroundTruthBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Append an empty object to each image: argmax over nothing is an error."""
    return (
        ops.pad(ops.cast(ground_truths.boxes_xyxy, 'float32'), ((0, 0), (0, 1), (0, 0))),
        ops.pad(ops.cast(ground_truths.class_ids, 'int32'), ((0, 0), (0, 1))),
        ops.pad(ops.cast(ground_truths.is_difficult, 'bool'), ((0, 0), (0, 1))),
    )


def _force_matches(ious: Tensor, is_forced: Tensor) -> Tensor:
    """
    Give each object a prior of its own, the best pair first.

    :param ious: (B, G, P)
    :param is_forced: (B, G) bool
    :return: (B, P) int32: index of the object that takes the prior, or -1
    """
    num_priors = ious.shape[-1]
    num_rounds = ops.max(ops.sum(ops.cast(is_forced, 'int32'), axis=1))
    object_range = ops.arange(ops.shape(ious)[1], dtype='int32')
    prior_range = ops.arange(num_priors, dtype='int32')

    def is_unfinished(index: Tensor, free_ious: Tensor, forced: Tensor) -> Tensor:
        return index < num_rounds

    def fix_best_pair(
        index: Tensor, free_ious: Tensor, forced: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        flat = ops.reshape(free_ious, (ops.shape(free_ious)[0], -1))
        pair = ops.cast(ops.argmax(flat, axis=1), 'int32')[:, None]
        overlaps = ops.max(flat, axis=1)[:, None] > 0
        is_object = (object_range[None] == pair // num_priors) & overlaps
        is_prior = (prior_range[None] == pair % num_priors) & overlaps
        forced = ops.where(is_prior, pair // num_priors, forced)
        leaves = is_object[:, :, None] | is_prior[:, None, :]
        return index + 1, ops.where(leaves, 0.0, free_ious), forced

    free_ious = ops.where(is_forced[..., None], ious, 0.0)
    unforced = ops.cast(ops.zeros_like(ious[:, 0]) - 1, 'int32')
    _, _, forced = ops.while_loop(is_unfinished, fix_best_pair, (0, free_ious, unforced))
    return forced
