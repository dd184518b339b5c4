"""Which nodes of an ONNX file stay in float32, whatever the rest computes in."""

from dataclasses import dataclass
from typing import Any

import onnx


def find_float_nodes(model: onnx.ModelProto) -> list[str]:
    """
    Find what stays in float anyway: all before the first Conv and after the heads.

    :param model: the float32 model
    :return: names of the nodes that no Conv precedes or that no Conv follows
    """
    nodes = model.graph.node
    after = _reach(nodes, [node for node in nodes if node.op_type == 'Conv'])
    backwards = [_Edge(node.name, node.op_type, node.output, node.input) for node in nodes]
    before = _reach(backwards, [node for node in backwards if node.op_type == 'Conv'])
    return [
        node.name
        for node in nodes
        if node.op_type != 'Conv' and not (node.name in after and node.name in before)
    ]


@dataclass(frozen=True)
class _Edge:
    """A node seen from its outputs."""

    name: str
    op_type: str
    input: Any
    output: Any


def _reach(nodes: Any, start: Any) -> set[str]:
    """Name the nodes that take what the start nodes give, directly or not."""
    tensors = {name for node in start for name in node.output}
    reached: set[str] = set()
    while True:
        new = [node for node in nodes if node.name not in reached and tensors & set(node.input)]
        if not new:
            return reached
        reached |= {node.name for node in new}
        tensors |= {name for node in new for name in node.output}
