"""A bundle: the folder that holds everything a robot needs to detect. Read and written here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import shutil
import tempfile
from typing import Any

from ssd_detector.bundles.checks import find_bundle_faults
from ssd_detector.bundles.contents import MANIFEST, Manifest, MODEL
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.bundles.folder import BundleFolder
from ssd_detector.errors import BundleError
from ssd_detector.files import FileError, is_folder
from ssd_detector.postprocess import Thresholds

AUTO = 'auto'


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked: every file is there and is what the manifest says."""

    path: Path
    manifest: Manifest
    config: DeployConfig
    labels: tuple[str, ...]

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds that the bundle recommends."""
        return self.config.deploy.post_processing

    def model_path(self, model: str = AUTO, auto_name: str = MODEL) -> Path:
        """
        Find a model file.

        :param model: a file of the bundle, or `auto`
        :param auto_name: the file that `auto` stands for
        :return: its path
        :raises BundleError: when the bundle holds no such model
        """
        name = auto_name if model == AUTO else model
        if name not in self.manifest.models:
            raise BundleError(
                [
                    f'{self.path}: model: {name} is not in the bundle; '
                    f'it holds {", ".join(self.manifest.models)}'
                ]
            )
        return self.path / name


def load_bundle(path: str | Path) -> Bundle:
    """
    Read a bundle and check all of it: files, sizes, hashes, labels, priors, thresholds.

    :param path: the bundle's folder
    :return: the bundle
    :raises BundleError: with everything that is wrong
    """
    folder = Path(path)
    try:
        return _load_folder(folder)
    except OSError as error:
        where = error.filename or folder
        raise BundleError(
            [f'{where}: {error.strerror}; check the path and who may read it']
        ) from error
    except FileError as error:
        raise BundleError([str(error)]) from error


def _load_folder(path: Path) -> Bundle:
    if not is_folder(path):
        raise BundleError([f'{path}: no such bundle folder; check the path'])
    folder = BundleFolder(path)
    manifest = folder.read_manifest()
    if findings := list(find_bundle_faults(folder, manifest)):
        raise BundleError(findings)
    return Bundle(
        path=path,
        manifest=manifest,
        config=folder.read_deploy_config(),
        labels=folder.read_labels(),
    )


def write_bundle(
    path: Path, contents: Mapping[str, Path | str], manifest_fields: Mapping[str, Any]
) -> Bundle:
    """
    Write a bundle aside, check it, and move it into place; an older one is replaced as a whole.

    :param path: the bundle's folder
    :param contents: file name -> a file to copy, or the text itself
    :param manifest_fields: the manifest's fields but `files`
    :return: the bundle, read back
    :raises BundleError: when what was written is no valid bundle; nothing is replaced then
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as scratch:
        folder = Path(scratch, path.name)
        folder.mkdir()
        for name, content in contents.items():
            if isinstance(content, Path):
                shutil.copyfile(content, folder / name)
            else:
                (folder / name).write_text(content, encoding='utf-8')
        records = BundleFolder(folder)
        files = {name: records.record(name) for name in sorted(contents)}
        manifest = Manifest(files=files, **manifest_fields)
        text = json.dumps(asdict(manifest), indent=2) + '\n'
        (folder / MANIFEST).write_text(text, encoding='utf-8')
        load_bundle(folder)
        if path.exists():
            path.rename(Path(scratch, 'replaced'))
        folder.rename(path)
    return load_bundle(path)
