"""The schema of what the model is: the sections `backbone`, `heads`, `priors`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.ranges import Count, NotNegative, Positive

# Those that keras.applications knows.
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
# Of the only files that Keras saves weights to.
WEIGHTS_SUFFIX = '.weights.h5'


@dataclass(frozen=True)
class BackboneSettings:
    """
    The section `backbone`.

    :param width_mult: alpha of MobileNetV2
    :param output_layers: feature maps that carry heads: C3 (stride 8), C4 (16), C5 (32); the
        backbone ends with the last one
    :param weights: `released`, `imagenet`, a bundle, a run folder, a file, or null for random
        ones; see start_weights.py
    :param freeze: train extra levels and heads only
    :param freeze_until: the last block that does not train, such as block_6; null trains all
    :param freeze_bn: keep the statistics of every BatchNorm, of extras and heads too
    :param bn_momentum: of the statistics of every BatchNorm; from random weights a short training
        needs less than the 0.999 that fits a long one
    :param grad_scale: factor of the learning rate for the backbone; it makes the steps smaller
        under AdamW, too, where a factor on the gradients does nothing
    """

    __pydantic_config__ = STRICT

    name: Literal['mobilenetv2']
    width_mult: float
    output_layers: Annotated[tuple[Literal['C3', 'C4', 'C5'], ...], Field(min_length=1)]
    weights: str | None
    freeze: bool
    freeze_until: str | None
    freeze_bn: bool
    bn_momentum: Annotated[float, Field(ge=0, lt=1)]
    grad_scale: NotNegative

    def __post_init__(self) -> None:
        findings = []
        if self.width_mult not in WIDTHS:
            findings.append(
                f'width_mult: {self.width_mult} is none of {", ".join(map(str, WIDTHS))}'
            )
        rising = tuple(sorted(set(self.output_layers)))
        if self.output_layers != rising:
            findings.append(
                f'output_layers: {list(self.output_layers)} is no list of C3, C4, C5 in this order'
            )
        if self.freeze and self.freeze_until is not None:
            findings.append(
                f'freeze_until: {self.freeze_until} with freeze: true, which freezes all blocks; '
                f'set one of them to null or false'
            )
        if findings:
            raise ConfigError(findings)


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
    """The section `heads.extra_layers`: feature maps on top of the backbone's last one."""

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
    :param scales: of each map instead of min_scale ... max_scale, as shares of the side
    :param laid_out_at_px: side of the input that priors are spread over evenly; in others they
        keep their distance to what their cell sees, and small ones their size in px, as trained
        weights do: 300 for all that comes from the COCO weights, by however many trainings. null
        spreads them over any input
    :param variances: of centres and of sizes, in the box coding
    """

    __pydantic_config__ = STRICT

    layout: Literal['ssd_300', 'ssd_300_tf']
    strides: Annotated[tuple[Count, ...], Field(min_length=2)]
    aspect_ratios: tuple[Annotated[tuple[Positive, ...], Field(min_length=1)], ...]
    min_scale: Annotated[float, Field(gt=0, lt=1)]
    max_scale: Annotated[float, Field(gt=0, lt=1)]
    variances: tuple[Positive, Positive]
    scales: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    laid_out_at_px: Count | None = None

    def __post_init__(self) -> None:
        findings = []
        odd = [stride for stride in self.strides if stride & (stride - 1)]
        if self.laid_out_at_px is not None and odd:
            findings.append(
                f'laid_out_at_px: needs strides that are powers of 2; received {odd[0]}'
            )
        if len(self.aspect_ratios) != len(self.strides):
            findings.append(
                f'aspect_ratios: {len(self.aspect_ratios)} lists for {len(self.strides)} strides; '
                f'one list a stride'
            )
        if self.scales is not None and len(self.scales) != len(self.strides):
            findings.append(
                f'scales: {len(self.scales)} scales for {len(self.strides)} strides; one a stride'
            )
        if self.min_scale >= self.max_scale:
            findings.append(f'min_scale: {self.min_scale} is not below max_scale {self.max_scale}')
        if findings:
            raise ConfigError(findings)

    def is_laid_out_at(self, side_px: int) -> bool:
        """
        Tell whether an input has evenly spread priors.

        :param side_px: of the input
        :return: whether it does
        """
        return self.laid_out_at_px in (None, side_px)


def _check(holds: bool, finding: str) -> None:
    if not holds:
        raise ConfigError([finding])
