"""The deploy chain: SavedModel, ONNX, INT8, parity, and what stops it."""

import argparse
import dataclasses
import json
import shutil

import cv2
import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from ssd_detector import Detector
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.backends.tensorrt.cuda import find_gpu
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT
from ssd_detector.bundles.deploy_config import BenchmarkSettings, PredictionSettings
from ssd_detector.errors import BundleError, ConfigError
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.int8_parity import select_int8_outputs
from ssd_detector.proofs.parity_file import read_parity
from ssd_detector.verify import verify_bundle
from ssd_training.data.sampling import draw_image
from ssd_training.deployment import steps
from ssd_training.deployment.after_bundle import after_bundle
from ssd_training.deployment.assembly import assemble
from ssd_training.deployment.build import Build, TRAINED_MODEL
from ssd_training.deployment.conversion import count_operations, find_avoidable
from ssd_training.deployment.trained_model import read_trained_model
from ssd_training.deployment.validation import compare, record_int8
from ssd_training.errors import DataError, ExportError, WeightsError
from ssd_training.evaluate import main as evaluate
from ssd_training.evaluation.stages import open_checkpoint, open_onnx, open_saved_model
from ssd_training.model.serving import load_saved_model
from ssd_training.quantization import raw_heads
from ssd_training.quantization.int8_files import quantize_model
from ssd_training.quantization.step import calibrate, quantize, QuantizeOptions
from ssd_training.runs.layout import WEIGHTS
from ssd_training.targets.box_coding import cxcywh_to_xyxy, decode_offsets
from tests import reference
from tests.training.deploy_config import SIZE_PX, TINY
from tests.training.deploying import build_bundle, make_build, NUM_PRIORS


@pytest.fixture(scope='module')
def trained(built):
    return read_trained_model(built.path / 'source.json')


