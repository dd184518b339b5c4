"""Reads trained networks as members of an average, chooses those that help, and records them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import json
from pathlib import Path

import keras

from ssd_training.errors import RunError
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.model_schema import WEIGHTS_SUFFIX
from ssd_training.model.averaging import fold, mean_of
from ssd_training.model.pretrained import fill, Pretrained, Values
from ssd_training.runs.files import write_json
from ssd_training.runs.finished_run import read_config
from ssd_training.runs.start_weights import name_weights
from ssd_training.training.pretrained import load_detector


@dataclass(frozen=True, eq=False)
class Member:
    """
    A trained network.

    :param name: as the user gave it
    :param values: kernel and bias, by layer, BatchNorm folded in
    :param training: what is known of how it was trained, a phrase; may be empty
    """

    name: str
    values: Values
    training: str = ''


def read_member(name: str, network: keras.Model, architecture: Architecture) -> Member:
    """
    Read a trained network.

    :param name: what backbone.weights takes, if it is a detector
    :param network: of the experiment; has its weights afterwards
    :param architecture: of the experiment, which it has
    :return: the member
    :raises WeightsError: when it can not be read, or is of other classes or another network
    :raises CheckpointError: when it is a checkpoint that can not be read
    :raises BundleError: when it is a bundle that is damaged
    """
    load_detector(network, name, architecture, key='RUN')
    return Member(name, fold(network), describe_training(Path(name)))


def take_average(
    network: keras.Model,
    members: Sequence[Member],
    labels: Sequence[str],
    *,
    shares: Sequence[float] | None = None,
) -> None:
    """
    Give a network the mean of others.

    :param network: of the experiment; changed
    :param members: one or more, from read_member
    :param labels: of the experiment
    :param shares: how much each counts; equally by default
    """
    values = mean_of([member.values for member in members], shares or [1.0] * len(members))
    origin = ' + '.join(member.name for member in members)
    fill(network, Pretrained(origin, values, tuple(labels), is_whole=True), labels)


def choose_greedily(
    members: Sequence[Member], score: Callable[[Sequence[Member]], float]
) -> tuple[list[Member], float]:
    """
    Choose members one after the other, the best first; each stays that does not lower the score.

    :param members: candidates
    :param score: of the average of some, higher is better; called once a set
    :return: those chosen, the best alone first, and the score of their average
    """
    alone = [score([member]) for member in members]
    order = sorted(range(len(members)), key=lambda index: -alone[index])
    chosen, best = [members[order[0]]], alone[order[0]]
    for index in order[1:]:
        candidate = [*chosen, members[index]]
        if (value := score(candidate)) >= best:
            chosen, best = candidate, value
    return chosen, best


def describe_training(path: Path) -> str:
    """
    Say how a run was trained.

    :param path: as the user gave it
    :return: a phrase; empty where it is no run folder
    """
    try:
        config = read_config(path)
    except RunError:
        return ''
    start, taught = config.backbone.weights, config.loss.distillation
    return (
        f'{config.train.epochs} epochs on {config.data.title} {config.data.train_split}, learning '
        f'rate {config.scheduler.base_lr:g}, seed {config.train.seed}'
        + (f', from {name_weights(Path(start))}' if start else '')
        + (f', {taught.share:g} taught by {name_weights(Path(taught.teacher))}' if taught else '')
    )


def write_members(path: Path, members: Sequence[Member], shares: Sequence[float] | None) -> None:
    """
    Record beside the weights what they are the mean of, for the model card.

    :param path: of the weights
    :param members: of the mean
    :param shares: how much each counts; None is equally
    """
    weights = shares or [1.0] * len(members)
    record = [
        {'name': member.name, 'training': member.training, 'share': share / sum(weights)}
        for member, share in zip(members, weights, strict=True)
    ]
    write_json(_record_path(path), record)


def read_members(path: Path) -> tuple[str, ...]:
    """
    Read what weights are the mean of.

    :param path: of the weights
    :return: a phrase a member; none where nothing is recorded
    """
    try:
        record = json.loads(_record_path(path).read_text(encoding='utf-8'))
        return tuple(
            f'`{Path(member["name"]).name}` ({member["training"] or "training not recorded"}), '
            f'share {float(member["share"]):.2g}'
            for member in record
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _record_path(path: Path) -> Path:
    return path.with_name(f'{path.name.removesuffix(WEIGHTS_SUFFIX)}.members.json')
