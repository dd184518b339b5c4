"""
The schema of an experiment: one frozen dataclass a YAML section, types and ranges in one place.

Values stand in the YAML files (configs/base, configs/data), not here: a missing key is an error.
"""

import dataclasses
from dataclasses import dataclass
import math
from typing import Annotated

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.data_schema import AugmentationSettings, DataSettings, EvalSettings
from ssd_training.experiments.loss_schema import LossSettings, MatcherSettings, SamplerSettings
from ssd_training.experiments.model_schema import BackboneSettings, HeadsSettings, PriorsSettings
from ssd_training.experiments.ranges import Count
from ssd_training.experiments.run_schema import (
    CheckpointSettings,
    InfrastructureSettings,
    LoggingSettings,
    RunSettings,
    RuntimeSettings,
)
from ssd_training.experiments.training_schema import (
    OptimizerSettings,
    QuantizationSettings,
    SchedulerSettings,
    TrainSettings,
)

# Of what a fingerprint is made of.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ExperimentInfo:
    """
    The section `experiment`: what it is called, and its place in the queue of a ledger.

    Only the id enters the run folder's name; nothing here enters the fingerprint.

    :param enabled: false is never taken from the queue
    :param priority: the larger, the sooner
    :param depends_on: ids of experiments that have to succeed before
    :param max_attempts: in a row, without a checkpoint in between
    """

    __pydantic_config__ = STRICT

    id: Annotated[str, Field(pattern=r'^[A-Za-z0-9][A-Za-z0-9_.-]*$')]
    name: str
    description: str = ''
    tags: tuple[str, ...] = ()
    enabled: bool = True
    priority: Annotated[float, Field(gt=-1e6, lt=1e6)] = 0.0
    depends_on: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    max_attempts: Count = 3


@dataclass(frozen=True)
class ExperimentConfig:
    """
    A whole experiment.

    :param input_size: height and width of the model's input, px; a square
    :param quantization: null trains in float
    """

    __pydantic_config__ = STRICT

    experiment: ExperimentInfo
    input_size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]]
    backbone: BackboneSettings
    heads: HeadsSettings
    priors: PriorsSettings
    loss: LossSettings
    matcher: MatcherSettings
    sampler: SamplerSettings
    optimizer: OptimizerSettings
    scheduler: SchedulerSettings
    train: TrainSettings
    data: DataSettings
    augmentation: AugmentationSettings
    eval: EvalSettings
    run: RunSettings
    checkpoint: CheckpointSettings
    logging: LoggingSettings
    runtime: RuntimeSettings
    quantization: QuantizationSettings | None = None
    infrastructure: InfrastructureSettings = dataclasses.field(
        default_factory=InfrastructureSettings
    )

    def __post_init__(self) -> None:
        findings = []
        num_maps = len(self.backbone.output_layers) + len(self.heads.extra_layers.levels)
        if len(self.priors.strides) != num_maps:
            findings.append(
                f'priors.strides: {len(self.priors.strides)} strides; the model has {num_maps} '
                f'feature maps (backbone.output_layers and heads.extra_layers.levels)'
            )
        if self.input_size[0] != self.input_size[1]:
            findings.append(f'input_size: {list(self.input_size)} is no square; give S, S')
        laid_out_px = self.priors.laid_out_at_px or self.input_size[0]
        least, most = (math.ceil(0.7 * laid_out_px), math.floor(1.75 * laid_out_px))
        if not least <= self.input_size[0] <= most:
            findings.append(
                f'input_size: {self.input_size[0]} px with priors.laid_out_at_px {laid_out_px}: '
                f'so far from there priors lie outside of the image or fit nothing in it; '
                f'give {least} to {most} px, or priors.laid_out_at_px: null'
            )
        # Each replica would have statistics of its own, and tf.distribute can't assign them.
        if self.runtime.strategy != 'none':
            findings += [
                f'{key}: false with runtime.strategy {self.runtime.strategy}; '
                f'set it to true: replicas do not share BatchNorm statistics'
                for key in self.trained_batch_norms()
            ]
        if self.quantization is not None:
            findings += self._check_quantization()
        if findings:
            raise ConfigError(findings)

    @property
    def architecture(self) -> Architecture:
        """What of the experiment decides the network."""
        return Architecture(
            input_size=self.input_size,
            labels=self.data.labels,
            backbone=self.backbone,
            heads=self.heads,
            priors=self.priors,
            activation=self.loss.classification.activation,
            quantization=self.quantization,
        )

    def trained_batch_norms(self) -> list[str]:
        """
        List the keys that let statistics of BatchNorm train.

        :return: key paths; none when they stay
        """
        freeze_bn = {'backbone.freeze_bn': self.backbone.freeze_bn}
        freeze_bn |= {
            f'train.unfreeze.{index}.freeze_bn': change.freeze_bn
            for index, change in enumerate(self.train.unfreeze)
        }
        return [key for key, value in freeze_bn.items() if not value]

    def _check_quantization(self) -> list[str]:
        findings = [
            f'{key}: false with quantization; set it to true: BatchNorm is folded into the '
            f'convolutions'
            for key in self.trained_batch_norms()
        ]
        if self.train.amp.enabled:
            findings.append(
                'train.amp.enabled: true with quantization; set it to false: 16 bits do not hold '
                'the steps of INT8'
            )
        if self.runtime.strategy != 'none':
            findings.append(
                f'runtime.strategy: {self.runtime.strategy} with quantization; set it to none: '
                f'replicas do not share the ranges of activations'
            )
        return findings