@pytest.fixture(scope='module')
def serving(trained, built):
    """Load the network as it was trained, once, where its pretrained weights are no more."""
    backbone = dataclasses.replace(trained.config.backbone, weights='nowhere.npz')
    config = dataclasses.replace(trained.config, backbone=backbone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('urllib.request.urlopen', None)
        return steps.load_serving(dataclasses.replace(trained, config=config), built.deploy)


@pytest.fixture
def copy(built, tmp_path):
    """Give a build of one's own to break."""
    shutil.copytree(built.path, tmp_path / 'bundle_build')
    return Build(built.deploy, built.tree, tmp_path / 'bundle')


def image(seed=0):
    return draw_image(SIZE_PX, seed).astype(np.float32)[None] / 255


def test_the_bundle_has_every_file_of_the_design(built):
    files = {path.name for path in built.bundle_path.iterdir()}

    assert files == {
        'MODEL_CARD.md',
        'calibration.json',
        'deploy.yaml',
        'labels.txt',
        'manifest.json',
        'model.onnx',
        'model_fp16.onnx',
        'model_int8_cpu.onnx',
        'model_int8_trt.onnx',
        'parity.npz',
        'priors_cxcywh.npy',
    }


def test_the_saved_model_has_the_names_shapes_and_types_of_the_contract(built):
    serve, signature = load_saved_model(built.path / 'saved_model')
    outputs = serve.module.signatures['serving_default'].structured_outputs

    assert (signature.shape.as_list(), signature.dtype) == ([1, SIZE_PX, SIZE_PX, 3], tf.float32)
    assert outputs['boxes'].shape.as_list() == [1, NUM_PRIORS, 4]
    assert outputs['scores'].shape.as_list() == [1, NUM_PRIORS, 4]


def test_the_onnx_graph_has_no_batch_norm_and_no_avoidable_chain(built):
    counts = count_operations(built.path / 'model.onnx')

    assert find_avoidable(built.path / 'model.onnx') == []
    # One at the input, one for each of two outputs of the maps with more than one cell.
    assert counts['Transpose'] <= 1 + 2 * 6
    assert counts['Mul'] < 10


def test_a_graph_that_was_not_slimmed_is_named(built, tmp_path):
    model = onnx.load(built.path / 'model.onnx')
    name = model.graph.node[5].input[0]
    model.graph.node.append(onnx.helper.make_node('Shape', [name], ['a_shape'], name='a_shape'))
    onnx.save(model, tmp_path / 'raw.onnx')

    (finding,) = find_avoidable(tmp_path / 'raw.onnx')
    assert 'holds 1 Shape; expected none' in finding


def test_every_file_passes_where_it_will_serve(built):
    bundle = load_bundle(built.bundle_path)

    for name in bundle.manifest.models:
        result = verify_bundle(bundle, BackendRequest(backend='onnxruntime', model=name))
        assert result.is_good, str(result)
        written = bundle.manifest.onnx_formats[name]
        model = onnx.load(bundle.path / name)
        assert (written.ir_version, written.opset) == (
            model.ir_version,
            model.opset_import[0].version,
        )


def test_parity_holds_what_the_network_gives_not_what_a_file_gives(built, serving):
    parity = read_parity(load_bundle(built.bundle_path))

    boxes, scores = serving.detect(parity.images_rgb[:1].astype(np.float32) / 255)

    np.testing.assert_allclose(parity.boxes_normalized_xyxy[0], boxes[0], atol=1e-5)
    np.testing.assert_allclose(parity.scores[0], scores[0], atol=1e-5)
    assert set(parity.tolerances) == {'FP32', 'FP16', 'INT8'}


@pytest.mark.parametrize(('name', 'way'), [(INT8_TRT, 'off'), (INT8_CPU, 'all')])
def test_an_int8_file_is_recorded_as_its_runtime_computes_it(built, name, way):
    """TensorRT dequantizes where the optimizations of ONNX Runtime compute in integers."""
    recorded = record_int8(built.path / name, [draw_image(SIZE_PX, 0)])

    def equals_run(optimization):
        backend = OnnxRuntimeBackend(built.path / name, graph_optimization=optimization)
        found = select_int8_outputs(*(output[None] for output in backend.run(image())))
        return all(
            np.array_equal(ours, theirs)
            for ours, theirs in zip(vars(recorded).values(), vars(found).values(), strict=True)
        )

    assert equals_run(way)
    # For CPUs both ways may round alike.
    assert name == INT8_CPU or not equals_run('all')


def test_auto_takes_the_file_of_the_precision(built):
    bundle = load_bundle(built.bundle_path)

    def opened(precision, backend='onnxruntime'):
        request = BackendRequest(precision=precision, backend=backend)
        return open_backend(bundle, request).description

    assert opened('auto') == 'ONNX Runtime CPUExecutionProvider, model.onnx'
    assert opened('INT8') == 'ONNX Runtime CPUExecutionProvider, model_int8_cpu.onnx'
    assert opened('INT8', 'openvino').startswith('OpenVINO')


def test_openvino_gives_the_same_boxes(built):
    bundle = load_bundle(built.bundle_path)

    assert verify_bundle(bundle, BackendRequest(backend='openvino')).is_good


def test_the_calibration_sample_is_recorded(built):
    record = json.loads((built.bundle_path / 'calibration.json').read_text())

    assert len(record['images']) == 6 and len(record['images_sha256']) == 64
    assert (record['method'], record['seed']) == ('percentile', 0)


@pytest.mark.slow
def test_a_dynamic_batch_goes_all_the_way_and_gives_what_single_images_give(trained, tmp_path):
    build = make_build(tmp_path, runtime={'batch_size': 'dynamic'})
    build_bundle(trained, build)
    assert find_avoidable(build.path / 'model.onnx') == []

    for name in ('model.onnx', 'model_int8_cpu.onnx'):
        detector = Detector.from_bundle(build.bundle_path, model=name, backend='onnxruntime')
        images = [image(seed) for seed in range(3)]
        assert detector.takes_batches
        for (boxes, scores), single in zip(detector.infer_batch(images), images, strict=True):
            alone_boxes, alone_scores = detector.infer(single)
            np.testing.assert_allclose(boxes, alone_boxes, atol=1e-5)
            np.testing.assert_allclose(scores, alone_scores, atol=1e-5)


def test_the_network_takes_pixels_as_it_takes_shares_of_white(trained, built, serving):
    pixels = draw_image(SIZE_PX, 0)[None]
    of_pixels = steps.load_serving(trained, built.deploy, uint8_input=True)._serve(pixels)

    for received, expected, other in zip(
        (of_pixels['boxes'], of_pixels['scores']),
        serving.detect(image()),
        serving.detect(image() * np.float32(255 / 256)),
        strict=True,
    ):
        np.testing.assert_allclose(received, expected, atol=1e-5)
        assert np.abs(received - other).max() > 1e-4


@pytest.mark.slow
def test_uint8_pixels_give_what_floats_give(trained, copy):
    """The whole conversion, 14 s of CPU; what it converts is looked at above."""
    steps.export_uint8(trained, copy)
    pixels = draw_image(SIZE_PX, 0)[None]

    session = OnnxRuntimeBackend(copy.path / 'model_uint8.onnx')._session
    outputs = session.run(['boxes', 'scores'], {'input_image': pixels})

    model = OnnxRuntimeBackend(copy.path / 'model.onnx')
    darker = model.run(image() * np.float32(255 / 256))
    for received, expected, other in zip(outputs, model.run(image()), darker, strict=True):
        np.testing.assert_allclose(received[0], expected, atol=1e-5)
        assert np.abs(received[0] - other).max() > 1e-4


def test_weights_without_one_variable_are_an_error(trained, tmp_path):
    path = tmp_path / 'cut.weights.h5'
    shutil.copyfile(trained.weights_path, path)
    with h5py.File(path, 'r+') as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, 'shape') else None)
        del file[names[3]]
    cut = type(trained)(trained.config, 'f' * 12, 'run', path, {})

    with pytest.raises(WeightsError, match=f'{names[3]}: received nothing'):
        steps.export(cut, make_build(tmp_path))
    assert not (tmp_path / 'bundle').exists()


