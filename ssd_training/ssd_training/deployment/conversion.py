"""From a TensorFlow function, by tf2onnx, or from the network itself to a slim ONNX file."""

from collections import Counter
from collections.abc import Callable
import os
from pathlib import Path
from typing import Literal

import onnx
import tensorflow as tf

from ssd_training.deployment.direct_conversion import build_onnx
from ssd_training.deployment.trained_model import TrainedModel
from ssd_training.errors import ExportError
from ssd_training.model.serving import load_saved_model, Serving
from ssd_training.training.trained import load_float

Converter = Literal['tf2onnx', 'direct']
# What a slim graph of this network can't hold: BatchNorm is part of the Conv, shapes are known.
_AVOIDABLE = ('BatchNormalization', 'Shape', 'Gather', 'Cast', 'Identity')


def export_onnx(serving: Serving, path: Path, *, opset: int) -> None:
    """
    Convert, simplify and check.

    :param serving: what is deployed
    :param path: the .onnx file to write
    :param opset: of ONNX
    :raises ExportError: when the result is no valid ONNX model
    """
    _convert(serving.serve, serving.signature, path, opset=opset)


def convert_saved_model(saved_model_path: Path, path: Path, *, opset: int) -> None:
    """
    Convert a SavedModel, simplify and check.

    :param saved_model_path: from save_saved_model
    :param path: the .onnx file to write
    :param opset: of ONNX
    :raises ExportError: when the SavedModel can't be read or the result is no valid ONNX model
    """
    serve, signature = load_saved_model(saved_model_path)
    function = tf.function(serve, input_signature=[signature], jit_compile=False)
    _convert(function, signature, path, opset=opset)


def convert_network(
    trained: TrainedModel, path: Path, *, batch_size: int | None, opset: int
) -> None:
    """
    Write a network layer by layer, without tf2onnx, and check.

    :param trained: what is deployed
    :param path: the .onnx file to write
    :param batch_size: images at once; None leaves it free
    :param opset: of ONNX
    :raises ExportError: when the result is no valid ONNX model, or a layer is not known
    """
    architecture = trained.config.architecture
    model = build_onnx(
        load_float(trained.weights_path, architecture, ema=trained.config.train.ema),
        trained.priors_cxcywh(),
        architecture.priors.variances,
        activation=architecture.activation,
        batch_size=batch_size,
        opset=opset,
    )
    save_onnx(model, path)


def count_operations(path: Path) -> Counter[str]:
    """
    Count the nodes of an ONNX file by operator.

    :param path: the file
    :return: operator -> count
    """
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def find_avoidable(path: Path) -> list[str]:
    """
    Look for what makes a graph slower than it has to be.

    One Transpose stands before the first Conv and one behind each head of more than one cell:
    they turn TensorFlow's channels-last into ONNX' channels-first and back.

    :param path: the ONNX file
    :return: one sentence a finding
    """
    counts = count_operations(path)
    findings = [
        f'{path}: holds {counts[name]} {name}; expected none, slim the graph'
        for name in _AVOIDABLE
        if counts[name] and not (name == 'Cast' and counts[name] == 1)
    ]
    heads = sum(
        node.op_type == 'Reshape' and '_rows' in node.name for node in onnx.load(path).graph.node
    )
    if heads and counts['Transpose'] > heads + 1:
        findings.append(
            f'{path}: holds {counts["Transpose"]} Transpose for {heads} heads; expected at most '
            f'{heads + 1}'
        )
    return findings


def _convert(
    function: Callable[..., object], signature: tf.TensorSpec, path: Path, *, opset: int
) -> None:
    # Who converts without it need not have it.
    import onnxslim
    import tf2onnx

    converted, _ = tf2onnx.convert.from_function(
        function, input_signature=[signature], opset=opset
    )
    # Folds BatchNorm into depthwise convolutions, which tf2onnx leaves as Mul and Add.
    save_onnx(onnxslim.slim(converted), path)


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """
    Check a model and write it, aside first.

    :param model: any
    :param path: the .onnx file to write
    :raises ExportError: when it is no valid ONNX model
    """
    try:
        # tf2onnx logs an operation that it can't convert and gives a model all the same.
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError([f'{path}: is no valid ONNX model ({error})']) from error
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    onnx.save(model, aside)
    aside.replace(path)
