"""Pairs two series of stamps: each with the nearest of the other, one to one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """
    Which belong together.

    :param pairs: position in the first series, position in the second; by the first
    :param first_alone: positions in the first series without partner
    :param second_alone: likewise in the second
    """

    pairs: tuple[tuple[int, int], ...]
    first_alone: tuple[int, ...]
    second_alone: tuple[int, ...]


def associate(first_ns: Sequence[int], second_ns: Sequence[int], *, tolerance_ns: int) -> Pairs:
    """
    Pair stamps that differ by no more than a tolerance, the nearest first.

    :param first_ns: stamps, in any order
    :param second_ns: likewise; of several equal ones one finds a partner
    :param tolerance_ns: largest difference
    :return: see Pairs
    """
    order = np.argsort(np.array(second_ns, np.int64), kind='stable')
    ordered = np.array(second_ns, np.int64)[order]
    candidates = []
    for index, stamp_ns in enumerate(first_ns):
        start = np.searchsorted(ordered, stamp_ns - tolerance_ns, side='left')
        end = np.searchsorted(ordered, stamp_ns + tolerance_ns, side='right')
        for place in range(int(start), int(end)):
            other = int(order[place])
            candidates.append((abs(int(second_ns[other]) - stamp_ns), index, other))
    partner_of: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, other in sorted(candidates):
        if index not in partner_of and other not in taken:
            partner_of[index] = other
            taken.add(other)
    return Pairs(
        pairs=tuple(sorted(partner_of.items())),
        first_alone=tuple(i for i in range(len(first_ns)) if i not in partner_of),
        second_alone=tuple(i for i in range(len(second_ns)) if i not in taken),
    )
