"""Bundles: read, checked, written."""

import json

import numpy as np
import onnx
import pytest

from ssd_detector.bundles.bundle import load_bundle, write_bundle
from ssd_detector.errors import BundleError
from tests.hostile_bundles import replace_file
from tests.tiny_bundle import LABELS, manifest_fields, tiny_model, write_tiny_bundle


@pytest.fixture
def bundle_path(tmp_path):
    return write_tiny_bundle(tmp_path / 'tiny')


def findings(path):
    with pytest.raises(BundleError) as error:
        load_bundle(path)
    return list(error.value.findings)


def edit_manifest(path, **fields):
    manifest = json.loads((path / 'manifest.json').read_text())
    (path / 'manifest.json').write_text(json.dumps(manifest | fields))


def test_a_written_bundle_is_read_back(bundle_path):
    bundle = load_bundle(bundle_path)
    assert bundle.labels == LABELS
    assert bundle.thresholds.score_threshold == 0.35
    assert bundle.model_path() == bundle_path / 'model.onnx'
    assert bundle.model_path('model.onnx') == bundle.model_path('auto')


def test_a_missing_folder_is_named(tmp_path):
    assert findings(tmp_path / 'absent') == [
        f'{tmp_path}/absent: no such bundle folder; check the path'
    ]


def test_a_folder_without_manifest_is_no_bundle(bundle_path):
    (bundle_path / 'manifest.json').unlink()
    (finding,) = findings(bundle_path)
    assert 'has no manifest.json; this is no bundle, or its export was cut off' in finding


def test_what_the_file_system_refuses_is_a_finding(bundle_path):
    (finding,) = findings('/' + 'x' * 300)
    assert 'File name too long; check the path' in finding
    (bundle_path / 'manifest.json').unlink()
    (bundle_path / 'manifest.json').mkdir()
    (finding,) = findings(bundle_path)
    assert 'manifest.json: is a folder; expected a regular file' in finding


@pytest.mark.parametrize('text', ['{', '[1]', '{"name": 3}', '[' * 100_000])
def test_a_manifest_that_is_none_is_an_error(bundle_path, text):
    (bundle_path / 'manifest.json').write_text(text)
    assert all('manifest.json: ' in finding for finding in findings(bundle_path))


def test_a_changed_byte_is_found_by_its_hash(bundle_path):
    labels = bundle_path / 'labels.txt'
    labels.write_text(labels.read_text().replace('red', 'rot'))
    (finding,) = findings(bundle_path)
    assert 'labels.txt: has sha256' in finding
    assert 'copy it again' in finding


def test_everything_wrong_is_reported_at_once(bundle_path):
    (bundle_path / 'priors_cxcywh.npy').unlink()
    (bundle_path / 'labels.txt').write_text('red\nred\nbackground\n \n')
    (bundle_path / 'deploy.yaml').write_text(
        'model_name: x\ndeploy: {input: {size: [64, 64, 3]}}\n'
    )
    (bundle_path / 'model.onnx').write_bytes(b'not a model')
    text = '\n'.join(findings(bundle_path))
    for words in (
        'priors_cxcywh.npy: is missing',
        'labels.txt: has sha256',
        'labels.txt: has 4 labels; the model scores 3 classes',
        'labels.txt: red given more than once',
        'labels.txt: background is class 0 and is not listed',
        'labels.txt: an empty label',
        'deploy.input.size: 64 px; the model takes 32',
        'model.onnx: holds what is no ONNX file',
    ):
        assert words in text


def test_a_model_of_another_input_size_is_named_with_both_shapes(bundle_path):
    replace_file(bundle_path, 'model.onnx', tiny_model(size_px=48).SerializeToString())
    (finding,) = findings(bundle_path)
    assert 'model.onnx: has tensors' in finding
    assert 'input_image [1, 48, 48, 3]' in finding
    assert 'the manifest says' in finding
    assert 'input_image [1, 32, 32, 3]' in finding


def test_a_model_with_other_tensor_names_is_named(bundle_path):
    model = tiny_model()
    model.graph.output[0].name = model.graph.node[-1].output[0] = 'loc'
    onnx.checker.check_model(model)
    replace_file(bundle_path, 'model.onnx', model.SerializeToString())
    (finding,) = findings(bundle_path)
    assert 'loc [1, 3, 4]' in finding


