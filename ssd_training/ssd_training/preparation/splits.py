"""A seeded split into train and val that keeps classes in balance and scenes whole."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

_PICTURES = '\0pictures'  # Counted beside the labels; no label holds a NUL.


def split_groups(
    groups: Sequence[int],
    labels: Sequence[Sequence[str]],
    *,
    val_share: float,
    seed: int,
    fixed: Mapping[int, bool] | None = None,
) -> list[bool]:
    """
    Choose the pictures of val.

    Groups with the rarest label are dealt out first, each to the split that lacks more of that
    label (iterative stratification, Sechidis et al., ECML 2011, here on whole groups). Each split
    gets a group where there are two.

    :param groups: number of the group of each picture; a group is never parted
    :param labels: of the objects of each picture
    :param val_share: of the pictures with each label, wanted in val
    :param seed: of the order in which groups are dealt out
    :param fixed: index of a picture -> whether it is in val already, and its group with it
    :return: for each picture whether it is in val
    """
    contents: dict[int, Counter[str]] = {}
    for group, of_picture in zip(groups, labels, strict=True):
        contents.setdefault(group, Counter()).update({_PICTURES, *of_picture})
    wanted = Counter[str]()
    for content in contents.values():
        wanted.update(content)
    lacking = {key: count * val_share for key, count in wanted.items()}
    is_val: dict[int, bool] = {}
    for index, value in (fixed or {}).items():
        is_val.setdefault(groups[index], value)
    for group in (group for group, value in is_val.items() if value):
        _take(lacking, contents[group])
    order = [int(group) for group in np.random.default_rng(seed).permutation(sorted(contents))]
    # Rarest first: of a class with four pictures one too many weighs most.
    for key in sorted(wanted, key=lambda key: (wanted[key], key)):
        for group in order:
            if group not in is_val and key in contents[group]:
                is_val[group] = lacking[key] >= contents[group][key] / 2
                if is_val[group]:
                    _take(lacking, contents[group])
    _fill_empty(is_val, order, contents)
    return [is_val[group] for group in groups]


def _take(lacking: dict[str, float], content: Counter[str]) -> None:
    for key, count in content.items():
        lacking[key] -= count


def _fill_empty(
    is_val: dict[int, bool], order: Sequence[int], contents: Mapping[int, Counter[str]]
) -> None:
    """Where one split has nothing, give it the smallest group."""
    if len(order) > 1 and len(set(is_val.values())) == 1:
        smallest = min(order, key=lambda group: contents[group][_PICTURES])
        is_val[smallest] = not is_val[smallest]
