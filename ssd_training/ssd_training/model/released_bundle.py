"""Where the released bundle lies."""

import os
from pathlib import Path

from ssd_detector.errors import ConfigError

_RELEASED = Path('ssd_detector_ros', 'models', 'mobilenetv2_ssd_voc')


def find_released_bundle() -> Path:
    """
    Find the bundle that comes with the ROS package.

    :return: its folder
    :raises ConfigError: when it is in none of the places
    """
    prefixes = filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
    candidates = [
        Path(__file__).parents[3] / _RELEASED,
        *(Path(prefix, 'share') / _RELEASED for prefix in prefixes),
    ]
    for candidate in candidates:
        if (candidate / 'manifest.json').is_file():
            return candidate
    raise ConfigError([f'no released one in {" or ".join(map(str, candidates))}'])
