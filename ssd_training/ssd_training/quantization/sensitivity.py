"""Which layers quantization hurts, and what keeping them in float costs: a table and a page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
import logging
from pathlib import Path
import re
import tempfile
import time

import numpy as np
from numpy.typing import NDArray
import onnx

from ssd_detector.backends.backend import RawOutputs, stack_outputs
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.proofs.int8_parity import select_confident
from ssd_training.quantization.int8_files import quantize_model, TensorGrids

_NUM_TIMED_RUNS = 100
# Keras numbers the layers of a network that is traced anew.
_LAYER = re.compile(r'ssd(?:_\d+)?/(\w+?)(?:_\d+)?/')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LayerSensitivity:
    """
    One layer.

    :param layer: name of the Conv
    :param title: the same, for people: the name that the layer has in Keras
    :param score_error: mean change of the scores of confident boxes when it alone is quantized
    :param box_error: mean change of these boxes, normalized
    :param cost_ms: what keeping it in float adds to an inference on this CPU; None: not timed
    """

    layer: str
    title: str
    score_error: float
    box_error: float
    cost_ms: float | None = None


def measure_sensitivity(
    model_path: Path, grids: TensorGrids, inputs: Sequence[NDArray[np.float32]]
) -> list[LayerSensitivity]:
    """
    Quantize one layer after the other, alone, and compare with the float model.

    :param model_path: the float32 ONNX file
    :param grids: of the file for CPUs
    :param inputs: each (1, S, S, 3) float32
    :return: one row a Conv, the worst (by the sum of both errors) first
    """
    layers, rest = list_layers(model_path), _rest(model_path)
    boxes, scores = _run(model_path, inputs)
    # Of the float model: background changes by little, and nobody reports it.
    confident = select_confident(scores)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, 'one_layer.onnx')
        for layer, title in layers.items():
            others = [*rest, *(name for name in layers if name != layer)]
            quantize_model(
                model_path,
                path,
                target='cpu',
                grids=grids,
                float_nodes=others,
            )
            found_boxes, found_scores = _run(path, inputs)
            row = LayerSensitivity(
                layer,
                title,
                score_error=float(np.abs(found_scores - scores)[confident].mean()),
                box_error=float(np.abs(found_boxes - boxes)[confident].mean()),
            )
            rows.append(row)
            logger.info('%d/%d %s', len(rows), len(layers), layer)
    return sorted(rows, key=lambda row: -(row.score_error + row.box_error))


def add_costs(
    rows: Sequence[LayerSensitivity],
    model_path: Path,
    grids: TensorGrids,
    image: NDArray[np.float32],
) -> list[LayerSensitivity]:
    """
    Time the INT8 file with each of these layers in float.

    :param rows: of the layers that are worth it
    :param model_path: the float32 ONNX file
    :param grids: of the file for CPUs
    :param image: (1, S, S, 3) float32
    :return: the rows with cost_ms, one thread
    """
    with tempfile.TemporaryDirectory() as scratch:
        plain, mixed = Path(scratch, 'int8.onnx'), Path(scratch, 'mixed.onnx')
        quantize_model(model_path, plain, target='cpu', grids=grids)
        timed = []
        for row in rows:
            quantize_model(model_path, mixed, target='cpu', grids=grids, float_nodes=[row.layer])
            timed.append(replace(row, cost_ms=_compare_ms(mixed, plain, image)))
    return timed


def list_layers(model_path: Path) -> dict[str, str]:
    """
    Name the layers that can stay in float.

    :param model_path: the float32 ONNX file
    :return: name of a Conv -> name of the Keras layer, in order
    """
    nodes = onnx.load(model_path).graph.node
    return {node.name: _title(node) for node in nodes if node.op_type == 'Conv'}


def format_table(rows: Sequence[LayerSensitivity]) -> str:
    """
    Write the rows for a terminal.

    :param rows: from measure_sensitivity or add_costs
    :return: the table
    """
    lines = [f'{"score error":>12} {"box error":>12} {"float costs":>12}  layer']
    lines += [
        f'{row.score_error:12.2e} {row.box_error:12.2e} {_cost_text(row):>12}  {row.title}'
        for row in rows
    ]
    return '\n'.join(lines)


def write_html(rows: Sequence[LayerSensitivity], path: Path, title: str) -> None:
    """
    Write the rows as one page that needs nothing else.

    :param rows: the worst first
    :param path: the file
    :param title: of the page
    """
    worst = max((row.score_error + row.box_error for row in rows), default=1.0) or 1.0
    body = ''.join(_html_row(row, worst) for row in rows)
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title>'
        '<style>body{font-family:sans-serif}td,th{padding:0 1em;text-align:left}'
        'i{display:block;background:#c33;height:1em}</style>'
        f'<h1>{escape(title)}</h1><p>Mean change of confident boxes when a layer alone is INT8, '
        'and what keeping it in float adds to an inference of the CPU file.</p><table>'
        '<tr><th>layer<th>score error<th>box error<th>float costs<th></tr>'
        f'{body}</table>\n',
        encoding='utf-8',
    )


def _html_row(row: LayerSensitivity, worst: float) -> str:
    width_px = round(300 * (row.score_error + row.box_error) / worst)
    return (
        f'<tr><td>{escape(row.title)}<td>{row.score_error:.2e}<td>{row.box_error:.2e}'
        f'<td>{_cost_text(row)}<td><i style="width:{width_px}px"></i></tr>\n'
    )


def _cost_text(row: LayerSensitivity) -> str:
    return '-' if row.cost_ms is None else f'{row.cost_ms:+.2f} ms'


def _rest(model_path: Path) -> list[str]:
    """Name the nodes that quantization would take besides the Conv."""
    nodes = onnx.load(model_path).graph.node
    return [node.name for node in nodes if node.op_type in ('Add', 'Clip')]


def _run(path: Path, inputs: Sequence[NDArray[np.float32]]) -> RawOutputs:
    backend = OnnxRuntimeBackend(path)
    return stack_outputs([backend.run(image) for image in inputs])


def _compare_ms(path: Path, other: Path, image: NDArray[np.float32]) -> float:
    """Time two files in turn, so that other work meets both; give the difference."""
    backends = [OnnxRuntimeBackend(file, num_threads=1) for file in (path, other)]
    durations = np.zeros((_NUM_TIMED_RUNS, 2))
    for run in durations:
        for index, backend in enumerate(backends):
            start = time.perf_counter()
            backend.run(image)
            run[index] = time.perf_counter() - start
    # What interrupts a run only makes it slower.
    fastest, fastest_other = durations.min(axis=0)
    return float(1000 * (fastest - fastest_other))


def _title(convolution: onnx.NodeProto) -> str:
    """Find the layer's name: conversion leaves it in that of the kernel, or of the bias."""
    for name in (*convolution.input[1:], convolution.name, *convolution.output):
        if found := _LAYER.search(name):
            return found[1].removesuffix('_BN').removeprefix('bn_')
    return convolution.name
