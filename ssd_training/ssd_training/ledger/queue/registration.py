"""From experiment files to entries: read, checked against each other, added once."""

from collections.abc import Mapping, Sequence
import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
import graphlib
import json
import logging
from pathlib import Path

from ssd_detector.errors import ConfigError, FindingsError
from ssd_training.command_line import CONFIG_ROOT
from ssd_training.errors import WeightsError
from ssd_training.experiments.architecture import flatten, list_misfits
from ssd_training.experiments.merge import find_config, load_experiment
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.ledger.dependencies import unblock
from ssd_training.ledger.stores.entry import Entry, Status
from ssd_training.ledger.stores.store import change, Store
from ssd_training.runs.fingerprint import compute_fingerprint, hash_experiment, select_recipe
from ssd_training.runs.start_weights import START, TEACHER

# What registering a recipe again brings up to date; none of it is part of the fingerprint.
_UPDATED = (
    'fingerprint_hex',
    'priority',
    'depends_on',
    'experiment_config_path',
    'config_root',
    'arguments',
    'recipe',
    'instance_type',
    'price_usd_per_hour',
    'enabled',
    'max_attempts',
)
logger = logging.getLogger(__name__)

_SHOWN = 5
_UNSEEN = 'nothing but --git_commit, or weights whose file has changed since'


@dataclass(frozen=True)
class Sources:
    """
    Where experiments are read from.

    :param config_root: folder of the component files
    :param arguments: key.path=value, for each of them
    :param git_commit: part of the fingerprints when given
    :param environment: variables for `${NAME:-default}`
    """

    config_root: Path
    arguments: Sequence[str]
    git_commit: str | None
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Registered:
    """
    What became of one experiment.

    :param entry: as it is in the ledger now, or would be
    :param note: new, unchanged, or what is new about it
    """

    entry: Entry
    note: str


def list_experiments(config_root: Path) -> list[Path]:
    """
    Find the experiments that are registered where none is named.

    :param config_root: folder of the configs
    :return: the files in its folder experiments, but for those that start with _
    :raises ConfigError: when there is none
    """
    folder = config_root / 'experiments'
    files = sorted(path for path in folder.glob('*.yaml') if not path.name.startswith('_'))
    if not files:
        raise ConfigError([f'{folder}: no experiment there; name one, or give --config_root'])
    return files


def read_entries(paths: Sequence[Path], sources: Sources) -> list[Entry]:
    """
    Read experiments.

    :param paths: of their files
    :param sources: what they are made of
    :return: an entry each, pending; none for a disabled one whose start weights are not here
    :raises ConfigError: with everything that is wrong with any of them
    """
    entries: dict[tuple[str, str], Entry] = {}
    findings: list[str] = []
    for path in paths:
        try:
            entry = _read_entry(path, sources)
        except FindingsError as error:
            findings += [_name(path, finding) for finding in error.findings]
            continue
        if entry is None:
            continue
        if entry.key in entries:
            other = entries[entry.key].experiment_config_path
            findings.append(f'{path}: {entry.key} is {other}, too; give it another experiment.id')
        entries[entry.key] = entry
    if findings:
        raise ConfigError(findings)
    return list(entries.values())


def register(store: Store, entries: Sequence[Entry], *, dry_run: bool = False) -> list[Registered]:
    """
    Add experiments to a ledger; those that are there already are brought up to date.

    :param store: the ledger
    :param entries: from read_entries
    :param dry_run: tell what would become of them, change nothing
    :return: what became of them, dependencies first
    :raises ConfigError: when one depends on itself by way of others, or on one that is nowhere
    """
    ordered = _sort(store, entries)
    if not dry_run:
        # In this order, so that of equal priorities the dependency comes first.
        now = datetime.now(timezone.utc)
        stamps = (now + timedelta(microseconds=number) for number in range(len(ordered)))
        ordered = [
            dataclasses.replace(entry, registered_at=time.isoformat(timespec='microseconds'))
            for entry, time in zip(ordered, stamps, strict=True)
        ]
    registered = [_register(store, entry, dry_run=dry_run) for entry in ordered]
    if not dry_run:
        unblock(store)
    return registered


def describe_recipe(config: ExperimentConfig, git_commit: str | None) -> str:
    """
    Write down what a fingerprint is made of, to tell later what has changed.

    :param config: the experiment
    :param git_commit: as given
    :return: key path -> value, as JSON
    """
    recipe = flatten(select_recipe(dataclasses.asdict(config)))
    start = {START: config.backbone.weights, '--git_commit': git_commit}
    if config.loss.distillation is not None:
        start[TEACHER] = config.loss.distillation.teacher
    return json.dumps({**recipe, **start}, sort_keys=True)


