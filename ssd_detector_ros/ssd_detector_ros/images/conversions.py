"""The names of those who can convert images; apart, for settings need no ROS to name one."""

from typing import Literal

ImageConversion = Literal['auto', 'cv_bridge', 'builtin']
IMAGE_CONVERSIONS: tuple[ImageConversion, ...] = ('auto', 'cv_bridge', 'builtin')
