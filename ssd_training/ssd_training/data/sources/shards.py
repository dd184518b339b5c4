"""TFRecord shards: a split in a few large files, pixels and objects together; reading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
import os
from pathlib import Path
import struct
from typing import Annotated, Literal

from google.protobuf.message import DecodeError
import numpy as np
from pydantic import Field, StrictInt, TypeAdapter, ValidationError
import tensorflow as tf
from typing_extensions import TypedDict

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.files import MAX_SIDE_PX, read_json
from ssd_training.data.images.decoding import Decoding, DEFAULT_DECODING
from ssd_training.data.images.records import EncodedImage, Record
from ssd_training.errors import DataError

METADATA = 'metadata.json'
FORMAT = 1
# Before the content of a record stand its length (8 bytes) and a checksum (4), after it one (4).
_BEFORE, _AFTER = 12, 4
_MAX_METADATA_BYTES = 16 * 2**20


class _Shard(TypedDict):
    # A name, no path: shards lie beside the file that lists them.
    file: Annotated[str, Field(pattern=r'^[\w][\w.-]*$', max_length=100)]
    size_bytes: StrictInt


class _Metadata(TypedDict):
    format: Literal[1]
    labels: list[str]
    shards: list[_Shard]


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
    folder: Path,
    *,
    labels: Sequence[str],
    max_boxes: int,
    decoding: Decoding = DEFAULT_DECODING,
) -> list[Record]:
    """
    Read a split; the checksum of every record is checked, images are decoded later.

    :param folder: from shard_writing.write_shards
    :param labels: names of the classes 1, 2, ...; those that were written
    :param max_boxes: objects of an image at most
    :param decoding: of the images; their sizes come from the shards
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
    reader = _Reader(len(labels), max_boxes, decoding)
    return [
        record for shard in metadata['shards'] for record in reader.read(folder / shard['file'])
    ]


def _read_metadata(folder: Path) -> _Metadata:
    path = folder / METADATA
    advice = 'write the shards first: python -m ssd_training.data tfrecords'
    tree = read_json(path, limit_bytes=_MAX_METADATA_BYTES, advice=advice)
    try:
        return TypeAdapter(_Metadata).validate_python(tree)
    except ValidationError as error:
        details = error.errors()[0]
        place = '.'.join(map(str, details['loc']))
        raise DataError(
            [f'{path}: {place}: {details["msg"].lower()}; write the shards again']
        ) from error


@dataclass(frozen=True)
class _Reader:
    """
    Reads shards, whoever wrote them.

    :param num_classes: that objects may be of
    :param max_boxes: objects of an image at most
    :param decoding: see read_shards
    """

    num_classes: int
    max_boxes: int
    decoding: Decoding

    def read(self, path: Path) -> Iterator[Record]:
        """
        Read the records of a shard.

        :param path: of the shard
        :return: its records
        :raises DataError: when it is damaged, or holds what no training takes
        """
        _check_lengths(path)
        offset = 0
        try:
            for content in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                yield self._to_record(content, path, offset + _BEFORE)
                offset += _BEFORE + len(content) + _AFTER
        except tf.errors.DataLossError as error:
            raise DataError(
                [f'{path}: damaged after byte {offset} ({error.message}); copy it again']
            ) from error

    def _to_record(self, content: bytes, path: Path, offset: int) -> Record:
        try:
            record = _parse(content, path, offset, self.decoding)
        except (DecodeError, IndexError, ValueError) as error:
            raise DataError(
                [f'{path} at byte {offset}: no annotated image ({error}); write the shards again']
            ) from error
        if fault := self._find_fault(record):
            raise DataError([f'{record.image.name}: {fault}'])
        return record

    def _find_fault(self, record: Record) -> str:
        (width_px, height_px), truths = record.size_wh, record.ground_truths
        if not (1 <= width_px <= MAX_SIDE_PX and 1 <= height_px <= MAX_SIDE_PX):
            return f'has {width_px}x{height_px} px; expected 1 to {MAX_SIDE_PX}'
        num_objects = len(truths.class_ids)
        if num_objects > self.max_boxes:
            return f'has {num_objects} objects; data.max_boxes is {self.max_boxes}, raise it'
        if not ((truths.class_ids >= 1) & (truths.class_ids <= self.num_classes)).all():
            return f'has a class beyond the {self.num_classes} of data.labels'
        low, high = truths.boxes_xyxy[:, :2], truths.boxes_xyxy[:, 2:]
        # Not the opposite of its opposite: a NaN is nowhere.
        if not ((low >= 0) & (low < high) & (high <= (width_px, height_px))).all():
            return 'has a box that leaves the image, or is none; write the shards again'
        return ''


def _check_lengths(path: Path) -> None:
    """Refuse lengths beyond the end before TensorFlow makes room for them."""
    size_bytes, offset = path.stat().st_size, 0
    with path.open('rb') as file:
        while offset < size_bytes:
            head = os.pread(file.fileno(), _BEFORE, offset)
            length = struct.unpack('<Q', head[:8])[0] if len(head) == _BEFORE else size_bytes
            if offset + _BEFORE + length + _AFTER > size_bytes:
                raise DataError(
                    [f'{path}: damaged after byte {offset} (a record ends beyond); copy it again']
                )
            offset += _BEFORE + length + _AFTER


def _parse(content: bytes, path: Path, offset: int, decoding: Decoding) -> Record:
    feature = tf.train.Example.FromString(content).features.feature
    encoded = feature['image/encoded'].bytes_list.value[0]
    width_px, height_px = (
        feature[f'image/{side}'].int64_list.value[0] for side in ('width', 'height')
    )
    place = offset + content.index(encoded)
    identity = os.fsdecode(feature['image/path'].bytes_list.value[0])
    return Record(
        image_id=feature['image/image_id'].bytes_list.value[0].decode(),
        image=ShardImage(
            path,
            place,
            len(encoded),
            identity,
            decoding=replace(decoding, size_wh=(width_px, height_px)),
        ),
        size_wh=(width_px, height_px),
        ground_truths=GroundTruths(
            np.array(feature['image/boxes'].float_list.value, np.float32).reshape(-1, 4),
            np.array(feature['image/labels'].int64_list.value, np.int64),
            np.array(feature['image/difficult'].int64_list.value, bool),
        ),
    )
