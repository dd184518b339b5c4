"""The loop: whole trainings, interrupted ones, and how they go on."""

import dataclasses
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ssd_training.data.images.records import ImageFile
from ssd_training.errors import CheckpointError, DataError, InterruptedRun, RunError
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.checkpoints import (
    copy_checkpoint,
    list_steps,
    Position,
    read_checkpoint,
)
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import read_status, Status
from ssd_training.runs.remote.download import list_uploads
from ssd_training.runs.signals import stop_on_signals
from ssd_training.runs.state import read_state
from ssd_training.runs.upload import Upload
from ssd_training.training import loop, session, trainer
from ssd_training.training.keeper import is_better
from ssd_training.training.resuming import go_on, take_over
from ssd_training.training.trained import load_float
from tests.training.conftest import UNCHANGED

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')

FINGERPRINT = '0' * 12
TIMES = ('timestamp', 'train/images_per_s', 'train/data_wait_share')


@dataclass(frozen=True)
class Signalling:
    """A step that has this process receive a real signal when it has run so many times."""

    step: Any
    signal: signal.Signals
    after: int

    def __call__(self, *arguments):
        loss = self.step(*arguments)
        if self.step.num_steps == self.after:
            os.kill(os.getpid(), self.signal)
        return loss

    def __getattr__(self, name):
        return getattr(self.step, name)


