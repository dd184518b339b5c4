"""The schema of how weights change: `optimizer`, `scheduler`, `train`, `quantization`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.loss_schema import check_own_keys
from ssd_training.experiments.ranges import Count, NotNegative, Positive, Share

Steps = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class OptimizerSettings:
    """
    The section `optimizer`; the rate is the scheduler's.

    :param weight_decay: on kernels, but not of depthwise convolutions; never on BatchNorm and bias
    :param grad_clip_norm: of all gradients together; null does not clip
    :param betas: adamw only
    :param epsilon: adamw only
    :param momentum: sgd only
    :param nesterov: sgd only
    """

    __pydantic_config__ = STRICT

    name: Literal['adamw', 'sgd']
    weight_decay: NotNegative
    grad_clip_norm: Positive | None
    betas: tuple[Share, Share] | None = None
    epsilon: Positive | None = None
    momentum: Share | None = None
    nesterov: bool | None = None

    def __post_init__(self) -> None:
        owners = {'betas': 'adamw', 'epsilon': 'adamw', 'momentum': 'sgd', 'nesterov': 'sgd'}
        if findings := check_own_keys(self, self.name, owners):
            raise ConfigError(findings)


@dataclass(frozen=True)
class WarmupSettings:
    """
    The section `scheduler.warmup`: a linear rise to base_lr.

    :param steps: its length, or null; 0 is none
    :param epochs: its length, or null
    :param start_factor: of base_lr, at the first step
    """

    __pydantic_config__ = STRICT

    start_factor: Annotated[float, Field(gt=0, le=1)]
    steps: Steps | None = None
    epochs: NotNegative | None = None

    def __post_init__(self) -> None:
        _check_one_unit(self, 'steps', 'epochs')


@dataclass(frozen=True)
class StepSettings:
    """
    The section `scheduler.step`: the rate falls again and again.

    :param gamma: factor of each fall
    :param drop_every_steps: from one fall to the next, or null
    :param drop_every_epochs: from one fall to the next, or null
    """

    __pydantic_config__ = STRICT

    gamma: Annotated[float, Field(gt=0, lt=1)]
    drop_every_steps: Count | None = None
    drop_every_epochs: Positive | None = None

    def __post_init__(self) -> None:
        _check_one_unit(self, 'drop_every_steps', 'drop_every_epochs')


@dataclass(frozen=True)
class MultistepSettings:
    """
    The section `scheduler.multistep`: the rate falls at chosen times.

    :param gamma: factor of each fall
    :param milestones_steps: when, or null
    :param milestones_epochs: when, or null
    """

    __pydantic_config__ = STRICT

    gamma: Annotated[float, Field(gt=0, lt=1)]
    milestones_steps: tuple[Count, ...] | None = None
    milestones_epochs: tuple[Positive, ...] | None = None

    def __post_init__(self) -> None:
        _check_one_unit(self, 'milestones_steps', 'milestones_epochs')


@dataclass(frozen=True)
class SchedulerSettings:
    """
    The section `scheduler`: a rise to base_lr, then what the name says.

    :param name: cosine_warmup (ends with min_lr), step, multistep, or constant
    :param min_lr: the rate never falls below it
    :param total_steps: length of the cosine; null is the whole training
    :param step: for the name step only
    :param multistep: for the name multistep only
    """

    __pydantic_config__ = STRICT

    name: Literal['cosine_warmup', 'step', 'multistep', 'constant']
    base_lr: Positive
    min_lr: NotNegative
    warmup: WarmupSettings
    total_steps: Count | None = None
    step: StepSettings | None = None
    multistep: MultistepSettings | None = None

    def __post_init__(self) -> None:
        findings = check_own_keys(self, self.name, {'step': 'step', 'multistep': 'multistep'})
        if self.total_steps is not None and self.name != 'cosine_warmup':
            findings.append(f'total_steps: {self.name} has no such key; remove it')
        if self.min_lr > self.base_lr:
            findings.append(f'min_lr: {self.min_lr} is above base_lr {self.base_lr}')
        if findings:
            raise ConfigError(findings)


@dataclass(frozen=True)
class AmpSettings:
    """
    The section `train.amp`: layers compute in 16 bits, weights and losses stay float32.

    :param loss_scale: of mixed_float16: dynamic or a number; mixed_bfloat16 has the range of
        float32 and needs none
    """

    __pydantic_config__ = STRICT

    enabled: bool
    policy: Literal['mixed_float16', 'mixed_bfloat16']
    loss_scale: Literal['dynamic'] | Positive

    @property
    def layer_policy(self) -> str:
        """Keras' name of what layers compute in."""
        return self.policy if self.enabled else 'float32'