def list_changes(registered: Entry, recipe: str) -> list[str]:
    """
    Tell why a recipe has another fingerprint than the one that is registered.

    :param registered: in the ledger
    :param recipe: see describe_recipe
    :return: a sentence for each key
    """
    misfits = list_misfits(json.loads(registered.recipe), json.loads(recipe))
    more = [f'... and {len(misfits) - _SHOWN} keys more'] if len(misfits) > _SHOWN else []
    return [*misfits[:_SHOWN], *more] or [_UNSEEN]


def _read_entry(path: Path, sources: Sources) -> Entry | None:
    config, _ = load_experiment(
        path,
        sources.config_root,
        overrides=sources.arguments,
        environment=sources.environment,
    )
    experiment = config.experiment
    try:
        whole_hash = hash_experiment(config, git_commit=sources.git_commit)
        fingerprint = compute_fingerprint(config, git_commit=sources.git_commit)
    except WeightsError as error:
        if experiment.enabled:
            raise
        logger.warning(
            '%s: is disabled (experiment.enabled: false), and left out: %s', path, error
        )
        return None
    is_shipped = sources.config_root.absolute() == CONFIG_ROOT.absolute()
    return Entry(
        experiment.id,
        fingerprint,
        fingerprint_hex=whole_hash,
        priority=experiment.priority,
        depends_on=experiment.depends_on,
        experiment_config_path=_portable(path, sources.config_root),
        # Every machine has those of the package.
        config_root='' if is_shipped else str(sources.config_root.absolute()),
        arguments=tuple(sources.arguments),
        git_commit=sources.git_commit,
        recipe=describe_recipe(config, sources.git_commit),
        instance_type=config.infrastructure.instance_type,
        price_usd_per_hour=config.infrastructure.price_usd_per_hour,
        enabled=experiment.enabled,
        is_blocked=bool(experiment.depends_on),
        max_attempts=experiment.max_attempts,
        version=1,
    )


def _name(path: Path, finding: str) -> str:
    return finding if finding.startswith(f'{path}:') else f'{path}: {finding}'


def _portable(path: Path, config_root: Path) -> str:
    """Name a file so that a machine with the same config root finds it."""
    file = find_config(path, config_root).absolute()
    root = config_root.absolute()
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _sort(store: Store, entries: Sequence[Entry]) -> list[Entry]:
    """Put dependencies first; what the ledger knows of them counts, too."""
    graph = {entry.experiment_id: set(entry.depends_on) for entry in entries}
    findings = []
    unknown = {name for names in graph.values() for name in names} - graph.keys()
    while unknown:
        name = unknown.pop()
        found = store.find(name)
        graph[name] = set(found[-1].depends_on) if found else set()
        unknown |= graph[name] - graph.keys()
        if not found:
            users = [entry.experiment_id for entry in entries if name in entry.depends_on]
            findings.append(
                f'{", ".join(users)}: experiment.depends_on: {name} is neither in {store.name} '
                f'nor given here; register it as well'
            )
    if findings:
        raise ConfigError(findings)
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        # Each depends on the one that stands behind it.
        way = ' -> '.join(reversed(error.args[1]))
        raise ConfigError(
            [f'experiment.depends_on: {way}: a circle, none of them could ever start; open it']
        ) from error
    places = {name: place for place, name in enumerate(order)}
    return sorted(entries, key=lambda entry: places[entry.experiment_id])


def _register(store: Store, entry: Entry, *, dry_run: bool) -> Registered:
    others = store.find(entry.experiment_id)
    known = next((other for other in others if other.key == entry.key), None)
    if known is None:
        if dry_run or store.add(entry):
            return Registered(entry, _describe_new(entry, others))
        # Somebody registers the same at this moment.
        return Registered(entry, 'unchanged')
    updated = _update(known, entry)
    if not dry_run:
        updated = change(store, entry.key, lambda old: _update(old, entry))
    return Registered(updated, _describe_update(known, updated))


def _update(old: Entry, new: Entry) -> Entry:
    values = {name: getattr(new, name) for name in _UPDATED}
    if old.depends_on != new.depends_on and old.status is not Status.RUNNING:
        values['is_blocked'] = new.is_blocked
    return dataclasses.replace(old, **values, registered_at=old.registered_at or new.registered_at)


def _describe_new(entry: Entry, others: Sequence[Entry]) -> str:
    if not others:
        return 'new'
    changes = '; '.join(list_changes(others[-1], entry.recipe))
    return f'new, another recipe than {others[-1].fingerprint}: {changes}'


def _describe_update(old: Entry, new: Entry) -> str:
    changed = [name for name in _UPDATED if getattr(old, name) != getattr(new, name)]
    shown = [f'{name} {getattr(old, name)} -> {getattr(new, name)}' for name in changed[:_SHOWN]]
    return ', '.join(shown) or 'unchanged'
