"""
From the network straight to ONNX, without TensorFlow's graph and without tf2onnx.

The network is small and known: what has no maintainer must not strand us. Nodes are named like
the layers that they come from.
"""

import keras
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, TensorProto

from ssd_detector.backends.backend import BOXES_NAME, INPUT_NAME, SCORES_NAME
from ssd_training.deployment.onnx_graph import add_network, Graph
from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.model.averaging import fold
from ssd_training.targets.box_coding import Variances

# From this opset on ReduceMax takes its axes as an input.
_AXES_ARE_INPUT = 18


def build_onnx(
    model: keras.Model,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
    *,
    activation: ScoreActivation,
    batch_size: int | None,
    opset: int,
) -> onnx.ModelProto:
    """
    Write normalization, network, decoding and scores as one ONNX model; see Serving.

    :param model: from build_ssd
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :param activation: what the network was trained with
    :param batch_size: images at once; None leaves it free
    :param opset: of ONNX
    :return: input_image (B, S, S, 3) -> boxes (B, P, 4) xyxy, normalized; scores (B, P, C + 1)
    :raises ExportError: when a layer is of a kind that is not known here
    """
    graph = Graph()
    tensors = add_network(graph, model, fold(model), INPUT_NAME)
    _decode(graph, tensors['box_rows'], priors_cxcywh, variances)
    if activation == 'softmax':
        graph.add('Softmax', SCORES_NAME, [tensors['cls_rows']], axis=-1)
    else:
        _score_with_sigmoid(graph, tensors['cls_rows'], opset)
    offsets, logits = model.outputs
    batch = 'batch' if batch_size is None else batch_size
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            'ssd',
            [_describe(INPUT_NAME, (batch, *model.input_shape[1:]))],
            [
                _describe(BOXES_NAME, (batch, *offsets.shape[1:])),
                _describe(SCORES_NAME, (batch, *logits.shape[1:])),
            ],
            list(graph.constants.values()),
        ),
        producer_name='ssd_training',
        opset_imports=[helper.make_opsetid('', opset)],
    )
    # Of all that can read this opset, the runtimes of old robots too.
    made.ir_version = helper.find_min_ir_version_for(made.opset_import)
    return made


def _decode(
    graph: Graph, offsets: str, priors_cxcywh: NDArray[np.float32], variances: Variances
) -> None:
    """As decode_offsets and cxcywh_to_xyxy; half sizes are what the exponential is scaled to."""
    centers, sizes = priors_cxcywh[:, :2], priors_cxcywh[:, 2:]
    shifts = _slice(graph, 'shifts', offsets, 0, 2)
    growths = _slice(graph, 'growths', offsets, 2, 4)
    moves = graph.add('Mul', 'moves', [shifts, graph.constant('reach', variances[0] * sizes)])
    middle = graph.add('Add', 'middle', [moves, graph.constant('prior_centers', centers)])
    exponent = graph.add('Mul', 'exponent', [growths, graph.constant('growth', variances[1])])
    factor = graph.add('Exp', 'factor', [exponent])
    half = graph.add('Mul', 'half_size', [factor, graph.constant('prior_half_sizes', sizes / 2)])
    corners = [graph.add(kind, name, [middle, half]) for kind, name in _CORNERS]
    graph.add('Concat', BOXES_NAME, corners, axis=2)


_CORNERS = (('Sub', 'start_corner'), ('Add', 'end_corner'))


def _score_with_sigmoid(graph: Graph, logits: str, opset: int) -> None:
    """Let the background have what the best class leaves."""
    objects = _slice(graph, 'object_logits', logits, 1, np.iinfo(np.int64).max)
    scores = graph.add('Sigmoid', 'object_scores', [objects])
    if opset >= _AXES_ARE_INPUT:
        axes = graph.constant('last_axis', [2], np.int64)
        best = graph.add('ReduceMax', 'best_score', [scores, axes])
    else:
        best = graph.add('ReduceMax', 'best_score', [scores], axes=[2])
    background = graph.add('Sub', 'background_score', [graph.constant('one', 1), best])
    graph.add('Concat', SCORES_NAME, [background, scores], axis=2)


def _slice(graph: Graph, name: str, tensor: str, start: int, end: int) -> str:
    limits = [
        graph.constant(f'{name}_{key}', [value], np.int64)
        for key, value in (('start', start), ('end', end), ('axis', 2))
    ]
    return graph.add('Slice', name, [tensor, *limits])


def _describe(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
