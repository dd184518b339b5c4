"""What every backend offers, and the names of the tensors that all of them speak of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

INPUT_NAME = 'input_image'
BOXES_NAME = 'boxes'
SCORES_NAME = 'scores'


class RawOutputs(NamedTuple):
    """
    What a model gives, before anything is selected; of several images with B in front.

    :param boxes_normalized_xyxy: ([B,] P, 4) float32, decoded, not clipped
    :param scores: ([B,] P, C + 1) float32, softmax; column 0 is the background
    """

    boxes_normalized_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]


# A model that is open, whatever runs it: images (B, S, S, 3) float32, RGB in [0, 1] -> theirs.
Predict = Callable[[NDArray[np.float32]], RawOutputs]


@dataclass(frozen=True)
class Notice:
    """
    What somebody should know of a backend.

    :param text: empty when there is nothing
    :param needs_action: it will not come right by itself
    """

    text: str = ''
    needs_action: bool = False

    def __str__(self) -> str:
        return self.text


class Backend(Protocol):
    """Runs a model on one image."""

    @property
    def description(self) -> str:
        """Who runs what, for people: `ONNX Runtime CPUExecutionProvider, model.onnx`."""

    @property
    def notice(self) -> Notice:
        """What somebody should know of it: a fall back, an engine being built."""

    def run(self, input_image: NDArray[np.float32]) -> RawOutputs:
        """
        Run the model.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: its outputs, without B
        :raises BackendError: when the runtime refuses the input or fails
        """


class BatchBackend(ABC):
    """A backend whose runtime takes any number of images, if the file does."""

    # Whether the file does: its first dimension is free.
    takes_batches: bool

    def run(self, input_image: NDArray[np.float32]) -> RawOutputs:
        """
        Run the model on one image.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: its outputs, without B
        :raises BackendError: when the runtime refuses the input or fails
        """
        boxes, scores = self.run_batch(input_image)
        return RawOutputs(boxes[0], scores[0])

    @abstractmethod
    def run_batch(self, input_images: NDArray[np.float32]) -> RawOutputs:
        """
        Run the model on several images; more than one need a file with a free batch dimension.

        :param input_images: (B, S, S, 3) float32, RGB in [0, 1]
        :return: their outputs
        :raises BackendError: when the runtime refuses the input or fails
        """


def open_predict(backend: Backend) -> Predict:
    """
    Give a backend the form in which everything is scored, compared and timed.

    :param backend: ready to run
    :return: the function; more than one image at once need a BatchBackend that takes_batches
    """
    if isinstance(backend, BatchBackend):
        return backend.run_batch

    def predict(input_images: NDArray[np.float32]) -> RawOutputs:
        boxes, scores = backend.run(input_images)
        return RawOutputs(boxes[None], scores[None])

    return predict


def stack_outputs(outputs: Sequence[RawOutputs]) -> RawOutputs:
    """
    Put the outputs of single images together.

    :param outputs: of at least one image each, without B
    :return: their outputs
    """
    boxes, scores = zip(*outputs, strict=True)
    return RawOutputs(np.stack(boxes), np.stack(scores))
