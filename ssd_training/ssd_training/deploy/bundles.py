"""Where bundles lie: what a deploy config makes, and the released one."""

import os
from pathlib import Path

from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.errors import ConfigError

_RELEASED = Path('ssd_detector_ros', 'models', 'mobilenetv2_ssd_voc')


EXPORTED = Path('exported_model')


def choose_bundle(given: Path | None, config: DeployConfig | None) -> Path:
    """
    Find the bundle that a command works on.

    :param given: on the command line
    :param config: of --deploy_config
    :return: what was given, what the config's deployment makes, or the released one
    :raises ConfigError: when there is no released one
    """
    if given is not None:
        return given
    if config is not None:
        return EXPORTED / config.model_name
    try:
        return find_released_bundle()
    except ConfigError as error:
        (finding,) = error.findings
        raise ConfigError([f'--bundle: missing, and {finding}']) from error


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
