"""The schema of how the model is trained: `loss`, `matcher`, `sampler`, `optimizer` and so on."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.ranges import Count, NotNegative, Positive, Share


@dataclass(frozen=True)
class ClassificationLossSettings:
    """The section `loss.classification`."""

    __pydantic_config__ = STRICT

    type: Literal['softmax_ce']


@dataclass(frozen=True)
class RegressionLossSettings:
    """The section `loss.regression`; beta is where the loss turns from square to linear."""

    __pydantic_config__ = STRICT

    type: Literal['smooth_l1']
    beta: Positive


@dataclass(frozen=True)
class LossSettings:
    """The section `loss`."""

    __pydantic_config__ = STRICT

    classification: ClassificationLossSettings
    regression: RegressionLossSettings


@dataclass(frozen=True)
class MatcherSettings:
    """
    The section `matcher`.

    :param iou_threshold_pos: a prior is positive from this IoU on
    :param iou_threshold_neg: and background below this one; in between it is ignored
    """

    __pydantic_config__ = STRICT

    iou_threshold_pos: Share
    iou_threshold_neg: Share

    def __post_init__(self) -> None:
        _check(
            self.iou_threshold_neg <= self.iou_threshold_pos,
            f'iou_threshold_neg: {self.iou_threshold_neg} is above iou_threshold_pos '
            f'{self.iou_threshold_pos}',
        )


@dataclass(frozen=True)
class SamplerSettings:
    """
    The section `sampler`: hard negative mining.

    :param neg_pos_ratio: negatives of an image for each of its positives
    :param min_neg: negatives of an image at least, also without positives
    """

    __pydantic_config__ = STRICT

    neg_pos_ratio: NotNegative
    min_neg: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class OptimizerSettings:
    """
    The section `optimizer`; the rate is the scheduler's.

    :param weight_decay: on kernels, but not of depthwise convolutions; never on BatchNorm and bias
    :param grad_clip_norm: of all gradients together
    :param betas: adamw only
    :param epsilon: adamw only
    :param momentum: sgd only
    :param nesterov: sgd only
    """

    __pydantic_config__ = STRICT

    name: Literal['adamw', 'sgd']
    weight_decay: NotNegative
    grad_clip_norm: Positive
    betas: tuple[Share, Share] | None = None
    epsilon: Positive | None = None
    momentum: Share | None = None
    nesterov: bool | None = None

    def __post_init__(self) -> None:
        own = {'adamw': {'betas', 'epsilon'}, 'sgd': {'momentum', 'nesterov'}}
        findings = []
        for name in sorted(own['adamw'] | own['sgd']):
            is_given, is_own = getattr(self, name) is not None, name in own[self.name]
            if is_given and not is_own:
                findings.append(f'{name}: {self.name} has no such key; remove it')
            elif is_own and not is_given:
                findings.append(f'{name}: missing; {self.name} needs it')
        if findings:
            raise ConfigError(findings)


@dataclass(frozen=True)
class WarmupSettings:
    """
    The section `scheduler.warmup`.

    :param steps: length of the linear rise
    :param start_factor: of base_lr, at the first step
    """

    __pydantic_config__ = STRICT

    steps: Annotated[int, Field(ge=0)]
    start_factor: Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class SchedulerSettings:
    """The section `scheduler`: a rise to base_lr, then a cosine that ends with min_lr."""

    __pydantic_config__ = STRICT

    name: Literal['cosine_warmup']
    base_lr: Positive
    min_lr: NotNegative
    warmup: WarmupSettings

    def __post_init__(self) -> None:
        _check(
            self.min_lr <= self.base_lr, f'min_lr: {self.min_lr} is above base_lr {self.base_lr}'
        )


@dataclass(frozen=True)
class EmaSettings:
    """The section `train.ema`: the moving average of the weights, which is what is kept."""

    __pydantic_config__ = STRICT

    enabled: bool
    decay: Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class TrainSettings:
    """
    The section `train`.

    :param eval_every: epochs from one evaluation to the next; the last epoch is always evaluated
    """

    __pydantic_config__ = STRICT

    epochs: Count
    batch_size: Count
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    eval_every: Count
    ema: EmaSettings


def _check(holds: bool, finding: str) -> None:
    if not holds:
        raise ConfigError([finding])
