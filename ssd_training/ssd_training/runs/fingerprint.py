"""Fingerprint of an experiment: 12 hex digits over everything that shapes the result."""

from collections.abc import Mapping, Sequence
import copy
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_training.experiments.schema import ExperimentConfig, SCHEMA_VERSION
from ssd_training.runs.start_weights import find_start, hash_start, TEACHER

_LENGTH = 12
# Names and places, what is written and where it runs: the same recipe elsewhere is the same one.
_LEFT_OUT = (
    ('experiment',),
    ('run',),
    ('checkpoint',),
    ('logging',),
    ('runtime',),
    ('infrastructure',),
    ('data', 'root'),
    ('data', 'files_outside_root'),
    ('data', 'cache'),
    ('data', 'num_workers'),
    ('data', 'prefetch_batches'),
    ('data', 'tfrecords'),
    ('backbone', 'weights'),
    ('loss', 'distillation', 'teacher'),
)
_ADDED = (
    ('quantization',),
    ('loss', 'distillation'),
    ('loss', 'classification', 'quality'),
    ('sampler', 'ignore_iou'),
    ('priors', 'laid_out_at_px'),
)
_ADDED_TO_DATA = {
    'voc_box_base': 1,
    'exif_orientation': 'auto',
    'max_image_pixels': MAX_IMAGE_PIXELS,
}


def compute_fingerprint(config: ExperimentConfig, *, git_commit: str | None = None) -> str:
    """
    Shorten the hash of an experiment.

    :param config: the experiment
    :param git_commit: enters the hash when given
    :return: its first 12 hex digits
    :raises WeightsError: when the weights file can not be read
    """
    return hash_experiment(config, git_commit=git_commit)[:_LENGTH]


def hash_experiment(config: ExperimentConfig, *, git_commit: str | None = None) -> str:
    """
    Hash an experiment; weights that it starts or learns from count by content, not by path.

    :param config: the experiment
    :param git_commit: enters the hash when given
    :return: 64 hex digits
    :raises WeightsError: when the weights file can not be read
    """
    tree = select_recipe(dataclasses.asdict(config))
    tree['_schema_version'] = SCHEMA_VERSION
    tree['_weights'] = hash_start(find_start(config.backbone.weights))
    if config.loss.distillation is not None:
        teacher = find_start(config.loss.distillation.teacher, key=TEACHER)
        tree['_teacher'] = hash_start(teacher, key=TEACHER)
    tree['_git_commit'] = git_commit
    canonical = json.dumps(tree, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(canonical.encode()).hexdigest()


def select_recipe(tree: Mapping[str, Any]) -> dict[str, Any]:
    """
    Leave out of an experiment what does not shape its result, and what it starts from.

    :param tree: of an experiment, of this version or of an earlier one
    :return: another tree
    """
    recipe = copy.deepcopy(dict(tree))
    for *parents, key in _LEFT_OUT:
        _section(recipe, parents).pop(key, None)
    # Recipes from before these keys existed, or to which they make no difference, keep their
    # fingerprint.
    priors, multi_scale = recipe.get('priors', {}), recipe.get('train', {}).get('multi_scale', {})
    if priors.get('laid_out_at_px') in recipe.get('input_size', ()) and not (
        multi_scale.get('enabled')
    ):
        priors['laid_out_at_px'] = None
    for *parents, key in _ADDED:
        section = _section(recipe, parents)
        if section.get(key) is None:
            section.pop(key, None)
    data = recipe.get('data', {})
    for key, default in _ADDED_TO_DATA.items():
        if data.get(key) == default:
            del data[key]
    coco = data.get('coco')
    if coco is not None and Path(coco['images']).is_absolute():
        # A place, as `data prepare` writes it; below data.root it is part of the recipe.
        del coco['images']
    return recipe


def _section(recipe: dict[str, Any], parents: Sequence[str]) -> dict[str, Any]:
    """Give a section of a recipe; an empty one where it has none."""
    section = recipe
    for parent in parents:
        section = section.get(parent) or {}
    return section
