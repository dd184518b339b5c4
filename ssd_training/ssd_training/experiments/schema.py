"""
The schema of an experiment: one frozen dataclass a YAML section, types and ranges in one place.

Values stand in the YAML files (configs/base, configs/data), not here: a missing key is an error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class ExperimentInfo:
    """The section `experiment`: what it is called; only the id enters the run folder's name."""

    __pydantic_config__ = STRICT

    id: Annotated[str, Field(pattern=r'^[A-Za-z0-9][A-Za-z0-9_.-]*$')]
    name: str
    description: str = ''
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackboneSettings:
    """
    The section `backbone`.

    :param width_mult: alpha of MobileNetV2
    :param output_layers: feature maps that carry heads: C3 (stride 8), C4 (16), C5 (32)
    :param weights: `imagenet` (from keras.applications), an .npz file, or null for random ones
    :param freeze_until: the last block that does not train, such as block_6; null trains all
    :param freeze_bn: keep the statistics of every BatchNorm, of extras and heads too
    """

    __pydantic_config__ = STRICT

    name: Literal['mobilenetv2']
    width_mult: Literal[0.35, 0.5, 0.75, 1.0, 1.3, 1.4]
    output_layers: Annotated[tuple[Literal['C3', 'C4', 'C5'], ...], Field(min_length=1)]
    weights: str | None
    freeze_until: str | None
    freeze_bn: bool

    def __post_init__(self) -> None:
        expected = tuple(sorted(set(self.output_layers)))
        _check(
            self.output_layers == expected and 'C5' in self.output_layers,
            f'output_layers: {list(self.output_layers)} is no list of C3, C4, C5 in this order; '
            f'C5 is always there, the extra levels start from it',
        )


@dataclass(frozen=True)
class LevelSettings:
    """
    One of `heads.extra_layers.levels`: 1x1 reduce, 3x3 depthwise with stride 2, 1x1 expand.

    :param name: P6, P7, ...
    :param reduce_channels: of the 1x1 and the depthwise convolution
    :param channels: of the level's feature map
    """

    __pydantic_config__ = STRICT

    name: str
    reduce_channels: Count
    channels: Count


@dataclass(frozen=True)
class ExtraLayersSettings:
    """The section `heads.extra_layers`: feature maps on top of C5."""

    __pydantic_config__ = STRICT

    levels: tuple[LevelSettings, ...]


@dataclass(frozen=True)
class HeadsSettings:
    """
    The section `heads`.

    :param head_type: depthwise (SSDLite) or conv3x3
    :param intermediate_channels: of the first 3x3 convolution; conv3x3 only
    """

    __pydantic_config__ = STRICT

    head_type: Literal['depthwise', 'conv3x3']
    extra_layers: ExtraLayersSettings
    intermediate_channels: Count | None = None

    def __post_init__(self) -> None:
        takes_channels = self.head_type == 'conv3x3'
        _check(
            (self.intermediate_channels is not None) == takes_channels,
            f'intermediate_channels: {self.intermediate_channels} with head_type '
            f'{self.head_type}; conv3x3 needs a number, depthwise takes none (null)',
        )


@dataclass(frozen=True)
class PriorsSettings:
    """
    The section `priors`; see targets/priors.py for what the layouts mean.

    :param strides: one a feature map; a map of an input of S px has ceil(S / stride) cells a side
    :param aspect_ratios: width / height, one list a map
    :param min_scale: of the first map, as a share of the image's side
    :param max_scale: of the last map
    :param variances: of centres and of sizes, in the box coding
    """

    __pydantic_config__ = STRICT

    layout: Literal['ssd_300', 'ssd_300_tf']
    strides: Annotated[tuple[Count, ...], Field(min_length=2)]
    aspect_ratios: tuple[Annotated[tuple[Positive, ...], Field(min_length=1)], ...]
    min_scale: Annotated[float, Field(gt=0, lt=1)]
    max_scale: Annotated[float, Field(gt=0, lt=1)]
    variances: tuple[Positive, Positive]

    def __post_init__(self) -> None:
        findings = []
        if len(self.aspect_ratios) != len(self.strides):
            findings.append(
                f'aspect_ratios: {len(self.aspect_ratios)} lists for {len(self.strides)} strides; '
                f'one list a stride'
            )
        if self.min_scale >= self.max_scale:
            findings.append(f'min_scale: {self.min_scale} is not below max_scale {self.max_scale}')
        if findings:
            raise ConfigError(findings)


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