@dataclass(frozen=True)
class SignallingRecord:
    """A record whose image brings a signal."""

    record: Any

    def load_image(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return self.record.load_image()

    def __getattr__(self, name):
        return getattr(self.record, name)


def run(training, root, position=None):
    """Run a training in a folder below root, or go on in the one that is there."""
    path = root / f'{training.config.experiment.id}_{FINGERPRINT}'
    if path.exists():
        return run_in(RunFolder.open(path, {}), training, position)
    return run_in(make_folder(training, root), training, position)


def make_folder(training, root):
    settings = dataclasses.replace(training.config.run, root=str(root))
    config = dataclasses.replace(training.config, run=settings)
    return RunFolder.create(config, FINGERPRINT, {})


def run_in(folder, training, position=None, **options):
    with stop_on_signals() as stop, folder.running():
        loop.run(
            training,
            folder,
            position=position or Position(seed=training.config.train.seed),
            fingerprint=FINGERPRINT,
            console=Console(quiet=True),
            environment={'host': 'here'},
            stop=stop,
            **options,
        )
    return folder


def resume(training, root):
    path = root / f'{training.config.experiment.id}_{FINGERPRINT}'
    position = go_on(training, open_source(str(path)).checkpoint, fingerprint=FINGERPRINT)
    return run(training, root, position)


def history_of(folder):
    entries = json.loads((folder.path / 'metric_history.json').read_text())
    return [{tag: entry[tag] for tag in entry if tag not in TIMES} for entry in entries]


def status_of(root):
    return json.loads((root / f'tiny_{FINGERPRINT}/status.json').read_text())


def assert_equal_states(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.fixture(scope='module')
def built(load):
    """Three epochs of two steps; the statistics of BatchNorm train, too."""
    training = trainer.prepare(
        load(
            'tiny',
            *UNCHANGED,
            'input_size=[64, 64]',
            'backbone.freeze_until=block_4',
            'train.epochs=3',
            'train.eval_every=2',
            'train.batch_size=4',
            'logging.log_interval_steps=2',
            'checkpoint.keep_last_k=2',
            'scheduler.warmup.steps=2',
        )
    )
    return training, read_state(training.step.state)


@pytest.fixture
def training(built):
    """Give the training as it was before its first step."""
    training, start = built
    for name, variable in training.step.state.items():
        variable.assign(start[name])
    return training


@pytest.fixture(scope='module')
def unbroken(built, tmp_path_factory):
    training, start = built
    for name, variable in training.step.state.items():
        variable.assign(start[name])
    return run(training, tmp_path_factory.mktemp('unbroken'))


def test_a_training_leaves_everything_that_the_interface_promises(unbroken):
    files = {str(path.relative_to(unbroken.path)) for path in unbroken.path.rglob('*.*')}

    start = unbroken.logs.relative_to(unbroken.path)
    assert {
        'config.json',
        'fingerprint.json',
        'args.json',
        'status.json',
        'metric_history.json',
        'training_summary.json',
        'checkpoints/last/ckpt-4.npz',
        'checkpoints/last/ckpt-6.npz',
        'weights/final_weights.weights.h5',
        'weights/best_weights.weights.h5',
        f'{start}/training.log',
        f'{start}/environment.json',
    } <= files
    assert 'checkpoints/last/ckpt-2.npz' not in files
    assert not any(name.endswith('.partial') for name in files)
    summary = json.loads((unbroken.path / 'training_summary.json').read_text())
    assert summary['primary_metric'] == 'val/voc_ap_50/mAP'
    assert summary['global_step'] == 6
    environment = json.loads((unbroken.logs / 'environment.json').read_text())
    assert len(environment['data_sha256']) == 64


def test_the_metrics_of_each_epoch_are_written_and_each_interval_is_evaluated_once(unbroken):
    history = history_of(unbroken)

    assert [(entry['step'], entry['epoch']) for entry in history] == [(2, 1), (4, 2), (6, 3)]
    assert all(np.isfinite(entry['train/loss']) for entry in history)
    has_metric = ['val/voc_ap_50/mAP' in entry for entry in history]
    assert has_metric == [False, True, True]


def test_the_checkpoint_of_an_epoch_goes_on_with_the_next_one(unbroken):
    positions = [read_checkpoint(unbroken.last, step).position for step in (4, 6)]

    assert [(position.step, position.epochs_done) for position in positions] == [(4, 2), (6, 3)]


def test_the_step_is_compiled_once_over_all_epochs(training, unbroken):
    assert training.step.num_traces == 1


def test_tensorboard_has_scalars_and_pictures_and_no_server(unbroken):
    events = EventAccumulator(str(unbroken.logs / 'tensorboard'), size_guidance={'tensors': 0})
    events.Reload()

    steps = {
        tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()['tensors']
    }
    assert steps['train/loss'] == [2, 4, 6]
    assert steps['train/loss_epoch_mean'] == [2, 4, 6]
    assert steps['val/voc_ap_50/mAP'] == [4, 6]
    assert steps['val/inference_image/0'] == [4, 6]
    assert {'train/lr', 'train/num_pos', 'train/data_wait_share'} <= steps.keys()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_training_that_goes_on_equals_an_unbroken_one(
    training, unbroken, tmp_path, number
):
    """In the middle of an epoch, with every variable spoilt before it goes on."""
    killed = dataclasses.replace(training, step=Signalling(training.step, number, after=3))
    with pytest.raises(InterruptedRun) as caught:
        run(killed, tmp_path)
    assert caught.value.exit_code == 128 + number
    assert status_of(tmp_path)['status'] == 'failed'
    assert status_of(tmp_path)['reason'].startswith(f'{number.name}: stopped at step 3, which is')
    for variable in training.step.state.values():
        variable.assign(np.full(variable.shape, 7))

    folder = resume(training, tmp_path)

    assert_equal_states(
        read_checkpoint(folder.last, 6).arrays, read_checkpoint(unbroken.last, 6).arrays
    )
    assert history_of(folder) == history_of(unbroken)
    assert status_of(tmp_path)['status'] == 'success'
    assert list_steps(os.listdir(folder.best)) == list_steps(os.listdir(unbroken.best))


def test_a_signal_in_an_evaluation_saves_the_weights_and_not_their_average(training, tmp_path):
    records = [SignallingRecord(training.val_records[0]), *training.val_records[1:]]
    with pytest.raises(InterruptedRun):
        run(dataclasses.replace(training, val_records=records), tmp_path)

    checkpoint = open_source(str(tmp_path / f'tiny_{FINGERPRINT}')).checkpoint

    assert (checkpoint.position.step, checkpoint.position.epochs_done) == (4, 1)
    assert_equal_states(checkpoint.arrays, read_state(training.step.state))
    kernel = 'model/head_0_cls/kernel'
    average = checkpoint.arrays[kernel.replace('model', 'average/weights')]
    assert np.any(checkpoint.arrays[kernel] != average)


class WaitingUpload(Upload):
    """An upload that is there before the training goes on, so that none gives way to the next."""

    def hand_over(self):
        super().hand_over()
        with self._changed:
            assert self._changed.wait_for(lambda: self._is_idle, 60)


def test_a_copy_goes_elsewhere_behind_each_epoch_and_within_long_ones(training, tmp_path):
    folder = make_folder(training, tmp_path / 'runs')
    upload = WaitingUpload(folder.path, f'file://{tmp_path}/copies', keep=9, every_steps=3)

    with upload.at_the_end():
        run_in(folder, training, upload=upload)

    uploads = list_uploads(f'{tmp_path}/copies/{folder.path.name}')
    # Three epochs of two steps; the last word comes with the end.
    assert [upload.step for upload in reversed(uploads)] == [2, 3, 4, 6, 6]


def test_without_a_val_split_the_last_weights_are_the_result(training, tmp_path):
    folder = run(dataclasses.replace(training, val_records=[]), tmp_path)

    assert not any(tag.startswith('val/') for entry in history_of(folder) for tag in entry)
    assert status_of(tmp_path)['status'] == 'success'
    names = {path.name for path in (folder.path / 'weights').iterdir()}
    assert names == {'final_weights.weights.h5'}
    assert json.loads((folder.path / 'training_summary.json').read_text())['best_metric'] is None


def test_a_fresh_model_gets_every_variable(training, unbroken):
    checkpoint = read_checkpoint(unbroken.last, 6)
    fresh = trainer.prepare(training.config)

    go_on(fresh, checkpoint, fingerprint=FINGERPRINT)

    assert_equal_states(read_state(fresh.step.state), checkpoint.arrays)
    names = {f'model/{weight.path}' for weight in fresh.model.weights}
    assert names <= checkpoint.arrays.keys()
    assert len(names) == len(fresh.model.weights)


@pytest.mark.parametrize('part', ['model/head_0_cls/bias', 'average/weights/head_0_cls/bias'])
def test_a_checkpoint_that_lacks_a_variable_is_refused(training, unbroken, part):
    checkpoint = read_checkpoint(unbroken.last, 6)
    arrays = {name: array for name, array in checkpoint.arrays.items() if name != part}

    with pytest.raises(CheckpointError, match=f'{part}: is \\(nothing\\)'):
        go_on(training, dataclasses.replace(checkpoint, arrays=arrays), fingerprint=FINGERPRINT)


def test_a_checkpoint_of_changed_data_is_refused(training, unbroken):
    checkpoint = dataclasses.replace(read_checkpoint(unbroken.last, 6), data_sha256='0' * 64)

    with pytest.raises(CheckpointError, match='the annotations have changed since the checkpoint'):
        go_on(training, checkpoint, fingerprint=FINGERPRINT)


def test_another_recipe_goes_on_at_the_step_with_a_best_of_its_own(training, unbroken):
    checkpoint = read_checkpoint(unbroken.last, 4)

    position = go_on(training, checkpoint, fingerprint='1' * 12)

    assert position == Position(step=4, epochs_done=2, seed=training.config.train.seed)
    with pytest.raises(CheckpointError, match='has 6 steps, this training has 6: nothing is left'):
        go_on(training, read_checkpoint(unbroken.last, 6), fingerprint='1' * 12)


def test_another_optimizer_starts_from_the_averaged_weights(training, unbroken):
    checkpoint = read_checkpoint(unbroken.last, 6)
    arrays = {
        name: array
        for name, array in checkpoint.arrays.items()
        if not name.startswith('optimizer/')
    }

    position = go_on(
        training, dataclasses.replace(checkpoint, arrays=arrays), fingerprint='1' * 12
    )

    assert position == Position(seed=training.config.train.seed)
    expected = checkpoint.arrays['average/weights/head_0_cls/kernel']
    np.testing.assert_array_equal(training.model.get_layer('head_0_cls').kernel, expected)


def test_other_labels_start_at_step_0_from_the_averaged_rows_of_their_names(training, unbroken):
    checkpoint = read_checkpoint(unbroken.last, 6)
    architecture = {**checkpoint.architecture, 'data.labels': ['blue', 'sky', 'red']}
    other = dataclasses.replace(checkpoint, architecture=architecture)
    fresh = np.array(training.model.get_layer('head_0_cls').bias)

    position = go_on(training, other, fingerprint='1' * 12)

    assert position == Position(seed=training.config.train.seed)
    found = np.array(training.model.get_layer('head_0_cls').bias).reshape(-1, 4)
    expected = checkpoint.arrays['average/weights/head_0_cls/bias'].reshape(-1, 4)
    # Of background, red, green, blue.
    np.testing.assert_array_equal(found[:, [0, 1, 3]], expected[:, [0, 3, 1]])
    np.testing.assert_array_equal(found[:, 2], fresh.reshape(-1, 4)[:, 2])


@pytest.mark.parametrize(
    ('found', 'named'),
    [
        ({'priors.laid_out_at_px': 80}, 'other priors.laid_out_at_px:'),
        ({'priors.laid_out_at_px': 80, 'input_size': [80, 80]}, 'other input_size:'),
    ],
)
def test_priors_that_lie_elsewhere_start_at_step_0(training, unbroken, found, named, caplog):
    checkpoint = read_checkpoint(unbroken.last, 6)
    other = dataclasses.replace(checkpoint, architecture={**checkpoint.architecture, **found})

    position = go_on(training, other, fingerprint='1' * 12)

    assert position == Position(seed=training.config.train.seed)
    assert named in caplog.text


def test_a_loss_that_is_no_number_names_step_and_files_and_keeps_the_checkpoint_before(
    training, tmp_path
):
    class Spoilt(Signalling):
        def __call__(self, *arguments):
            if self.step.num_steps == self.after:
                training.model.get_layer('head_0_cls').bias.assign(np.full(12, np.nan))
            return self.step(*arguments)

    spoilt = dataclasses.replace(training, step=Spoilt(training.step, signal.SIGTERM, after=3))
    with pytest.raises(RunError, match='step 4: the loss is nan') as caught:
        run(spoilt, tmp_path)

    assert status_of(tmp_path)['status'] == 'failed'
    assert 'step 4: the loss is nan' in status_of(tmp_path)['reason']
    names = [training.train_records[i].image.name for i in training.order.indices_of_step(3)]
    assert len(names) == 4
    assert all(name in str(caught.value) for name in names)
    assert open_source(str(tmp_path / f'tiny_{FINGERPRINT}')).checkpoint.position.step == 2


def test_going_back_to_an_earlier_checkpoint_leaves_the_later_ones_behind(
    training, unbroken, tmp_path
):
    killed = dataclasses.replace(training, step=Signalling(training.step, signal.SIGTERM, after=3))
    with pytest.raises(InterruptedRun):
        run(killed, tmp_path)
    checkpoint = open_source(str(tmp_path / f'tiny_{FINGERPRINT}'), 2).checkpoint
    position = go_on(training, checkpoint, fingerprint=FINGERPRINT)
    killed = dataclasses.replace(training, step=Signalling(training.step, signal.SIGTERM, after=3))

    with pytest.raises(InterruptedRun):
        run(killed, tmp_path, position)

    assert position.step == 2
    last = tmp_path / f'tiny_{FINGERPRINT}/checkpoints/last'
    assert list_steps(os.listdir(last)) == [2, 3]


@pytest.mark.parametrize(
    ('value', 'best', 'mode', 'expected'),
    [
        (0.5, None, 'max', True),
        (0.5, 0.6, 'max', False),
        (0.7, 0.6, 'max', True),
        (0.6, 0.6, 'max', False),
        (0.5, 0.6, 'min', True),
        (0.7, 0.6, 'min', False),
        (float('nan'), None, 'max', False),
    ],
)
def test_best_is_what_the_mode_says_and_no_number_is_never_best(value, best, mode, expected):
    assert is_better(value, best, mode=mode) is expected


def test_after_going_on_a_worse_value_does_not_become_best(training, unbroken, tmp_path):
    checkpoint = read_checkpoint(unbroken.last, 4)
    better = dataclasses.replace(checkpoint.position, best_metric=2.0, best_step=4)
    go_on(training, checkpoint, fingerprint=FINGERPRINT)

    folder = run(training, tmp_path, better)

    summary = json.loads((folder.path / 'training_summary.json').read_text())
    assert (summary['best_metric'], summary['best_step']) == (2.0, 4)
    assert not folder.best.exists()


def test_without_the_monitored_metric_nothing_is_best(training, tmp_path):
    checkpoint = dataclasses.replace(training.config.checkpoint, monitor='val/nothing')
    config = dataclasses.replace(training.config, checkpoint=checkpoint)

    folder = run(dataclasses.replace(training, config=config), tmp_path)

    summary = json.loads((folder.path / 'training_summary.json').read_text())
    assert summary['best_metric'] is None
    assert not folder.best.exists()


def test_a_checkpoint_is_exported_with_the_averaged_weights_as_a_run_is(training, unbroken):
    checkpoint, config = unbroken.last / 'ckpt-6.npz', training.config

    models = [
        load_float(path, config.architecture, ema=config.train.ema)
        for path in (checkpoint, unbroken.path / 'weights/final_weights.weights.h5')
    ]

    for weight, other in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(weight, other, err_msg=weight.path)
    with pytest.raises(CheckpointError, match='another architecture: data.labels: is'):
        architecture = dataclasses.replace(config.architecture, labels=('red',))
        load_float(checkpoint, architecture, ema=config.train.ema)


def test_overfitting_reads_its_batch_as_the_configuration_says(training):
    """A file that can not be read is skipped, as in a training."""
    records = list(training.train_records)
    first = int(training.order.indices_of_step(0)[0])
    records[first] = dataclasses.replace(records[first], image=ImageFile(Path('nothing.jpg')))
    data = dataclasses.replace(training.config.data, unreadable_images='skip')
    config = dataclasses.replace(training.config, data=data)
    broken = dataclasses.replace(training, train_records=records)

    with pytest.raises(DataError, match='nothing.jpg'):
        session.overfit(broken, num_steps=1)
    with pytest.raises(RunError, match='in 1 steps, not below half'):
        session.overfit(dataclasses.replace(broken, config=config), num_steps=1)


def test_a_run_that_goes_on_in_another_folder_takes_its_history_and_its_best_along(
    training, unbroken, tmp_path
):
    """As after --run_from s3://..., where the folder of this machine is empty."""
    # Whatever the last epoch of the unbroken one was worth, its best is the fourth step's now.
    shutil.copytree(unbroken.path, tmp_path / 'run')
    copy_checkpoint(unbroken.last, 4, tmp_path / 'run/checkpoints/best')
    source = open_source(str(tmp_path / 'run'), 4)
    position = go_on(training, source.checkpoint, fingerprint=FINGERPRINT)
    folder = make_folder(training, tmp_path)

    position = take_over(training, source, position, folder)

    assert position.best_step == 4
    assert list_steps(os.listdir(folder.best)) == [4]
    assert (folder.path / 'weights/best_weights.weights.h5').is_file()
    run_in(folder, training, position)
    assert history_of(folder) == history_of(unbroken)


def test_without_the_run_around_a_checkpoint_its_best_starts_anew(training, unbroken, tmp_path):
    copy_checkpoint(unbroken.last, 4, tmp_path / 'alone')
    source = open_source(str(tmp_path / 'alone'))
    position = go_on(training, source.checkpoint, fingerprint=FINGERPRINT)

    position = take_over(training, source, position, make_folder(training, tmp_path))

    assert (position.step, position.best_step, position.best_metric) == (4, None, None)


@pytest.fixture(params=['anew', 'resumed'])
def started(request, training, unbroken, tmp_path):
    """Give a start and the folder in which it is to leave everything as it was."""
    path = tmp_path / unbroken.path.name
    if request.param == 'resumed':
        shutil.copytree(unbroken.path, path)
        RunFolder.open(path, {}).set_status(Status.FAILED)
    settings = dataclasses.replace(training.config.run, root=str(tmp_path))
    config = dataclasses.replace(training.config, run=settings)
    return config, session.Start(resume=request.param == 'resumed'), path


# The signal may come between the opening of a file and whoever would close it.
@pytest.mark.filterwarnings('ignore:unclosed file:ResourceWarning')
def test_a_signal_before_the_first_step_says_so_and_damages_nothing(started):
    config, start, path = started
    before = {file: file.read_bytes() for file in path.rglob('*.npz')}

    def terminate():
        while read_status(path) != Status.RUNNING.value:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    with stop_on_signals() as stop, pytest.raises(InterruptedRun) as caught:
        threading.Thread(target=terminate, daemon=True).start()
        session.train(config, FINGERPRINT, start, console=Console(quiet=True), stop=stop)

    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert status_of(path.parent)['status'] == 'failed'
    assert status_of(path.parent)['reason'] == 'SIGTERM before the first step: nothing was trained'
    assert {file: file.read_bytes() for file in path.rglob('*.npz')} == before
    if not start.resume:
        # Nothing is in the way of another start.
        RunFolder.create(config, FINGERPRINT, {})
