"""A seeded split into train and val that keeps classes in balance and scenes whole."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ssd_training.data.annotations.annotations import Annotation
from ssd_training.errors import DataError
from ssd_training.preparation.judging.pictures import Picture
from ssd_training.preparation.judging.scenes import group_scenes
from ssd_training.preparation.layouts.labelled import Split
from ssd_training.preparation.options import Options

_PICTURES = '\0pictures'  # Counted beside the labels; no label holds a NUL.
# A scene with more of the pictures than this can't stay whole: it is cut into runs of names.
_LARGEST_SCENE = 0.5
_RUNS = 10


def split_pictures(
    pictures: Sequence[Picture], root: Path, options: Options, notes: list[str]
) -> dict[Split, list[Annotation]]:
    """
    Take over the split of the source, or make one.

    :param pictures: of the source
    :param root: of the source
    :param options: of the command line
    :param notes: gets what was concluded
    :return: train, val and, where the source has it, test
    :raises DataError: when train or val has no object
    """
    given = {picture.split for picture in pictures}
    chosen: list[Split]
    if options.keeps_split and {'train', 'val'} <= given:
        notes.append('train and val are those of the source; --resplit makes new ones')
        chosen = [picture.split or 'train' for picture in pictures]
        notes += _describe_shared(pictures, chosen)
    elif options.keeps_split and {'train', 'test'} <= given:
        notes.append('test is that of the source, val a part of its train; --resplit mixes them')
        rest = [picture for picture in pictures if picture.split != 'test']
        new = iter(_choose(rest, root, options, notes))
        chosen = ['test' if picture.split == 'test' else next(new) for picture in pictures]
    else:
        chosen = _choose(pictures, root, options, notes)
    splits: dict[Split, list[Annotation]] = {'train': [], 'val': []}
    for split, picture in zip(chosen, pictures, strict=True):
        splits.setdefault(split, []).append(picture.annotation)
    if not all(count_learnable(splits[split]) for split in ('train', 'val')):
        counts = ', '.join(f'{split} {len(found)}' for split, found in splits.items())
        raise DataError(
            [
                f'{root}: {len(pictures)} pictures make no two splits with objects ({counts}); '
                f'label more pictures, of more than one scene'
            ]
        )
    return splits


def count_learnable(annotations: Iterable[Annotation]) -> Counter[str]:
    """
    Count objects; those that are difficult are neither learnt nor scored.

    :param annotations: of a split
    :return: label -> its objects
    """
    return Counter(
        found.label
        for annotation in annotations
        for found in annotation.objects
        if not found.is_difficult
    )


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


def _describe_shared(pictures: Sequence[Picture], chosen: Sequence[Split]) -> Iterator[str]:
    """Say which pictures of val show what is learnt."""
    names = [picture.annotation.image.name for picture in pictures]
    groups = group_scenes(
        [picture.scene for picture in pictures], [Path(name).stem for name in names]
    )
    learnt = {group for group, split in zip(groups, chosen, strict=True) if split == 'train'}
    shared = [
        name
        for group, split, name in zip(groups, chosen, names, strict=True)
        if split == 'val' and group in learnt
    ]
    if shared:
        yield (
            f'{len(shared)} pictures of val, such as {shared[0]}, show a scene of train: val will '
            f'look better than new scenes; --resplit parts no scene'
        )


def _choose(
    pictures: Sequence[Picture], root: Path, options: Options, notes: list[str]
) -> list[Split]:
    groups = _group(pictures, notes)
    names = [
        Path(picture.annotation.image.name).relative_to(root).as_posix() for picture in pictures
    ]
    earlier = options.earlier
    fixed = {index: earlier[name] for index, name in enumerate(names) if name in earlier}
    labels = [[*count_learnable([picture.annotation])] for picture in pictures]
    is_val = split_groups(
        groups, labels, val_share=options.val_share, seed=options.seed, fixed=fixed
    )
    return ['val' if goes_to_val else 'train' for goes_to_val in is_val]


def _group(pictures: Sequence[Picture], notes: list[str]) -> list[int]:
    stems = [Path(picture.annotation.image.name).stem for picture in pictures]
    groups = group_scenes([picture.scene for picture in pictures], stems)
    sizes = Counter(groups)
    whole = {group for group, size in sizes.items() if size <= _LARGEST_SCENE * len(pictures)}
    several = sum(size > 1 for group, size in sizes.items() if group in whole)
    if several:
        notes.append(f'{several} scenes have several pictures; each scene is in one split')
    for group in sizes.keys() - whole:
        # Neighbours in name are neighbours in time.
        members = [index for index, other in enumerate(groups) if other == group]
        members.sort(key=lambda index: stems[index])
        for position, index in enumerate(members):
            groups[index] = members[position * _RUNS // len(members) * len(members) // _RUNS]
        notes.append(
            f'{len(members)} pictures look alike (a camera that stands still?): they are split in '
            f'runs of neighbouring names, and val will look better than new scenes'
        )
    return groups
