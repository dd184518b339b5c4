"""Tensors of a graph model of TensorFlow.js: its `model.json` says which bytes are what."""

from collections.abc import Mapping
import itertools
import json
import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from ssd_training.coco.package import GRAPH, Read
from ssd_training.errors import WeightsError

Tensors = Mapping[str, NDArray[np.float32]]

_NUM_BYTES = {'float32': 4, 'int32': 4, 'bool': 1}


class _Weight(BaseModel):
    model_config = ConfigDict(extra='ignore')

    name: str
    shape: tuple[NonNegativeInt, ...]
    dtype: str
    quantization: dict[str, object] | None = None


class _Group(BaseModel):
    paths: list[str]
    weights: list[_Weight]


class _Graph(BaseModel):
    model_config = ConfigDict(extra='ignore')

    groups: list[_Group] = Field(alias='weightsManifest')


def read_tensors(read: Read) -> Tensors:
    """
    Read every tensor of floating-point numbers.

    :param read: gives model.json and the shards that it names
    :return: by the name of the node that holds it
    :raises WeightsError: when the files are not such a model, or do not belong together
    """
    content = read(GRAPH)
    try:
        graph = _Graph.model_validate(json.loads(content))
    except (ValueError, ValidationError) as error:
        raise WeightsError(
            [f'{GRAPH}: is no graph model of TensorFlow.js ({_first_line(error)})']
        ) from error
    tensors: dict[str, NDArray[np.float32]] = {}
    for group in graph.groups:
        tensors |= _tensors_of(group, b''.join(map(read, group.paths)))
    return tensors


def _tensors_of(group: _Group, content: bytes) -> dict[str, NDArray[np.float32]]:
    for weight in group.weights:
        if weight.quantization is not None or weight.dtype not in _NUM_BYTES:
            raise WeightsError(
                [
                    f'{weight.name}: is stored as {weight.dtype}, rounded; expected the float32 '
                    f'that was trained: get the model that was not quantized'
                ]
            )
    sizes = [_NUM_BYTES[weight.dtype] * math.prod(weight.shape) for weight in group.weights]
    if sum(sizes) != len(content):
        raise WeightsError(
            [
                f'{", ".join(group.paths)}: received {len(content)} bytes, {GRAPH} speaks of '
                f'{sum(sizes)}; the files do not belong together: get them again'
            ]
        )
    ends = itertools.accumulate(sizes)
    return {
        weight.name: np.frombuffer(content[end - size : end], '<f4').reshape(weight.shape)
        for weight, size, end in zip(group.weights, sizes, ends, strict=True)
        if weight.dtype == 'float32'
    }


def _first_line(error: Exception) -> str:
    return ' '.join(str(error).split())[:200]
