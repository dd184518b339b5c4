"""Evaluation of a model while it trains: metrics by tag, and pictures of what it finds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import Predict, RawOutputs
from ssd_detector.images.drawing import draw_detections
from ssd_detector.postprocess import postprocess, Thresholds
from ssd_detector.preprocess import preprocess
from ssd_training.data.images.records import Record
from ssd_training.experiments.data_schema import EvalSettings
from ssd_training.runs.checkpoints import Position
from ssd_training.runs.signals import StopRequest
from ssd_training.training.evaluation import evaluate_split
from ssd_training.training.tensorboard import EventWriter
from ssd_training.training.trainer import Training

_NUM_EXAMPLES = 4
_EXAMPLE_SCORE = 0.3


class Evaluator:
    """
    Scores the weights that are kept, and shows what they find.

    :param training: in progress
    :param events: for TensorBoard
    :param stop: the request of a signal, which ends an evaluation
    """

    def __init__(self, training: Training, events: EventWriter, stop: StopRequest) -> None:
        self._training = training
        self._events = events
        self._stop = stop

    def is_due_after(self, epoch: int) -> bool:
        """
        Tell whether an epoch is followed by an evaluation.

        :param epoch: that has been trained, from 1
        :return: every few epochs, and at the end; never without a val split
        """
        if not self._training.val_records:
            return False
        train = self._training.config.train
        return epoch % train.eval_every == 0 or epoch == train.epochs

    def evaluate(self, position: Position) -> dict[str, float]:
        """
        Score the val split.

        :param position: behind the last step of an epoch
        :return: tag -> value; empty when a signal ended it
        """
        training = self._training
        config = training.config
        try:
            with training.evaluated_weights():
                metrics = score_split(
                    self._predict,
                    training.val_records,
                    config.eval,
                    labels=config.data.labels,
                    size_px=config.input_size[0],
                    batch_size=config.train.batch_size,
                )
                images = draw_examples(
                    self._predict,
                    training.val_records[:_NUM_EXAMPLES],
                    config.eval,
                    labels=config.data.labels,
                    size_px=config.input_size[0],
                )
        except _EvaluationEnded:
            return {}
        self._events.add_images(position.step, 'val/inference_image', images)
        return metrics

    def _predict(self, images: NDArray[np.float32]) -> RawOutputs:
        # The model holds the averages here: what is to be saved comes back first.
        if self._stop.signal is not None:
            raise _EvaluationEnded
        boxes, scores = self._training.detect(images)
        return RawOutputs(boxes.numpy(), scores.numpy())


class _EvaluationEnded(Exception):
    """A signal came in the middle of an evaluation."""


def score_split(
    predict: Predict,
    records: Sequence[Record],
    settings: EvalSettings,
    *,
    labels: Sequence[str],
    size_px: int,
    batch_size: int,
) -> dict[str, float]:
    """
    Score a model, in the words of the history and of `checkpoint.monitor`.

    :param predict: the model
    :param records: of the val split
    :param settings: the section `eval`
    :param labels: names of the classes 1, 2, ...
    :param size_px: side of the model's input
    :param batch_size: images given to the model at once
    :return: tag -> value; a label without objects in the split has no AP
    """
    result = evaluate_split(
        predict, records, settings, labels=labels, size_px=size_px, batch_size=batch_size
    )
    name = f'val/voc_ap_{round(100 * settings.iou_threshold)}'
    values = {f'{name}/mAP': result.mean_ap}
    values |= {f'{name}/AP/{label}': ap for label, ap in result.ap_by_label.items()}
    # JSON has no NaN.
    return {tag: value for tag, value in values.items() if np.isfinite(value)}


def draw_examples(
    predict: Predict,
    records: Sequence[Record],
    settings: EvalSettings,
    *,
    labels: Sequence[str],
    size_px: int,
) -> list[NDArray[np.uint8]]:
    """
    Draw what a model finds.

    :param predict: the model
    :param records: images to look at
    :param settings: the section `eval`
    :param labels: names of the classes 1, 2, ...
    :param size_px: side of the model's input
    :return: images (H, W, 3) uint8, RGB
    """
    thresholds = Thresholds(
        score_threshold=_EXAMPLE_SCORE,
        nms_iou_threshold=settings.nms.iou_threshold,
        per_class_top_k=settings.nms.per_class_top_k,
        max_detections=settings.nms.max_detections_per_image,
    )
    drawn = []
    for record in records:
        image_rgb = record.load_image()
        boxes, scores = predict(preprocess(image_rgb, size_px))
        detections = postprocess(
            boxes[0], scores[0], size_wh=record.size_wh, labels=labels, thresholds=thresholds
        )
        drawn.append(draw_detections(image_rgb, detections))
    return drawn
