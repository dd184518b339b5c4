"""One device, the devices of one machine, or several machines: `runtime.strategy`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
import json
from typing import Any

import tensorflow as tf

from ssd_training.data.batches.pipeline import TrainingBatches
from ssd_training.errors import RunError
from ssd_training.experiments.run_schema import RuntimeSettings

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)

# Number of a worker, number of workers -> its part of each batch.
MakeBatches = Callable[[int, int], TrainingBatches]


class Distribution:
    """
    Where the steps of a training run.

    :param strategy: of tf.distribute, or None for one device
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        self._strategy = strategy
        resolver = getattr(strategy, 'cluster_resolver', None)
        self._is_multi_worker = resolver is not None
        self.worker_index = resolver.task_id if resolver is not None else 0

    @property
    def is_chief(self) -> bool:
        """Whether this process evaluates and writes the run folder."""
        return self.worker_index == 0

    @property
    def num_replicas(self) -> int:
        """Parts that a batch is divided into."""
        return self._strategy.num_replicas_in_sync if self._strategy else 1

    def scope(self) -> AbstractContextManager[Any]:
        """
        Give the block in which variables are made.

        :return: a context
        """
        return self._strategy.scope() if self._strategy else nullcontext()

    def iterate(self, make_batches: MakeBatches) -> Iterator[Any]:
        """
        Start the batches.

        :param make_batches: gives a worker its part
        :return: batches, or the replicas' parts of them, as compile takes them
        """
        if self._strategy is None:
            return iter(make_batches(0, 1))
        if self._is_multi_worker:
            # One device a worker: its part of the batch needs no packing.
            return iter(make_batches(self.worker_index, self.num_replicas))
        return iter(make_batches(0, 1).dealt_out_by(self._strategy))

    def agree(self, wants: bool) -> bool:
        """
        Ask all workers; a single process answers itself.

        :param wants: whether this worker wants something, such as to stop
        :return: whether any of them does
        """
        if not self._is_multi_worker:
            return wants
        return bool(self._sum_over_workers(tf.constant(float(wants))) > 0)

    @tf.function(autograph=False)
    def _sum_over_workers(self, value: tf.Tensor) -> tf.Tensor:
        assert self._strategy is not None, 'a single process has nobody to ask'
        return self._strategy.reduce(
            tf.distribute.ReduceOp.SUM, self._strategy.run(lambda: value), axis=None
        )


def configure_runtime(settings: RuntimeSettings) -> None:
    """
    Set what TensorFlow takes only before its first operation; later calls must not differ.

    :param settings: the section `runtime`
    """
    if settings.num_threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(settings.num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(settings.num_threads)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()


def open_distribution(settings: RuntimeSettings, environment: Mapping[str, str]) -> Distribution:
    """
    Start the strategy of an experiment; with several workers, waits until all are there.

    :param settings: the section `runtime`
    :param environment: TF_CONFIG is read
    :return: the distribution
    :raises RunError: when TF_CONFIG and the strategy do not belong together
    """
    find_worker_index(settings, environment)
    if settings.strategy == 'multi_worker':
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        if (num_devices := len(strategy.extended.worker_devices)) > 1:
            raise RunError(
                [
                    f'runtime.strategy: multi_worker with {num_devices} devices in one worker; '
                    f'start a worker for each device (CUDA_VISIBLE_DEVICES)'
                ]
            )
        return Distribution(strategy)
    if settings.strategy == 'mirrored':
        # By itself it takes one CPU, however many logical ones there are.
        devices = tf.config.list_logical_devices('GPU') or tf.config.list_logical_devices('CPU')
        return Distribution(tf.distribute.MirroredStrategy([device.name for device in devices]))
    return Distribution()


def find_worker_index(settings: RuntimeSettings, environment: Mapping[str, str]) -> int:
    """
    Tell which worker this process is; needs none of the others.

    :param settings: the section `runtime`
    :param environment: TF_CONFIG is read
    :return: from 0; 0 writes the run folder
    :raises RunError: when TF_CONFIG and the strategy do not belong together
    """
    cluster = environment.get('TF_CONFIG')
    if settings.strategy == 'multi_worker':
        return _read_index(cluster)
    if cluster:
        raise RunError(
            [
                f'TF_CONFIG is set, but runtime.strategy is {settings.strategy}; give '
                f'runtime.strategy=multi_worker or unset it'
            ]
        )
    return 0


def _read_index(cluster: str | None) -> int:
    try:
        tree = json.loads(cluster or '')
        workers, task = tree['cluster']['worker'], tree['task']
        index = int(task['index'])
        is_valid = task['type'] == 'worker' and 0 <= index < len(workers)
    except (ValueError, KeyError, TypeError):
        is_valid = False
    if not is_valid:
        raise RunError(
            [f'TF_CONFIG: {cluster!r}; runtime.strategy=multi_worker needs one such as {_EXAMPLE}']
        )
    return index
