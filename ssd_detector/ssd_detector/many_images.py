"""Runs a model over many images: decoding and postprocessing in threads beside the inference."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
import itertools
import os
import time

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import Predict
from ssd_detector.detections import Detections
from ssd_detector.postprocess import postprocess, Thresholds
from ssd_detector.preprocess import preprocess

# Images done, images in all.
OnProgress = Callable[[int, int], None]

STEPS = ('decode', 'preprocess', 'inference', 'postprocess')
_BATCHES_AHEAD = 4


@dataclass(frozen=True, eq=False)
class Picture:
    """
    An image that is detected in.

    :param image_id: its name in the results
    :param size_wh: px
    :param load: gives (H, W, 3) uint8, RGB; called in a thread
    """

    image_id: str
    size_wh: tuple[int, int]
    load: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Model:
    """
    What is scored.

    :param predict: the network with decoding and softmax
    :param size_px: S, side of its input
    :param batch_size: images given to it at once
    :param labels: names of the classes 1, 2, ...
    """

    predict: Predict
    size_px: int
    batch_size: int
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DetectionRun:
    """
    What a model found, and the time that it took.

    :param detections: image id -> detections
    :param stage_ms: mean time of an image in each of STEPS; those in threads overlap the inference
    :param wall_s: time of everything together
    """

    detections: dict[str, Detections]
    stage_ms: dict[str, float]
    wall_s: float = 0.0


@dataclass(frozen=True, eq=False)
class _Loaded:
    images: NDArray[np.float32]
    decode_s: float
    preprocess_s: float


def detect_all(
    model: Model,
    pictures: Sequence[Picture],
    thresholds: Thresholds,
    *,
    on_progress: OnProgress | None = None,
) -> DetectionRun:
    """
    Detect in every image.

    :param pictures: the images
    :param thresholds: what is kept
    :param on_progress: called after each batch
    """
    begin_s = time.perf_counter()
    times_s = dict.fromkeys(STEPS, 0.0)

    def load(batch: Sequence[Picture]) -> _Loaded:
        start_s = time.perf_counter()
        pixels = [picture.load() for picture in batch]
        decoded_s = time.perf_counter()
        images = np.concatenate([preprocess(image_rgb, model.size_px) for image_rgb in pixels])
        return _Loaded(images, decoded_s - start_s, time.perf_counter() - decoded_s)

    def select(
        picture: Picture, boxes: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> tuple[Detections, float]:
        start_s = time.perf_counter()
        found = postprocess(
            boxes, scores, size_wh=picture.size_wh, labels=model.labels, thresholds=thresholds
        )
        return found, time.perf_counter() - start_s

    selected: dict[str, Future[tuple[Detections, float]]] = {}
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as pool:
        for batch, waiting in _ahead(pool, load, list(_batches(pictures, model.batch_size))):
            loaded = waiting.result()
            start_s = time.perf_counter()
            boxes, scores = model.predict(loaded.images)
            times_s['inference'] += time.perf_counter() - start_s
            times_s['decode'] += loaded.decode_s
            times_s['preprocess'] += loaded.preprocess_s
            for index, picture in enumerate(batch):
                selected[picture.image_id] = pool.submit(
                    select, picture, boxes[index], scores[index]
                )
            if on_progress is not None:
                on_progress(len(selected), len(pictures))
        results = {image_id: future.result() for image_id, future in selected.items()}
    times_s['postprocess'] = sum(duration_s for _, duration_s in results.values())
    return DetectionRun(
        detections={image_id: found for image_id, (found, _) in results.items()},
        stage_ms={name: 1e3 * s / max(len(pictures), 1) for name, s in times_s.items()},
        wall_s=time.perf_counter() - begin_s,
    )


def _batches(pictures: Sequence[Picture], batch_size: int) -> Iterator[Sequence[Picture]]:
    for first in range(0, len(pictures), batch_size):
        yield pictures[first : first + batch_size]


def _ahead(
    pool: ThreadPoolExecutor,
    load: Callable[[Sequence[Picture]], _Loaded],
    batches: Sequence[Sequence[Picture]],
) -> Iterator[tuple[Sequence[Picture], Future[_Loaded]]]:
    """Keep a few batches loading, never all: a data set does not fit into memory."""
    rest = iter(batches)
    waiting = deque((b, pool.submit(load, b)) for b in itertools.islice(rest, _BATCHES_AHEAD))
    while waiting:
        yield waiting.popleft()
        for batch in itertools.islice(rest, 1):
            waiting.append((batch, pool.submit(load, batch)))
