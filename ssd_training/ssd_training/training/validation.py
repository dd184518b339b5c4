"""Evaluation of a model while it trains: metrics by tag, and pictures of what it finds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_detector.backends.backend import Predict, RawOutputs
from ssd_detector.images.drawing import draw_detections
from ssd_detector.postprocess import postprocess, Thresholds
from ssd_detector.preprocess import preprocess
from ssd_training.model.detector import detect
from ssd_training.training.evaluation import evaluate_split
from ssd_training.training.trainer import Training

_NUM_EXAMPLES = 4
_EXAMPLE_SCORE = 0.3


def make_predict(training: Training, before_each: Callable[[], None]) -> Predict:
    """
    Compile the model for evaluation.

    :param training: from prepare
    :param before_each: called before each batch; may raise to end the evaluation
    :return: a function that uses the model's weights as they are when it is called
    """
    shape = (None, *training.model.input_shape[1:])

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False, jit_compile=False
    )
    def run_model(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return detect(
            training.model,
            images,
            training.priors_cxcywh,
            training.config.priors.variances,
            activation=training.config.loss.classification.activation,
        )

    def predict(images: NDArray[np.float32]) -> RawOutputs:
        before_each()
        boxes, scores = run_model(images)
        return RawOutputs(boxes.numpy(), scores.numpy())

    return predict


def validate(training: Training, predict: Predict) -> dict[str, float]:
    """
    Score the val split.

    :param training: from prepare
    :param predict: from make_predict
    :return: tag -> value; a label without objects in the split has no AP
    """
    config = training.config
    result = evaluate_split(
        predict,
        training.val_records,
        config.eval,
        labels=config.data.labels,
        size_px=config.input_size[0],
        batch_size=config.train.batch_size,
    )
    name = f'val/voc_ap_{round(100 * config.eval.iou_threshold)}'
    values = {f'{name}/mAP': result.mean_ap}
    values |= {f'{name}/AP/{label}': ap for label, ap in result.ap_by_label.items()}
    # JSON has no NaN.
    return {tag: value for tag, value in values.items() if np.isfinite(value)}


def draw_examples(training: Training, predict: Predict) -> list[NDArray[np.uint8]]:
    """
    Draw what the model finds in the first images of the val split.

    :param training: from prepare
    :param predict: from make_predict
    :return: images (H, W, 3) uint8, RGB
    """
    config = training.config
    thresholds = Thresholds(
        score_threshold=_EXAMPLE_SCORE,
        nms_iou_threshold=config.eval.nms.iou_threshold,
        per_class_top_k=config.eval.nms.per_class_top_k,
        max_detections=config.eval.nms.max_detections_per_image,
    )
    drawn = []
    for record in training.val_records[:_NUM_EXAMPLES]:
        image_rgb = record.load_image()
        boxes, scores = predict(preprocess(image_rgb, config.input_size[0]))
        detections = postprocess(
            boxes[0],
            scores[0],
            size_wh=record.size_wh,
            labels=config.data.labels,
            thresholds=thresholds,
        )
        drawn.append(draw_detections(image_rgb, detections))
    return drawn
