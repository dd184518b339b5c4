"""From records to batches: shuffle, read, decode, augment, pad."""

from collections.abc import Iterator, Sequence
import logging

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_training.data.augmentation.augmentation import augment, augment_mosaic
from ssd_training.data.augmentation.sample import Sample
from ssd_training.data.batches.order import EpochOrder
from ssd_training.data.images.records import Record
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import AugmentationSettings

logger = logging.getLogger(__name__)


class TrainingBatches:
    """
    The batches of a training.

    A sample follows from the seed, the epoch and the record alone, not from how many threads or
    workers there are, nor from what came before.
    """

    def __init__(self, dataset: tf.data.Dataset, reader: '_Reader') -> None:
        self._dataset = dataset
        self._reader = reader

    def __iter__(self) -> Iterator[Sample]:
        """
        Give one batch after the other.

        :return: images (B, H, W, 3) float32 in [0, 1], boxes_xyxy (B, G, 4) float32 normalized,
            class_ids (B, G) int32 with 0 as padding, is_difficult (B, G) bool
        :raises DataError: when an image can not be read
        """
        batches = iter(self._dataset)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except tf.errors.OpError as error:
                # TensorFlow passes on the text of an exception only, behind a traceback.
                raise self._reader.error or error from error
            yield batch

    def dealt_out_by(self, strategy: tf.distribute.Strategy) -> 'TrainingBatches':
        """
        Divide each batch among the replicas of this process.

        :param strategy: that the steps run in
        :return: the same batches, as the strategy packs them
        """
        dataset = strategy.experimental_distribute_dataset(self._dataset)
        return TrainingBatches(dataset, self._reader)


def training_batches(
    records: Sequence[Record],
    settings: AugmentationSettings,
    *,
    size_hw: tuple[int, int],
    batch_size: int,
    epochs: int,
    seed: int,
    first_step: int = 0,
    shard_index: int = 0,
    num_shards: int = 1,
    skips_unreadable: bool = False,
    num_workers: int | None = None,
    prefetch_batches: int = 2,
) -> TrainingBatches:
    """
    Build the batches of a training, from one of its steps on.

    :param records: of the split
    :param settings: the section `augmentation`
    :param size_hw: of the images
    :param batch_size: images of a step, all workers together
    :param epochs: times that the records are seen
    :param seed: of everything random
    :param first_step: global step of the first batch; earlier ones are neither read nor drawn
    :param shard_index: number of this worker
    :param num_shards: workers; each gets its part of every batch, batch_size / num_shards images
    :param skips_unreadable: take the next record instead of one that can't be read, and log it;
        otherwise that is an error
    :param num_workers: images prepared at the same time; None lets TensorFlow choose
    :param prefetch_batches: batches that wait to be taken, at most
    :return: the batches
    :raises DataError: when the split does not fill a batch, or a batch can not be divided
    """
    if batch_size % num_shards:
        raise DataError(
            [
                f'train.batch_size: {batch_size} images can not be divided among {num_shards} '
                f'workers; give a multiple of {num_shards}'
            ]
        )
    order, reader = EpochOrder(len(records), batch_size, seed), _Reader(records, skips_unreadable)
    own_size = batch_size // num_shards

    # Nothing here branches on tensors in Python, and AutoGraph takes as long as the tracing.
    @tf.autograph.experimental.do_not_convert
    def make_sample(number: tf.Tensor) -> Sample:
        step, within = number // own_size, number % own_size
        index, sample_seed = order.index_at(step * batch_size + shard_index * own_size + within)
        sample = reader.read(index)
        if settings.mosaic.probability == 0:
            return augment(sample, settings, size_hw=size_hw, seed=sample_seed)
        return augment_mosaic(
            sample, settings, size_hw=size_hw, seed=sample_seed, read_other=reader.read_any
        )

    num_steps = epochs * order.steps_per_epoch
    batches = (
        tf.data.Dataset.range(first_step * own_size, num_steps * own_size)
        .map(make_sample, num_parallel_calls=num_workers or tf.data.AUTOTUNE, deterministic=True)
        .padded_batch(
            own_size, Sample((*size_hw, 3), (None, 4), (None,), (None,)), drop_remainder=True
        )
        .prefetch(prefetch_batches)
    )
    options = tf.data.Options()
    # The parts of the workers are made here.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return TrainingBatches(batches.with_options(options), reader)


class _Reader:
    """Reads the record of an index, in graph mode; keeps the first error."""

    def __init__(self, records: Sequence[Record], skips_unreadable: bool) -> None:
        self._records = records
        self._skips_unreadable = skips_unreadable
        self._unreadable: set[int] = set()
        counts = [len(record.ground_truths.class_ids) for record in records]
        truths = [record.ground_truths for record in records]
        sizes = np.repeat([[*r.size_wh, *r.size_wh] for r in records], counts, axis=0)
        self._splits = np.concatenate([[0], np.cumsum(counts)])
        boxes = np.concatenate([truth.boxes_xyxy for truth in truths]) / sizes.reshape(-1, 4)
        self._boxes_xyxy = boxes.astype(np.float32)
        self._class_ids = np.concatenate([t.class_ids for t in truths]).astype(np.int32)
        self._is_difficult = np.concatenate([truth.is_difficult for truth in truths])
        self.error: DataError | None = None

    def read(self, index: tf.Tensor) -> Sample:
        """
        Read one record.

        :param index: () int64
        :return: image uint8
        """
        image, index = tf.numpy_function(self._load, [index], (tf.uint8, tf.int64), stateful=False)
        index = tf.ensure_shape(index, ())
        first, last = tf.gather(self._splits, index), tf.gather(self._splits, index + 1)
        return Sample(
            image_rgb=tf.ensure_shape(image, (None, None, 3)),
            boxes_xyxy=tf.constant(self._boxes_xyxy)[first:last],
            class_ids=tf.constant(self._class_ids)[first:last],
            is_difficult=tf.constant(self._is_difficult)[first:last],
        )

    def read_any(self, seed: tf.Tensor) -> Sample:
        """
        Read a record by chance.

        :param seed: (2,) int
        :return: image uint8
        """
        return self.read(tf.random.stateless_uniform((), seed, 0, len(self._records), tf.int64))

    def _load(self, index: np.int64) -> tuple[NDArray[np.uint8], np.int64]:
        """Load an image; of those that can't be read, the first readable one behind."""
        for place in range(int(index), int(index) + len(self._records)):
            found = place % len(self._records)
            try:
                return self._records[found].load_image(), np.int64(found)
            except DataError as error:
                if not self._skips_unreadable:
                    self.error = self.error or error
                    raise
                self._count_unreadable(found, error)
        self.error = DataError(['data.train_split: not one image can be read'])
        raise self.error

    def _count_unreadable(self, index: int, error: DataError) -> None:
        if index not in self._unreadable:
            self._unreadable.add(index)
            logger.warning('%s; skipped, %d so far', error, len(self._unreadable))
