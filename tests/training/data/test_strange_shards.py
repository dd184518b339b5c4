"""Shards of strangers: what they claim is checked before TensorFlow makes room for it."""

import json
import struct
from tempfile import NamedTemporaryFile

import numpy as np
import pytest
import tensorflow as tf

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.images.records import ImageFile, Record
from ssd_training.data.sources.shard_writing import write_shards
from ssd_training.data.sources.shards import read_shards
from ssd_training.errors import DataError
from tests.training.shapes_voc import write_image

LABELS = ('red', 'green')


def record(tmp_path, *, size_wh=(120, 90), boxes=((5, 5, 40, 40),), class_ids=(1,)):
    write_image(tmp_path, 'a', [])
    truths = GroundTruths(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids),
        np.zeros(len(class_ids), bool),
    )
    return Record('a', ImageFile(tmp_path / 'JPEGImages/a.jpg'), size_wh, truths)


@pytest.fixture
def folder(tmp_path):
    write_shards([record(tmp_path)], tmp_path / 'shards', labels=LABELS)
    return tmp_path / 'shards'


def read(folder):
    return read_shards(folder, labels=LABELS, max_boxes=8)


def replace_shard(folder, content):
    (folder / '000.tfrecord').write_bytes(content)
    tree = json.loads((folder / 'metadata.json').read_text())
    tree['shards'][0]['size_bytes'] = len(content)
    (folder / 'metadata.json').write_text(json.dumps(tree))


@pytest.mark.parametrize(
    'tree',
    [
        [],
        {},
        {'format': 2, 'labels': [], 'shards': []},
        {'format': 1, 'labels': None, 'shards': []},
        {'format': 1, 'labels': [], 'shards': [7]},
        {'format': 1, 'labels': list(LABELS), 'shards': [{'file': '../a', 'size_bytes': 1}]},
        {
            'format': 1,
            'labels': list(LABELS),
            'shards': [{'file': '/etc/passwd', 'size_bytes': 1}],
        },
    ],
    ids=['list', 'nothing', 'format', 'no labels', 'number', 'above', 'elsewhere'],
)
def test_metadata_that_are_none_are_refused(folder, tree):
    (folder / 'metadata.json').write_text(json.dumps(tree))
    with pytest.raises(DataError, match=r'metadata\.json: .*; write the shards again'):
        read(folder)


@pytest.mark.parametrize('length', [2**63, 2**32, 100], ids=['all memory', '4 GiB', 'too long'])
def test_a_record_that_ends_beyond_its_shard_is_not_read(folder, length):
    head = struct.pack('<Q', length)
    replace_shard(folder, head + _crc(head) + b'x' * 50)
    with pytest.raises(DataError, match='damaged after byte 0 .a record ends beyond'):
        read(folder)


def _crc(content):
    """Have TensorFlow say the checksum of a record of these bytes: it stands behind them."""
    with NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            writer.write(content)
        return file.read()[-4:]


@pytest.mark.parametrize('content', [b'', b'\xff' * 9, b'nothing'])
def test_a_record_that_is_no_image_is_refused(folder, content):
    with tf.io.TFRecordWriter(str(folder / '000.tfrecord')) as writer:
        writer.write(content)
    replace_shard(folder, (folder / '000.tfrecord').read_bytes())
    with pytest.raises(DataError, match='at byte 12: no annotated image'):
        read(folder)


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'class_ids': (3,)}, 'has a class beyond the 2 of data.labels'),
        ({'class_ids': (0,)}, 'has a class beyond the 2 of data.labels'),
        ({'size_wh': (0, 90)}, 'has 0x90 px; expected 1 to 1000000'),
        ({'size_wh': (120, 2**62)}, 'has 120x4611686018427387904 px; expected 1 to 1000000'),
        ({'boxes': ((5, 5, 121, 9),)}, 'has a box that leaves the image'),
        ({'boxes': ((5, 5, 4, 9),)}, 'has a box that leaves the image, or is none'),
        ({'boxes': ((5, float('nan'), 9, 9),)}, 'has a box that leaves the image, or is none'),
    ],
)
def test_objects_that_no_training_takes_are_refused(tmp_path, fields, words):
    write_shards([record(tmp_path, **fields)], tmp_path / 'shards', labels=LABELS)
    with pytest.raises(DataError, match=rf'000\.tfrecord at byte \d+: {words}'):
        read(tmp_path / 'shards')
