"""The folder of a bundle, whoever made it: kinds and sizes are checked before reading."""

import hashlib
import json
import os
from pathlib import Path

from ssd_detector.bundles.contents import (
    CALIBRATION,
    DEPLOY,
    FileRecord,
    LABELS,
    MANIFEST,
    Manifest,
    MODEL_CARD,
    PARITY,
    PRIORS,
)
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.config import parse_config, read_yaml
from ssd_detector.errors import BundleError, ConfigError
from ssd_detector.files import FileError, open_file, read_file
from ssd_detector.printable import shown

_MIB = 2**20
# Several times what the largest of a detector takes: the released ones have 13 MB and less.
_LARGEST_MODEL_BYTES = 512 * _MIB
_LARGEST_BYTES = {
    MANIFEST: _MIB,
    DEPLOY: _MIB,
    LABELS: _MIB,
    MODEL_CARD: _MIB,
    CALIBRATION: 64 * _MIB,
    PRIORS: 64 * _MIB,
    PARITY: 256 * _MIB,
}
_BLOCK_BYTES = _MIB


class BundleFolder:
    """
    Reads the files of a bundle.

    A file may be a link to another in the folder, or to where the manifest is a link to: colcon
    and the caches of model hubs make folders of links to one other folder.

    :param path: the folder
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        real_manifest = os.path.realpath(path / MANIFEST)
        self._homes = (Path(os.path.realpath(path)), Path(real_manifest).parent)

    def read(self, name: str) -> bytes:
        """
        Read a file.

        :param name: of the file
        :return: its content
        :raises FileError: when it is no regular file, too large, or a link that leads out
        :raises OSError: when it can't be read
        """
        return read_file(self.path / name, limit_bytes=largest_bytes(name), homes=self._homes)

    def record(self, name: str) -> FileRecord:
        """
        Say of a file what the manifest says of it.

        :param name: of the file
        :return: its hash and size
        :raises FileError: as read
        :raises OSError: as read
        """
        digest, size_bytes = hashlib.sha256(), 0
        limit_bytes = largest_bytes(name)
        with open_file(self.path / name, limit_bytes=limit_bytes, homes=self._homes) as file:
            while size_bytes <= limit_bytes and (block := file.read(_BLOCK_BYTES)):
                digest.update(block)
                size_bytes += len(block)
        return FileRecord(sha256=digest.hexdigest(), size_bytes=size_bytes)

    def read_manifest(self) -> Manifest:
        """
        Read the manifest; whether the files are what it says is not looked at.

        :return: what it says
        :raises BundleError: when there is none, or it is no manifest
        :raises OSError: when it can't be read
        """
        manifest_path = self.path / MANIFEST
        try:
            tree = json.loads(self.read(MANIFEST))
        except FileNotFoundError as error:
            raise BundleError(
                [f'{self.path}: has no {MANIFEST}; this is no bundle, or its export was cut off']
            ) from error
        except FileError as error:
            raise BundleError([str(error)]) from error
        except (ValueError, RecursionError) as error:
            raise BundleError(
                [f'{manifest_path}: no valid JSON ({error}); export the bundle again']
            ) from error
        if not isinstance(tree, dict):
            raise BundleError(
                [f'{manifest_path}: received {shown(tree)}; expected what an export writes']
            )
        try:
            return parse_config(tree, Manifest, str(manifest_path))
        except ConfigError as error:
            raise BundleError(error.findings) from error

    def read_labels(self) -> tuple[str, ...]:
        """
        Read labels.txt.

        :return: the names of the classes 1, 2, ...
        :raises FileError: as read
        :raises OSError: as read
        :raises UnicodeDecodeError: when it is no UTF-8
        """
        return tuple(self.read(LABELS).decode('utf-8').splitlines())

    def read_deploy_config(self) -> DeployConfig:
        """
        Read deploy.yaml as a bundle has it: without variables and overrides.

        :return: its content
        :raises FileError: as read
        :raises OSError: as read
        :raises ConfigError: with everything that is wrong
        """
        path = str(self.path / DEPLOY)
        return parse_config(read_yaml(self.read(DEPLOY), path), DeployConfig, path)


def largest_bytes(name: str) -> int:
    """
    Tell how large a file of a bundle may be.

    :param name: of the file
    :return: bytes
    """
    return _LARGEST_BYTES.get(name, _LARGEST_MODEL_BYTES)
