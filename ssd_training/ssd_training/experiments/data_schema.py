"""The schema of what the model sees: the sections `data`, `augmentation`, `eval`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.bundles.labels import find_label_faults
from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_training.experiments.ranges import Count, Positive, Share

# Which way up an image is read; auto: as the size in its annotation says.
Orientation = Literal['auto', 'upright', 'stored']
# Files that names and links of a data set put outside its folder.
FilesOutside = Literal['error', 'allow']
# What the generated images show.
SHAPES = ('rectangle', 'ellipse', 'triangle')


@dataclass(frozen=True)
class CocoSettings:
    """
    The section `data.coco`: paths below data.root; {split} stands for the split's name.

    :param annotations: the JSON file
    :param images: folder that the file names in it start from
    """

    __pydantic_config__ = STRICT

    annotations: str
    images: str


@dataclass(frozen=True)
class ShapesSettings:
    """
    The section `data.shapes`: images that are generated.

    :param num_train: images of the split train
    :param num_val: images of the split val; no image is in both
    :param size_px: side of the images
    :param seed: of everything random in them
    """

    __pydantic_config__ = STRICT

    num_train: Count
    num_val: Count
    size_px: Annotated[int, Field(ge=32)]
    seed: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class TfRecordsSettings:
    """
    The section `data.tfrecords`.

    :param enabled: read shards instead of the raw files; `python -m ssd_training.data tfrecords`
        writes them
    :param dir: folder of the shards; null is shards/ below data.root
    """

    __pydantic_config__ = STRICT

    enabled: bool
    dir: str | None


@dataclass(frozen=True)
class DataSettings:
    """
    The section `data`.

    :param root: folder of the data set (VOC: with JPEGImages, Annotations and ImageSets, or with
        several such folders); a relative one starts at the working directory; shapes needs none
    :param train_split: VOC: name of a list, such as train or VOC2012/train; + joins several
    :param val_split: in the same way; null learns from all of train_split and scores nothing
    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of one image at most; more are an error
    :param invalid_boxes: boxes that leave the image or are degenerate: an error, or cut at the
        edge (and left out if degenerate then), and counted
    :param min_box_size_px: a box with a smaller side is degenerate
    :param unknown_classes: objects that are not in labels: an error, or left out and counted
    :param empty_images: images without objects: kept as background, or skipped and counted
    :param unreadable_images: stop the training, or take the next image instead and count
    :param cache: of decoded training images: none, memory, or a folder
    :param num_workers: images prepared at the same time; null lets TensorFlow choose
    :param prefetch_batches: batches that wait for the training step at most
    :param voc_box_base: what the first pixel is called in VOC's XML: 1, as the devkit has it, or
        0, as CVAT writes it
    :param exif_orientation: of a photograph that says how the camera was held: auto takes it
        upright or as it is stored, whichever size the annotation has, and upright where that tells
        nothing; upright and stored force it
    :param max_image_pixels: of an image, as its head claims; one that claims more is not decoded
    :param files_outside_root: images and annotations that names (../) or links of the data set put
        outside root and, for COCO, outside the folder coco.images: an error, or read all the same
    """

    __pydantic_config__ = STRICT

    dataset_name: Literal['voc', 'coco', 'shapes']
    root: str | None
    train_split: str
    val_split: str | None
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    max_boxes: Count
    invalid_boxes: Literal['error', 'repair']
    min_box_size_px: Positive
    unknown_classes: Literal['error', 'ignore']
    empty_images: Literal['keep', 'skip']
    unreadable_images: Literal['error', 'skip']
    cache: str
    num_workers: Count | None
    prefetch_batches: Count
    tfrecords: TfRecordsSettings
    # Runs from before these keys existed have none.
    voc_box_base: Literal[0, 1] = 1
    exif_orientation: Orientation = 'auto'
    max_image_pixels: Count = MAX_IMAGE_PIXELS
    files_outside_root: FilesOutside = 'error'
    coco: CocoSettings | None = None
    shapes: ShapesSettings | None = None

    def __post_init__(self) -> None:
        findings = [*self._check_labels(), *self._check_sections()]
        if self.train_split == self.val_split:
            findings.append(f'val_split: {self.val_split} is the train_split too; choose another')
        if findings:
            raise ConfigError(findings)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits: train_split, and val_split where there is one."""
        return (self.train_split, *([] if self.val_split is None else [self.val_split]))

    @property
    def title(self) -> str:
        """What people call the data set."""
        return Path(self.root).name if self.root else self.dataset_name

    def _check_labels(self) -> Iterable[str]:
        # What deploying would refuse is refused before the training.
        yield from (f'labels: {fault}' for fault in find_label_faults(self.labels))
        others = [label for label in self.labels if label not in SHAPES]
        if self.dataset_name == 'shapes' and others:
            yield f'labels: {", ".join(others)}: can not be drawn; shapes are {", ".join(SHAPES)}'

    def _check_sections(self) -> Iterable[str]:
        if self.dataset_name != 'voc' and self.voc_box_base != 1:
            yield f'voc_box_base: not for dataset_name {self.dataset_name}; remove it'
        for name in ('coco', 'shapes'):
            is_given, is_own = getattr(self, name) is not None, name == self.dataset_name
            if is_given and not is_own:
                yield f'{name}: not for dataset_name {self.dataset_name}; remove it (null)'
            elif is_own and not is_given:
                yield f'{name}: missing; dataset_name {self.dataset_name} needs it'
        if self.dataset_name == 'shapes':
            if self.train_split != 'train' or self.val_split not in ('val', None):
                yield 'train_split, val_split: shapes has the splits train and val only'
            if self.tfrecords.enabled and self.tfrecords.dir is None:
                yield 'tfrecords.dir: missing; shapes has no root to put them below'
        elif self.root is None:
            yield f'root: missing; dataset_name {self.dataset_name} needs a folder'


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
    """
    The section `augmentation.expand`: zoom out on a canvas of one colour.

    :param max_ratio: sides of the canvas to those of the image, at most
    :param fill_rgb: colour of the canvas, of the range [0, 1]
    """

    __pydantic_config__ = STRICT

    probability: Share
    max_ratio: Annotated[float, Field(ge=1)]
    fill_rgb: tuple[Share, Share, Share]


