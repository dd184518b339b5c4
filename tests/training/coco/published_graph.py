"""The published graph, run by TensorFlow itself: what the archives have to compute."""

from collections.abc import Callable, Sequence
import json
from typing import Any

import numpy as np
import tensorflow as tf

from ssd_training.coco.package import GRAPH
from ssd_training.coco.tfjs import Tensors

# Behind the resize, which is a loop over the images of the batch.
_INPUT = 'Preprocessor/sub'
_LEVELS = range(6)


def run_published(
    read: Callable[[str], bytes], tensors: Tensors, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """
    Compute the raw outputs of the heads.

    :param read: gives model.json
    :param tensors: of the same model
    :param images: (N, 300, 300, 3) in [-1, 1]
    :return: (N, 1917, 4) ty, tx, th, tw, and (N, 1917, 91) logits
    """
    nodes = {node['name']: node for node in json.loads(read(GRAPH))['modelTopology']['node']}
    boxes, logits = (
        [f'BoxPredictor_{level}/{head}/BiasAdd' for level in _LEVELS]
        for head in ('BoxEncodingPredictor', 'ClassPredictor')
    )
    definition = tf.compat.v1.GraphDef()
    for name in _needed_for([*boxes, *logits], nodes):
        _add(definition.node.add(name=name, op=nodes[name]['op']), nodes[name], tensors)
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name='')
        outputs = session.run([f'{name}:0' for name in (*boxes, *logits)], {f'{_INPUT}:0': images})
    return _by_prior(outputs[: len(boxes)], 4), _by_prior(outputs[len(boxes) :], 91)


def _by_prior(levels: Sequence[np.ndarray], num_values: int) -> np.ndarray:
    return np.concatenate([level.reshape(len(level), -1, num_values) for level in levels], axis=1)


def _needed_for(outputs: list[str], nodes: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in names and name != _INPUT:
            waiting += [given.partition(':')[0] for given in nodes[name].get('input', [])]
        names.add(name)
    return names


def _add(added: Any, node: dict[str, Any], tensors: Tensors) -> None:
    if node['name'] == _INPUT:
        added.op = 'Placeholder'
        added.attr['dtype'].type = tf.float32.as_datatype_enum
        return
    added.input.extend(node.get('input', []))
    if node['op'] == 'Const':
        added.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(tensors[node['name']]))
        added.attr['dtype'].type = tf.float32.as_datatype_enum
        return
    for name, value in node['attr'].items():
        _set(added.attr[name], value)


def _set(attribute: Any, value: dict[str, Any]) -> None:
    ((kind, content),) = value.items()
    if kind == 'list':
        attribute.list.i.extend(map(int, content['i']))
    else:
        read = {'s': bytes, 'i': int, 'f': float, 'b': bool, 'type': int}[kind]
        setattr(attribute, kind, read(content))
