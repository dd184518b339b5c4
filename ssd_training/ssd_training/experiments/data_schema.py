"""The schema of what the model sees: the sections `data`, `augmentation`, `eval`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_training.experiments.ranges import Count, Positive, Share


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


def _check_rising(section: object, *names: str) -> None:
    ranges: Iterable[tuple[str, tuple[float, float]]] = ((n, getattr(section, n)) for n in names)
    findings = [
        f'{name}: {[low, high]} falls; expected from and to'
        for name, (low, high) in ranges
        if low > high
    ]
    if findings:
        raise ConfigError(findings)
