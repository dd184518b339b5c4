"""From the published detector's tensors to an archive of this package: names, BatchNorm, rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_training.coco.tfjs import GraphModel, Tensors
from ssd_training.errors import WeightsError
from ssd_training.model.coco_labels import NUM_ROWS
from ssd_training.model.ssd import BATCH_NORM_EPSILON
from ssd_training.model.weights import Arrays

_BACKBONE = 'FeatureExtractor/MobilenetV2'
# Channels inside and behind each inverted residual block (arXiv:1801.04381, table 2).
_BLOCKS = (
    *((32, 16), (96, 24), (144, 24), (144, 32), (192, 32), (192, 32), (192, 64), (384, 64)),
    *((384, 64), (384, 64), (384, 96), (576, 96), (576, 96), (576, 160), (960, 160), (960, 160)),
    (960, 320),
)
# The same of each level behind the backbone.
_EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
# Channels and priors a cell of each level.
_LEVELS = ((576, 3), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))
_HEADS = (('BoxEncodingPredictor', 'box', 4), ('ClassPredictor', 'cls', NUM_ROWS))
_SHOWN = 3
_EXPECTED = 'expected ssdlite_mobilenet_v2_coco_2018_05_09, as TensorFlow.js has it'

_Parts = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class _Layer:
    """
    A convolution, and what is behind it in the published graph.

    :param name: in the archive
    :param kernel_shape: HWIO, or HWCM of a depthwise one
    :param kernel: the tensor's name
    :param parts: names of the others, of a value a channel each: a bias; scale and bias; or
        BatchNorm's gamma, beta, mean and variance
    """

    name: str
    kernel_shape: tuple[int, ...]
    kernel: str
    parts: tuple[str, ...]

    @property
    def num_channels(self) -> int:
        """Channels behind it: a depthwise kernel has them in the middle."""
        return self.kernel_shape[2 if self.is_depthwise else 3]

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel is convolved by itself."""
        return self.name.endswith('depthwise')

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Give each tensor's name and shape."""
        yield self.kernel, self.kernel_shape
        for part in self.parts:
            yield part, (self.num_channels,)

    def fold(self, tensors: Tensors) -> _Parts:
        """Give kernel and bias, BatchNorm folded into both."""
        kernel = tensors[self.kernel]
        parts = [tensors[part] for part in self.parts]
        if len(parts) == 1:
            return kernel, parts[0]
        if len(parts) == 2:
            scale, bias = parts
        else:
            gamma, beta, mean, variance = parts
            scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
            bias = beta - mean * scale
        return kernel * scale[:, None], bias


def to_archive(model: GraphModel, class_ids: Sequence[int]) -> Arrays:
    """
    Fold each BatchNorm into its convolution, and keep some rows of the class heads.

    :param model: `ssdlite_mobilenet_v2_coco_2018_05_09` with the names that it has in
        TensorFlow.js, where BatchNorm of the backbone is folded already
    :param class_ids: the rows wanted, the background's first
    :return: `<layer>/kernel` and `<layer>/bias`, as read_archive takes them
    :raises WeightsError: when tensors are missing or of other shapes: another network
    """
    layers = [*_backbone_layers(), *_head_layers()]
    _check(model, dict(shape for layer in layers for shape in layer.shapes()))
    arrays: Arrays = {}
    for layer in layers:
        kernel, bias = layer.fold(model.tensors)
        if layer.name.endswith('_cls'):
            kernel, bias = (_rows(array, class_ids) for array in (kernel, bias))
        arrays |= {f'{layer.name}/kernel': kernel, f'{layer.name}/bias': bias}
    return arrays


def _check(model: GraphModel, shapes: dict[str, tuple[int, ...]]) -> None:
    tensors = model.tensors
    findings = []
    if missing := sorted(shapes.keys() - tensors.keys()):
        findings.append(f'{len(missing)} tensors are missing, such as {_shown(missing)}')
    if misfits := [
        f'{name}: {tensors[name].shape}, not {shape}'
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]:
        findings.append(f'{len(misfits)} tensors are of other shapes, such as {_shown(misfits)}')
    if findings:
        raise WeightsError(f'{model.origin}: {finding}; {_EXPECTED}' for finding in findings)


def _shown(names: Sequence[str]) -> str:
    return ', '.join(names[:_SHOWN])


def _backbone_layers() -> Iterator[_Layer]:
    yield _convolution('Conv1', f'{_BACKBONE}/Conv', (3, 3, 3, 32))
    num_in = 32
    for index, (num_inside, num_out) in enumerate(_BLOCKS):
        origin = f'{_BACKBONE}/expanded_conv' + (f'_{index}' if index else '')
        name = f'block_{index}' if index else 'expanded_conv'
        # The first block does not expand.
        if index:
            yield _convolution(f'{name}_expand', f'{origin}/expand', (1, 1, num_in, num_inside))
        yield _depthwise(f'{name}_depthwise', f'{origin}/depthwise', num_inside)
        yield _convolution(f'{name}_project', f'{origin}/project', (1, 1, num_inside, num_out))
        num_in = num_out
    yield _convolution('Conv_1', f'{_BACKBONE}/Conv_1', (1, 1, num_in, 1280))
    num_in = 1280
    for index, (num_inside, num_out) in enumerate(_EXTRAS, start=1):
        name = f'extra_{index}'
        narrow = f'{_BACKBONE}/layer_19_1_Conv2d_{index + 1}_1x1_{num_inside}'
        wide = f'{_BACKBONE}/layer_19_2_Conv2d_{index + 1}_3x3_s2_{num_out}'
        yield _convolution(f'{name}_reduce', narrow, (1, 1, num_in, num_inside))
        yield _depthwise(f'{name}_depthwise', f'{wide}_depthwise', num_inside)
        yield _convolution(f'{name}_expand', wide, (1, 1, num_inside, num_out))
        num_in = num_out


def _convolution(name: str, origin: str, kernel_shape: tuple[int, ...]) -> _Layer:
    kernel, bias = f'{origin}/Conv2D/merged_input', f'{origin}/BatchNorm/batchnorm/sub'
    return _Layer(name, kernel_shape, kernel, (bias,))


def _depthwise(name: str, origin: str, num_channels: int) -> _Layer:
    parts = tuple(f'{origin}/BatchNorm/batchnorm/{part}' for part in ('mul', 'sub'))
    return _Layer(name, (3, 3, num_channels, 1), f'{origin}/depthwise_weights', parts)


def _head_layers() -> Iterator[_Layer]:
    for level, (num_channels, num_priors) in enumerate(_LEVELS):
        for predictor, kind, num_outputs in _HEADS:
            origin, name = f'BoxPredictor_{level}/{predictor}', f'head_{level}_{kind}'
            statistics = ('gamma', 'beta', 'moving_mean', 'moving_variance')
            yield _Layer(
                f'{name}_depthwise',
                (3, 3, num_channels, 1),
                f'{origin}_depthwise/depthwise_weights',
                tuple(f'{origin}_depthwise/BatchNorm/{part}' for part in statistics),
            )
            shape = (1, 1, num_channels, num_priors * num_outputs)
            yield _Layer(name, shape, f'{origin}/weights', (f'{origin}/biases',))


def _rows(array: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.float32]:
    """Keep the rows of some classes, prior by prior."""
    by_prior = array.reshape(*array.shape[:-1], -1, NUM_ROWS)
    return by_prior[..., list(ids)].reshape(*array.shape[:-1], -1)
