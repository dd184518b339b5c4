"""From a Keras network to the ONNX file of a bundle: normalize, network, decode, softmax."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
import onnx
import onnxslim
import tensorflow as tf
import tf2onnx

from ssd_detector.backends.onnxruntime import (
    BOXES_NAME,
    INPUT_NAME,
    OnnxRuntimeBackend,
    SCORES_NAME,
)
from ssd_training.errors import ExportError
from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.model.detector import detect
from ssd_training.targets.box_coding import Variances

# A wrong graph is off by far more. On photographs rounding alone makes 1e-6 to 1e-5.
TOLERANCE = 1e-4


class Serving(tf.Module):
    """
    What is deployed: one image in, decoded boxes and scores out.

    :param model: from build_ssd
    :param priors_cxcywh: (P, 4) float32; an eager tensor would become an input of the ONNX graph,
        an array becomes a constant
    :param variances: of the box coding
    :param activation: what the network was trained with
    """

    def __init__(
        self,
        model: keras.Model,
        priors_cxcywh: NDArray[np.float32],
        variances: Variances,
        *,
        activation: ScoreActivation = 'softmax',
    ) -> None:
        super().__init__(name='serving')
        self._model = model
        self._priors_cxcywh = priors_cxcywh
        self._variances = variances
        self._activation = activation
        _, height, width, channels = model.input_shape
        self.signature = tf.TensorSpec((1, height, width, channels), tf.float32, name=INPUT_NAME)
        self.serve = tf.function(self._serve, input_signature=[self.signature], jit_compile=False)

    def detect(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """
        Run the network as it is, operation by operation.

        :param images: (B, S, S, 3) float32, in [0, 1]
        :return: boxes (B, P, 4) xyxy, normalized; scores (B, P, C + 1)
        """
        return detect(
            self._model,
            images,
            self._priors_cxcywh,
            self._variances,
            activation=self._activation,
        )

    def _serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        boxes_xyxy, scores = self.detect(image)
        return {BOXES_NAME: boxes_xyxy, SCORES_NAME: scores}


def export_onnx(serving: Serving, path: Path, *, opset: int) -> None:
    """
    Convert, simplify and check.

    :param serving: what is deployed
    :param path: the .onnx file to write
    :param opset: of ONNX
    :raises ExportError: when the result is no valid ONNX model
    """
    converted, _ = tf2onnx.convert.from_function(
        serving.serve, input_signature=[serving.signature], opset=opset
    )
    # Folds BatchNorm into depthwise convolutions, which tf2onnx leaves as Mul and Add.
    slim = onnxslim.slim(converted)
    try:
        # tf2onnx logs an operation that it can't convert and writes the file all the same.
        onnx.checker.check_model(slim, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError([f'{path}: is no valid ONNX model ({error})']) from error
    onnx.save(slim, path)


def compare(
    serving: Serving, path: Path, images: Sequence[NDArray[np.float32]]
) -> tuple[float, float]:
    """
    Compare an ONNX file with the network that it was made from.

    :param serving: what was exported
    :param path: the .onnx file
    :param images: each (1, S, S, 3) float32, in [0, 1]
    :return: largest absolute difference of boxes (normalized) and of scores
    """
    backend = OnnxRuntimeBackend(path, num_threads=1)
    differences = []
    for image in images:
        expected = [output[0].numpy() for output in serving.detect(image)]
        received = backend.run(image)
        differences.append([np.abs(a - b).max() for a, b in zip(received, expected, strict=True)])
    boxes_difference, scores_difference = np.max(differences, axis=0)
    return float(boxes_difference), float(scores_difference)