@dataclass(frozen=True)
class CropSettings:
    """
    The section `augmentation.crop` (SSD, arXiv:1512.02325, section 2.2).

    :param min_ious: one is drawn; some object overlaps the crop at least so much; 0 is any crop
    :param scale: of the crop's sides, as shares of the image's, from and to
    :param aspect_ratio: of the crop to that of the image, from and to
    :param tries: windows drawn; if none will do, the whole image stays
    """

    __pydantic_config__ = STRICT

    probability: Share
    min_ious: Annotated[tuple[Share, ...], Field(min_length=1)]
    scale: tuple[Share, Share]
    aspect_ratio: tuple[Positive, Positive]
    tries: Count

    def __post_init__(self) -> None:
        _check_rising(self, 'scale', 'aspect_ratio')


@dataclass(frozen=True)
class FlipSettings:
    """The section `augmentation.flip`: left and right change places."""

    __pydantic_config__ = STRICT

    probability: Share


@dataclass(frozen=True)
class MosaicSettings:
    """
    The section `augmentation.mosaic`: four images in one (YOLOv4, arXiv:2004.10934, section 3.3).

    :param center: the point where they meet lies there, of the sides, from and to
    """

    __pydantic_config__ = STRICT

    probability: Share
    center: tuple[Share, Share]

    def __post_init__(self) -> None:
        _check_rising(self, 'center')
        if not 0 < self.center[0] <= self.center[1] < 1:
            raise ConfigError([f'center: {list(self.center)} touches the edge of the image'])


@dataclass(frozen=True)
class AugmentationSettings:
    """The section `augmentation`."""

    __pydantic_config__ = STRICT

    photometric: PhotometricSettings
    expand: ExpandSettings
    crop: CropSettings
    flip: FlipSettings
    mosaic: MosaicSettings


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
