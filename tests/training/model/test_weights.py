"""Weights, pretrained and our own."""

import h5py
import numpy as np
import pytest

from ssd_training.errors import WeightsError
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.pretrained import fill, Pretrained
from ssd_training.model.weights import fetch_imagenet, load_weights, read_archive, save_weights
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step.building import build_model
from tests.training.limited_files import files_limited_to


def load_archive(model, path):
    fill(model, Pretrained(str(path), read_archive(path)), ['any', 'three', 'labels'])


@pytest.fixture(scope='module')
def network(tiny_config):
    """Build the small network, once; and its values as it started."""
    model = build_model(tiny_config.architecture)
    return model, model.get_weights()


@pytest.fixture
def model(network):
    model, fresh = network
    model.set_weights(fresh)
    return model


@pytest.fixture(scope='module')
def arrays(network):
    """Make an archive's content: every convolution with bias and, before BatchNorm, statistics."""
    rng = np.random.default_rng(0)
    model, _ = network
    names = {layer.name for layer in model.layers}
    made = {}
    for layer in model.layers:
        if (
            not layer.weights
            or layer.name.endswith('BN')
            or layer.name in ('bn_Conv1', 'Conv_1_bn')
        ):
            continue
        kernel = layer.get_weights()[0]
        channels = kernel.shape[-1] if 'depthwise' not in layer.name else kernel.shape[-2]
        made[f'{layer.name}/kernel'] = kernel
        made[f'{layer.name}/bias'] = rng.normal(0, 0.1, channels).astype(np.float32)
        if batch_norm_name(layer.name) in names:
            made[f'{layer.name}/bn_mean'] = rng.normal(0, 0.1, channels).astype(np.float32)
            made[f'{layer.name}/bn_var'] = rng.uniform(0.5, 2, channels).astype(np.float32)
    return made


@pytest.fixture
def archive(tmp_path, arrays):
    path = tmp_path / 'folded.npz'
    np.savez(path, **arrays)
    return path


def test_batch_norm_gets_the_recorded_statistics_and_the_gamma_that_undoes_them(
    model, arrays, archive
):
    load_archive(model, archive)

    gamma, beta, mean, variance = model.get_layer('block_3_expand_BN').get_weights()
    np.testing.assert_array_equal(mean, arrays['block_3_expand/bn_mean'])
    np.testing.assert_array_equal(variance, arrays['block_3_expand/bn_var'])
    np.testing.assert_allclose(gamma, np.sqrt(arrays['block_3_expand/bn_var'] + 1e-3), rtol=1e-6)
    np.testing.assert_allclose(
        beta, arrays['block_3_expand/bias'] + arrays['block_3_expand/bn_mean'], rtol=1e-6
    )


def test_inference_is_that_of_the_folded_convolutions(model, tiny_config, arrays, archive):
    """BatchNorm as gamma 1, mean 0, variance 1 - epsilon does nothing but add the bias."""
    load_archive(model, archive)
    folded = build_model(tiny_config.architecture)
    for layer in folded.layers:
        if f'{layer.name}/kernel' not in arrays:
            continue
        kernel, bias = arrays[f'{layer.name}/kernel'], arrays[f'{layer.name}/bias']
        if f'{layer.name}/bn_mean' in arrays:
            layer.set_weights([kernel])
            norm = folded.get_layer(batch_norm_name(layer.name))
            norm.set_weights([np.ones_like(bias), bias, 0 * bias, 0 * bias + 1 - 1e-3])
        else:
            layer.set_weights([kernel, bias])
    images = np.random.default_rng(1).random((1, 96, 96, 3), np.float32)

    _, logits = model(images, training=False)

    np.testing.assert_allclose(logits, folded(images, training=False)[1], atol=1e-4)


def test_box_channels_change_from_y_x_h_w_to_x_y_w_h(model, arrays, archive):
    load_archive(model, archive)

    kernel, bias = model.get_layer('head_1_box').get_weights()
    np.testing.assert_array_equal(bias[:8], arrays['head_1_box/bias'][[1, 0, 3, 2, 5, 4, 7, 6]])
    np.testing.assert_array_equal(kernel[..., :4], arrays['head_1_box/kernel'][..., [1, 0, 3, 2]])
    np.testing.assert_array_equal(
        model.get_layer('head_1_cls').get_weights()[1], arrays['head_1_cls/bias']
    )


def test_layers_that_the_archive_lacks_keep_their_values(model, arrays, tmp_path):
    backbone = {key: array for key, array in arrays.items() if not key.startswith('head_')}
    np.savez(tmp_path / 'backbone.npz', **backbone)
    before = model.get_layer('head_0_cls').get_weights()

    load_archive(model, tmp_path / 'backbone.npz')

    np.testing.assert_array_equal(model.get_layer('head_0_cls').get_weights()[0], before[0])
    np.testing.assert_array_equal(
        model.get_layer('block_6_expand').get_weights()[0], arrays['block_6_expand/kernel']
    )


