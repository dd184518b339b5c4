"""Which bundle a command works on: the one named, the one a deploy config makes, the released."""

from pathlib import Path

from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.errors import ConfigError
from ssd_training.model.released_bundle import find_released_bundle

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
