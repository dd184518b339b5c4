"""TFRecord shards: writing them."""

from collections.abc import Sequence
import json
import os
from pathlib import Path
import shutil
from typing import Any

import tensorflow as tf

from ssd_training.data.images.records import Record
from ssd_training.data.sources.shards import FORMAT, METADATA
from ssd_training.errors import DataError

IMAGES_PER_SHARD = 500


def write_shards(
    records: Sequence[Record], folder: Path, *, labels: Sequence[str], overwrite: bool = False
) -> int:
    """
    Write a split; it appears under its name when it is complete.

    :param records: of the split
    :param folder: where NNN.tfrecord and metadata.json will be
    :param labels: names of the classes 1, 2, ...
    :param overwrite: replace shards that are there; they stay until the new ones are complete
    :return: the number of shards
    :raises DataError: when the folder exists or can not be written; nothing is left then
    """
    if folder.exists() and not overwrite:
        raise DataError([f'{folder}: exists already; give --overwrite or remove it'])
    aside = folder.with_name(f'{folder.name}.part')
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        shards = _write_files(records, aside)
        metadata = {'format': FORMAT, 'labels': list(labels), 'shards': shards}
        (aside / METADATA).write_text(json.dumps(metadata, indent=1) + '\n')
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else error.message
        raise DataError(
            [f'{folder}: can not be written ({reason}); make room or give data.tfrecords.dir']
        ) from error
    return len(shards)


def _write_files(records: Sequence[Record], folder: Path) -> list[dict[str, str | int]]:
    """Write NNN.tfrecord; give what metadata.json says about them."""
    shards: list[dict[str, str | int]] = []
    for first in range(0, len(records), IMAGES_PER_SHARD):
        path = folder / f'{len(shards):03d}.tfrecord'
        part = records[first : first + IMAGES_PER_SHARD]
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in part:
                writer.write(_to_example(record).SerializeToString(deterministic=True))
        size_bytes = path.stat().st_size
        shards.append({'file': path.name, 'num_images': len(part), 'size_bytes': size_bytes})
    return shards


def _to_example(record: Record) -> tf.train.Example:
    truths = record.ground_truths
    width, height = record.size_wh
    features: dict[str, list[Any]] = {
        'image/encoded': [record.image.read_bytes()],
        'image/height': [height],
        'image/width': [width],
        'image/boxes': [float(value) for value in truths.boxes_xyxy.ravel()],
        'image/boxes_count': [len(truths.class_ids)],
        'image/labels': [int(value) for value in truths.class_ids],
        'image/difficult': [int(value) for value in truths.is_difficult],
        'image/image_id': [record.image_id.encode()],
        'image/path': [os.fsencode(record.image.identity)],
    }
    return tf.train.Example(
        features=tf.train.Features(
            feature={name: _to_feature(name, values) for name, values in features.items()}
        )
    )


def _to_feature(name: str, values: list[Any]) -> tf.train.Feature:
    if name == 'image/boxes':
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
