"""Averages of trainings: read, refused, chosen, and written by the command."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from ssd_training import average
from ssd_training.deployment.model_card import write_model_card
from ssd_training.errors import WeightsError
from ssd_training.evaluation.stages import open_network
from ssd_training.model.averaging import fold
from ssd_training.model.weights import load_weights, save_weights
from ssd_training.training import soup
from ssd_training.training.soup import choose_greedily, Member, read_member
from ssd_training.training.step.building import build_float_model
from tests.training.conftest import TINY

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')


@pytest.fixture(scope='module')
def network(tiny_config):
    return build_float_model(tiny_config.architecture)


@pytest.fixture(scope='module')
def files(network, tmp_path_factory):
    """Write the weights of two networks."""
    folder = tmp_path_factory.mktemp('soup')
    paths = [folder / 'a.weights.h5', folder / 'b.weights.h5']
    for path in paths:
        save_weights(network, path)
        network.set_weights([0.5 * value for value in network.get_weights()])
    return paths


def members_worth(scores):
    return [Member(name, {}) for name in scores]


def test_the_best_comes_first_and_only_those_join_that_do_not_harm():
    alone = {'a': 0.5, 'b': 0.7, 'c': 0.6, 'd': 0.4}
    together = {'bc': 0.65, 'ba': 0.7, 'bad': 0.8}
    seen = []

    def score(members):
        names = ''.join(member.name for member in members)
        seen.append(names)
        return (alone | together)[names]

    chosen, value = choose_greedily(members_worth(alone), score)
    assert ([member.name for member in chosen], value) == (['b', 'a', 'd'], 0.8)
    assert len(seen) == len(set(seen)), 'each set is scored once'


def test_networks_of_other_classes_have_no_mean(files, network, load, tmp_path):
    (tmp_path / 'weights').mkdir()
    path = shutil.copy(files[0], tmp_path / 'weights')
    labels = ['red', 'green', 'blue']
    (tmp_path / 'config.json').write_text(json.dumps({'data': {'labels': labels}}))
    with pytest.raises(WeightsError, match='its classes are red, green, blue; the experiment has'):
        read_member(
            str(path), network, load('tiny', 'data.labels=[red,green,yellow]').architecture
        )


def test_only_trained_detectors_are_averaged(network, tiny_config):
    with pytest.raises(WeightsError, match='imagenet: is no trained detector; give a run folder'):
        read_member('imagenet', network, tiny_config.architecture)


@pytest.fixture
def surroundings(data_root, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(data_root))


def run(files, output, *arguments):
    common = ['--experiment_path', str(TINY), '--output', str(output)]
    return average.main([*map(str, files), *common, *arguments])


def test_the_command_chooses_by_the_val_split(files, tmp_path, surroundings, capsys):
    output = tmp_path / 'new' / 'mean.weights.h5'
    assert run(files, output, '--greedy') == 0
    printed = capsys.readouterr()
    assert (printed.out.strip(), output.is_file()) == (str(output), True)
    # Of untrained networks each finds nothing, and none harms.
    assert re.findall(r'^(\d\.\d{4})  .*?(\w)\.weights\.h5$', printed.err, re.MULTILINE) == [
        ('0.0000', 'a'),
        ('0.0000', 'b'),
        ('0.0000', 'b'),
    ]
    assert '0.0000  chosen: 2 of 2' in printed.err


def test_an_opened_network_is_scored_with_the_weights_that_it_has(network, tiny_config):
    """The command opens one, and gives it the mean of each set in turn."""
    model = open_network(network, tiny_config.architecture)
    image = np.full((1, *tiny_config.input_size, 3), 0.5, np.float32)
    before = model.predict(image)[1]

    network.get_layer('head_0_cls').bias.assign_add(np.ones(12, np.float32) * np.arange(12))

    assert np.abs(model.predict(image)[1] - before).max() > 0.1


def test_the_command_weighs_by_shares(files, network, tmp_path, surroundings):
    output = tmp_path / 'mean.weights.h5'
    assert run(files, output, '--shares', '3', '1') == 0
    parts = []
    for path in (*files, output):
        load_weights(network, path)
        parts.append(fold(network)['Conv1'][0])
    one, other, mean = parts
    assert abs(0.75 * one + 0.25 * other - mean).max() < 1e-6


def test_the_card_names_what_weights_are_the_mean_of(files, load, tmp_path):
    run_path = tmp_path / 'runs' / 'tiny_0123'
    run_path.mkdir(parents=True)
    taught = '{teacher: /home/me/teacher.weights.h5, share: 0.7}'
    start = '/home/me/runs/tiny_4567/weights/final_weights.weights.h5'
    config = load(
        *('tiny', 'train.seed=7', f'backbone.weights={start}', f'loss.distillation={taught}')
    )
    (run_path / 'config.json').write_text(json.dumps(dataclasses.asdict(config)))
    members = [
        Member(str(run_path), {}, soup.describe_training(run_path)),
        Member(str(files[0]), {}, soup.describe_training(files[0])),
    ]
    path = tmp_path / 'mean.weights.h5'

    soup.write_members(path, members, [3.0, 1.0])

    card = write_model_card(
        'm', config, training_run=path.name, metrics={}, members=soup.read_members(path)
    )
    assert '`mean.weights.h5`: the mean of the weights of 2 trainings' in card
    title = config.data.title
    known = (
        f'2 epochs on {title} train, learning rate 0.002, seed 7, from tiny_4567, '
        f'0.7 taught by teacher.weights.h5'
    )
    assert f'* `tiny_0123` ({known}), share 0.75' in card
    assert '* `a.weights.h5` (training not recorded), share 0.25' in card
    assert soup.read_members(tmp_path / 'other.weights.h5') == ()


@pytest.mark.parametrize(
    ('arguments', 'finding'),
    [
        (['--output', 'mean.h5'], 'the name has to end in .weights.h5'),
        (['--output', 'm.weights.h5', '--shares', '1'], '1 numbers for 2 trainings'),
        (['--output', 'm.weights.h5', '--shares', '1', '-2'], '-2 is not a number above 0'),
    ],
)
def test_wrong_usage_is_said_before_anything_is_read(arguments, finding, capsys):
    with pytest.raises(SystemExit) as end:
        average.main(['a', 'b', '--experiment_path', 'missing.yaml', *arguments])
    assert end.value.code == 2
    assert finding in capsys.readouterr().err