def test_a_deploy_config_for_other_classes_is_an_error(trained, tmp_path):
    build = make_build(tmp_path, post_processing={'class_thresholds': {'aeroplane': 0.5}})

    with pytest.raises(ConfigError, match='class_thresholds.aeroplane: no such label'):
        steps.export(trained, build)


def test_the_export_needs_no_pretrained_weights(serving):
    """Fault 76: it downloaded what the checkpoint holds anyway."""
    assert serving.detect(image())[0].shape == (1, NUM_PRIORS, 4)


def test_calibration_images_go_through_the_cores_own_preprocessing(built, trained):
    """Fault 15: training, calibration and inference resized in three ways."""
    options = QuantizeOptions(num_calibration=2)

    calibration = calibrate(
        built.path / 'model.onnx', options, data=trained.config.data, size_px=SIZE_PX
    )

    expected = [preprocess(source.load(), SIZE_PX) for source in calibration.sources]
    np.testing.assert_array_equal(calibration.inputs, expected)


def test_a_step_before_its_predecessor_names_it(tmp_path):
    with pytest.raises(ExportError, match='run export, then convert'):
        steps.convert(make_build(tmp_path))


def test_another_network_in_the_onnx_file_fails_validation(copy, serving, monkeypatch):
    model = onnx.load(copy.path / 'model.onnx')
    for constant in list(model.graph.initializer):
        array = onnx.numpy_helper.to_array(constant)
        if array.size == 2 * NUM_PRIORS:  # centres or sizes of the priors
            moved = onnx.numpy_helper.from_array(array + np.float32(0.01), constant.name)
            constant.CopyFrom(moved)
    onnx.save(model, copy.path / 'model.onnx')

    # The network is the one that the step would load.
    monkeypatch.setattr(steps, 'load_serving', lambda *_: serving)
    with pytest.raises(ExportError, match=r'model.onnx: boxes within .* expected at most'):
        steps.validate(copy)


def test_other_outputs_another_opset_and_shapes_are_found_at_once(copy):
    model = onnx.load(copy.path / 'model.onnx')
    model.opset_import[0].version = 18
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    model.graph.output[1].name = model.graph.node[-1].output[0] + '_other'
    onnx.save(model, copy.path / 'model.onnx')

    with pytest.raises(ExportError) as error:
        steps.validate(copy)

    text = str(error.value)
    assert 'has shape (1, 7, 4); expected (1, 648, 4)' in text
    assert 'scores is missing' in text and 'is one tensor too many' in text
    assert 'has opset 18; deploy.runtime.opset is 17' in text


@pytest.mark.parametrize('output', [0, 1])
def test_nan_is_no_agreement(output):
    outputs = [np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32)]
    outputs[output] += np.nan

    difference = compare('onnx', lambda _: outputs, lambda _: outputs, [image()])

    assert not difference.is_good


