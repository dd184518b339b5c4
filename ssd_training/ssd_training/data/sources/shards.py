"""TFRecord shards: a split in a few large files, pixels and objects together; reading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.images.decoding import Decoding
from ssd_training.data.images.records import EncodedImage, Record
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import Orientation

METADATA = 'metadata.json'
FORMAT = 1
# Before the content of a record stand its length (8 bytes) and a checksum (4), after it one (4).
_BEFORE, _AFTER = 12, 4


@dataclass(frozen=True)
class ShardImage(EncodedImage):
    """
    An encoded image inside a shard.

    :param path: of the shard
    :param offset: of the image in it
    :param size_bytes: of the image
    :param identity: of the image that was written
    """

    path: Path
    offset: int
    size_bytes: int
    identity: str

    @property
    def name(self) -> str:
        """Name the shard and the place in it."""
        return f'{self.path} at byte {self.offset}'

    def read_bytes(self) -> bytes:
        """
        Read the image as it was encoded.

        :return: JPEG or PNG
        :raises DataError: when it can not be read
        """
        try:
            with self.path.open('rb') as file:
                return os.pread(file.fileno(), self.size_bytes, self.offset)
        except OSError as error:
            raise DataError([f'{self.name}: can not be read ({error.strerror})']) from error

    def version(self) -> str:
        """
        Tell shard, place, time of the last change, and how it is decoded.

        :return: text that differs when the pixels do
        """
        return (
            f'{self.path.absolute()} {self.offset} {self.path.stat().st_mtime_ns} {self.decoding}'
        )


def shard_folder(root: Path, split: str) -> Path:
    """
    Tell where a split's shards are.

    :param root: folder of the shards of all splits
    :param split: as in data.train_split
    :return: the folder
    """
    return root / split.replace('/', '_').replace(' ', '')


def read_shards(
    folder: Path, *, labels: Sequence[str], max_boxes: int, orientation: Orientation = 'auto'
) -> list[Record]:
    """
    Read a split; the checksum of every record is checked, images are decoded later.

    :param folder: from shard_writing.write_shards
    :param labels: names of the classes 1, 2, ...; those that were written
    :param max_boxes: objects of an image at most
    :param orientation: see Decoding
    :return: the records, in the order in which they were written
    :raises DataError: when shards are missing, damaged, or of other labels
    """
    metadata = _read_metadata(folder)
    findings = []
    if metadata['labels'] != list(labels):
        findings.append(
            f'{folder / METADATA}: the shards have the labels {", ".join(metadata["labels"])}; '
            f'data.labels has {", ".join(labels)}; write the shards again'
        )
    for shard in metadata['shards']:
        path = folder / shard['file']
        size_bytes = path.stat().st_size if path.is_file() else None
        if size_bytes != shard['size_bytes']:
            findings.append(
                f'{path}: has {size_bytes} bytes, expected {shard["size_bytes"]}; copy it again'
            )
    if findings:
        raise DataError(findings)
    records = [
        record
        for shard in metadata['shards']
        for record in _read_shard(folder / shard['file'], orientation)
    ]
    if crowded := [r for r in records if len(r.ground_truths.class_ids) > max_boxes]:
        raise DataError(
            [
                f'{crowded[0].image.name}: has {len(crowded[0].ground_truths.class_ids)} objects; '
                f'data.max_boxes is {max_boxes}, raise it'
            ]
        )
    return records


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    try:
        metadata: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            [
                f'{path}: can not be read ({error}); write the shards first: '
                f'python -m ssd_training.data tfrecords'
            ]
        ) from error
    if metadata.get('format') != FORMAT:
        raise DataError(
            [f'{path}: format {metadata.get("format")}, expected {FORMAT}; write them again']
        )
    return metadata


def _read_shard(path: Path, orientation: Orientation) -> Iterator[Record]:
    offset = 0
    try:
        for content in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield _to_record(content, path, offset + _BEFORE, orientation)
            offset += _BEFORE + len(content) + _AFTER
    except tf.errors.DataLossError as error:
        raise DataError(
            [f'{path}: damaged after byte {offset} ({error.message}); copy it again']
        ) from error


def _to_record(content: bytes, path: Path, offset: int, orientation: Orientation) -> Record:
    feature = tf.train.Example.FromString(content).features.feature
    encoded = feature['image/encoded'].bytes_list.value[0]
    class_ids = np.array(feature['image/labels'].int64_list.value, np.int64)
    width_px, height_px = (
        feature[f'image/{side}'].int64_list.value[0] for side in ('width', 'height')
    )
    decoding = Decoding(orientation, (width_px, height_px))
    place = offset + content.index(encoded)
    identity = os.fsdecode(feature['image/path'].bytes_list.value[0])
    return Record(
        image_id=feature['image/image_id'].bytes_list.value[0].decode(),
        image=ShardImage(path, place, len(encoded), identity, decoding=decoding),
        size_wh=(width_px, height_px),
        ground_truths=GroundTruths(
            np.array(feature['image/boxes'].float_list.value, np.float32).reshape(-1, 4),
            class_ids,
            np.array(feature['image/difficult'].int64_list.value, bool),
        ),
    )
