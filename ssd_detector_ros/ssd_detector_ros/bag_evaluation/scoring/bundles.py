"""Finds the released bundle, with and without ROS."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGE = 'ssd_detector_ros'
RELEASED_BUNDLE = 'mobilenetv2_ssd_voc'


def find_bundle(path: Path | None) -> Path:
    """
    Find the bundle that is meant.

    :param path: as given; None for the released one
    :return: its folder
    """
    if path is not None:
        return path
    if find_spec('ament_index_python') is not None:
        packages = import_module('ament_index_python.packages')
        try:
            return Path(packages.get_package_share_directory(PACKAGE), 'models', RELEASED_BUNDLE)
        except packages.PackageNotFoundError:
            pass
    # Without a sourced workspace: the folder beside the sources.
    return Path(__file__).resolve().parents[3] / 'models' / RELEASED_BUNDLE
