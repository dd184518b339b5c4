"""Starting from a detector with other classes: archives, runs, checkpoints, bundles."""

import dataclasses
import json
import os

import numpy as np
import pytest

from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.parity_file import read_parity
from ssd_training.errors import CheckpointError, WeightsError
from ssd_training.experiments.architecture import describe_architecture
from ssd_training.model.detector import detect
from ssd_training.model.released_bundle import find_released_bundle
from ssd_training.model.weights import save_weights
from ssd_training.runs.checkpoints import Checkpoint, Position, read_checkpoint, write_checkpoint
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import WEIGHTS
from ssd_training.runs.start_weights import (
    COCO_ARCHIVE,
    find_start,
    hash_start,
    Kind,
    read_labels,
)
from ssd_training.runs.state import AVERAGE, MODEL, restore_for_labels
from ssd_training.targets.priors import generate_priors
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.resuming import check_architecture, check_start
from ssd_training.training.step.building import build_float_model

# tiny.yaml's labels are red, green, blue.
OTHERS = 'data.labels=[ball,blue,red,cone]'
ANEW = 'class heads start anew: 3 -> 4 classes; rows copied: the background and 2 of 4 labels'


@pytest.mark.parametrize(('name', 'is_fetched'), [(COCO_ARCHIVE, True), ('own.npz', False)])
def test_of_archives_from_coco_that_are_missing_it_says_what_gets_them(name, is_fetched, tmp_path):
    with pytest.raises(WeightsError, match='set SSD_WEIGHTS_DIR') as error:
        hash_start(find_start(str(tmp_path / name)))
    assert ('python -m ssd_training.coco_weights' in str(error.value)) == is_fetched


@pytest.fixture(scope='module')
def source(tiny_config):
    """Build a network whose values can't be those of a fresh one."""
    model = build_float_model(tiny_config.architecture)
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if not variable.path.endswith('variance'):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


@pytest.fixture(scope='module')
def run(load, source, tmp_path_factory):
    """Leave a finished run of tiny with a file of weights and a checkpoint."""
    config = load('tiny', f'run.root={tmp_path_factory.mktemp("runs")}')
    folder = RunFolder.create(config, 'f' * 12, {})
    with folder.running():
        save_weights(source, folder.path / WEIGHTS)
        arrays = {MODEL + weight.path: np.array(weight.value) for weight in source.weights}
        arrays |= {AVERAGE + weight.path: np.array(weight.value) + 1 for weight in source.weights}
        architecture = json.loads(json.dumps(describe_architecture(config.architecture)))
        write_checkpoint(folder.last, Checkpoint(Position(7), architecture, 'f' * 12, '', arrays))
    return folder.path


@pytest.fixture(scope='module')
def other(load):
    """Build a network of other labels, once; and its values as it started."""
    model = build_float_model(load('tiny', OTHERS).architecture)
    return model, model.get_weights()


@pytest.fixture
def start(load, other, caplog):
    """Start the network of other labels from something."""
    caplog.set_level('INFO')
    model, fresh = other
    model.set_weights(fresh)

    def start_from(weights, *overrides):
        config = load('tiny', OTHERS, f'backbone.weights={weights}', *overrides)
        own = build_float_model(config.architecture) if overrides else model
        load_pretrained(own, config.architecture, trained_statistics=())
        return own

    return start_from


def assert_rows_follow_labels(model, source, shift=0.0):
    """Compare backbone, boxes and class rows: ball, blue, red, cone with red, green, blue."""
    for name in ('block_5_project', 'head_1_box', 'block_5_project_BN'):
        pairs = zip(
            model.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True
        )
        for value, expected in pairs:
            np.testing.assert_array_equal(value, expected + np.float32(shift))
    kernel = model.get_layer('head_1_cls').get_weights()[0].reshape(-1, 6, 5)
    expected = source.get_layer('head_1_cls').get_weights()[0].reshape(-1, 6, 4)
    np.testing.assert_array_equal(
        kernel[..., [0, 2, 3]], expected[..., [0, 3, 1]] + np.float32(shift)
    )
    # Started anew: a standard deviation of 0.01.
    assert np.abs(kernel[..., [1, 4]]).max() < 0.1


@pytest.mark.parametrize('name', ['', WEIGHTS])
def test_a_run_and_its_file_of_weights_give_rows_of_the_same_name(
    run, source, start, name, caplog
):
    assert_rows_follow_labels(start(run / name), source)

    assert ANEW in caplog.text


def test_a_checkpoint_gives_the_rows_of_its_average(run, source, start, caplog):
    assert_rows_follow_labels(start(run / 'checkpoints/last/ckpt-7.npz'), source, shift=1.0)

    assert ANEW in caplog.text


