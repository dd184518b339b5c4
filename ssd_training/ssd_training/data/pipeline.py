"""From records to batches: shuffle, read, decode, augment, pad."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ssd_training.data.augmentation import augment, Sample
from ssd_training.data.voc import Record
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import AugmentationSettings


def count_steps(num_records: int, batch_size: int) -> int:
    """
    Tell the steps of an epoch; what does not fill a batch waits for another epoch's order.

    :param num_records: of the split
    :param batch_size: images
    :return: at least 1
    :raises DataError: when the split does not fill one batch
    """
    if num_records < batch_size:
        raise DataError(
            [
                f'data.train_split: {num_records} images do not fill a batch of {batch_size}; '
                f'lower train.batch_size'
            ]
        )
    return num_records // batch_size


def training_batches(
    records: Sequence[Record],
    settings: AugmentationSettings,
    *,
    size_hw: tuple[int, int],
    batch_size: int,
    epochs: int,
    seed: int,
) -> tf.data.Dataset:
    """
    Build the batches of a whole training.

    Each epoch has an order of its own; order and augmentation follow from the seed and the place
    in the sequence alone, not from how many threads work.

    :param records: of the split
    :param settings: the section `augmentation`
    :param size_hw: of the images
    :param batch_size: images
    :param epochs: times that the records are seen
    :param seed: of everything random
    :return: (images (B, H, W, 3) float32 in [0, 1], boxes_xyxy (B, G, 4) float32 normalized,
        class_ids (B, G) int32 with 0 as padding, is_difficult (B, G) bool)
    """
    read = _reader(records)
    images_per_epoch = count_steps(len(records), batch_size) * batch_size

    def make_sample(place: tf.Tensor) -> Sample:
        epoch, within = place // images_per_epoch, place % images_per_epoch
        order_seed, sample_seed = tf.stack([seed, epoch]), tf.stack([seed, place])
        index = tf.random.experimental.index_shuffle(
            within, seed=order_seed, max_index=tf.constant(len(records) - 1, tf.int64)
        )
        return augment(read(index), settings, size_hw=size_hw, seed=sample_seed)

    places = tf.data.Dataset.range(epochs * images_per_epoch)
    samples = places.map(make_sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    padded_shapes = Sample((*size_hw, 3), (None, 4), (None,), (None,))
    return samples.padded_batch(batch_size, padded_shapes, drop_remainder=True).prefetch(2)


def _reader(records: Sequence[Record]):  # type: ignore[no-untyped-def]
    """Make the function that reads the record of an index, in graph mode."""
    paths = np.array([str(record.image_path) for record in records])
    counts = [len(record.ground_truths.class_ids) for record in records]
    splits = np.concatenate([[0], np.cumsum(counts)])
    truths = [record.ground_truths for record in records]
    sizes = np.repeat([[*r.size_wh, *r.size_wh] for r in records], counts, axis=0)
    all_boxes = np.concatenate([truth.boxes_xyxy for truth in truths]) / sizes.reshape(-1, 4)
    all_classes = np.concatenate([truth.class_ids for truth in truths])
    all_difficult = np.concatenate([truth.is_difficult for truth in truths])

    def read(index: tf.Tensor) -> Sample:
        first, last = tf.gather(splits, index), tf.gather(splits, index + 1)
        encoded = tf.io.read_file(tf.gather(paths, index))
        # The slow, exact DCT is bit-equal to OpenCV's decoder.
        image = tf.io.decode_jpeg(encoded, channels=3, dct_method='INTEGER_ACCURATE')
        return Sample(
            image_rgb=image,
            boxes_xyxy=tf.constant(all_boxes, tf.float32)[first:last],
            class_ids=tf.constant(all_classes, tf.int32)[first:last],
            is_difficult=tf.constant(all_difficult)[first:last],
        )

    return read
