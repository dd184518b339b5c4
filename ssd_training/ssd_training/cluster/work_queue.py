"""The ledger's queue on a Ray cluster: a worker command a task."""

from collections.abc import Mapping
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
    check_reach(location, list_machines(ray))
    task = ray.remote(_work).options(
        **share.on(ray), max_retries=_NODES_MAY_BE_LOST, scheduling_strategy='SPREAD'
    )
    variables = {**environment, **location.as_environment()}
    workers = {task.remote(variables): number for number in range(num_workers)}
    with ending_on_signals():
        try:
            return max(_wait_for(ray, workers))
        except SystemExit:
            for worker in workers:
                ray.cancel(worker)
            ray.wait(list(workers), num_returns=len(workers), timeout=_PATIENCE_S + 10)
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


def _wait_for(ray: Any, workers: Mapping[Any, int]) -> list[int]:
    exit_codes, waiting = [0], list(workers)
    while waiting:
        (done,), waiting = ray.wait(waiting)
        try:
            exit_codes.append(ray.get(done))
        except ray.exceptions.RayError as error:
            first_line = str(error).splitlines()[0]
            raise RunError([f'worker {workers[done]}: was not run ({first_line})']) from error
        logger.info('worker %d: exit code %d', workers[done], exit_codes[-1])
    return exit_codes
