"""The settings that take effect at configure: their defaults and choices, frozen until cleanup."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ssd_detector.bundles.bundle import AUTO
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector_ros.images.conversions import ImageConversion
from ssd_detector_ros.images.sample_scale import FULL_BITS

DropPolicy = Literal['newest', 'max_age', 'keep_all']
DROP_POLICIES: tuple[DropPolicy, ...] = ('newest', 'max_age', 'keep_all')
ImageTransport = Literal['raw', 'compressed']
IMAGE_TRANSPORTS: tuple[ImageTransport, ...] = ('raw', 'compressed')
# Of drop policy max_age.
MAX_AGE_MS = 200.0
VerifyMode = Literal['off', 'warn', 'refuse']
VERIFY_MODES: tuple[VerifyMode, ...] = ('off', 'warn', 'refuse')

# Each has publishers and a queue of its own.
MAX_CAMERAS = 32
# PATH_MAX of Linux.
LONGEST_TEXT = 4096


@dataclass(frozen=True)
class StaticSettings:
    """What the node was configured with; the fields are the parameters of the same names."""

    bundle: str = ''
    model: str = AUTO
    backend: str = 'auto'
    precision: str = 'auto'
    verify: VerifyMode = 'warn'
    num_threads: int = 0
    max_batch_size: int = 1
    bundle_root: str = ''
    load_timeout_s: float = 60.0
    load_memory_mb: int = 1024
    snapshot_root: str = ''
    max_snapshots_mb: int = 1024
    image_topic: str = 'image'
    image_topics: tuple[str, ...] = ()
    image_transport: ImageTransport = 'raw'
    image_conversion: ImageConversion = 'auto'
    sample_bits: int = FULL_BITS
    max_image_pixels: int = MAX_IMAGE_PIXELS
    drop_policy: DropPolicy = 'newest'
    queue_size: int = 30
    autostart: bool = True

    @property
    def capacity(self) -> int:
        """Frames of a camera that may wait."""
        return 1 if self.drop_policy == 'newest' else self.queue_size


STATIC_NAMES = tuple(setting.name for setting in fields(StaticSettings))


def read_static_settings(values: Mapping[str, Any]) -> StaticSettings:
    """
    Turn parameter values into settings.

    :param values: of every static parameter, with choices that there are
    :return: the settings
    """
    topics = tuple(filter(None, values['image_topics'] or ()))
    given = {name: values[name] for name in STATIC_NAMES}
    return StaticSettings(**(given | {'image_topics': topics}))
