"""Tensors of a graph model of TensorFlow.js: its `model.json` says which bytes are what."""

from collections.abc import Mapping
from dataclasses import dataclass
import itertools
import json
import math
from pathlib import Path
import textwrap

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from ssd_training.coco.package import Files, GRAPH
from ssd_training.errors import WeightsError

Tensors = Mapping[str, NDArray[np.float32]]

_NUM_BYTES = {'float32': 4, 'int32': 4, 'bool': 1}
_MAX_LETTERS = 200


@dataclass(frozen=True, eq=False)
class GraphModel:
    """
    What a graph computes with.

    :param origin: where it comes from
    :param tensors: those of floating-point numbers, by the name of the node that holds them
    """

    origin: Path
    tensors: Tensors


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


def read_model(files: Files) -> GraphModel:
    """
    Read a model.

    :param files: model.json and the shards that it names
    :return: its tensors
    :raises WeightsError: when the files are not such a model, or do not belong together
    """
    content = files.read(GRAPH)
    try:
        graph = _Graph.model_validate(json.loads(content))
    except (ValueError, ValidationError, RecursionError) as error:
        what = textwrap.shorten(str(error), _MAX_LETTERS)
        raise WeightsError(
            [
                f'{files.origin}: {GRAPH} is that of no graph model of TensorFlow.js ({what}); '
                f'get it again'
            ]
        ) from error
    tensors: dict[str, NDArray[np.float32]] = {}
    for group in graph.groups:
        tensors |= _tensors_of(group, b''.join(map(files.read, group.paths)), files.origin)
    return GraphModel(files.origin, tensors)


def _tensors_of(group: _Group, content: bytes, origin: Path) -> dict[str, NDArray[np.float32]]:
    for weight in group.weights:
        if weight.quantization is not None or weight.dtype not in _NUM_BYTES:
            how = 'rounded' if weight.quantization is not None else f'as {weight.dtype}'
            raise WeightsError(
                [
                    f'{origin}: {weight.name} is stored {how}; expected the float32 that was '
                    f'trained: get the model that was not quantized'
                ]
            )
    sizes = [_NUM_BYTES[weight.dtype] * math.prod(weight.shape) for weight in group.weights]
    if sum(sizes) != len(content):
        raise WeightsError(
            [
                f'{origin}: {", ".join(group.paths)}: received {len(content)} bytes, {GRAPH} '
                f'speaks of {sum(sizes)}; the files do not belong together: get them again'
            ]
        )
    ends = itertools.accumulate(sizes)
    return {
        weight.name: np.frombuffer(content[end - size : end], '<f4').reshape(weight.shape)
        for weight, size, end in zip(group.weights, sizes, ends, strict=True)
        if weight.dtype == 'float32'
    }