def test_a_difference_in_any_image_counts():
    zeros = np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32)

    def run(image):
        return zeros[0] + image.mean(), zeros[1] + 2 * image.mean()

    images = [np.full((1, 2, 2, 3), value, np.float32) for value in (0.25, 0.0)]
    difference = compare('onnx', run, lambda _: zeros, images)

    assert (difference.boxes, difference.scores) == (0.25, 0.5)


def test_a_step_forgets_what_later_steps_made_of_its_old_result(copy):
    copy.forget_from('model.onnx')

    left = {path.name for path in copy.path.iterdir()}
    assert left == {'saved_model', 'priors_cxcywh.npy', 'source.json'}


def test_a_bundle_that_would_be_wrong_leaves_the_old_one(copy):
    assemble(copy)
    (copy.path / 'model_int8_cpu.onnx').write_bytes(b'half a mod')

    with pytest.raises(BundleError):
        assemble(copy)

    assert len(load_bundle(copy.bundle_path).manifest.models) == 4


def test_a_calibration_folder_without_images_is_named(copy, tmp_path):
    (tmp_path / 'empty').mkdir()

    with pytest.raises(DataError, match='empty: holds no image'):
        quantize(copy, QuantizeOptions(calibration_images=tmp_path / 'empty'))


@pytest.mark.parametrize('option', ['--calibration_images FOLDER', '--num_evaluated 0'])
def test_without_the_data_set_it_says_which_option_does_without(option, copy, tmp_path):
    """Who deploys what was trained elsewhere has photographs, but no annotations."""
    path = copy.file(TRAINED_MODEL)
    record = json.loads(path.read_text())
    record['config']['data'] |= {'dataset_name': 'voc', 'root': str(tmp_path / 'nowhere')}
    path.write_text(json.dumps(record))
    cv2.imwrite(str(tmp_path / 'photograph.png'), draw_image(SIZE_PX, 0))
    folder = None if 'calibration' in option else tmp_path

    with pytest.raises(DataError) as error:
        quantize(copy, QuantizeOptions(calibration_images=folder))

    assert str(tmp_path / 'nowhere') in str(error.value)
    assert f'without this data set: {option}' in str(error.value)
    quantize(copy, QuantizeOptions(calibration_images=tmp_path, num_evaluated=0))


def test_every_corrupt_calibration_image_is_named(copy, tmp_path):
    for name in ('a.jpg', 'b.png'):
        (tmp_path / name).write_bytes(b'no image')

    with pytest.raises(DataError) as error:
        quantize(copy, QuantizeOptions(calibration_images=tmp_path))

    assert 'a.jpg' in str(error.value) and 'b.png' in str(error.value)


def test_more_loss_than_allowed_leaves_no_int8_file(copy):
    with pytest.raises(ExportError, match='points of mAP .*; -200 are allowed'):
        quantize(copy, QuantizeOptions(num_calibration=2, num_evaluated=2, max_loss=-200))

    assert not (copy.path / 'model_int8_cpu.onnx').exists()


@pytest.mark.slow
def test_layer_after_layer_is_kept_in_float_until_there_is_nothing_left_to_try(copy, monkeypatch):
    kept = []
    monkeypatch.setattr(
        'ssd_training.quantization.step.quantize_model',
        lambda *paths, float_nodes, **options: (
            kept.append(tuple(float_nodes)),
            quantize_model(*paths, float_nodes=float_nodes, **options),
        ),
    )
    options = QuantizeOptions(num_calibration=2, num_evaluated=2, max_loss=-200, auto_exclude=True)

    with pytest.raises(ExportError, match='points of mAP .*; -200 are allowed'):
        quantize(copy, options)

    assert [len(layers) for layers in kept[::2]] == list(range(9))
    assert kept[-1][:7] == kept[-3]
    assert not (copy.path / 'model_int8_cpu.onnx').exists()


@pytest.fixture(scope='module')
def raw(built, trained, tmp_path_factory):
    """Export the raw heads once; give their folder."""
    folder = tmp_path_factory.mktemp('raw')
    shutil.copytree(built.path, folder / 'bundle_build')
    return raw_heads.export_raw_heads(trained, Build(built.deploy, built.tree, folder / 'bundle'))


