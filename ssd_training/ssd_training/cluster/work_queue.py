"""The ledger's queue on a Ray cluster: a worker command a task."""

from collections.abc import Callable, Mapping
import logging
import sys
from typing import Any

from ssd_detector.errors import ConfigError
from ssd_training.cluster.commands_on_nodes import NodeCommand
from ssd_training.cluster.ray_session import ending_on_signals, list_machines, Share
from ssd_training.errors import RunError
from ssd_training.ledger.opening import Location, NAME_VARIABLE

# Whatever the node of a task was lost for, it starts on another one; the ledger counts attempts.
_NODES_MAY_BE_LOST = -1
# By SIGKILL (out of memory) and SIGTERM. A spot machine that is to go says so, and goes minutes
# later: a worker may meet it again.
_INTERRUPTED, _MAX_RESTARTS = (137, 143), 20
# What a worker that was cancelled gets: its last upload may take 90 s.
_PATIENCE_S = 110.0

logger = logging.getLogger(__name__)


def work_on_cluster(
    ray: Any,
    location: Location,
    *,
    num_workers: int,
    share: Share,
    environment: Mapping[str, str],
) -> int:
    """
    Have workers claim and train what is in a ledger, until none is left.

    :param ray: connected
    :param location: of the ledger
    :param num_workers: tasks; those that find no room wait for it
    :param share: of each task
    :param environment: variables for the workers, beside those of their nodes
    :return: the largest of their exit codes
    :raises ConfigError: when the ledger can not be reached from other machines
    :raises RunError: when a worker could not be run
    """
    machines = list_machines(ray)
    check_reach(location, machines)
    if len(machines) > 1 and not environment.get('CHECKPOINT_BUCKET'):
        logger.warning('a node that is lost takes its runs along: set CHECKPOINT_BUCKET')
    task = ray.remote(_work).options(
        **share.on(ray), max_retries=_NODES_MAY_BE_LOST, scheduling_strategy='SPREAD'
    )
    variables = {**environment, **location.as_environment()}
    workers = Workers(ray, lambda: task.remote(variables), num_workers)
    with ending_on_signals():
        try:
            return workers.wait()
        except SystemExit:
            workers.cancel()
            raise


def check_reach(location: Location, machines: set[str]) -> None:
    """
    Check that all machines of a cluster can work on a ledger.

    :param location: of the ledger
    :param machines: their addresses
    :raises ConfigError: when it is a file, and there are several
    """
    if location.table is None and len(machines) > 1:
        raise ConfigError(
            [
                f'{location.path}: the ledger is a file of one machine, and the cluster has '
                f'{len(machines)}; keep it in a table (--table_name, DYNAMODB_EXPERIMENT_TABLE)'
            ]
        )


def _work(environment: Mapping[str, str]) -> int:
    """Run in a process of Ray's, on any node."""
    import ray

    context = ray.get_runtime_context()
    name = {NAME_VARIABLE: f'ray-{context.get_node_id()[:12]}'}
    words = [sys.executable, '-m', 'ssd_training.ledger', 'run']
    command = NodeCommand(words, {**environment, **name})
    try:
        return command.wait()
    finally:
        # Ray cancels by KeyboardInterrupt.
        command.end(_PATIENCE_S)


class Workers:
    """
    Workers on a cluster.

    :param ray: connected
    :param start: starts one, on any node
    :param num_workers: how many
    """

    def __init__(self, ray: Any, start: Callable[[], Any], num_workers: int) -> None:
        self._ray = ray
        self._start = start
        self._numbers = {start(): number for number in range(num_workers)}
        self._restarts_left = dict.fromkeys(range(num_workers), _MAX_RESTARTS)

    def wait(self) -> int:
        """
        Wait for all; one that was interrupted with its machine starts again, on any node.

        :return: the largest of their exit codes
        :raises RunError: when one could not be run
        """
        exit_codes = [0]
        while self._numbers:
            (done,), _ = self._ray.wait(list(self._numbers))
            number = self._numbers.pop(done)
            try:
                exit_code = int(self._ray.get(done))
            except self._ray.exceptions.RayError as error:
                first_line = str(error).splitlines()[0]
                raise RunError([f'worker {number}: was not run ({first_line})']) from error
            logger.info('worker %d: exit code %d', number, exit_code)
            if exit_code in _INTERRUPTED and self._restarts_left[number] > 0:
                self._restarts_left[number] -= 1
                self._numbers[self._start()] = number
            else:
                exit_codes.append(exit_code)
        return max(exit_codes)

    def cancel(self) -> None:
        """Have all of them save and end."""
        for worker in self._numbers:
            self._ray.cancel(worker)
        self._ray.wait(
            list(self._numbers), num_returns=len(self._numbers), timeout=_PATIENCE_S + 10
        )
