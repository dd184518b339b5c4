"""A graph model of TensorFlow.js with the tensors of the published detector, of random values."""

from collections.abc import Mapping, Sequence
import json
from pathlib import Path

import numpy as np

NUM_ROWS = 91
BACKBONE = 'FeatureExtractor/MobilenetV2'
# Channels in, inside and out of each inverted residual block (arXiv:1801.04381, table 2).
BLOCKS = (
    *((32, 32, 16), (16, 96, 24), (24, 144, 24), (24, 144, 32), (32, 192, 32), (32, 192, 32)),
    *((32, 192, 64), (64, 384, 64), (64, 384, 64), (64, 384, 64), (64, 384, 96)),
    *((96, 576, 96), (96, 576, 96), (96, 576, 160), (160, 960, 160), (160, 960, 160)),
    (160, 960, 320),
)
EXTRAS = ((1280, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
# Channels and priors a cell of each level.
LEVELS = ((576, 3), (1280, 6), (512, 6), (256, 6), (256, 6), (128, 6))

Shapes = dict[str, tuple[int, ...]]


def published_shapes() -> Shapes:
    """List the tensors that hold weights, as TensorFlow.js 3 wrote them."""
    shapes = _plain(f'{BACKBONE}/Conv', (3, 3, 3, 32))
    for index, (num_in, num_inside, num_out) in enumerate(BLOCKS):
        block = f'{BACKBONE}/expanded_conv' + (f'_{index}' if index else '')
        if index:
            shapes |= _plain(f'{block}/expand', (1, 1, num_in, num_inside))
        shapes |= _depthwise(f'{block}/depthwise', num_inside)
        shapes |= _plain(f'{block}/project', (1, 1, num_inside, num_out))
    shapes |= _plain(f'{BACKBONE}/Conv_1', (1, 1, 320, 1280))
    for index, (num_in, num_inside, num_out) in enumerate(EXTRAS, start=2):
        narrow = f'{BACKBONE}/layer_19_1_Conv2d_{index}_1x1_{num_inside}'
        wide = f'{BACKBONE}/layer_19_2_Conv2d_{index}_3x3_s2_{num_out}'
        shapes |= _plain(narrow, (1, 1, num_in, num_inside))
        shapes |= _depthwise(f'{wide}_depthwise', num_inside)
        shapes |= _plain(wide, (1, 1, num_inside, num_out))
    for level, (num_channels, num_priors) in enumerate(LEVELS):
        for predictor, num_outputs in (('BoxEncodingPredictor', 4), ('ClassPredictor', NUM_ROWS)):
            head = f'BoxPredictor_{level}/{predictor}'
            shapes[f'{head}_depthwise/depthwise_weights'] = (3, 3, num_channels, 1)
            for part in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
                shapes[f'{head}_depthwise/BatchNorm/{part}'] = (num_channels,)
            shapes[f'{head}/weights'] = (1, 1, num_channels, num_priors * num_outputs)
            shapes[f'{head}/biases'] = (num_priors * num_outputs,)
    return shapes


def _plain(origin: str, shape: tuple[int, ...]) -> Shapes:
    return {
        f'{origin}/Conv2D/merged_input': shape,
        f'{origin}/BatchNorm/batchnorm/sub': shape[-1:],
    }


def _depthwise(origin: str, num_channels: int) -> Shapes:
    return {
        f'{origin}/depthwise_weights': (3, 3, num_channels, 1),
        f'{origin}/BatchNorm/batchnorm/mul': (num_channels,),
        f'{origin}/BatchNorm/batchnorm/sub': (num_channels,),
    }


def draw_tensors() -> dict[str, np.ndarray]:
    """Draw a value for each; variances are positive."""
    generator = np.random.default_rng(0)
    return {
        name: generator.uniform(0.1, 1, shape).astype(np.float32)
        for name, shape in published_shapes().items()
    }


def write_model(
    folder: Path, tensors: Mapping[str, np.ndarray], *, shard_bytes: Sequence[int] = ()
) -> Path:
    """
    Write model.json and shards, as the converter of TensorFlow.js does.

    :param folder: made
    :param tensors: by name, in the order of the file
    :param shard_bytes: where the content is cut
    :return: the folder
    """
    folder.mkdir(parents=True)
    content = b''.join(tensor.tobytes() for tensor in tensors.values())
    ends = [0, *shard_bytes, len(content)]
    names = [f'group1-shard{index}of{len(ends) - 1}' for index in range(1, len(ends))]
    for name, start, end in zip(names, ends, ends[1:], strict=False):
        (folder / name).write_bytes(content[start:end])
    weights = [
        {'name': name, 'shape': list(tensor.shape), 'dtype': str(tensor.dtype)}
        for name, tensor in tensors.items()
    ]
    graph = {
        'modelTopology': {'node': []},
        'weightsManifest': [{'paths': names, 'weights': weights}],
    }
    (folder / 'model.json').write_text(json.dumps(graph))
    return folder