def run_raw_heads(folder):
    session = onnxruntime.InferenceSession(folder / 'model.onnx')
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {'input_image': image()})
    return dict(zip(names, outputs, strict=True))


def test_the_core_decodes_raw_heads_to_the_same_boxes(raw, built):
    outputs = run_raw_heads(raw)
    priors = np.load(raw / 'priors_cxcywh.npy')
    config = json.loads((raw / 'nms_config.json').read_text())

    offsets_yxhw, logits = (
        np.concatenate(
            [
                outputs[decoder[layer]].transpose(0, 2, 3, 1).reshape(-1, columns)
                for decoder in config['bbox_decoders']
            ]
        )
        for layer, columns in (('reg_layer', 4), ('cls_layer', config['classes']))
    )

    offsets = offsets_yxhw[:, [1, 0, 3, 2]]
    boxes = np.asarray(cxcywh_to_xyxy(decode_offsets(offsets, priors, (0.1, 0.2))))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected_boxes, expected_scores = OnnxRuntimeBackend(built.path / 'model.onnx').run(image())
    np.testing.assert_allclose(boxes, expected_boxes, atol=1e-5)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    assert np.load(raw / 'calibration.npy').shape[1:] == (SIZE_PX, SIZE_PX, 3)


def test_priors_off_the_middle_of_their_cells_have_no_raw_heads(trained, built, tmp_path):
    priors = dataclasses.replace(trained.config.priors, laid_out_at_px=SIZE_PX + 20)
    moved = dataclasses.replace(trained, config=dataclasses.replace(trained.config, priors=priors))

    with pytest.raises(ExportError, match='--raw_heads: with priors.laid_out_at_px .* the priors'):
        raw_heads.export_raw_heads(moved, Build(built.deploy, built.tree, tmp_path / 'bundle'))

    assert not list(tmp_path.iterdir())


def test_the_nms_config_alone_leads_to_the_same_boxes_as_hailort_decodes_them(raw, built):
    outputs = run_raw_heads(raw)
    config = json.loads((raw / 'nms_config.json').read_text())

    boxes = [
        box
        for decoder in config['bbox_decoders']
        for box in reference.decode_like_hailort(outputs[decoder['reg_layer']][0], decoder, config)
    ]

    expected, _ = OnnxRuntimeBackend(built.path / 'model.onnx').run(image())
    np.testing.assert_allclose(boxes, expected, atol=1e-5)


def test_the_nms_config_has_the_keys_and_types_of_hailos_model_zoo(raw):
    config = json.loads((raw / 'nms_config.json').read_text())

    assert {key: type(value) for key, value in config.items()} == {
        'nms_scores_th': float,
        'nms_iou_th': float,
        'image_dims': list,
        'max_proposals_per_class': int,
        'classes': int,
        'background_removal': bool,
        'background_removal_index': int,
        'centers_scale_factor': int,
        'bbox_dimensions_scale_factor': int,
        'bbox_decoders': list,
    }
    assert (config['centers_scale_factor'], config['bbox_dimensions_scale_factor']) == (10, 5)
    assert set(config['bbox_decoders'][0]) == {'name', 'w', 'h', 'reg_layer', 'cls_layer'}


def after_steps(build, folder, **sections):
    """Run what follows the bundle with sections added to the deploy config."""
    deploy = dataclasses.replace(build.deploy.deploy, **sections)
    changed = Build(
        dataclasses.replace(build.deploy, deploy=deploy), build.tree, folder / 'bundle'
    )
    changed.path.mkdir(exist_ok=True)
    shutil.copytree(build.path / 'saved_model', changed.path / 'saved_model', dirs_exist_ok=True)
    arguments = argparse.Namespace(workspace_mib=64, timing_cache=None, engine_folder=folder)
    lines = list(after_bundle(load_bundle(build.bundle_path), changed, arguments))
    return changed.path, lines