@dataclass(frozen=True)
class EmaSettings:
    """
    The section `train.ema`: the moving average of the weights.

    :param decay: of one update
    :param warmup_steps: updates in which the average only follows the weights
    :param update_every: updates of the weights from one of the average to the next
    :param eval_use_ema: evaluate and keep the average, not the weights themselves
    """

    __pydantic_config__ = STRICT

    enabled: bool
    decay: Annotated[float, Field(ge=0, lt=1)]
    warmup_steps: Steps
    update_every: Count
    eval_use_ema: bool


@dataclass(frozen=True)
class MultiScaleSettings:
    """
    The section `train.multi_scale`: training sees the images in several sizes.

    :param sizes_px: sides of the squares; one is drawn for every stretch of batches
    :param every_steps: length of a stretch
    """

    __pydantic_config__ = STRICT

    enabled: bool
    sizes_px: Annotated[tuple[Annotated[int, Field(ge=32)], ...], Field(min_length=1)]
    every_steps: Count


@dataclass(frozen=True)
class UnfreezeSettings:
    """
    One of `train.unfreeze`: what stays frozen from an epoch on, instead of what `backbone` says.

    :param epoch: the first one that trains so; the first of all is 1
    :param freeze_until: as in `backbone`; null trains all blocks
    :param freeze_bn: as in `backbone`; statistics may also stop to train here
    """

    __pydantic_config__ = STRICT

    epoch: Annotated[int, Field(ge=2)]
    freeze_until: str | None
    freeze_bn: bool


@dataclass(frozen=True)
class TrainSettings:
    """
    The section `train`.

    :param batch_size: images of one step, of all replicas together
    :param grad_accum_steps: steps whose gradients are averaged before the weights change
    :param eval_every: epochs from one evaluation to the next; the last epoch is always evaluated
    :param unfreeze: changes of what is frozen, in the order of their epochs; none by default
    """

    __pydantic_config__ = STRICT

    epochs: Count
    batch_size: Count
    grad_accum_steps: Count
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    eval_every: Count
    amp: AmpSettings
    ema: EmaSettings
    multi_scale: MultiScaleSettings
    unfreeze: tuple[UnfreezeSettings, ...] = ()

    def __post_init__(self) -> None:
        epochs = [change.epoch for change in self.unfreeze]
        if epochs != sorted(set(epochs)) or any(epoch > self.epochs for epoch in epochs):
            raise ConfigError(
                [
                    f'unfreeze: the epochs {epochs} do not rise from one to the next up to '
                    f'train.epochs ({self.epochs}); change their order, or train longer'
                ]
            )


@dataclass(frozen=True)
class QuantizationSettings:
    """
    The section `quantization`: training with the rounding of INT8; without it there is none.

    :param observed_batches: whose activations set the ranges; they stay as they are after these
    """

    __pydantic_config__ = STRICT

    observed_batches: Count


def _check_one_unit(section: object, in_steps: str, in_epochs: str) -> None:
    given = [name for name in (in_steps, in_epochs) if getattr(section, name) is not None]
    if len(given) != 1:
        found = 'both are given' if given else 'neither is given'
        raise ConfigError([f'{in_steps}, {in_epochs}: {found}; give one, the other is null'])
