"""Where the released bundle lies."""

import os
from pathlib import Path

from ssd_detector.errors import ConfigError

_PREFIXES = 'AMENT_PREFIX_PATH'
_RELEASED = Path('share', 'ssd_detector_ros', 'models', 'mobilenetv2_ssd_voc')


def find_released_bundle() -> Path:
    """
    Find the bundle that is installed with the ROS package, as ament's index would.

    Without ROS's Python: a training machine may have the workspace, but not its packages.

    :return: its folder
    :raises ConfigError: when no workspace that was sourced has it
    """
    prefixes = [prefix for prefix in os.environ.get(_PREFIXES, '').split(os.pathsep) if prefix]
    candidates = [Path(prefix, _RELEASED) for prefix in prefixes]
    for candidate in candidates:
        if (candidate / 'manifest.json').is_file():
            return candidate
    where = f'leads to none of {", ".join(map(str, candidates))}' if prefixes else 'is not set'
    raise ConfigError(
        [
            f'the released one is not installed ({_PREFIXES} {where}); '
            f'source install/setup.bash of a workspace with ssd_detector_ros'
        ]
    )
