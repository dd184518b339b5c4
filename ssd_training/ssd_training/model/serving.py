"""What is deployed: normalization, network, decoding and softmax as one TensorFlow function."""

from collections.abc import Callable
from pathlib import Path
import shutil
import tempfile

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_detector.backends.backend import (
    BOXES_NAME,
    INPUT_NAME,
    Predict,
    RawOutputs,
    SCORES_NAME,
)
from ssd_training.errors import ExportError
from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.model.detector import detect
from ssd_training.targets.box_coding import Variances

SIGNATURE = 'serving_default'

Detect = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Serving(tf.Module):
    """
    Images in, decoded boxes and scores out.

    :param model: from build_ssd
    :param priors_cxcywh: (P, 4) float32; an eager tensor would become an input of the ONNX graph,
        an array becomes a constant
    :param variances: of the box coding
    :param activation: what the network was trained with
    :param batch_size: images at once; None leaves it free
    :param input_dtype: tf.float32 takes [0, 1], tf.uint8 0..255
    """

    def __init__(
        self,
        model: keras.Model,
        priors_cxcywh: NDArray[np.float32],
        variances: Variances,
        *,
        activation: ScoreActivation = 'softmax',
        batch_size: int | None = 1,
        input_dtype: tf.DType = tf.float32,
    ) -> None:
        super().__init__(name='serving')
        # What goes into the SavedModel. The network itself would bring thousands of objects, which
        # no robot asks for: writing took 13 s of CPU instead of 6, reading 3 instead of 2.
        self._variables = [variable.value for variable in model.variables]
        self._detect: Detect = lambda images: detect(
            model, images, priors_cxcywh, variances, activation=activation
        )
        shape = (batch_size, *model.input_shape[1:])
        self.signature = tf.TensorSpec(shape, input_dtype, name=INPUT_NAME)
        self.serve = tf.function(self._serve, input_signature=[self.signature], jit_compile=False)

    def detect(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """
        Run the network as it is, operation by operation.

        :param images: (B, S, S, 3) float32, in [0, 1]
        :return: boxes (B, P, 4) xyxy, normalized; scores (B, P, C + 1)
        """
        return self._detect(images)

    def _serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        if images.dtype == tf.uint8:
            images = tf.cast(images, tf.float32) * np.float32(1 / 255)
        boxes_xyxy, scores = self.detect(images)
        return {BOXES_NAME: boxes_xyxy, SCORES_NAME: scores}


def save_saved_model(serving: Serving, path: Path) -> None:
    """
    Write a SavedModel, aside first.

    :param serving: what is deployed
    :param path: its folder; an older one is replaced
    :raises ExportError: when it can not be written
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as scratch:
        aside = Path(scratch, path.name)
        try:
            tf.saved_model.save(serving, aside, signatures={SIGNATURE: serving.serve})
        except (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError) as error:
            # Behind the name of the function that failed.
            what = error.message.rpartition('}} ')[2]
            raise ExportError(
                [f'{path}: can not be written ({what}); check the folder and the room on its disk']
            ) from error
        if path.exists():
            shutil.move(path, Path(scratch, 'replaced'))
        aside.rename(path)


def load_saved_model(path: Path) -> tuple[tf.types.experimental.Callable, tf.TensorSpec]:
    """
    Read a SavedModel.

    :param path: its folder
    :return: a function from images to a mapping of outputs, and what it takes
    :raises ExportError: when it can't be read or has another signature
    """
    try:
        module = tf.saved_model.load(path)
    except (OSError, ValueError) as error:
        raise ExportError(
            [f'{path}: can not be read as a SavedModel ({error}); run export first']
        ) from error
    signature = module.signatures.get(SIGNATURE)
    inputs = signature.structured_input_signature[1] if signature else {}
    outputs = set(signature.structured_outputs) if signature else set()
    if set(inputs) != {INPUT_NAME} or outputs != {BOXES_NAME, SCORES_NAME}:
        raise ExportError(
            [
                f'{path}: {SIGNATURE} takes {sorted(inputs)} and gives {sorted(outputs)}; '
                f'expected {INPUT_NAME} and {BOXES_NAME}, {SCORES_NAME}; export it again'
            ]
        )

    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return signature(**{INPUT_NAME: images})

    # Its variables live as long as something refers to the module.
    serve.module = module  # type: ignore[attr-defined]
    return serve, inputs[INPUT_NAME]


def make_predict(serve: tf.types.experimental.Callable) -> Predict:
    """
    Give what serves the form in which everything is scored, compared and timed.

    :param serve: of Serving, or from load_saved_model
    :return: the function, on arrays
    """

    def predict(input_images: NDArray[np.float32]) -> RawOutputs:
        outputs = serve(tf.constant(input_images))
        return RawOutputs(outputs[BOXES_NAME].numpy(), outputs[SCORES_NAME].numpy())

    return predict
