"""Where requests may read and write: below folders that only the start of the node can choose."""

from dataclasses import dataclass
import os
from pathlib import Path

from rclpy.node import Node

from ssd_detector import ConfigError
from ssd_detector_ros.parameters.declaring import bundle_path, folder_path


@dataclass(frozen=True)
class Roots:
    """
    The folders, as they were given at the start; read when a request comes.

    :param bundle: parameter at the start, which needs no root
    :param bundle_root: parameter; empty for the folder that the bundle of the start is in
    :param snapshot_root: parameter; empty for the snapshot folder of the start
    :param snapshot_folder: parameter at the start
    """

    bundle: str
    bundle_root: str
    snapshot_root: str
    snapshot_folder: str

    def check_bundle(self, path: Path) -> None:
        """
        Refuse a bundle that lies elsewhere.

        :param path: of the bundle; links count as what they lead to
        :raises ConfigError: when it does
        """
        start = bundle_path(self.bundle)
        if path != start:
            root = folder_path(self.bundle_root) if self.bundle_root else start.parent
            _check_below('bundle', path, root, 'bundle_root')

    def check_snapshots(self, folder: Path) -> None:
        """
        Refuse a folder for snapshots that lies elsewhere.

        :param folder: links count as what they lead to
        :raises ConfigError: when it does
        """
        root = folder_path(self.snapshot_root or self.snapshot_folder)
        _check_below('snapshot folder', folder, root, 'snapshot_root')

    def is_from_start(self, path: Path) -> bool:
        """
        Tell whether the start named a bundle, and nobody since.

        :param path: of the bundle
        """
        return path == bundle_path(self.bundle)


def read_roots(node: Node) -> Roots:
    """
    Read the parameters, before anybody else can set them.

    :param node: with parameters declared, in its constructor
    :return: the folders
    """
    names = ('bundle', 'bundle_root', 'snapshot_root', 'snapshot_folder')
    return Roots(**{name: node.get_parameter(name).value for name in names})


def _check_below(what: str, path: Path, root: Path, parameter: str) -> None:
    # Links are followed before the comparison: one below the root may lead anywhere.
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise ConfigError(
            [
                f'{path}: this {what} is not below {root}; expected one that is, or start the '
                f'node with another {parameter}'
            ]
        )
