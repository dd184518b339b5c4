"""`data.val_split: null`: everything is learnt from, nothing is scored."""

import pytest

from ssd_training.data.checking.check import check_data
from ssd_training.data.commands import write_tfrecords
from ssd_training.data.datasets import read_split, read_splits, read_val_split
from ssd_training.data.sampling import read_sample, sample_balanced
from ssd_training.deployment.model_card import write_model_card
from ssd_training.errors import DataError
from ssd_training.evaluation.scoring import ScoredSplit
from ssd_training.quantization.accuracy import draw_measured
from ssd_training.training import trainer
from tests.training.shapes_voc import write_shapes_voc


@pytest.fixture
def config(load, tmp_path):
    voc = write_shapes_voc(tmp_path)
    return load('tiny', 'input_size=[64, 64]', f'data.root={voc}', 'data.val_split=null')


def test_all_records_are_learnt_from_and_none_is_scored(config, caplog):
    caplog.set_level('INFO')

    training = trainer.prepare(config)

    assert len(training.train_records) == 8
    assert training.val_records == []
    assert 'data.val_split: null; nothing is scored' in caplog.text
    assert read_splits(config.data)[1] == []


def test_what_scores_says_that_there_is_nothing_to_score(config):
    for read in (lambda: read_val_split(config.data), lambda: ScoredSplit.read(config)):
        with pytest.raises(DataError, match=r'data.val_split: null.*name a split'):
            read()


def test_checks_and_shards_are_of_the_one_split(config, tmp_path):
    result = check_data(config.data)

    assert result.num_images == {'train': 8}
    assert result.is_good
    (folder,) = write_tfrecords(config.data, overwrite=False)
    assert folder.name == 'train'


def test_files_are_compared_on_images_that_did_not_calibrate(config, caplog):
    calibrated = [record.image for record in sample_balanced(train_of(config), 3, seed=0)]

    records = draw_measured(config.data, None, calibrated=calibrated)

    names = {record.image.name for record in records}
    assert len(names) == 5
    assert not names & {image.name for image in calibrated}
    assert '5 images of train that did not calibrate' in caplog.text
    assert len(draw_measured(config.data, 2, calibrated=calibrated)) == 2
    assert draw_measured(config.data, 0, calibrated=calibrated) == []


def test_an_export_is_validated_with_photographs_of_the_training(config, caplog):
    assert len(read_sample(config.data, config.input_size[0])) == 4
    assert 'drawn images' not in caplog.text


def test_the_card_says_that_nothing_was_kept_to_score(config):
    card = write_model_card('m', config, training_run='run', metrics={})
    compared = write_model_card(
        'm', config, training_run='run', metrics={'model_int8_cpu.onnx/mAP': 0.4321}
    )

    assert 'it learnt from all images of `train`; none was kept.' in card
    assert 'figures below' not in card
    assert '| model_int8_cpu.onnx | 0.4321 |' in compared
    assert 'they only compare files' in compared


def train_of(config):
    return read_split(config.data, 'train')
