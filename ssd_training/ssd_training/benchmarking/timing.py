"""Times every candidate in turn: other load on the machine meets all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections, Thresholds
from ssd_detector.backends.backend import Predict
from ssd_detector.boxes import iou_matrix
from ssd_detector.postprocess import postprocess
from ssd_detector.preprocess import preprocess
from ssd_training.benchmarking.candidates import Candidate, Images

STAGES = ('preprocess', 'inference', 'postprocess')
NUM_WARM_UP = 5
_MIN_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Task:
    """
    What is timed.

    :param images_rgb: of any size; taken in turn
    :param size_px: S, side of the model's input
    :param batch_size: images at once
    :param num_threads: of one inference, as it was opened with
    :param labels: names of the classes 1, 2, ...
    :param thresholds: what is reported
    """

    images_rgb: Sequence[NDArray[np.uint8]]
    size_px: int
    batch_size: int
    num_threads: int
    labels: tuple[str, ...]
    thresholds: Thresholds

    def batch(self, number: int) -> list[NDArray[np.uint8]]:
        """
        Choose images.

        :param number: of the round
        :return: batch_size images
        """
        first = number * self.batch_size
        count = len(self.images_rgb)
        return [self.images_rgb[(first + index) % count] for index in range(self.batch_size)]

    def input_images(self, number: int) -> NDArray[np.float32]:
        """
        Preprocess the images of a round.

        :param number: of the round
        :return: (B, S, S, 3) float32, in [0, 1]
        """
        return np.concatenate(
            [preprocess(image_rgb, self.size_px) for image_rgb in self.batch(number)]
        )


@dataclass(frozen=True)
class Timing:
    """
    How fast a candidate is.

    :param candidate: who
    :param num_threads: of one inference
    :param batch_size: images at once
    :param stages_ms: stage -> p50, p95, p99 of a batch
    :param images_per_s: by the mean of everything together
    :param num_agreed: detections of the first candidate that this one has, too
    :param num_expected: detections of the first candidate in all images
    """

    candidate: Candidate
    num_threads: int
    batch_size: int
    stages_ms: Mapping[str, tuple[float, float, float]]
    images_per_s: float
    num_agreed: int
    num_expected: int

    @property
    def inference_ms(self) -> float:
        """Median of the inference."""
        return self.stages_ms['inference'][0]

    def to_json(self) -> dict[str, Any]:
        """
        Give plain values.

        :return: one object
        """
        return {
            **self.candidate.to_json(),
            'num_threads': self.num_threads,
            'batch_size': self.batch_size,
            'stages_ms': {
                stage: dict(zip(('p50', 'p95', 'p99'), values, strict=True))
                for stage, values in self.stages_ms.items()
            },
            'images_per_s': self.images_per_s,
            'num_agreed': self.num_agreed,
            'num_expected': self.num_expected,
        }


def open_all(
    candidates: Sequence[Candidate], images: Images
) -> tuple[list[tuple[Candidate, Predict]], dict[Candidate, str]]:
    """
    Make every candidate ready that can be.

    :param candidates: from list_candidates
    :param images: (B, S, S, 3) float32, which each has to run once
    :return: those that run; why the others don't
    """
    ready: list[tuple[Candidate, Predict]] = []
    absent: dict[Candidate, str] = {}
    for candidate in candidates:
        try:
            run = candidate.open()
            run(images)
        # Foreign runtimes fail with whatever they like; one of them must not end the others.
        except Exception as error:  # noqa: BLE001
            absent[candidate] = ' '.join(str(error).split())[:300]
        else:
            ready.append((candidate, run))
    return ready, absent


def measure(
    ready: Sequence[tuple[Candidate, Predict]],
    task: Task,
    *,
    num_rounds: int,
    on_round: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """
    Time candidates: in every round each runs once, on the same images, another one first.

    :param ready: from open_all
    :param task: what is timed
    :param num_rounds: counted, after a warm-up of 5
    :param on_round: called after each
    :return: in the order of the candidates
    """
    rows_ms: list[list[NDArray[np.float64]]] = [[] for _ in ready]
    for number in range(NUM_WARM_UP + num_rounds):
        turn = number % len(ready) if ready else 0
        for index in [*range(turn, len(ready)), *range(turn)]:
            rows_ms[index].append(_time_once(ready[index][1], task, number))
        on_round()
    found = [_detect(run, task) for _, run in ready]
    return [
        _summarize(candidate, np.array(rows[NUM_WARM_UP:]), task, _agree(found[0], own))
        for (candidate, _), rows, own in zip(ready, rows_ms, found, strict=True)
    ]


def _time_once(run: Predict, task: Task, number: int) -> NDArray[np.float64]:
    images_rgb = task.batch(number)
    marks_ns = [time.perf_counter_ns()]
    inputs = task.input_images(number)
    marks_ns.append(time.perf_counter_ns())
    boxes, scores = run(inputs)
    marks_ns.append(time.perf_counter_ns())
    for index, image_rgb in enumerate(images_rgb):
        _select(task, boxes[index], scores[index], image_rgb)
    marks_ns.append(time.perf_counter_ns())
    return np.diff(marks_ns) / 1e6


def _select(
    task: Task,
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    image_rgb: NDArray[np.uint8],
) -> Detections:
    return postprocess(
        boxes,
        scores,
        size_wh=(image_rgb.shape[1], image_rgb.shape[0]),
        labels=task.labels,
        thresholds=task.thresholds,
    )


def _detect(run: Predict, task: Task) -> list[Detections]:
    """Detect once in every image; in some twice when batches do not come out even."""
    found = []
    for number in range(-(-len(task.images_rgb) // task.batch_size)):
        boxes, scores = run(task.input_images(number))
        found += [
            _select(task, boxes[index], scores[index], image_rgb)
            for index, image_rgb in enumerate(task.batch(number))
        ]
    return found


def _agree(expected: Sequence[Detections], found: Sequence[Detections]) -> tuple[int, int]:
    """Count the expected detections that were found: same label, IoU of 0.5."""
    num_agreed = 0
    for wanted, other in zip(expected, found, strict=True):
        overlaps = iou_matrix(wanted.boxes_xyxy, other.boxes_xyxy) >= _MIN_IOU
        is_same = wanted.class_ids[:, None] == other.class_ids[None]
        num_agreed += int((overlaps & is_same).any(axis=1).sum())
    return num_agreed, sum(map(len, expected))


def _summarize(
    candidate: Candidate, rows_ms: NDArray[np.float64], task: Task, agreement: tuple[int, int]
) -> Timing:
    points = np.percentile(rows_ms, (50, 95, 99), axis=0)
    return Timing(
        candidate,
        task.num_threads,
        task.batch_size,
        {
            stage: (float(points[0, i]), float(points[1, i]), float(points[2, i]))
            for i, stage in enumerate(STAGES)
        },
        images_per_s=1e3 * task.batch_size / float(rows_ms.sum(axis=1).mean()),
        num_agreed=agreement[0],
        num_expected=agreement[1],
    )
