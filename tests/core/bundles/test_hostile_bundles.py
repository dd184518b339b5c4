"""Bundles of strangers end in sentences, whatever they claim to be."""

import shutil

import numpy as np
import pytest

from ssd_detector.bundles.arrays import read_array, read_arrays
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.model_file import find_unusual_parts
from ssd_detector.errors import BundleError
from ssd_detector.proofs.parity_file import read_parity
from tests.hostile_bundles import (
    ATTACKS,
    link_to_secret,
    PARITY_ATTACKS,
    replace_file,
    write_hostile_bundle,
)
from tests.tiny_bundle import tiny_model, write_tiny_bundle, write_verifiable_bundle


@pytest.mark.parametrize('attack', ATTACKS)
def test_a_bundle_of_a_stranger_is_refused_in_words(attack, tmp_path):
    path = write_hostile_bundle(tmp_path / 'bundle', attack)
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert ATTACKS[attack][1] in str(caught.value)
    assert str(caught.value).replace('\n', '').isprintable()


@pytest.mark.parametrize('attack', PARITY_ATTACKS)
def test_recorded_outputs_of_a_stranger_are_refused_in_words(attack, tmp_path):
    make, words = PARITY_ATTACKS[attack]
    path = write_verifiable_bundle(tmp_path / 'bundle')
    replace_file(path, 'parity.npz', make())
    with pytest.raises(BundleError) as caught:
        read_parity(load_bundle(path))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'array', 'words'),
    [
        ('images_rgb', np.zeros((0, 32, 32, 3), np.uint8), '0 images; expected 1 to 64'),
        ('images_rgb', np.uint8(3), '0 images'),
        ('images_rgb', np.zeros((2, 16, 32, 3), np.uint8), 'the model takes (2, 32, 32, 3)'),
        ('boxes', np.zeros((2, 3, 5), np.float32), 'boxes has (2, 3, 5) float32'),
        ('scores', np.zeros((2, 3, 4), np.int64), 'scores has (2, 3, 4) int64'),
        ('tolerance_FP32', np.zeros(3), 'positional arguments'),
        ('boxes/x.onnx', np.zeros((1, 4), np.float32), "'image_indices/x.onnx'"),
    ],
)
def test_recorded_outputs_of_other_shapes_are_named(name, array, words, tmp_path):
    path = write_verifiable_bundle(tmp_path / 'bundle')
    arrays = dict(np.load(path / 'parity.npz')) | {name: array}
    np.savez(tmp_path / 'other.npz', **arrays)
    replace_file(path, 'parity.npz', (tmp_path / 'other.npz').read_bytes())
    with pytest.raises(BundleError) as caught:
        read_parity(load_bundle(path))
    assert words in str(caught.value)


def test_what_a_link_leads_to_is_not_quoted(tmp_path):
    path = write_tiny_bundle(tmp_path / 'bundle')
    link_to_secret(path)
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert 'password' not in str(caught.value) and 'hunter2' not in str(caught.value)


def test_a_folder_of_links_to_one_other_folder_is_a_bundle(tmp_path):
    """So colcon --symlink-install and the caches of model hubs make them."""
    real = write_tiny_bundle(tmp_path / 'blobs')
    (tmp_path / 'snapshot').mkdir()
    for file in real.iterdir():
        (tmp_path / 'snapshot' / file.name).symlink_to(f'../blobs/{file.name}')
    assert load_bundle(tmp_path / 'snapshot').labels == load_bundle(real).labels
    shutil.copy(real / 'manifest.json', tmp_path / 'copy.json')
    (tmp_path / 'snapshot/manifest.json').unlink()
    shutil.move(tmp_path / 'copy.json', tmp_path / 'snapshot/manifest.json')
    with pytest.raises(BundleError, match='is a link that leads out of'):
        load_bundle(tmp_path / 'snapshot')


def test_a_model_of_ours_holds_nothing_unusual():
    assert find_unusual_parts(tiny_model(num_delays=3).SerializeToString()) == []


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    rng = np.random.default_rng(1)
    arrays = {
        'a': rng.random((3, 4)),
        'b': np.asfortranarray(rng.integers(0, 9, (2, 3, 4))),
        'c': np.float32(3),
        'd': np.zeros((0, 4), np.uint8),
    }
    np.savez_compressed(tmp_path / 'a.npz', **arrays)
    read = read_arrays((tmp_path / 'a.npz').read_bytes(), limit_bytes=10_000)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        np.save(tmp_path / 'a.npy', array)
        np.testing.assert_array_equal(read_array((tmp_path / 'a.npy').read_bytes()), array)
