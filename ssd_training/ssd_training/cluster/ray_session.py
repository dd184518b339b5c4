"""The connection to a Ray cluster; Ray is an extra, and nothing else here imports it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
import signal
from types import FrameType
from typing import Any

from ssd_detector.errors import ConfigError
from ssd_training.errors import RunError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Share:
    """
    What a task asks for.

    :param num_cpus: cores
    :param num_gpus: GPUs; None for one where the cluster has any
    """

    num_cpus: float = 1.0
    num_gpus: float | None = None

    def on(self, ray: Any) -> dict[str, float]:
        """
        Settle it for a cluster.

        :param ray: connected
        :return: arguments of Ray's options
        """
        has_gpus = ray.cluster_resources().get('GPU', 0.0) > 0
        num_gpus = float(has_gpus) if self.num_gpus is None else self.num_gpus
        return {'num_cpus': self.num_cpus, 'num_gpus': num_gpus}


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """
    Connect to a cluster while the block runs.

    :param address: host:port, ray://..., auto for the one that this machine is in, or local for a
        new one
    :return: the module ray
    :raises ConfigError: when Ray is not installed
    :raises RunError: when there is no such cluster
    """
    # Nothing here reports to makers.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            [f'a cluster needs Ray ({error}); pip install "ssd_training[ray]"']
        ) from error
    try:
        ray.init(address=address, logging_level='WARNING')
    # Where a node does not come up, Ray raises Exception itself.
    except Exception as error:
        raise RunError(
            [
                f'--address: {address}: no Ray cluster answers ({str(error).splitlines()[0]}); '
                f'start one (ray start --head), name its head, or give local'
            ]
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """
    Turn SIGINT and SIGTERM into SystemExit while the block runs; Ray has handlers of its own.

    :return: nothing
    """
    received: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        # What is cancelled now gets its time.
        for signal_number in _SIGNALS:
            signal.signal(signal_number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    except SystemExit as error:
        # Ray's own code passes it on as 1.
        raise SystemExit(128 + received[0] if received else error.code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def list_machines(ray: Any) -> set[str]:
    """
    List the machines of a cluster.

    :param ray: connected
    :return: their addresses
    """
    return {node['NodeManagerAddress'] for node in ray.nodes() if node['Alive']}
