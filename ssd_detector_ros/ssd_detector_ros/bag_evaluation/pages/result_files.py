"""
The folder of an evaluation, written and read again.

    result.json    every figure; of equal recordings and models the same bytes
    times.json     what another run measures otherwise
    detections.json, ground_truth.json   COCO results and annotations
    matches.npz    which detection found which object, for compare_bags
    report.html    the page
    junit.xml      the gates
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
import itertools
import json
from pathlib import Path
from typing import Any

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation, list_versions

RESULT = 'result.json'
TIMES = 'times.json'
PAGE = 'report.html'
JUNIT = 'junit.xml'
SCHEMA_VERSION = 1


def make_folder(path: Path) -> None:
    """
    Make the folder before anything slow begins.

    :param path: may be there
    :raises BagError: when it can't be made
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError([f'{path}: can not be made ({error.strerror}); check --output']) from error


def to_tree(evaluation: Evaluation, bags: Sequence[Path]) -> dict[str, Any]:
    """
    Give what another run gives, too.

    :param evaluation: what was found
    :param bags: its recordings
    :return: plain values; shares, not percent; None where there is nothing to measure
    """
    return {
        'schema_version': SCHEMA_VERSION,
        'mode': evaluation.mode,
        'source': evaluation.source,
        'settings': evaluation.settings,
        'recordings': [
            {'name': sequence.name, 'path': str(path), 'frames': len(sequence.frames)}
            for sequence, path in zip(evaluation.sequences, itertools.cycle(bags), strict=False)
        ],
        'frames': len(evaluation.frames),
        'frames_answered': len(evaluation.detections),
        'frames_scored': len(evaluation.ground_truths),
        'counts': dict(sorted(evaluation.counts.items())),
        'notes': evaluation.notes,
        'mean_ap': evaluation.mean_ap,
        'mean_ap_answered': evaluation.map_answered,
        'streaming': None if evaluation.is_streaming_timed else streaming_tree(evaluation),
        'answer_ms': evaluation.answer_ms.to_tree() if evaluation.answer_ms else None,
        'age_ms': evaluation.age_ms.to_tree() if evaluation.age_ms else None,
        'replay': evaluation.replay or None,
        'accuracy': asdict(evaluation.result) if evaluation.result else None,
    }


def times_tree(evaluation: Evaluation) -> dict[str, Any]:
    """
    Give what another run measures otherwise.

    :param evaluation: what was found
    :return: plain values
    """
    return {
        'schema_version': SCHEMA_VERSION,
        'created_at': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'wall_s': round(evaluation.wall_s, 3),
        'stage_ms': {stage: latency.to_tree() for stage, latency in evaluation.stage_ms.items()},
        'streaming': streaming_tree(evaluation) if evaluation.is_streaming_timed else None,
        'frame_ms': {name: round(time, 3) for name, time in evaluation.frame_ms.items()},
        'versions': list_versions(),
    }


def streaming_tree(evaluation: Evaluation) -> dict[str, Any] | None:
    """
    Give streaming AP.

    :param evaluation: what was found
    :return: plain values, or None
    """
    if evaluation.streaming is None:
        return None
    return {
        **asdict(evaluation.streaming),
        'ratio': evaluation.streaming.ratio,
        'times': evaluation.streaming_of,
    }


def write_json(tree: object, path: Path) -> None:
    """
    Write plain values.

    :param tree: without NaN
    :param path: the file
    """
    text = json.dumps(tree, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(f'{text}\n', encoding='utf-8')


def read_json(path: Path) -> Any:
    """
    Read what write_json wrote.

    :param path: the file
    :return: plain values
    :raises BagError: when it is missing or damaged
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        finding = f'{path}: can not be read as JSON ({error}); run evaluate_bag again'
        raise BagError([finding]) from error