def test_a_bare_file_of_weights_gives_its_background_alone(run, source, start, tmp_path, caplog):
    (tmp_path / 'bare.weights.h5').write_bytes((run / WEIGHTS).read_bytes())

    bias = start(tmp_path / 'bare.weights.h5').get_layer('head_0_cls').get_weights()[1]

    expected = source.get_layer('head_0_cls').get_weights()[1]
    assert bias[0] == expected[0]
    np.testing.assert_array_equal(bias[1:5], 0)
    assert '3 -> 4 classes; rows copied: the background; its labels are not known' in caplog.text


def test_the_labels_of_an_archive_stand_in_the_json_beside_it(source, start, tmp_path, caplog):
    arrays = {
        f'head_0_cls/{name}': value
        for name, value in zip(
            ('kernel', 'bias'), source.get_layer('head_0_cls').get_weights(), strict=True
        )
    }
    np.savez(tmp_path / 'own.npz', **arrays)
    rows = ['background', 'red', 'green', 'blue']
    classes = [{'row': row, 'name': name} for row, name in enumerate(rows)]
    (tmp_path / 'own.json').write_text(json.dumps({'classes': classes}))

    bias = start(tmp_path / 'own.npz').get_layer('head_0_cls').get_weights()[1]

    expected = arrays['head_0_cls/bias']
    np.testing.assert_array_equal(bias[[0, 2, 3]], expected[[0, 3, 1]])
    assert ANEW in caplog.text


def test_the_coco_archive_without_its_json_has_the_labels_of_voc(load, tmp_path):
    start = find_start(str(tmp_path / COCO_ARCHIVE))

    assert start.kind is Kind.ARCHIVE
    assert read_labels(start) == load('exp002_ssdlite').data.labels


def test_the_described_labels_of_the_coco_archive_are_those_of_voc(load, pretrained_path):
    path = pretrained_path(COCO_ARCHIVE)

    assert read_labels(find_start(str(path))) == load('exp002_ssdlite').data.labels


def assert_parity(model, config, parity):
    images = np.concatenate(
        [preprocess(image, config.input_size[0]) for image in parity.images_rgb]
    )
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    boxes_xyxy, scores = detect(
        model, images, priors_cxcywh, config.priors.variances, activation='softmax'
    )
    # Measured: 1e-6 for boxes and scores.
    np.testing.assert_allclose(boxes_xyxy, parity.boxes_normalized_xyxy, atol=1e-5)
    np.testing.assert_allclose(scores, parity.scores, atol=1e-5)


@pytest.fixture(scope='module')
def released(load):
    """Read the released bundle into the network that it was exported from."""
    config = load('exp005_release', 'backbone.weights=released')
    model = build_float_model(config.architecture)
    load_pretrained(model, config.architecture, trained_statistics=())
    return model, config


def test_the_released_bundle_is_read_exactly(released):
    assert_parity(*released, read_parity(load_bundle(find_released_bundle())))


def test_a_bundle_gives_the_rows_of_the_same_name(released, load, caplog):
    caplog.set_level('INFO')
    bundle = find_released_bundle()
    config = load('exp002_ssdlite', 'data.labels=[ball,dog]', f'backbone.weights={bundle}')
    model = build_float_model(config.architecture)

    load_pretrained(model, config.architecture, trained_statistics=())

    kernel = model.get_layer('head_2_cls').get_weights()[0].reshape(-1, 6, 3)
    expected = released[0].get_layer('head_2_cls').get_weights()[0].reshape(-1, 6, 21)
    np.testing.assert_array_equal(kernel[..., [0, 2]], expected[..., [0, 12]])
    assert (
        'class heads start anew: 20 -> 2 classes; rows copied: the background and 1 of 2 labels, '
        'by name (dog)'
    ) in caplog.text


@pytest.mark.parametrize(
    ('override', 'key'),
    [
        ('backbone.freeze_bn=false', 'backbone.freeze_bn'),
        (
            'train.unfreeze=[{epoch: 2, freeze_until: null, freeze_bn: false}]',
            'train.unfreeze.0.freeze_bn',
        ),
    ],
)
def test_a_bundle_has_no_statistics_to_train_from_and_says_so(released, load, override, key):
    config = load('exp002_ssdlite', 'backbone.weights=released', override)

    with pytest.raises(WeightsError, match=f'^{key}: false, .*; set it to true$'):
        load_pretrained(
            released[0],
            config.architecture,
            trained_statistics=config.trained_batch_norms(),
        )


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        (
            ['priors.aspect_ratios=[[1.0],[1.0]]'],
            'head_1_box: .*: 6 priors a cell, not 2',
        ),
        (
            ['backbone.width_mult=0.5'],
            r'(?s)layers do not fit: equal must be backbone\.width_mult',
        ),
        (['heads.head_type=conv3x3', 'heads.intermediate_channels=8'], 'no values for layers: '),
    ],
)
def test_another_architecture_is_refused_with_what_differs(run, start, overrides, message):
    with pytest.raises(WeightsError, match=message):
        start(run, *overrides)


