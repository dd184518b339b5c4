"""What a network starts from, as values by layer, and how they get into it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
import logging

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_training.errors import WeightsError
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.class_rows import ClassRows, match_rows
from ssd_training.model.ssd import BATCH_NORM_EPSILON, is_class_head

Values = Mapping[str, Sequence[NDArray[np.float32]]]
_BOX_NUMBERS = 4
_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """
    Weights of another network.

    :param origin: where they come from, for messages
    :param values: by layer, in the order that Keras keeps them in; those of a convolution whose
        BatchNorm is folded are kernel and bias
    :param labels: of its class rows, without the background; None when they are not known
    :param is_whole: a detector; each of its layers has a place, and each place a layer
    """

    origin: str
    values: Values
    labels: tuple[str, ...] | None = None
    is_whole: bool = False


def fill(model: keras.Model, pretrained: Pretrained, labels: Sequence[str]) -> None:
    """
    Give a network the weights of another one, whose classes may be others.

    Rows of the class heads follow their labels; those of labels that the other one does not have
    start anew. Layers that it does not hold stay as they are, unless it is whole.

    :param model: from build_ssd; changed only when everything fits
    :param pretrained: what it starts from
    :param labels: of the model's classes, without the background
    :raises WeightsError: with everything that does not fit
    """
    present = {layer.name: layer for layer in model.layers if layer.weights}
    values = _unfold(pretrained.values, present)
    rows = _match_class_rows(values, present, pretrained.labels, labels)
    findings = _misfits(values, present, rows, is_whole=pretrained.is_whole)
    if findings:
        raise WeightsError(f'{pretrained.origin}: {finding}' for finding in findings)
    for name in values.keys() & present.keys():
        arrays = values[name]
        if rows is not None and is_class_head(name):
            fresh = present[name].get_weights()
            arrays = [rows.take(*pair) for pair in zip(arrays, fresh, strict=True)]
        present[name].set_weights(arrays)
    _log_coverage(pretrained.origin, values.keys(), present.keys())
    if rows is not None and not rows.are_equal:
        logger.info('%s', rows)


def is_folded(values: Values, layer_names: Set[str]) -> bool:
    """
    Tell weights whose BatchNorm is in the convolutions: there are no statistics to train from.

    :param values: by layer
    :param layer_names: of the network with BatchNorm
    :return: whether a BatchNorm of the network is missing beside its convolution
    """
    return any(
        batch_norm_name(name) in layer_names - values.keys()
        for name in values.keys() & layer_names
    )


def _unfold(values: Values, present: Mapping[str, keras.Layer]) -> Values:
    """Give a convolution with folded BatchNorm one that adds its bias and does nothing else."""
    unfolded: dict[str, Sequence[NDArray[np.float32]]] = {}
    for name, arrays in values.items():
        norm = batch_norm_name(name)
        if norm not in present or norm in values or len(arrays) != 2:
            unfolded[name] = arrays
            continue
        kernel, bias = arrays
        one = np.ones_like(bias)
        unfolded[name] = [kernel]
        unfolded[norm] = [one, bias, 0 * one, one - np.float32(BATCH_NORM_EPSILON)]
    return unfolded


def _match_class_rows(
    values: Values,
    present: Mapping[str, keras.Layer],
    found_labels: Sequence[str] | None,
    labels: Sequence[str],
) -> ClassRows | None:
    """Find out how many rows the other class heads have; None when that can't be told."""
    num_rows = set()
    for name in filter(is_class_head, values.keys() & present.keys()):
        num_priors = present[name].weights[-1].shape[0] // (len(labels) + 1)
        found, rest = divmod(values[name][-1].shape[0], num_priors)
        num_rows.add(found if rest == 0 else 0)
    if len(num_rows) != 1 or (num_found := num_rows.pop()) < 2:
        return None
    if found_labels is not None and num_found != len(found_labels) + 1:
        found_labels = None
    return match_rows(found_labels, num_found, labels)


def _misfits(
    values: Values, present: Mapping[str, keras.Layer], rows: ClassRows | None, *, is_whole: bool
) -> list[str]:
    if not values.keys() & present.keys():
        return ['none of its layers is in the model']
    wrong = []
    for name in sorted(values.keys() & present.keys()):
        received = [array.shape for array in values[name]]
        expected = [tuple(variable.shape) for variable in present[name].weights]
        if received != expected and not (
            rows and _is_class_misfit(name, received, expected, rows)
        ):
            wrong.append(_describe_misfit(name, received, expected))
    findings = wrong[:_SHOWN]
    if is_whole:
        findings += _describe_names('layers that the model lacks', values.keys() - present.keys())
        findings += _describe_names('no values for layers', present.keys() - values.keys())
    if wrong:
        findings.append(
            f'{len(wrong)} layers do not fit: equal must be backbone.width_mult (1.0 in the '
            f'archives), heads.extra_layers, head_type and the number of priors a cell '
            f'(priors.aspect_ratios); free are labels and input_size'
        )
    return findings


def _is_class_misfit(
    name: str,
    received: Sequence[tuple[int, ...]],
    expected: Sequence[tuple[int, ...]],
    rows: ClassRows,
) -> bool:
    """Tell heads whose number of classes alone is another one."""
    if not is_class_head(name):
        return False
    factor = (rows.num_found, len(rows.sources))
    return [shape[:-1] for shape in received] == [shape[:-1] for shape in expected] and all(
        found[-1] * factor[1] == wanted[-1] * factor[0]
        for found, wanted in zip(received, expected, strict=True)
    )


def _describe_misfit(
    name: str, received: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]]
) -> str:
    finding = f'{name}: received shapes {received}; the model has {expected}'
    if name.endswith('_box') and received[0][:-1] == expected[0][:-1]:
        cells = [shape[-1][0] // _BOX_NUMBERS for shape in (received, expected)]
        finding += f': {cells[0]} priors a cell, not {cells[1]}'
    return finding


def _describe_names(what: str, names: Set[str]) -> list[str]:
    if not names:
        return []
    shown = ', '.join(sorted(names)[:_SHOWN])
    return [
        f'has {what}: {shown}{" ..." if len(names) > _SHOWN else ""}; it is of another network'
    ]


def _log_coverage(origin: str, given: Set[str], present: Set[str]) -> None:
    logger.info('%s: filled %d of %d layers', origin, len(given & present), len(present))
    if fresh := sorted(present - given):
        logger.info('random start: %d layers, %s ... %s', len(fresh), fresh[0], fresh[-1])
    if unused := sorted(given - present):
        logger.warning('not in the model: %d layers, such as %s', len(unused), unused[0])
