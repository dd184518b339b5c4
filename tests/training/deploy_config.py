"""Deploy configs for tests; imports nothing heavy."""

from pathlib import Path

import yaml

from ssd_training.train import CONFIG_ROOT

TINY = Path(__file__).with_name('tiny.yaml')
SIZE_PX = 96


def write_deploy_config(path: Path, **deploy) -> Path:
    """
    Write the shipped deploy config, made for the small experiment.

    :param path: the file
    :param deploy: sections of `deploy` that are changed
    :return: the file
    """
    tree = yaml.safe_load((CONFIG_ROOT / 'deploy/mobilenetv2_ssd_voc.yaml').read_text())
    tree['model_name'], tree['experiment_path'] = 'shapes', str(TINY)
    tree['deploy']['input']['size'] = [SIZE_PX, SIZE_PX, 3]
    for section, values in deploy.items():
        tree['deploy'][section] |= values
    path.write_text(yaml.safe_dump(tree))
    return path
