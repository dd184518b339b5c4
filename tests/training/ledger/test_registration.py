"""From experiment files to entries: everything that is wrong at once, everything once."""

import json
from pathlib import Path

import pytest

from ssd_detector.errors import ConfigError
from ssd_training.ledger.queue.registration import (
    list_experiments,
    read_entries,
    register,
    Sources,
)
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.train import CONFIG_ROOT
from tests.training.ledger.experiments import FakeClock

SMOKE = Path('experiments/smoke.yaml')


@pytest.fixture
def store(tmp_path):
    return SqliteStore(tmp_path / 'ledger.db')


def read(*values, path=SMOKE, git_commit=None):
    return read_entries([path], Sources(CONFIG_ROOT, values, git_commit, {}))


def read_all(*experiments):
    """Read smoke under several names: (id, *values)."""
    return [entry for name, *values in experiments for entry in read(named(name), *values)]


def named(name):
    return f'experiment.id={name}'


def test_an_entry_holds_what_a_worker_needs(store):
    values = (
        *('experiment.priority=2.5', 'experiment.depends_on=[]', 'train.seed=3'),
        *('infrastructure.instance_type=g5.xlarge', 'infrastructure.price_usd_per_hour=1.2'),
    )
    (entry,) = read(*values, git_commit='abc')
    assert entry.key == ('smoke', entry.fingerprint_hex[:12])
    assert (entry.priority, entry.instance_type, entry.price_usd_per_hour) == (
        2.5,
        'g5.xlarge',
        1.2,
    )
    assert entry.experiment_config_path == 'experiments/smoke.yaml'
    assert (entry.config_root, entry.arguments, entry.git_commit) == ('', values, 'abc')
    assert json.loads(entry.recipe)['train.seed'] == 3


def test_nothing_of_the_queue_changes_the_fingerprint():
    (plain,) = read()
    (other,) = read(
        *('experiment.priority=7', 'experiment.enabled=false', 'experiment.max_attempts=9'),
        *('experiment.depends_on=[x]', 'infrastructure.instance_type=p5.48xlarge'),
    )
    assert other.fingerprint == plain.fingerprint


def test_experiments_are_registered_once_dependencies_first(store):
    entries = read_all(('b', 'experiment.depends_on=[a]'), ('a',))
    new, again = register(store, entries), register(store, entries)
    assert [registered.entry.experiment_id for registered in new] == ['a', 'b']
    assert [registered.note for registered in again] == ['unchanged', 'unchanged']
    assert len(store.list_entries()) == 2
    first, second = store.find('a')[0], store.find('b')[0]
    assert first.rank < second.rank


def test_a_dry_run_tells_and_changes_nothing(store):
    notes = [registered.note for registered in register(store, read(), dry_run=True)]
    assert notes == ['new']
    assert store.list_entries() == []


def test_registering_again_brings_the_queue_up_to_date_and_keeps_what_was_done(store):
    register(store, read())
    FakeClock().claims(store).claim_next().fail('nan')
    (one,) = register(store, read('experiment.priority=3', 'experiment.enabled=false'))
    assert 'priority 0.0 -> 3.0' in one.note and 'enabled True -> False' in one.note
    (entry,) = store.list_entries()
    assert (entry.priority, entry.enabled, entry.status) == (3, False, Status.FAILED)
    assert entry.failed_attempts == 1


def test_a_recipe_that_changed_is_a_new_entry_that_says_what_changed(store):
    register(store, read())
    (one,) = register(store, read('train.epochs=9', 'scheduler.base_lr=0.5'))
    assert one.note == (
        f'new, another recipe than {read()[0].fingerprint}: scheduler.base_lr: is 0.004, this '
        f'experiment has 0.5; train.epochs: is 3, this experiment has 9'
    )
    assert len(store.find('smoke')) == 2


def test_what_depends_on_a_success_is_ready_at_once(store):
    register(store, read_all(('a',)))
    store.replace(store.find('a')[0], _succeeded(store.find('a')[0]))
    register(store, read_all(('b', 'experiment.depends_on=[a]')))
    assert not store.find('b')[0].is_blocked


def test_a_circle_of_dependencies_is_named(store):
    entries = read_all(
        ('a', 'experiment.depends_on=[c]'),
        ('b', 'experiment.depends_on=[a]'),
        ('c', 'experiment.depends_on=[b]'),
    )
    with pytest.raises(ConfigError, match='depends_on: .* -> .* -> .*: a circle'):
        register(store, entries)
    assert store.list_entries() == []


def test_a_circle_by_way_of_what_is_registered_is_found(store):
    register(store, read_all(('a',), ('b', 'experiment.depends_on=[a]')))
    with pytest.raises(ConfigError, match='a circle'):
        register(store, read_all(('a', 'experiment.depends_on=[b]')))


def test_a_dependency_that_is_nowhere_is_named(store):
    with pytest.raises(ConfigError, match='b: experiment.depends_on: a is neither in .* nor'):
        register(store, read_all(('b', 'experiment.depends_on=[a]')))


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('experiment.priority=high', 'experiment.priority: .*number'),
        ('experiment.priority=.nan', 'experiment.priority'),
        ('experiment.priority=1e9', 'experiment.priority: .*less than 1000000'),
        ('experiment.enabled=maybe', 'experiment.enabled: .*boolean'),
        ('experiment.depends_on=exp1', 'experiment.depends_on'),
        ('experiment.max_attempts=0', 'experiment.max_attempts'),
        ('infrastructure.price_usd_per_hour=-1', 'infrastructure.price_usd_per_hour'),
    ],
)
def test_values_that_are_none_are_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        read(value)


def test_everything_that_is_wrong_with_any_experiment_is_said_at_once(tmp_path):
    broken = tmp_path / 'broken.yaml'
    broken.write_text('experiment: {id: "a b", name: x}')
    with pytest.raises(ConfigError) as caught:
        read_entries([broken, tmp_path / 'none.yaml'], Sources(CONFIG_ROOT, (), None, {}))
    text = str(caught.value)
    assert 'broken.yaml' in text and 'none.yaml: no such file' in text


def test_two_files_of_one_recipe_and_name_are_an_error():
    sources = Sources(CONFIG_ROOT, (), None, {})
    with pytest.raises(ConfigError, match='give it another experiment.id'):
        read_entries([SMOKE, SMOKE], sources)


def test_a_disabled_experiment_whose_start_is_not_here_holds_nothing_up(tmp_path, caplog):
    start = f'backbone.weights={tmp_path}/none.npz'
    assert read(start, 'experiment.enabled=false') == []
    assert 'is disabled (experiment.enabled: false), and left out' in caplog.text
    assert 'none.npz: can not be read' in caplog.text
    with pytest.raises(ConfigError, match='none.npz: can not be read'):
        read(start)


def test_the_template_is_no_experiment():
    names = [path.name for path in list_experiments(CONFIG_ROOT)]
    assert 'smoke.yaml' in names and '_template.yaml' not in names


def test_an_empty_config_root_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match='no experiment there'):
        list_experiments(tmp_path)


def _succeeded(entry):
    import dataclasses

    return dataclasses.replace(entry, status=Status.SUCCESS, version=entry.version + 1)