@pytest.mark.parametrize('shape', [(5, 4), (3, 5), (3, 4, 1)])
def test_priors_of_another_shape_are_named(bundle_path, shape):
    np.save(bundle_path / 'other.npy', np.zeros(shape))
    replace_file(bundle_path, 'priors_cxcywh.npy', (bundle_path / 'other.npy').read_bytes())
    (finding,) = findings(bundle_path)
    assert f'priors_cxcywh.npy: has shape {shape}; the manifest says (3, 4)' in finding


def test_labels_that_are_no_utf8_are_named_once(bundle_path):
    replace_file(bundle_path, 'labels.txt', 'r\xf6t\nblue\ngreen\n'.encode('latin-1'))
    (finding,) = findings(bundle_path)
    assert 'labels.txt: is no UTF-8 text' in finding


@pytest.mark.parametrize('name', ['deploy.yaml', 'labels.txt', 'model.onnx', 'priors_cxcywh.npy'])
def test_a_file_that_the_manifest_forgets_is_named(bundle_path, name):
    files = json.loads((bundle_path / 'manifest.json').read_text())['files']
    edit_manifest(bundle_path, files={key: files[key] for key in files.keys() - {name}})
    (finding,) = findings(bundle_path)
    assert finding.endswith(f'does not list {name}; export the bundle again')


def test_a_pickled_array_is_not_loaded(bundle_path):
    np.save(bundle_path / 'other.npy', np.array([object()]), allow_pickle=True)
    replace_file(bundle_path, 'priors_cxcywh.npy', (bundle_path / 'other.npy').read_bytes())
    (finding,) = findings(bundle_path)
    assert 'priors_cxcywh.npy: can not be read' in finding


def test_a_manifest_can_not_reach_outside_its_folder(bundle_path):
    files = json.loads((bundle_path / 'manifest.json').read_text())['files']
    edit_manifest(bundle_path, files=files | {'../secret': files['labels.txt']})
    assert any('../secret is no plain file name' in finding for finding in findings(bundle_path))


def test_thresholds_of_the_deploy_config_are_checked(tmp_path):
    text = (
        'model_name: tiny\n'
        'deploy: {input: {size: [32, 32, 3]}, post_processing: {class_thresholds: {horse: 0.1}}}\n'
    )
    with pytest.raises(BundleError, match='post_processing.class_thresholds.horse: no such label'):
        write_tiny_bundle(tmp_path / 'tiny', deploy_yaml=text)


def test_a_model_that_is_not_there_is_named_with_those_that_are(bundle_path):
    with pytest.raises(BundleError, match='int8.onnx is not in the bundle; it holds model.onnx'):
        load_bundle(bundle_path).model_path('int8.onnx')


def test_a_failed_write_leaves_the_old_bundle(bundle_path):
    with pytest.raises(BundleError):
        write_bundle(bundle_path, {'labels.txt': 'one\n'}, manifest_fields())
    assert load_bundle(bundle_path).labels == LABELS
    assert sorted(path.name for path in bundle_path.parent.glob('.*')) == []


def test_a_write_replaces_the_old_bundle_as_a_whole(bundle_path):
    (bundle_path / 'stale.txt').write_text('old')
    contents = {path.name: path for path in bundle_path.iterdir() if path.name != 'manifest.json'}
    del contents['stale.txt']
    copies = {name: path.rename(bundle_path.parent / name) for name, path in contents.items()}
    write_bundle(bundle_path, copies, manifest_fields())
    assert not (bundle_path / 'stale.txt').exists()


@pytest.mark.parametrize(
    ('opset', 'advice'),
    [
        (99, 'the file has IR version 8, opset 99: a later onnxruntime than '),
        (17, 'export it again$'),
    ],
)
def test_a_file_that_is_too_new_for_onnx_runtime_says_what_is_needed(bundle_path, opset, advice):
    model = onnx.load(bundle_path / 'model.onnx')
    (entry,) = model.opset_import
    entry.version = opset
    model.graph.node[0].op_type += 'OfTomorrow'
    written = {'model.onnx': {'ir_version': 8, 'opset': opset}}
    replace_file(bundle_path, 'model.onnx', model.SerializeToString(), onnx_formats=written)

    with pytest.raises(BundleError, match=advice):
        load_bundle(bundle_path)
