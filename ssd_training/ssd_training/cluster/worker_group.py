"""One training on several nodes of a Ray cluster: runtime.strategy=multi_worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import json
import logging
import socket
import sys
from typing import Any

from ssd_detector.errors import ConfigError
from ssd_training.cluster.commands_on_nodes import NodeCommand
from ssd_training.cluster.ray_session import ending_on_signals, Share
from ssd_training.errors import RunError

# From an exit code of one worker to the word that a node was lost, which is why it failed.
_NEWS_S = 30.0
# For the last upload; without one of them, the others can not agree to save.
_PATIENCE_S, _PATIENCE_AFTER_LOSS_S = 110.0, 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Group:
    """
    Workers that train together.

    :param num_workers: how many
    :param share: of each
    :param max_restarts: after the loss of a node
    """

    num_workers: int
    share: Share
    max_restarts: int = 3


class NodeLostError(Exception):
    """A node of the group is gone; the others wait for it, or have failed for it."""


class TrainingWorker:
    """
    A worker of a group; Ray makes it, on a node of its choice.

    :param index: task.index of TF_CONFIG; 0 writes the run folder
    """

    def __init__(self, index: int) -> None:
        self._index = index
        self._place: socket.socket | None = None
        self._command: NodeCommand | None = None

    def find_address(self) -> str:
        """
        Take a port of this node, until the training starts.

        :return: host:port
        """
        import ray

        self._place = socket.socket()
        self._place.bind(('', 0))
        return f'{ray.util.get_node_ip_address()}:{self._place.getsockname()[1]}'

    def train(
        self, addresses: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str]
    ) -> int:
        """
        Train.

        :param addresses: of all workers
        :param arguments: of ssd_training.train
        :param environment: variables beside those of the node
        :return: the exit code
        """
        if self._place is not None:
            self._place.close()
        task = {'type': 'worker', 'index': self._index}
        cluster = {'cluster': {'worker': list(addresses)}, 'task': task}
        self._command = NodeCommand(
            [sys.executable, '-m', 'ssd_training.train', *arguments],
            {**environment, 'TF_CONFIG': json.dumps(cluster)},
        )
        return self._command.wait()

    def end(self, patience_s: float) -> None:
        """
        End the training.

        :param patience_s: for what it does at SIGTERM
        """
        if self._command is not None:
            self._command.end(patience_s)


def train_on_cluster(
    ray: Any,
    group: Group,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    was_trained: Callable[[], bool],
) -> int:
    """
    Train with a group; after the loss of a node with a new one, from the last checkpoint.

    :param ray: connected
    :param group: see Group
    :param arguments: of ssd_training.train, without its strategy
    :param environment: variables for the workers, beside those of their nodes
    :param was_trained: whether there is something to go on with
    :return: the exit code of the first worker that failed, or 0
    :raises ConfigError: when the cluster is too small
    :raises RunError: when nodes were lost again and again
    """
    share = group.share.on(ray)
    _check_size(ray, group.num_workers, share)
    words = [*arguments, 'runtime.strategy=multi_worker']
    for _ in range(group.max_restarts + 1):
        try:
            return _train_once(ray, group.num_workers, share, words, environment)
        except NodeLostError as error:
            logger.warning('%s', error)
        if was_trained() and '--resume' not in words:
            words = [*words, '--resume']
    raise RunError([f'nodes were lost {group.max_restarts + 1} times; go on with --resume'])


def _check_size(ray: Any, num_workers: int, share: Mapping[str, float]) -> None:
    found = ray.cluster_resources()
    for name, option in (('CPU', 'num_cpus'), ('GPU', 'num_gpus')):
        wanted, there = num_workers * share[option], found.get(name, 0.0)
        if wanted > there:
            raise ConfigError(
                [
                    f'--multi_worker: {num_workers} workers with --{option} {share[option]:g} '
                    f'need {wanted:g} {name}s; the cluster has {there:g}'
                ]
            )


def _train_once(
    ray: Any,
    num_workers: int,
    share: Mapping[str, float],
    words: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    bundle = {'CPU': share['num_cpus'], 'GPU': share['num_gpus']}
    room = ray.util.placement_group([bundle] * num_workers, strategy='SPREAD')
    place = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(room)
    # Two calls at once: a training, and its end.
    make = ray.remote(TrainingWorker).options(
        **share, max_concurrency=2, scheduling_strategy=place
    )
    workers = [make.remote(index) for index in range(num_workers)]
    patience_s = _PATIENCE_S
    with ending_on_signals():
        try:
            addresses = ray.get([worker.find_address.remote() for worker in workers])
            logger.info('workers: %s', ', '.join(addresses))
            trainings = [worker.train.remote(addresses, words, environment) for worker in workers]
            return _wait_for(ray, trainings)
        except ray.exceptions.RayError as error:
            patience_s = _PATIENCE_AFTER_LOSS_S
            first_line = str(error).splitlines()[0]
            raise NodeLostError(f'a node was lost ({first_line}); starting again') from error
        finally:
            ends = [worker.end.remote(patience_s) for worker in workers]
            ray.wait(ends, num_returns=num_workers, timeout=patience_s + 10)
            for worker in workers:
                ray.kill(worker)
            ray.util.remove_placement_group(room)


def _wait_for(ray: Any, trainings: list[Any]) -> int:
    """Give the first exit code that is not 0; after one, a node that was lost may be the cause."""
    first, waiting = 0, trainings
    while waiting:
        done, waiting = ray.wait(waiting, timeout=_NEWS_S if first else None)
        if not done:
            break
        first = first or int(ray.get(done[0]))
    return first
