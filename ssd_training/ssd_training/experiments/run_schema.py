"""
The schema of how a training runs: `run`, `checkpoint`, `logging`, `runtime`, `infrastructure`.

Nothing here shapes the result; none of it enters the fingerprint.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_training.experiments.ranges import Count


@dataclass(frozen=True)
class RunSettings:
    """
    The section `run`.

    :param root: where the run folders are
    :param upload_to: where copies of them go behind each epoch and at the end, such as
        s3://bucket/prefix; without a protocol it is a bucket of S3; null for nowhere
    :param upload_every_steps: steps from one copy to the next within an epoch, each with a
        checkpoint of its own; null for behind epochs only
    """

    __pydantic_config__ = STRICT

    root: str
    upload_to: Annotated[str, Field(min_length=1)] | None = None
    upload_every_steps: Count | None = None


@dataclass(frozen=True)
class CheckpointSettings:
    """
    The section `checkpoint`; what the last epoch leaves is always kept.

    :param keep_last_k: checkpoints kept, the newest ones
    :param save_best: keep the one with the best value of `monitor`, too
    :param save_every_steps: steps from one checkpoint to the next, or null
    :param save_every_epochs: epochs from one checkpoint to the next, or null
    :param monitor: tag of the metric that tells which one is best, such as val/voc_ap_50/mAP
    :param mode: whether the largest or the smallest value is best
    """

    __pydantic_config__ = STRICT

    keep_last_k: Count
    save_best: bool
    save_every_steps: Count | None
    save_every_epochs: Count | None
    monitor: Annotated[str, Field(min_length=1)]
    mode: Literal['max', 'min']


@dataclass(frozen=True)
class LogTarget:
    """One of the sections `logging.console`, `logging.file`, `logging.tensorboard`."""

    __pydantic_config__ = STRICT

    enabled: bool


@dataclass(frozen=True)
class LoggingSettings:
    """
    The section `logging`.

    :param level: the least that is logged
    :param log_interval_steps: steps from one line of progress to the next
    :param console: on stderr
    :param file: training.log in the run folder
    :param tensorboard: event files in the run folder; no server is started
    """

    __pydantic_config__ = STRICT

    level: Literal['debug', 'info', 'warning', 'error']
    log_interval_steps: Count
    console: LogTarget
    file: LogTarget
    tensorboard: LogTarget


@dataclass(frozen=True)
class RuntimeSettings:
    """
    The section `runtime`.

    :param strategy: none (one device), mirrored (the devices of this machine), or multi_worker
        (machines, listed in the variable TF_CONFIG)
    :param deterministic: equal seeds give equal weights, bit for bit, at some cost in speed
    :param num_threads: of TensorFlow's operations; null is as many as there are cores
    """

    __pydantic_config__ = STRICT

    strategy: Literal['none', 'mirrored', 'multi_worker']
    deterministic: bool
    num_threads: Count | None


@dataclass(frozen=True)
class InfrastructureSettings:
    """
    The section `infrastructure`: the machine that an experiment is meant for, for the ledger.

    :param instance_type: such as g5.xlarge; shown, nothing more
    :param price_usd_per_hour: of it; the variable SSD_PRICE_USD_PER_HOUR of a machine wins
    """

    __pydantic_config__ = STRICT

    instance_type: str | None = None
    price_usd_per_hour: Annotated[float, Field(ge=0)] | None = None