def test_verification_engine_and_prediction_follow_the_bundle(built, tmp_path):
    if find_gpu() is not None:
        pytest.skip('there is an NVIDIA GPU, for which an engine would be built')
    cv2.imwrite(str(tmp_path / 'a.png'), draw_image(SIZE_PX, 0))
    (tmp_path / 'b.mp4').touch()

    folder, lines = after_steps(built, tmp_path, prediction=PredictionSettings(str(tmp_path)))

    assert [line[:4] for line in lines[:4]] == ['PASS'] * 4
    assert 'engine: not built: ' in lines[4]
    assert lines[5].startswith('a.png  ')
    assert lines[6] == 'left out: b.mp4: is a video; give it alone'
    assert (folder / 'predictions/a.png').is_file()


def test_a_picture_that_can_not_be_predicted_fails_the_deployment(built, tmp_path):
    (tmp_path / 'a.png').write_bytes(b'no picture')

    with pytest.raises(DataError, match='deploy.prediction.source: 1 unreadable'):
        after_steps(built, tmp_path, prediction=PredictionSettings(str(tmp_path)))


@pytest.mark.slow
def test_every_peer_that_is_installed_is_timed_and_finds_the_same(built, tmp_path):
    folder, lines = after_steps(built, tmp_path, benchmark=BenchmarkSettings(num_rounds=1))

    report = json.loads((folder / 'benchmark.json').read_text())
    runtimes = {row['runtime'] for row in report['timings']}
    assert runtimes >= {'ONNX Runtime', 'OpenVINO', 'LiteRT'}
    # This process has used TensorFlow already, with another number of threads.
    (reason,) = [row['reason'] for row in report['absent'] if row['runtime'] == 'TensorFlow']
    assert reason == 'TensorFlow takes one number of threads a process'
    assert all(
        row['num_agreed'] == row['num_expected']
        for row in report['timings']
        if row['precision'] == 'FP32'
    )
    assert 'backend auto takes' in lines[-1]


def test_the_robots_config_has_no_part_of_the_exporting_machine(copy):
    tree = {**copy.tree, 'deploy': {**copy.tree['deploy'], 'benchmark': {}, 'prediction': {}}}

    bundle = assemble(Build(copy.deploy, tree, copy.bundle_path))

    assert 'prediction' not in (bundle.path / 'deploy.yaml').read_text()
    assert bundle.config.deploy.benchmark is None


def test_every_stage_that_is_scored_gives_what_was_trained(built, trained, serving):
    labels = trained.config.data.labels
    expected = serving.detect(image())
    for model in (
        open_checkpoint(
            trained.weights_path.with_name('ckpt-3.npz'),
            trained.config.architecture,
            ema=trained.config.train.ema,
        ),
        open_saved_model(built.path / 'saved_model', labels),
        open_onnx(built.bundle_path / 'model.onnx', labels),
    ):
        assert (model.size_px, model.labels) == (SIZE_PX, labels)
        for received, wanted in zip(model.predict(image()), expected, strict=True):
            np.testing.assert_allclose(received, wanted, atol=1e-5)


def test_the_chain_scores_every_file_of_a_build(
    built, trained, data_root, monkeypatch, capsys, tmp_path
):
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    (tmp_path / 'weights').mkdir()
    shutil.copyfile(trained.weights_path, tmp_path / WEIGHTS)
    (tmp_path / 'status.json').write_text('{"status": "success"}')
    code = evaluate(['--chain', str(built.bundle_path), '--checkpoint', str(tmp_path), '--json'])

    stages = {stage['stage']: stage for stage in json.loads(capsys.readouterr().out)['stages']}
    assert code == 0
    for name in ('checkpoint', 'SavedModel', 'ONNX', 'FP16', 'INT8 CPU', 'INT8 TRT'):
        assert stages[name]['metrics']['origin']['source']['kind'] == name
    assert stages['ONNX']['before'] == 'SavedModel'
    assert stages['SavedModel']['before'] == 'checkpoint'
    assert abs(stages['SavedModel']['loss']) < 1e-6 and abs(stages['ONNX']['loss']) < 1e-6
    assert stages['engine INT8']['absent'] or stages['engine INT8']['before'] == 'INT8 TRT'


def test_a_damaged_checkpoint_is_not_scored(tmp_path, data_root, monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', str(data_root))
    (tmp_path / 'ckpt-7.npz').write_bytes(b'nothing')

    assert evaluate([str(tmp_path / 'ckpt-7.npz'), '--experiment_path', str(TINY)]) == 1
    assert 'ckpt-7.npz: cut off or damaged' in capsys.readouterr().err
