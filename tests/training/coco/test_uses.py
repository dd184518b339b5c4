"""What the archives are for: starts, means, teachers, scores, bundles."""

from pathlib import Path
import shutil

import numpy as np
import pytest

from ssd_detector.errors import ConfigError
from ssd_training.command_line import CONFIG_ROOT
from ssd_training.deployment.model_card import write_model_card
from ssd_training.deployment.trained_model import find_trained_model, load_deploy_config
from ssd_training.errors import WeightsError
from ssd_training.evaluation.inputs import find_stage
from ssd_training.model.coco_labels import COCO_IDS, VOC_IDS
from ssd_training.runs.start_weights import COCO80_ARCHIVE as COCO
from ssd_training.runs.start_weights import COCO_ARCHIVE as VOC
from ssd_training.runs.start_weights import find_start, read_labels
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.soup import read_member
from ssd_training.training.step.building import build_float_model, build_model
from ssd_training.training.teacher import load_teacher
from ssd_training.training.trained import load_float


def test_they_fill_the_whole_network_but_for_statistics(folder, load, caplog):
    caplog.set_level('INFO')
    config = load('exp002_ssdlite', f'backbone.weights={folder / VOC}')
    network = build_model(config.architecture)
    with pytest.raises(WeightsError, match='no statistics of BatchNorm'):
        load_pretrained(network, config.architecture, trained_statistics=['backbone.freeze_bn'])
    load_pretrained(network, config.architecture, trained_statistics=())
    assert 'filled' in caplog.text
    assert 'random start' not in caplog.text and 'not in the model' not in caplog.text


@pytest.mark.parametrize(('name', 'ids'), [(VOC, VOC_IDS), (COCO, COCO_IDS)])
def test_rows_are_known_without_the_description_beside_them(name, ids, folder, tmp_path):
    start = find_start(str(shutil.copy(folder / name, tmp_path)))
    assert read_labels(start) == tuple(ids) == read_labels(find_start(str(folder / name)))


def test_own_classes_take_the_rows_of_coco_by_name(folder, load, caplog):
    caplog.set_level('INFO')
    config = load(
        'exp002_ssdlite',
        f'backbone.weights={folder / COCO}',
        'data.labels=[cup, gripper, traffic light]',
    )
    load_pretrained(build_model(config.architecture), config.architecture, trained_statistics=())
    assert '80 -> 3 classes' in caplog.text
    assert '2 of 3 labels, by name (cup, traffic light)' in caplog.text


def test_a_whole_detector_is_deployed_as_it_is(folder, load):
    config = load('exp007_coco80', f'backbone.weights={folder / COCO}')
    started = build_model(config.architecture)
    load_pretrained(started, config.architecture, trained_statistics=())
    deployed = load_float(folder / COCO, config.architecture, ema=config.train.ema)
    for received, expected in zip(deployed.weights, started.weights, strict=True):
        np.testing.assert_array_equal(received, expected, err_msg=expected.path)


def test_of_other_classes_or_a_backbone_alone_no_detector_is_deployed(folder, load, tmp_path):
    config = load('exp002_ssdlite', 'backbone.weights=null')
    with pytest.raises(WeightsError, match='its classes are person, bicycle, .* has aeroplane'):
        load_float(folder / COCO, config.architecture, ema=config.train.ema)
    whole = np.load(folder / VOC)
    backbone = {name: whole[name] for name in whole.files if name.startswith(('block', 'Conv'))}
    np.savez(tmp_path / 'backbone.npz', **backbone)
    with pytest.raises(WeightsError, match='has no values for layers: .*; it is of another'):
        load_float(tmp_path / 'backbone.npz', config.architecture, ema=config.train.ema)


def test_an_archive_is_a_member_of_a_mean_and_a_teacher(folder, load):
    config = load(
        'exp002_ssdlite',
        'backbone.weights=null',
        f'loss.distillation={{teacher: {folder / VOC}, share: 0.5}}',
    )
    network = build_float_model(config.architecture)
    assert read_member(str(folder / VOC), network, config.architecture).name == str(folder / VOC)
    teacher = load_teacher(config.loss.distillation, config.architecture, layer_policy='float32')
    for received, expected in zip(teacher.weights, network.weights, strict=True):
        np.testing.assert_array_equal(received, expected, err_msg=expected.path)


def test_an_archive_can_be_scored_and_leads_to_its_own_origin(folder, load, monkeypatch, tmp_path):
    """Wherever it lies: the experiment's own start may not be there."""
    config = load('exp007_coco80', f'backbone.weights={folder / COCO}')
    stage = find_stage(folder / COCO, None, architecture=config.architecture, ema=config.train.ema)
    assert stage.name == 'checkpoint'
    deploy, _ = load_deploy_config(Path('deploy/mobilenetv2_ssd_coco.yaml'), CONFIG_ROOT, {})
    monkeypatch.chdir(tmp_path)
    trained = find_trained_model(folder / COCO, deploy, CONFIG_ROOT, {})
    assert trained.config.backbone.weights == str(folder / COCO)
    card = write_model_card(
        'coco', trained.config, training_run=trained.training_run, metrics=trained.metrics
    )
    assert '**COCO-pretrained**' in card and 'Apache-2.0' in card
    assert 'whoever trained this model' not in card and 'epochs' not in card
    assert f'None here: `{COCO}` holds the weights as they were published.' in card
    with pytest.raises(ConfigError, match='--checkpoint weights/mobilenetv2_ssdlite_coco80.npz'):
        find_trained_model(None, deploy, CONFIG_ROOT, {})


def test_a_network_for_int8_is_none_of_an_archive(folder, load, monkeypatch):
    monkeypatch.setenv('SSD_RUN_WEIGHTS', str(folder / VOC))
    config = load('exp004_qat', f'backbone.weights={folder / VOC}')
    with pytest.raises(WeightsError, match='trained for INT8 .* take the experiment without it'):
        load_float(folder / VOC, config.architecture, ema=config.train.ema)
