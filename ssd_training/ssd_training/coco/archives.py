"""The archives that trainings start from, each with a description beside it."""

from collections.abc import Mapping
import json
from pathlib import Path

import numpy as np

from ssd_training.coco.network import to_archive
from ssd_training.coco.tfjs import GraphModel
from ssd_training.model.coco_labels import BACKGROUND_ID
from ssd_training.model.weights import Arrays
from ssd_training.runs.files import write_atomically
from ssd_training.runs.start_weights import COCO_ARCHIVES


def find_missing(folder: Path) -> list[Path]:
    """
    List what is not there yet.

    :param folder: for the archives
    :return: paths of archives and descriptions
    """
    archives = [folder / name for name in COCO_ARCHIVES]
    files = [*archives, *(path.with_suffix('.json') for path in archives)]
    return [path for path in files if not path.exists()]


def write_archives(model: GraphModel, folder: Path, *, wanted: list[Path] | None = None) -> None:
    """
    Write the detector twice: with the rows of PASCAL VOC's 20 classes and of COCO's 80.

    :param model: the published detector
    :param folder: for the archives, made if need be
    :param wanted: of find_missing; None replaces what is there
    :raises WeightsError: when it is another network
    :raises RunError: when a file can not be written
    """
    contents = {
        folder / name: to_archive(model, [BACKGROUND_ID, *ids.values()])
        for name, ids in COCO_ARCHIVES.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, arrays in contents.items():
        description = path.with_suffix('.json')
        if wanted is None or path in wanted:
            _write_archive(path, arrays)
        if wanted is None or description in wanted:
            text = json.dumps(_describe(COCO_ARCHIVES[path.name]), indent=1) + '\n'
            description.write_text(text, encoding='utf-8')


def _write_archive(path: Path, arrays: Arrays) -> None:
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _describe(ids: Mapping[str, int]) -> dict[str, object]:
    rows = enumerate({'background': BACKGROUND_ID, **ids}.items())
    return {
        'model': 'ssdlite_mobilenet_v2_coco_2018_05_09 of TensorFlow (Apache License 2.0)',
        'input': 'RGB, stretched to 300x300, x / 127.5 - 1',
        'batch_norm': 'folded into kernel and bias, without statistics',
        'classes': [{'row': row, 'name': name, 'coco_id': id_} for row, (name, id_) in rows],
    }