@dataclass(frozen=True)
class DataSettings:
    """
    The section `data`.

    :param root: folder with JPEGImages, Annotations and ImageSets; a relative one starts at the
        working directory
    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of one image at most; more are an error
    """

    __pydantic_config__ = STRICT

    dataset_name: Literal['voc']
    root: str
    train_split: str
    val_split: str
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    max_boxes: Count

    def __post_init__(self) -> None:
        findings = []
        if twice := sorted({label for label in self.labels if self.labels.count(label) > 1}):
            findings.append(f'labels: {", ".join(twice)} given more than once')
        if 'background' in self.labels:
            findings.append('labels: background is class 0 and is not listed')
        if self.train_split == self.val_split:
            findings.append(f'val_split: {self.val_split} is the train_split too; choose another')
        if findings:
            raise ConfigError(findings)


@dataclass(frozen=True)
class PhotometricSettings:
    """
    The section `augmentation.photometric`: each change happens with this probability.

    :param brightness: added, at most, of the range [0, 1]
    :param contrast: factor, from and to
    :param saturation: factor, from and to
    :param hue: turned by at most this share of the circle
    """

    __pydantic_config__ = STRICT

    probability: Share
    brightness: Share
    contrast: tuple[Positive, Positive]
    saturation: tuple[Positive, Positive]
    hue: Annotated[float, Field(ge=0, le=0.5)]

    def __post_init__(self) -> None:
        _check_rising(self, 'contrast', 'saturation')


@dataclass(frozen=True)
class ExpandSettings:
    """The section `augmentation.expand`: zoom out on a grey canvas."""

    __pydantic_config__ = STRICT

    probability: Share
    max_ratio: Annotated[float, Field(ge=1)]


@dataclass(frozen=True)
class CropSettings:
    """
    The section `augmentation.crop` (SSD, arXiv:1512.02325, section 2.2).

    :param min_ious: one is drawn; some object overlaps the crop at least so much; 0 is any crop
    :param scale: of the crop's sides, as shares of the image's, from and to
    :param aspect_ratio: of the crop to that of the image, from and to
    """

    __pydantic_config__ = STRICT

    probability: Share
    min_ious: Annotated[tuple[Share, ...], Field(min_length=1)]
    scale: tuple[Share, Share]
    aspect_ratio: tuple[Positive, Positive]

    def __post_init__(self) -> None:
        _check_rising(self, 'scale', 'aspect_ratio')


@dataclass(frozen=True)
class FlipSettings:
    """The section `augmentation.flip`: left and right change places."""

    __pydantic_config__ = STRICT

    probability: Share


@dataclass(frozen=True)
class AugmentationSettings:
    """The section `augmentation`."""

    __pydantic_config__ = STRICT

    photometric: PhotometricSettings
    expand: ExpandSettings
    crop: CropSettings
    flip: FlipSettings


@dataclass(frozen=True)
class NmsSettings:
    """The section `eval.nms`: what is scored is nearly everything that the model says."""

    __pydantic_config__ = STRICT

    score_threshold: Share
    iou_threshold: Share
    per_class_top_k: Count
    max_detections_per_image: Count


@dataclass(frozen=True)
class EvalSettings:
    """
    The section `eval`.

    :param interpolation: 11point (VOC2007) or area (from VOC2010 on)
    :param iou_threshold: a hit overlaps its object at least so much
    """

    __pydantic_config__ = STRICT

    interpolation: Literal['11point', 'area']
    iou_threshold: Share
    nms: NmsSettings


@dataclass(frozen=True)
class RunSettings:
    """The section `run`: where the run folders are."""

    __pydantic_config__ = STRICT

    root: str


@dataclass(frozen=True)
class ExperimentConfig:
    """
    A whole experiment.

    :param input_size: height and width of the model's input, px; a square
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
        if findings:
            raise ConfigError(findings)

    @property
    def num_classes(self) -> int:
        """The classes with the background: columns of the scores."""
        return len(self.data.labels) + 1


def _check(holds: bool, finding: str) -> None:
    if not holds:
        raise ConfigError([finding])


def _check_rising(section: object, *names: str) -> None:
    ranges: Iterable[tuple[str, tuple[float, float]]] = ((n, getattr(section, n)) for n in names)
    findings = [
        f'{name}: {[low, high]} falls; expected from and to'
        for name, (low, high) in ranges
        if low > high
    ]
    if findings:
        raise ConfigError(findings)
