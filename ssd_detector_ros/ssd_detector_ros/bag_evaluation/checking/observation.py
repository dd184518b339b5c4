"""What was seen of a detector for a while: images, answers, labels and offers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray


@dataclass(frozen=True)
class SeenImage:
    """
    An image as it was seen.

    :param stamp_ns: of its header
    :param frame_id: likewise
    :param size_wh: px
    :param time_ns: when it came
    """

    stamp_ns: int
    frame_id: str
    size_wh: tuple[int, int]
    time_ns: int


@dataclass(frozen=True, eq=False)
class Observation:
    """
    What was seen of a detector for a while.

    :param images: in order
    :param arrays: its messages, in order
    :param class_map: number -> label, as label_info says; None where there is none
    :param is_reliable: whether it offers reliable messages; None where nobody could see
    :param is_latched: whether late joiners hear label_info; likewise
    :param max_age_ms: what an answer may take
    :param min_answered: share of the images that need an answer: one may be lost on the way
    """

    images: Sequence[SeenImage]
    arrays: Sequence[BoxArray]
    class_map: Mapping[str, str] | None
    is_reliable: bool | None = None
    is_latched: bool | None = None
    max_age_ms: float = 1000.0
    min_answered: float = 0.95
    by_stamp: Mapping[int, SeenImage] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'by_stamp', {image.stamp_ns: image for image in self.images})

    def pairs(self) -> Iterator[tuple[BoxArray, SeenImage]]:
        """Give the answers that bear the stamp of an image."""
        for array in self.arrays:
            image = self.by_stamp.get(array.stamp_ns)
            if image is not None:
                yield array, image