def test_another_input_size_is_the_same_network(run, source, start):
    assert_rows_follow_labels(start(run, 'input_size=[64,64]'), source)


def test_a_start_counts_by_content_wherever_it_lies(run, load, tmp_path):
    def fingerprint(weights):
        return compute_fingerprint(load('tiny', f'backbone.weights={weights}'))

    (tmp_path / 'copy.weights.h5').write_bytes((run / WEIGHTS).read_bytes())
    (tmp_path / 'bundle').symlink_to(find_released_bundle())

    assert fingerprint(run) == fingerprint(tmp_path / 'copy.weights.h5')
    assert fingerprint('released') == fingerprint(tmp_path / 'bundle')
    assert len({fingerprint(weights) for weights in (run, 'released', 'imagenet', 'null')}) == 4


def test_released_is_found_in_an_installed_workspace_or_the_error_names_the_places(
    load, tmp_path, monkeypatch
):
    released = find_released_bundle()
    share = tmp_path / 'install/share/ssd_detector_ros/models'
    share.mkdir(parents=True)
    monkeypatch.setenv(
        'AMENT_PREFIX_PATH', os.pathsep.join(['/nowhere', str(tmp_path / 'install')])
    )

    with pytest.raises(
        WeightsError, match='not installed .*install/share.*source install/setup.bash.*FOLDER'
    ):
        find_start('released')
    (share / 'mobilenetv2_ssd_voc').symlink_to(released)
    assert find_start('released').path == share / 'mobilenetv2_ssd_voc'


def test_without_a_sourced_workspace_the_released_bundle_asks_for_one(monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH')

    with pytest.raises(WeightsError, match='AMENT_PREFIX_PATH is not set.*source install/setup'):
        find_start('released')


def test_a_folder_that_is_no_start_says_what_is(load, tmp_path):
    with pytest.raises(WeightsError, match='neither a run folder .* nor a bundle'):
        find_start(str(tmp_path))
    RunFolder.create(load('tiny', f'run.root={tmp_path}'), 'a' * 12, {})
    with pytest.raises(WeightsError, match=r'status is initialized.*name one of its checkpoints'):
        find_start(str(tmp_path / f'tiny_{"a" * 12}'))


def test_run_from_takes_other_labels_and_sizes_and_resume_does_not(run, load):
    checkpoint = read_checkpoint(run / 'checkpoints/last', 7)
    config = load('tiny', OTHERS, 'input_size=[64,64]')

    check_start(checkpoint, config.architecture)
    with pytest.raises(CheckpointError, match='input_size: is'):
        check_architecture(checkpoint, config.architecture)
    with pytest.raises(CheckpointError, match='backbone.width_mult: is 0.35'):
        check_start(checkpoint, dataclasses.replace(config, backbone=wider(config)).architecture)


def test_run_from_takes_another_place_of_priors_and_resume_tells_them_apart(run, load):
    """A checkpoint from before the key existed names none, and neither does one of its size."""
    checkpoint = read_checkpoint(run / 'checkpoints/last', 7)
    assert 'priors.laid_out_at_px' not in checkpoint.architecture
    own, other = (load('tiny', f'priors.laid_out_at_px={px}').architecture for px in (96, 80))
    later = dataclasses.replace(checkpoint, architecture=describe_architecture(other))

    check_architecture(checkpoint, own)
    check_start(checkpoint, other)
    check_start(later, own)
    misfits = ['is (nothing), this experiment has 80', 'is 80, this experiment has (nothing)']
    for found, wanted, misfit in ((checkpoint, other, misfits[0]), (later, own, misfits[1])):
        with pytest.raises(CheckpointError) as error:
            check_architecture(found, wanted)
        assert error.value.findings == (
            f'the checkpoint is of another architecture: priors.laid_out_at_px: {misfit}',
        )


def wider(config):
    return dataclasses.replace(config.backbone, width_mult=0.5)


def test_run_from_other_labels_gives_the_rows_of_the_average(run, source, other, caplog):
    caplog.set_level('INFO')
    model, fresh = other
    model.set_weights(fresh)
    variables = {MODEL + weight.path: weight for weight in model.weights}
    checkpoint = read_checkpoint(run / 'checkpoints/last', 7)

    restore_for_labels(checkpoint, variables, ['ball', 'blue', 'red', 'cone'])

    assert_rows_follow_labels(model, source, shift=1.0)
    assert ANEW in caplog.text
