"""Which record comes when: an order of its own for each epoch, from the seed alone."""

from dataclasses import dataclass

import tensorflow as tf

from ssd_training.errors import DataError


@dataclass(frozen=True)
class EpochOrder:
    """
    The order in which a training sees its records.

    Nothing is remembered from one sample to the next, so that a training can go on at any step.
    What does not fill a batch is left out; each epoch leaves out others.

    :param num_records: of the split
    :param batch_size: images of a step, all workers together
    :param seed: of the training
    :raises DataError: when the split does not fill one batch
    """

    num_records: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.num_records < self.batch_size:
            raise DataError(
                [
                    f'data.train_split: {self.num_records} images do not fill a batch of '
                    f'{self.batch_size}; lower train.batch_size'
                ]
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.num_records // self.batch_size

    def index_at(self, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """
        Find the record at a place of the training, and the seed of its augmentation.

        :param place: () int64, counts images from the start of the training
        :return: () int64 index of the record; (2,) int64 seed, made of seed, epoch and index
        """
        images_per_epoch = self.steps_per_epoch * self.batch_size
        epoch_seed = tf.stack([tf.constant(self.seed, tf.int64), place // images_per_epoch])
        index = tf.random.experimental.index_shuffle(
            place % images_per_epoch,
            seed=epoch_seed,
            max_index=tf.constant(self.num_records - 1, tf.int64),
        )
        return index, tf.random.fold_in(epoch_seed, index)

    def indices_of_step(self, step: int) -> list[int]:
        """
        List the records of one global batch, such as the one that made the loss NaN.

        :param step: from 0
        :return: indices
        """
        first = step * self.batch_size
        places = tf.range(first, first + self.batch_size, dtype=tf.int64)
        return [int(self.index_at(place)[0]) for place in places]
