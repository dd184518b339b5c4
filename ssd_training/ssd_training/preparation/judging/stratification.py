"""A seeded split of groups that keeps classes in balance."""

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

    :param groups: number of the group of each picture; only `fixed` parts one
    :param labels: of the objects of each picture
    :param val_share: of the pictures with each label, wanted in val
    :param seed: of the order in which groups are dealt out
    :param fixed: index of a picture -> whether it is in val already, where it stays; the rest of
        its group follows, to val only where no picture of the group is in train
    :return: for each picture whether it is in val
    """
    fixed = dict(fixed or {})
    contents: dict[int, Counter[str]] = {}
    for group, of_picture in zip(groups, labels, strict=True):
        contents.setdefault(group, Counter()).update({_PICTURES, *of_picture})
    wanted = Counter[str]()
    for content in contents.values():
        wanted.update(content)
    lacking = {key: count * val_share for key, count in wanted.items()}
    is_val = _follow(fixed, groups)
    for index, group in enumerate(groups):
        if fixed.get(index, is_val.get(group, False)):
            _take(lacking, Counter({_PICTURES, *labels[index]}))
    order = [int(group) for group in np.random.default_rng(seed).permutation(sorted(contents))]
    # Rarest first: of a class with four pictures one too many weighs most.
    for key in sorted(wanted, key=lambda key: (wanted[key], key)):
        for group in order:
            if group not in is_val and key in contents[group]:
                is_val[group] = lacking[key] >= contents[group][key] / 2
                if is_val[group]:
                    _take(lacking, contents[group])
    chosen = [fixed.get(index, is_val[group]) for index, group in enumerate(groups)]
    return _fill_empty(chosen, groups, order)


def _follow(fixed: Mapping[int, bool], groups: Sequence[int]) -> dict[int, bool]:
    """Give groups of which some pictures have their split that split; of both, train."""
    is_val: dict[int, bool] = {}
    for index, value in fixed.items():
        is_val[groups[index]] = is_val.get(groups[index], True) and value
    return is_val


def _take(lacking: dict[str, float], content: Counter[str]) -> None:
    for key, count in content.items():
        lacking[key] -= count


def _fill_empty(chosen: Sequence[bool], groups: Sequence[int], order: Sequence[int]) -> list[bool]:
    """Where one split has nothing, give it the smallest group."""
    if len(order) < 2 or len(set(chosen)) == 2:
        return list(chosen)
    sizes = Counter(groups)
    smallest = min(order, key=lambda group: sizes[group])
    return [is_val != (group == smallest) for is_val, group in zip(chosen, groups, strict=True)]
