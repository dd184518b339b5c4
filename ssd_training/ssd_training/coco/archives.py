"""The archives that trainings start from, each with a description beside it."""

from collections.abc import Mapping
import json
from pathlib import Path

import numpy as np

from ssd_training.coco.network import to_archive
from ssd_training.coco.tfjs import GraphModel
from ssd_training.errors import WeightsError
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.coco_labels import BACKGROUND_ID
from ssd_training.model.weights import Arrays, read_archive
from ssd_training.runs.files import write_atomically
from ssd_training.runs.start_weights import COCO_ARCHIVE, COCO_ARCHIVES

_FIRST = 'Conv1'


def find_missing(folder: Path) -> list[Path]:
    """
    List what is not there yet.

    :param folder: for the archives
    :return: paths of archives and descriptions
    """
    archives = [folder / name for name in COCO_ARCHIVES]
    files = [*archives, *(path.with_suffix('.json') for path in archives)]
    return [path for path in files if not path.exists()]


def refuse_without_statistics(folder: Path) -> None:
    """
    Make sure that archives which stay have the statistics that are asked for.

    :param folder: of the archives
    :raises WeightsError: when one that is there has none, or can not be read
    """
    present = [path for name in COCO_ARCHIVES if (path := folder / name).exists()]
    without = [path for path in present if batch_norm_name(_FIRST) not in read_archive(path)]
    if without:
        raise WeightsError(
            f'{path}: is there already, without the statistics of --statistics_of; --overwrite '
            f'replaces it, --output_dir puts others elsewhere'
            for path in without
        )


def write_archives(
    model: GraphModel,
    folder: Path,
    *,
    wanted: list[Path] | None = None,
    photographs: Path | None = None,
) -> None:
    """
    Write the detector twice: with the rows of PASCAL VOC's 20 classes and of COCO's 80.

    :param model: the published detector
    :param folder: for the archives, made if need be
    :param wanted: of find_missing; None replaces what is there
    :param photographs: a folder of those that statistics of BatchNorm are measured on; None
        leaves them out
    :raises WeightsError: when it is another network
    :raises DataError: when photographs are missing or broken
    :raises RunError: when a file can not be written
    """
    contents = {
        folder / name: to_archive(model, [BACKGROUND_ID, *ids.values()])
        for name, ids in COCO_ARCHIVES.items()
    }
    statistics: Arrays = {}
    if photographs is not None:
        # TensorFlow, which takes seconds.
        from ssd_training.coco.statistics import measure_statistics

        # Behind the class rows there is no BatchNorm: both archives have the same.
        statistics = measure_statistics(contents[folder / COCO_ARCHIVE], photographs)
    folder.mkdir(parents=True, exist_ok=True)
    for path, arrays in contents.items():
        description = path.with_suffix('.json')
        if wanted is None or path in wanted:
            _write_archive(path, {**arrays, **statistics})
        if wanted is None or description in wanted:
            content = _describe(COCO_ARCHIVES[path.name], has_statistics=bool(statistics))
            text = json.dumps(content, indent=1) + '\n'
            description.write_text(text, encoding='utf-8')


def _write_archive(path: Path, arrays: Arrays) -> None:
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _describe(ids: Mapping[str, int], *, has_statistics: bool) -> dict[str, object]:
    rows = enumerate({'background': BACKGROUND_ID, **ids}.items())
    return {
        'model': 'ssdlite_mobilenet_v2_coco_2018_05_09 of TensorFlow (Apache License 2.0)',
        'input': 'RGB, stretched to 300x300, x / 127.5 - 1',
        'batch_norm': 'folded into kernel and bias, '
        + ('beside statistics of it' if has_statistics else 'without statistics'),
        'classes': [{'row': row, 'name': name, 'coco_id': id_} for row, (name, id_) in rows],
    }
