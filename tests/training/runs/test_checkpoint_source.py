"""Where a training goes on from: paths, addresses, steps."""

import dataclasses
import json
import logging
import os

import pytest

from ssd_training.errors import CheckpointError, RunError
from ssd_training.experiments.architecture import describe_architecture
from ssd_training.runs.checkpoint_source import find_run, open_source
from ssd_training.runs.checkpoints import Checkpoint, Position, write_checkpoint
from ssd_training.runs.folder import RunFolder
from ssd_training.training.resuming import check_architecture


@pytest.fixture
def run(tmp_path):
    """Make a run folder with the checkpoints 10 and 20."""
    for step in (10, 20):
        checkpoint = Checkpoint(Position(step), {}, 'f' * 12, '', {})
        write_checkpoint(tmp_path / 'run/checkpoints/last', checkpoint)
    return tmp_path / 'run'


def damage(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ('location', 'step', 'found'),
    [
        ('', None, 20),
        ('/', None, 20),
        ('/checkpoints', None, 20),
        ('/checkpoints/last', 10, 10),
        ('/checkpoints/last/ckpt-10', None, 10),
        ('/checkpoints/last/ckpt-10.npz', 10, 10),
    ],
)
def test_a_run_its_folders_and_single_checkpoints_are_found(run, location, step, found):
    assert open_source(f'{run}{location}', step).checkpoint.position.step == found


@pytest.mark.parametrize(
    ('location', 'step', 'message'),
    [
        ('/nothing', None, r'run/nothing: no checkpoint there; looked for'),
        ('/checkpoints/last/ckpt-30', None, r'last: has no ckpt-30; there are 10, 20'),
        ('', 15, r'last: has no ckpt-15; there are 10, 20'),
        ('/checkpoints/last/ckpt-10.npz', 20, 'but --run_from names ckpt-10'),
    ],
)
def test_what_is_not_there_is_an_error(run, location, step, message):
    with pytest.raises(CheckpointError, match=message):
        open_source(f'{run}{location}', step)


def test_instead_of_a_damaged_checkpoint_the_one_before_is_read_and_logged(run, caplog):
    damage(run / 'checkpoints/last/ckpt-20.npz')
    logging.getLogger('ssd_training').propagate = True

    with caplog.at_level(logging.WARNING, 'ssd_training'):
        assert open_source(str(run)).checkpoint.position.step == 10

    assert 'ckpt-20.npz: cut off or damaged' in caplog.text
    assert 'going on from ckpt-10 instead' in caplog.text


def test_a_damaged_checkpoint_that_was_asked_for_is_an_error(run):
    damage(run / 'checkpoints/last/ckpt-20.npz')

    with pytest.raises(CheckpointError, match='cut off or damaged'):
        open_source(str(run), 20)


def test_when_all_are_damaged_each_is_named(run):
    for step in (10, 20):
        damage(run / f'checkpoints/last/ckpt-{step}.npz')

    with pytest.raises(CheckpointError, match=r'(?s)ckpt-20\.npz.*ckpt-10\.npz'):
        open_source(str(run))


def test_a_checkpoint_of_another_architecture_names_the_keys(tiny_config, load):
    wider = load('tiny', 'backbone.width_mult=0.5', 'data.labels=[red,green]')
    checkpoint = Checkpoint(Position(1), describe_architecture(wider.architecture), '', '', {})

    with pytest.raises(CheckpointError) as caught:
        check_architecture(checkpoint, tiny_config.architecture)

    text = 'the checkpoint is of another architecture: '
    assert caught.value.findings == (
        f'{text}backbone.width_mult: is 0.5, this experiment has 0.35',
        f"{text}data.labels: is ['red', 'green'], this experiment has ['red', 'green', 'blue']",
    )


def test_what_does_not_change_the_network_does_not_matter(tiny_config, load):
    other = load(
        'tiny',
        'train.epochs=9',
        'scheduler.base_lr=0.1',
        'backbone.freeze_bn=true',
        'train.seed=4',
    )
    # As read from a file: lists, not tuples.
    architecture = json.loads(json.dumps(describe_architecture(other.architecture)))

    check_architecture(Checkpoint(Position(1), architecture, '', '', {}), tiny_config.architecture)


