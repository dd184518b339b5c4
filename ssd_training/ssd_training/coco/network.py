"""From the published detector's tensors to an archive of this package: names, BatchNorm, rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ssd_training.coco.labels import NUM_ROWS
from ssd_training.coco.tfjs import Tensors
from ssd_training.errors import WeightsError
from ssd_training.model.ssd import BATCH_NORM_EPSILON
from ssd_training.model.weights import Arrays

_BACKBONE = 'FeatureExtractor/MobilenetV2'
_NUM_BLOCKS = 17
# Channels of the two convolutions of each level behind the backbone.
_EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
_NUM_LEVELS = 6
_HEADS = {'BoxEncodingPredictor': 'box', 'ClassPredictor': 'cls'}
_SHOWN = 3
_EXPECTED = (
    'expected ssdlite_mobilenet_v2_coco_2018_05_09 with its 90 classes, as TensorFlow.js has it'
)


def to_archive(tensors: Tensors, class_ids: Sequence[int]) -> Arrays:
    """
    Fold each BatchNorm into its convolution, and keep some rows of the class heads.

    :param tensors: of `ssdlite_mobilenet_v2_coco_2018_05_09`, by the names that it has in
        TensorFlow.js, where half of the BatchNorm is folded already
    :param class_ids: the rows wanted, the background's first
    :return: `<layer>/kernel` and `<layer>/bias`, as read_archive takes them
    :raises WeightsError: when tensors are missing or of other shapes: another network
    """
    source = _Source(tensors)
    try:
        arrays = _fold(source, class_ids)
    except ValueError as error:
        raise WeightsError([f'tensors are of other shapes ({error}); {_EXPECTED}']) from error
    source.raise_findings()
    return arrays


def _fold(source: '_Source', class_ids: Sequence[int]) -> Arrays:
    arrays: Arrays = {}
    for origin, name in _backbone_names():
        arrays |= _named(name, *source.convolution(origin))
    for level in range(_NUM_LEVELS):
        for predictor, kind in _HEADS.items():
            origin, name = f'BoxPredictor_{level}/{predictor}', f'head_{level}_{kind}'
            arrays |= _named(f'{name}_depthwise', *source.normalized(f'{origin}_depthwise'))
            kernel, bias = source.take(f'{origin}/weights'), source.take(f'{origin}/biases')
            if kind == 'cls':
                kernel, bias = (_rows(array, class_ids) for array in (kernel, bias))
            arrays |= _named(name, kernel, bias)
    return arrays


def _named(
    name: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    return {f'{name}/kernel': kernel, f'{name}/bias': bias}


def _backbone_names() -> Iterator[tuple[str, str]]:
    """Give each convolution with folded BatchNorm by both its names."""
    yield f'{_BACKBONE}/Conv', 'Conv1'
    for index in range(_NUM_BLOCKS):
        origin = f'{_BACKBONE}/expanded_conv' + (f'_{index}' if index else '')
        name = f'block_{index}' if index else 'expanded_conv'
        # The first block does not expand.
        for part in ('expand', 'depthwise', 'project')[index == 0 :]:
            yield f'{origin}/{part}', f'{name}_{part}'
    yield f'{_BACKBONE}/Conv_1', 'Conv_1'
    for index, (num_reduced, num_expanded) in enumerate(_EXTRAS, start=1):
        wide = f'{_BACKBONE}/layer_19_2_Conv2d_{index + 1}_3x3_s2_{num_expanded}'
        yield (
            f'{_BACKBONE}/layer_19_1_Conv2d_{index + 1}_1x1_{num_reduced}',
            f'extra_{index}_reduce',
        )
        yield f'{wide}_depthwise', f'extra_{index}_depthwise'
        yield wide, f'extra_{index}_expand'


@dataclass
class _Source:
    """
    The tensors, and what is wrong with them.

    :param tensors: by name
    :param missing: names that were asked for in vain
    """

    tensors: Tensors
    missing: list[str] = field(default_factory=list)

    def take(self, name: str) -> NDArray[np.float32]:
        """Give a tensor; for one that is missing a stand-in, so that all of them are found."""
        if name not in self.tensors:
            self.missing.append(name)
        return self.tensors.get(name, np.zeros(NUM_ROWS, np.float32))

    def convolution(self, origin: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give kernel and bias of a convolution of the backbone."""
        bias = self.take(f'{origin}/BatchNorm/batchnorm/sub')
        if origin.endswith('depthwise'):
            kernel = self.take(f'{origin}/depthwise_weights')
            return _scale(kernel, self.take(f'{origin}/BatchNorm/batchnorm/mul')), bias
        return self.take(f'{origin}/Conv2D/merged_input'), bias

    def normalized(self, origin: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give kernel and bias of a depthwise convolution of a head, whose BatchNorm is whole."""
        gamma, beta, mean, variance = (
            self.take(f'{origin}/BatchNorm/{part}')
            for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')
        )
        scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
        kernel = self.take(f'{origin}/depthwise_weights')
        return _scale(kernel, scale), beta - mean * scale

    def raise_findings(self) -> None:
        """Tell what was missing."""
        if self.missing:
            raise WeightsError(
                [
                    f'{len(self.missing)} tensors are missing, such as '
                    f'{", ".join(self.missing[:_SHOWN])}; {_EXPECTED}'
                ]
            )


def _scale(kernel: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply the channels of a depthwise kernel (h, w, channels, 1)."""
    return kernel * scale[:, None]


def _rows(array: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.float32]:
    """Keep the rows of some classes, prior by prior."""
    by_prior = array.reshape(*array.shape[:-1], -1, NUM_ROWS)
    return by_prior[..., list(ids)].reshape(*array.shape[:-1], -1)
