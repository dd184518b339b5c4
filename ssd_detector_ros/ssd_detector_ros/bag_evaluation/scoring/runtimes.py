"""Runtimes of a detector that is simulated: one number, or those that somebody measured."""

import math
from pathlib import Path

from ssd_detector_ros.bag_evaluation.errors import BagError


def read_runtimes(text: str) -> tuple[float, ...]:
    """
    Read runtimes.

    :param text: a number of ms, or a file with one a line; they are taken in turn
    :return: ms of frames
    :raises BagError: when there is none, or one is no number above 0
    """
    value = _number(text)
    if value is not None:
        return (value,)
    path = Path(text)
    if not path.is_file():
        raise BagError(
            [f'simulate_runtime_ms: {text!r}; expected ms above 0, or a file with one a line']
        )
    lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    values = [(line, _number(line)) for line in lines if line]
    if wrong := [line for line, value_ms in values if value_ms is None]:
        raise BagError([f'{path}: {wrong[0]!r:.60} is no number of ms above 0'])
    if not values:
        raise BagError([f'{path}: holds no number; expected ms, one a line'])
    return tuple(value_ms for _, value_ms in values if value_ms is not None)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
