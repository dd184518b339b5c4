"""The schema of what the model learns: the sections `loss`, `matcher`, `sampler`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.ranges import Count, NotNegative, Positive, Share

ScoreActivation = Literal['softmax', 'sigmoid']


@dataclass(frozen=True)
class QualitySettings:
    """
    The section `loss.classification.quality`: how right its box has to be for a prior's class.

    :param low_iou: of the predicted box with its object; up to here the prior learns background
    :param high_iou: from here on it learns the class; in between some of both
    """

    __pydantic_config__ = STRICT

    low_iou: Annotated[float, Field(ge=0, lt=1)]
    high_iou: Annotated[float, Field(gt=0, le=1)]

    def __post_init__(self) -> None:
        if self.high_iou <= self.low_iou:
            raise ConfigError([f'high_iou: {self.high_iou} is not above low_iou {self.low_iou}'])


@dataclass(frozen=True)
class ClassificationLossSettings:
    """
    The section `loss.classification`.

    :param type: softmax_ce or sigmoid_ce over positives and hard negatives, or sigmoid focal loss
        over all priors
    :param label_smoothing: share of the target that goes to the other classes
    :param focal_alpha: weight of the positives, 1 - focal_alpha of the negatives; focal only
    :param focal_gamma: how much easy priors count less; focal only
    :param quality: null asks every positive for its class, however wrong its box is
    """

    __pydantic_config__ = STRICT

    type: Literal['softmax_ce', 'sigmoid_ce', 'focal']
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    focal_alpha: Share | None = None
    focal_gamma: NotNegative | None = None
    quality: QualitySettings | None = None

    def __post_init__(self) -> None:
        findings = check_own_keys(
            self, self.type, {'focal_alpha': 'focal', 'focal_gamma': 'focal'}
        )
        if findings:
            raise ConfigError(findings)

    @property
    def activation(self) -> ScoreActivation:
        """What turns logits into scores."""
        return 'softmax' if self.type == 'softmax_ce' else 'sigmoid'


@dataclass(frozen=True)
class RegressionLossSettings:
    """
    The section `loss.regression`.

    :param type: smooth_l1 or l1 of the offsets, or giou or ciou of the decoded boxes
    :param beta: where smooth L1 turns from square to linear; smooth_l1 only
    """

    __pydantic_config__ = STRICT

    type: Literal['smooth_l1', 'l1', 'giou', 'ciou']
    beta: Positive | None = None

    def __post_init__(self) -> None:
        if findings := check_own_keys(self, self.type, {'beta': 'smooth_l1'}):
            raise ConfigError(findings)


@dataclass(frozen=True)
class LossWeights:
    """The section `loss.weights`: factors of the two parts in the total."""

    __pydantic_config__ = STRICT

    classification: NotNegative
    regression: NotNegative


@dataclass(frozen=True)
class NormalizationSettings:
    """
    The section `loss.normalization`: what the sums over priors are divided by.

    :param type: num_pos, the positives of the batch (of all replicas), or batch_size, its images
    :param min_pos: the divisor at least
    """

    __pydantic_config__ = STRICT

    type: Literal['num_pos', 'batch_size']
    min_pos: Count


@dataclass(frozen=True)
class DistillationSettings:
    """
    The section `loss.distillation`: another network teaches this one.

    :param teacher: a trained network of these layers, priors and classes: a run folder, a file
        *.weights.h5 or ckpt-<step>.npz, an archive *.npz, a bundle, or released
    :param share: of the loss that is the teacher's; the rest is that of the objects
    """

    __pydantic_config__ = STRICT

    teacher: Annotated[str, Field(min_length=1)]
    share: Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class LossSettings:
    """
    The section `loss`.

    :param distillation: null learns from the objects alone
    """

    __pydantic_config__ = STRICT

    classification: ClassificationLossSettings
    regression: RegressionLossSettings
    weights: LossWeights
    normalization: NormalizationSettings
    distillation: DistillationSettings | None = None


@dataclass(frozen=True)
class MatcherSettings:
    """
    The section `matcher`.

    :param iou_threshold_pos: a prior is positive from this IoU on
    :param iou_threshold_neg: and background below this one; in between it is ignored
    :param allow_low_quality_matches: give each object one prior more, its best, whatever the IoU
    """

    __pydantic_config__ = STRICT

    iou_threshold_pos: Share
    iou_threshold_neg: Share
    allow_low_quality_matches: bool

    def __post_init__(self) -> None:
        if self.iou_threshold_neg > self.iou_threshold_pos:
            raise ConfigError(
                [
                    f'iou_threshold_neg: {self.iou_threshold_neg} is above iou_threshold_pos '
                    f'{self.iou_threshold_pos}'
                ]
            )


@dataclass(frozen=True)
class SamplerSettings:
    """
    The section `sampler`: hard negative mining.

    :param neg_pos_ratio: negatives of an image for each of its positives
    :param min_neg: negatives of an image at least, also without positives
    :param max_neg: negatives of an image at most; null is no limit
    :param ignore_iou: a prior whose predicted box overlaps an object by more is no negative; null
        is no limit
    """

    __pydantic_config__ = STRICT

    neg_pos_ratio: NotNegative
    min_neg: Annotated[int, Field(ge=0)]
    max_neg: Annotated[int, Field(ge=0)] | None
    ignore_iou: Annotated[float, Field(gt=0, lt=1)] | None = None

    def __post_init__(self) -> None:
        if self.max_neg is not None and self.max_neg < self.min_neg:
            raise ConfigError([f'max_neg: {self.max_neg} is below min_neg {self.min_neg}'])


def check_own_keys(section: object, name: str, owners: dict[str, str]) -> list[str]:
    """
    Find keys that belong to another name of a section, and those that are missing.

    :param section: with a field for each key, None where it is not given
    :param name: the one that is chosen
    :param owners: key -> name that takes it and can not do without
    :return: findings
    """
    findings = []
    for key, owner in owners.items():
        is_given, is_own = getattr(section, key) is not None, owner == name
        if is_given and not is_own:
            findings.append(f'{key}: {name} has no such key; remove it (or set it to null)')
        elif is_own and not is_given:
            findings.append(f'{key}: missing; {name} needs it')
    return findings
