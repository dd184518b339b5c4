"""
What a report leaves for other programs.

    metrics.json   every figure, see result.Result
    matches.npz    which detection found which object, so that results can be compared later
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
import json
from pathlib import Path
from typing import Any
import zipfile

import numpy as np

from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError, EvaluationError
from ssd_detector.evaluation.matching import Matching, Objects
from ssd_detector.report.result import Result

METRICS = 'metrics.json'
MATCHES = 'matches.npz'
_TEXTS = ('image_ids', 'labels')
_OBJECTS = 'objects'


def write_result(result: Result, path: Path) -> None:
    """
    Write metrics.json.

    :param result: what was found
    :param path: the file
    """
    path.write_text(json.dumps(asdict(result), indent=1, allow_nan=False) + '\n', encoding='utf-8')


def read_result(path: Path) -> Result:
    """
    Read metrics.json.

    :param path: the file
    :return: what was found
    :raises EvaluationError: when it is missing or no such file
    """
    try:
        tree: Mapping[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise EvaluationError([f'{path}: can not be read as JSON ({error})']) from error
    try:
        return parse_config(tree, Result, str(path))
    except ConfigError as error:
        raise EvaluationError(
            [*error.findings[:5], f'{path}: is no {METRICS} of this version; evaluate again']
        ) from error


def write_matches(matching: Matching, path: Path) -> None:
    """
    Write a matching.

    :param matching: from match
    :param path: the .npz file
    """
    arrays = {
        f'{_OBJECTS}.{field.name}': getattr(matching.objects, field.name)
        for field in fields(Objects)
    }
    for field in fields(Matching):
        if field.name != _OBJECTS:
            arrays[field.name] = np.asarray(getattr(matching, field.name))
    np.savez_compressed(path, allow_pickle=False, **arrays)


def read_matches(path: Path) -> Matching:
    """
    Read a matching.

    :param path: the .npz file
    :return: what match gave
    :raises EvaluationError: when it is missing, damaged or no such file
    """
    try:
        # numpy leaves a file open that it opened and can not read.
        with path.open('rb') as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        objects = {field.name: arrays[f'{_OBJECTS}.{field.name}'] for field in fields(Objects)}
        values: dict[str, Any] = {
            field.name: arrays[field.name] for field in fields(Matching) if field.name != _OBJECTS
        }
    except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise EvaluationError(
            [f'{path}: can not be read ({error}); evaluate again with --report']
        ) from error
    texts = {name: tuple(values[name].tolist()) for name in _TEXTS}
    return Matching(**values | texts, objects=Objects(**objects))
