"""The archives that trainings start from, each with a description beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ssd_training.coco.labels import BACKGROUND_ID, COCO_IDS, VOC_IDS
from ssd_training.coco.network import to_archive
from ssd_training.coco.tfjs import Tensors
from ssd_training.errors import WeightsError
from ssd_training.model.weights import Arrays
from ssd_training.runs.files import write_atomically, write_json
from ssd_training.runs.start_weights import COCO80_ARCHIVE, COCO_ARCHIVE

# What the archives are called, and the labels of their class rows.
ARCHIVES = {COCO_ARCHIVE: VOC_IDS, COCO80_ARCHIVE: COCO_IDS}


def refuse_present(folder: Path) -> None:
    """
    Make sure that writing replaces nothing.

    :param folder: for the archives
    :raises WeightsError: when some are there
    """
    present = [path for name in ARCHIVES if (path := folder / name).exists()]
    if present:
        raise WeightsError(
            f'{path}: is there already; --overwrite replaces it, --output_dir puts it elsewhere'
            for path in present
        )


def write_archives(tensors: Tensors, folder: Path) -> list[Path]:
    """
    Write the detector twice: with the rows of PASCAL VOC's 20 classes and of COCO's 80.

    :param tensors: of the published detector
    :param folder: for the archives, made if need be; those that are there are replaced
    :return: their paths
    :raises WeightsError: when the tensors are of another network
    """
    paths = [folder / name for name in ARCHIVES]
    converted = [to_archive(tensors, [BACKGROUND_ID, *ids.values()]) for ids in ARCHIVES.values()]
    folder.mkdir(parents=True, exist_ok=True)
    for path, ids, arrays in zip(paths, ARCHIVES.values(), converted, strict=True):
        _write(path, arrays, ids)
    return paths


def _write(path: Path, arrays: Arrays, ids: Mapping[str, int]) -> None:
    write_json(
        path.with_suffix('.json'),
        {
            'model': 'ssdlite_mobilenet_v2_coco_2018_05_09 of TensorFlow (Apache License 2.0)',
            'input': 'RGB, stretched to 300x300, x / 127.5 - 1',
            'batch_norm': 'folded into kernel and bias, without statistics',
            'classes': _rows(['background', *ids], [BACKGROUND_ID, *ids.values()]),
        },
    )
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _rows(names: Sequence[str], ids: Sequence[int]) -> list[dict[str, object]]:
    return [
        {'row': row, 'name': name, 'coco_id': coco_id}
        for row, (name, coco_id) in enumerate(zip(names, ids, strict=True))
    ]
