"""What the command line of `data prepare` says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_training.experiments.data_schema import FilesOutside, Orientation
from ssd_training.preparation.layouts.labelled import Layout

# Side of the input at which the COCO weights learnt where cells look. Others here came from them.
LAID_OUT_AT_PX = 300


@dataclass(frozen=True)
class Options:
    """
    What the command line says.

    :param layout: of the folder, where it has several
    :param labels: classes to take, in this order (YOLO: names of the classes 0, 1, ...); all by
        default
    :param names: name in the labels -> name wanted
    :param orientation: how pictures that EXIF data turn are read; see data.exif_orientation
    :param max_image_pixels: of a picture; see data.max_image_pixels
    :param outside: what is done about files that links put outside; see data.files_outside_root
    :param val_share: of the pictures, for val
    :param seed: of the split
    :param input_size_px: side of the network's input
    :param keeps_split: take over the train and val of the source where it has both
    :param earlier: name below the source -> whether it was in val before
    """

    layout: Layout | None = None
    labels: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    orientation: Orientation = 'auto'
    max_image_pixels: int = MAX_IMAGE_PIXELS
    outside: FilesOutside = 'error'
    val_share: float = 0.2
    seed: int = 0
    input_size_px: int = LAID_OUT_AT_PX
    keeps_split: bool = True
    earlier: Mapping[str, bool] = field(default_factory=dict)
