"""What every backend offers, and the names of the tensors that all of them speak of."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

INPUT_NAME = 'input_image'
BOXES_NAME = 'boxes'
SCORES_NAME = 'scores'


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

    def run(
        self, input_image: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Run the model.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: boxes (P, 4) float32, normalized xyxy, decoded; scores (P, C + 1) float32
        :raises BackendError: when the runtime refuses the input or fails
        """


class BatchBackend(ABC):
    """A backend whose runtime takes any number of images, if the file does."""

    # Whether the file does: its first dimension is free.
    takes_batches: bool

    def run(
        self, input_image: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Run the model on one image.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: boxes (P, 4) float32, normalized xyxy, decoded; scores (P, C + 1) float32
        :raises BackendError: when the runtime refuses the input or fails
        """
        boxes, scores = self.run_batch(input_image)
        return boxes[0], scores[0]

    @abstractmethod
    def run_batch(
        self, input_images: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Run the model on several images; more than one need a file with a free batch dimension.

        :param input_images: (B, S, S, 3) float32, RGB in [0, 1]
        :return: boxes (B, P, 4) float32, normalized xyxy, decoded; scores (B, P, C + 1) float32
        :raises BackendError: when the runtime refuses the input or fails
        """
