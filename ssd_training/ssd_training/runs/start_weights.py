"""What `backbone.weights` and its like name: kind, files, the labels of the class rows."""

from dataclasses import dataclass
from enum import Enum
import hashlib
import json
from pathlib import Path

from ssd_detector.bundles.contents import LABELS, MANIFEST, MODEL
from ssd_detector.errors import ConfigError
from ssd_training.errors import RunError, WeightsError
from ssd_training.experiments.model_schema import WEIGHTS_SUFFIX
from ssd_training.model.coco_labels import COCO_IDS, VOC_IDS
from ssd_training.model.released_bundle import find_released_bundle
from ssd_training.runs.checkpoints import file_name, step_of
from ssd_training.runs.files import read_json
from ssd_training.runs.finished_run import finished_weights
from ssd_training.runs.layout import BEST_WEIGHTS, CHECKPOINTS, CONFIG, WEIGHTS

# Keys of a configuration that name weights.
START = 'backbone.weights'
TEACHER = 'loss.distillation.teacher'
IMAGENET = 'imagenet'
RELEASED = 'released'
# `python -m ssd_training.coco_weights` makes them. Their class rows are known, also without the
# description beside them: the ids of COCO by label.
COCO_ARCHIVE = 'mobilenetv2_ssdlite_coco_voc20.npz'
COCO80_ARCHIVE = 'mobilenetv2_ssdlite_coco80.npz'
COCO_ARCHIVES = {COCO_ARCHIVE: VOC_IDS, COCO80_ARCHIVE: COCO_IDS}
_ARCHIVE_SUFFIX = '.npz'
_HOW_TO_GET = '`python -m ssd_training.coco_weights` gets the archives from COCO'


class Kind(Enum):
    """What a training can start from."""

    IMAGENET = 'weights of keras.applications'
    ARCHIVE = 'an .npz archive with folded BatchNorm'
    SAVED = 'a file *.weights.h5'
    CHECKPOINT = 'a checkpoint ckpt-<step>.npz'
    BUNDLE = 'a bundle'


@dataclass(frozen=True)
class Start:
    """
    What a training starts from.

    :param kind: of it
    :param path: of the file, or of the bundle's folder; IMAGENET has none
    """

    kind: Kind
    path: Path = Path()


def find_start(weights: str | None, *, key: str = START) -> Start | None:
    """
    Find what a configuration names.

    :param weights: imagenet, released, an .npz archive, a file *.weights.h5 or ckpt-<step>.npz, a
        run folder, a bundle, or None for random weights
    :param key: of the configuration, for messages
    :return: the file that is read, or the bundle; None for nothing
    :raises WeightsError: when there is none, or a run has not ended well
    """
    if weights is None:
        return None
    if weights == IMAGENET:
        return Start(Kind.IMAGENET)
    if weights == RELEASED:
        return Start(Kind.BUNDLE, _find_released(key))
    path = Path(weights)
    if path.is_dir():
        return _find_in_folder(path, key)
    if (step := step_of(path.name)) is not None:
        return Start(Kind.CHECKPOINT, path.with_name(file_name(step)))
    kind = Kind.SAVED if path.name.endswith(WEIGHTS_SUFFIX) else Kind.ARCHIVE
    return Start(kind, path)


def is_archive(path: Path) -> bool:
    """
    Tell an archive of published weights from what a training wrote.

    :param path: of a file that holds weights
    """
    return path.suffix == _ARCHIVE_SUFFIX and step_of(path.name) is None


def hash_start(start: Start | None, *, key: str = START) -> str | None:
    """
    Hash what a training starts from: by content, wherever it lies.

    :param start: from find_start
    :param key: of the configuration, for messages
    :return: text for the fingerprint; None for nothing
    :raises WeightsError: when it can not be read
    """
    if start is None:
        return None
    if start.kind is Kind.IMAGENET:
        return IMAGENET
    files = [start.path]
    if start.kind is Kind.BUNDLE:
        # The labels decide which rows are copied.
        files = [start.path / MODEL, start.path / LABELS]
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(file.read_bytes())
    except OSError as error:
        raise WeightsError(
            [
                f'{key}: {error.filename}: can not be read ({error.strerror}); give '
                f'{key}=released (the detector of this repository), another file'
                + (', imagenet or null, or set SSD_WEIGHTS_DIR' if key == START else '')
                + (f'; {_HOW_TO_GET}' if start.path.name in COCO_ARCHIVES else '')
            ]
        ) from error
    return digest.hexdigest()


def name_weights(path: Path) -> str:
    """
    Name weights for a person.

    :param path: as the user gave it
    :return: the run folder around a file, which says more than final_weights, or the file's name
    """
    if CHECKPOINTS in path.parts[1:]:
        return path.parts[path.parts.index(CHECKPOINTS, 1) - 1]
    is_of_run = any(path.match(f'*/{name}') for name in (WEIGHTS, BEST_WEIGHTS))
    return path.parts[-3] if is_of_run else path.name


def read_labels(start: Start) -> tuple[str, ...] | None:
    """
    Find out what the class rows of an archive or a file of weights are for.

    :param start: of one of these two kinds
    :return: the labels, without the background; None when nothing beside it says so
    """
    if start.kind is Kind.SAVED:
        return _labels_of_run(start.path)
    described = _described_labels(start.path.with_suffix('.json'))
    if described is None and (known := COCO_ARCHIVES.get(start.path.name)):
        return tuple(known)
    return described


def _find_released(key: str) -> Path:
    try:
        return find_released_bundle()
    except ConfigError as error:
        raise WeightsError(
            [
                f'{key}: released: {finding}; name its folder ({key}=FOLDER)'
                for finding in error.findings
            ]
        ) from error


def _find_in_folder(folder: Path, key: str) -> Start:
    if (folder / MANIFEST).is_file():
        return Start(Kind.BUNDLE, folder)
    if not (folder / CONFIG).is_file():
        raise WeightsError(
            [
                f'{key}: {folder}: is neither a run folder (no {CONFIG}) nor a bundle '
                f'(no {MANIFEST}); name one of them, or a file'
            ]
        )
    try:
        return Start(Kind.SAVED, finished_weights(folder))
    except RunError as error:
        raise WeightsError(
            [
                f'{key}: {finding}; or name one of its checkpoints '
                f'(checkpoints/last/ckpt-<step>.npz)'
                for finding in error.findings
            ]
        ) from error


def _labels_of_run(path: Path) -> tuple[str, ...] | None:
    """Read the labels of the run folder around a file, whatever version wrote it."""
    config = path.absolute().parents[len(Path(WEIGHTS).parts) - 1] / CONFIG
    try:
        return tuple(map(str, read_json(config)['data']['labels']))
    except (RunError, KeyError, TypeError, IndexError):
        return None


def _described_labels(path: Path) -> tuple[str, ...] | None:
    """Read `classes` of an archive's description: row and name, the background being row 0."""
    try:
        rows = json.loads(path.read_text(encoding='utf-8'))['classes']
        names = {int(row['row']): str(row['name']) for row in rows}
        return tuple(names[row] for row in range(1, len(names)))
    except (OSError, ValueError, KeyError, TypeError):
        return None
