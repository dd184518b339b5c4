"""Tensors out of model.json and shards."""

import json

import numpy as np
import pytest

from ssd_training.coco.package import open_source
from ssd_training.coco.tfjs import read_model
from ssd_training.errors import WeightsError
from tests.training.coco.made_model import write_model

TENSORS = {
    'a': np.arange(6, dtype=np.float32).reshape(2, 3),
    'count': np.int32(7),
    'flag': np.array([True, False]),
    'b': np.float32(0.5),
    'c': np.arange(4, dtype=np.float32),
}


@pytest.mark.parametrize('shard_bytes', [(), (4,), (3, 25, 26)])
def test_tensors_are_read_across_shards(shard_bytes, tmp_path):
    folder = write_model(tmp_path / 'model', TENSORS, shard_bytes=shard_bytes)
    tensors = read_model(open_source(folder)).tensors
    assert tensors.keys() == {'a', 'b', 'c'}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, TENSORS[name])
        assert tensor.shape == np.shape(TENSORS[name])


def test_groups_have_shards_of_their_own(tmp_path):
    one, other = ({name: TENSORS[name]} for name in 'ac')
    folder = write_model(tmp_path / 'model', one)
    write_model(tmp_path / 'other', other)
    (tmp_path / 'other/group1-shard1of1').rename(folder / 'group2')
    graph = json.loads((folder / 'model.json').read_text())
    more = json.loads((tmp_path / 'other/model.json').read_text())['weightsManifest'][0]
    graph['weightsManifest'].append(more | {'paths': ['group2']})
    (folder / 'model.json').write_text(json.dumps(graph))
    tensors = read_model(open_source(folder)).tensors
    np.testing.assert_array_equal(tensors['c'], TENSORS['c'])


def damage(folder, **changes):
    graph = json.loads((folder / 'model.json').read_text())
    graph['weightsManifest'][0]['weights'][0].update(changes)
    (folder / 'model.json').write_text(json.dumps(graph))


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda folder: (folder / 'model.json').unlink(), 'model.json: can not be read'),
        (lambda folder: (folder / 'model.json').write_text('<html>'), 'that of no graph'),
        (
            lambda folder: (folder / 'model.json').write_bytes(b'\xff\xfe'),
            'that of no graph',
        ),
        (lambda folder: (folder / 'model.json').write_text('[]'), 'that of no graph'),
        (lambda folder: (folder / 'model.json').write_text('{"format": "layers-model"}'), 'Field'),
        (lambda folder: (folder / 'group1-shard1of1').unlink(), 'shard1of1: can not be read'),
        (
            lambda folder: (folder / 'group1-shard1of1').write_bytes(b'12'),
            'received 2 bytes, .* 50',
        ),
        (lambda folder: damage(folder, shape=[1]), 'received 50 bytes, .* 30'),
        (lambda folder: damage(folder, shape=[-6]), 'that of no graph'),
        (lambda folder: damage(folder, dtype='uint8'), 'a is stored as uint8'),
        (lambda folder: (folder / 'model.json').write_text('[' * 99999), 'is that of no graph'),
        (lambda folder: damage(folder, quantization={'dtype': 'uint8'}), 'get the model that was'),
    ],
)
def test_what_is_wrong_with_the_files_is_said(spoil, message, tmp_path):
    folder = write_model(tmp_path / 'model', TENSORS)
    spoil(folder)
    with pytest.raises(WeightsError, match=message) as error:
        read_model(open_source(folder))
    assert str(error.value).startswith(str(folder))
