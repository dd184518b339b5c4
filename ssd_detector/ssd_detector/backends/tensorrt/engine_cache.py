"""Where TensorRT engines lie, and whether one fits this model on this machine."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
import hashlib
import json
import os
from pathlib import Path

from ssd_detector.errors import BackendError
from ssd_detector.files import cache_folder

_SHOWN = {
    'model_sha256': 'the model (sha256)',
    'runtime': 'TensorRT',
    'gpu_name': 'the GPU',
    'compute_capability': 'compute capability',
    'precision': 'precision',
    'batch_size': 'batch size',
}


@dataclass(frozen=True)
class EngineKey:
    """
    Everything that an engine depends on.

    :param model_sha256: of the ONNX file
    :param runtime: module and version, such as `tensorrt 10.3.0`
    :param gpu_name: such as Orin
    :param compute_capability: such as 8.7
    :param precision: FP32, FP16 or INT8
    :param batch_size: images at once
    """

    model_sha256: str
    runtime: str
    gpu_name: str
    compute_capability: str
    precision: str
    batch_size: int = 1


class EngineCache:
    """
    A folder of engines, each with a record of what it was built for.

    :param folder: made when the first engine is stored
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, model_name: str, precision: str) -> Path:
        """
        Name the engine of a model file.

        :param model_name: of the ONNX file
        :param precision: FP32, FP16 or INT8
        :return: its path, also when it is not there
        """
        return self._folder / f'{Path(model_name).stem}_{precision.lower()}.engine'

    def find_misfits(self, path: Path, key: EngineKey) -> list[str]:
        """
        Say why an engine can't be used.

        :param path: from path
        :param key: what is wanted
        :return: one sentence a reason; empty when the engine fits
        """
        try:
            record = json.loads(_record_path(path).read_text(encoding='utf-8'))
            engine = path.read_bytes()
        except (OSError, ValueError):
            return [f'{path}: no engine was built yet']
        return list(_compare(path, engine, record, key))

    def store(self, path: Path, key: EngineKey, engine: bytes) -> None:
        """
        Write an engine and its record, aside first; the record last.

        :param path: from path
        :param key: what it was built for
        :param engine: serialized
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        _record_path(path).unlink(missing_ok=True)
        record = {**asdict(key), 'sha256': hashlib.sha256(engine).hexdigest()}
        for target, content in (
            (path, engine),
            (_record_path(path), json.dumps(record, indent=2).encode()),
        ):
            aside = target.with_name(f'.{target.name}.{os.getpid()}')
            aside.write_bytes(content)
            aside.replace(target)


def default_folder(bundle_name: str) -> Path:
    """
    Name the folder for the engines of a bundle; engines belong to the machine, not to the bundle.

    :param bundle_name: from the manifest
    :return: below XDG_CACHE_HOME, or ~/.cache
    :raises BackendError: for a user without a home
    """
    folder = cache_folder('engines', bundle_name)
    if folder is None:
        raise BackendError('engine_folder: this user has no home; set XDG_CACHE_HOME to a folder')
    return folder


def _record_path(path: Path) -> Path:
    return path.with_suffix('.json')


def _compare(path: Path, engine: bytes, record: object, key: EngineKey) -> Iterator[str]:
    if not isinstance(record, dict):
        yield f'{_record_path(path)}: is no record of an engine'
        return
    for part in fields(key):
        wanted, found = getattr(key, part.name), record.get(part.name)
        if found != wanted:
            yield f'{path}: {_SHOWN[part.name]} was {found}; it is {wanted} now'
    if hashlib.sha256(engine).hexdigest() != record.get('sha256'):
        yield f'{path}: is not what was built ({len(engine)} bytes); it was cut off or changed'
