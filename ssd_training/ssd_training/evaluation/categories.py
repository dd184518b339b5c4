"""The category ids of results: those of the annotation file that the split was read from."""

from pathlib import Path

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.detections_file import number_labels
from ssd_training.data.files import read_json
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import DataSettings


def number_categories(settings: DataSettings) -> dict[str, int | None]:
    """
    Tell which class each category id is.

    :param settings: the section `data`
    :return: for Targets: by the annotation file of val_split, whose ids need neither be in order
        nor without gaps; from 1 in the order of the labels where the data are not COCO
    :raises EvaluationError: when the annotation file can not be read
    """
    labels = list(settings.labels)
    if settings.coco is None:
        return number_labels(labels)
    path = Path(settings.root or '.') / settings.coco.annotations.format(split=settings.val_split)
    try:
        categories = read_json(path)['categories']
        names = {str(category['id']): str(category['name']).strip() for category in categories}
    except (DataError, KeyError, TypeError) as error:
        # Shards do not hold the ids.
        raise EvaluationError(
            [f'{path}: can not be read ({error}); results are scored by its category ids']
        ) from error
    return {
        number: labels.index(name) + 1 if name in labels else None
        for number, name in names.items()
    }