@pytest.fixture
def root(tmp_path, load):
    """Hold one run, of the fingerprint aaa."""
    RunFolder.create(load('tiny', f'run.root={tmp_path}'), 'a' * 12, {})
    return tmp_path


def test_resume_finds_the_newest_run_of_the_fingerprint(root, load):
    path = root / 'renamed_aaaaaaaaaaaa'
    RunFolder.create(load('tiny', f'run.root={root}'), 'b' * 12, {}).path.rename(path)
    fingerprint = json.loads((path / 'fingerprint.json').read_text())
    fingerprint['created_at'] = '2999-01-01T00:00:00+00:00'
    (path / 'fingerprint.json').write_text(json.dumps(fingerprint))

    assert find_run(root, 'a' * 12, {}) == path


def test_resume_without_such_a_run_says_how_the_others_differ(root, load):
    config = dataclasses.asdict(load('tiny', 'train.epochs=7', 'run.root=elsewhere'))

    with pytest.raises(RunError, match='has no run of bbbbbbbbbbbb') as caught:
        find_run(root, 'b' * 12, config)

    assert 'tiny_aaaaaaaaaaaa differs in train.epochs: is' in str(caught.value)
    assert 'this experiment has 7' in str(caught.value)
    assert 'run.root' not in str(caught.value)


@pytest.mark.parametrize(
    'override', ['data.root=elsewhere', 'data.cache=memory', 'data.num_workers=3']
)
def test_resume_names_no_key_that_leaves_the_recipe_as_it_is(root, load, override):
    config = dataclasses.asdict(load('tiny', override))

    with pytest.raises(RunError, match='has no run of bbbbbbbbbbbb') as caught:
        find_run(root, 'b' * 12, config)

    assert 'tiny_aaaaaaaaaaaa differs in nothing but' in str(caught.value)


def test_resume_compares_the_weights_at_the_start_by_content(root, load, tmp_path):
    paths = [tmp_path / name for name in ('here.npz', 'copied.npz', 'other.npz')]
    for path, content in zip(paths, (b'same', b'same', b'other'), strict=True):
        path.write_bytes(content)
    here, copied, other = (load('tiny', f'backbone.weights={path}') for path in paths)
    RunFolder.create(
        dataclasses.replace(here, run=dataclasses.replace(here.run, root=str(root))), 'c' * 12, {}
    )

    texts = []
    for config in (copied, other):
        with pytest.raises(RunError) as caught:
            find_run(root, 'b' * 12, dataclasses.asdict(config))
        texts.append(str(caught.value))

    assert 'tiny_cccccccccccc differs in nothing but' in texts[0]
    assert (
        f'differs in backbone.weights: is {paths[0]}, this experiment has {paths[2]}' in texts[1]
    )


def test_a_finished_run_is_not_trained_again(root):
    with RunFolder(root / 'tiny_aaaaaaaaaaaa').running():
        pass

    with pytest.raises(RunError, match='is finished'):
        find_run(root, 'a' * 12, {})


def test_a_run_in_s3_is_read_with_the_same_rules(run, bucket):
    folder = run / 'checkpoints/last'
    for name in os.listdir(folder):
        bucket.upload_file(
            str(folder / name), 'checkpoints', f'a/prefix/run/checkpoints/last/{name}'
        )
    address = 's3://checkpoints/a/prefix/run'

    assert open_source(address).checkpoint.position.step == 20
    assert open_source(f'{address}/checkpoints/last/ckpt-10').checkpoint.position.step == 10
    with pytest.raises(CheckpointError, match='has no ckpt-15; there are 10, 20'):
        open_source(address, 15)
    with pytest.raises(CheckpointError, match='s3://checkpoints/other: no checkpoint there'):
        open_source('s3://checkpoints/other')
    # A bucket that is not there.
    with pytest.raises(RunError, match='s3://nobodys/run'):
        open_source('s3://nobodys/run')


def test_a_damaged_checkpoint_in_s3_is_replaced_by_the_one_before(run, bucket):
    for step, content in (('10', None), ('20', b'PK')):
        path = run / f'checkpoints/last/ckpt-{step}.npz'
        body = path.read_bytes() if content is None else content
        bucket.put_object(Bucket='checkpoints', Key=f'broken/last/ckpt-{step}.npz', Body=body)

    assert open_source('s3://checkpoints/broken').checkpoint.position.step == 10