def test_everything_that_is_wrong_with_an_archive_is_said_at_once(model, arrays, tmp_path):
    broken = dict(arrays) | {'Conv1/kernel': np.zeros((3, 3, 3, 32), np.float32)}
    broken['head_1_box/bias'] = np.zeros(8, np.float32)
    np.savez(tmp_path / 'broken.npz', **broken)
    before = model.get_weights()

    with pytest.raises(WeightsError) as error:
        load_archive(model, tmp_path / 'broken.npz')

    text = str(error.value)
    assert 'head_1_box: received shapes [(1, 1, 64, 24), (8,)]; the model has' in text
    assert 'Conv1: received shapes [(3, 3, 3, 32)]; the model has [(3, 3, 3, 16)]' in text
    assert '2 layers do not fit: equal must be backbone.width_mult (1.0 in the archives)' in text
    for value, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, was)


def test_an_archive_that_lacks_an_array_is_incomplete(model, arrays, tmp_path):
    lacking = {key: array for key, array in arrays.items() if key != 'block_5_project/bias'}
    np.savez(tmp_path / 'lacking.npz', **lacking)

    with pytest.raises(WeightsError, match='block_5_project: has no block_5_project/bias; the'):
        load_archive(model, tmp_path / 'lacking.npz')


def test_an_archive_with_nan_names_the_array(model, arrays, tmp_path):
    np.savez(tmp_path / 'nan.npz', **(arrays | {'Conv1/bias': np.full(16, np.nan)}))

    with pytest.raises(WeightsError, match='Conv1/bias: holds NaN'):
        load_archive(model, tmp_path / 'nan.npz')


@pytest.mark.parametrize('content', [b'', b'PK no archive', None])
def test_a_file_that_is_no_archive_is_one_clear_error(model, tmp_path, content):
    path = tmp_path / 'weights.npz'
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(WeightsError, match='weights.npz: can not be read as .npz'):
        load_archive(model, path)


def test_saved_weights_come_back_bit_for_bit(model, tiny_config, tmp_path):
    for variable in model.weights:
        variable.assign(np.random.default_rng(2).random(variable.shape))
    save_weights(model, tmp_path / 'all.weights.h5')
    other = build_model(tiny_config.architecture)

    load_weights(other, tmp_path / 'all.weights.h5')

    assert len(other.weights) == len(model.weights) > 100
    for loaded, saved in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(loaded, saved, err_msg=loaded.path)
    assert [path.name for path in tmp_path.iterdir()] == ['all.weights.h5']


def test_weights_that_find_no_room_leave_what_was_there(model, tmp_path):
    path = tmp_path / 'all.weights.h5'
    path.write_bytes(b'earlier')
    with files_limited_to(10_000), pytest.raises(WeightsError, match='all.weights.h5: can not be'):
        save_weights(model, path)
    assert [file.name for file in tmp_path.iterdir()] == ['all.weights.h5']
    assert path.read_bytes() == b'earlier'
    with pytest.raises(WeightsError, match='can not be written'):
        save_weights(model, tmp_path / 'nowhere/all.weights.h5')


@pytest.mark.parametrize('change', ['less', 'more', 'other shape'])
def test_a_weights_file_with_other_variables_is_an_error(model, tmp_path, change):
    path = tmp_path / 'all.weights.h5'
    save_weights(model, path)
    with h5py.File(path, 'a') as file:
        group = file['layers/depthwise_conv2d/vars']
        if change != 'more':
            del group['0']
        if change != 'less':
            group['1' if change == 'more' else '0'] = np.zeros(7, np.float32)

    with pytest.raises(WeightsError, match='layers/depthwise_conv2d/vars.*other architecture'):
        load_weights(model, path)


def test_imagenet_without_a_network_says_what_to_give_instead(tmp_path, monkeypatch):
    """With a proxy that refuses, and no cache."""
    for name in ('https_proxy', 'HTTPS_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    # Both are read once in a process.
    monkeypatch.setattr('urllib.request._opener', None)
    monkeypatch.setattr('keras.src.backend.config._KERAS_DIR', str(tmp_path))

    with pytest.raises(WeightsError, match='^backbone.weights: imagenet: ') as error:
        fetch_imagenet(width_mult=0.35)

    assert 'mobilenetv2_imagenet.npz' in str(error.value)


def test_the_coco_weights_fill_every_layer_of_exp002(load, pretrained_path, caplog):
    path = pretrained_path('mobilenetv2_ssdlite_coco_voc20.npz')
    caplog.set_level('INFO')

    config = load('exp002_ssdlite', f'backbone.weights={path}')
    load_pretrained(build_model(config.architecture), config.architecture, trained_statistics=())

    assert 'filled 164 of 164 layers' in caplog.text


def test_the_imagenet_weights_fill_the_backbone_of_exp001(load, pretrained_path, caplog):
    path = pretrained_path('mobilenetv2_imagenet.npz')
    caplog.set_level('INFO')

    config = load('exp001_baseline', f'backbone.weights={path}')
    load_pretrained(build_model(config.architecture), config.architecture, trained_statistics=())

    assert 'filled 104 of' in caplog.text
    assert 'not in the model' not in caplog.text
