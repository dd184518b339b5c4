"""The split into train and val: that of the source, or one that keeps scenes whole."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ssd_training.data.annotations.annotations import Annotation, Finding
from ssd_training.errors import DataError
from ssd_training.preparation.judging.pictures import Picture
from ssd_training.preparation.judging.scenes import group_scenes
from ssd_training.preparation.judging.stratification import split_groups
from ssd_training.preparation.layouts.labelled import Split
from ssd_training.preparation.options import Options

# A scene with more of the pictures than this can't stay whole: it is cut into runs of names.
_LARGEST_SCENE = 0.5
_RUNS = 10


def split_pictures(
    pictures: Sequence[Picture],
    root: Path,
    options: Options,
    *,
    findings: list[Finding],
    notes: list[str],
) -> dict[Split, list[Annotation]]:
    """
    Take over the split of the source, or make one.

    :param pictures: of the source
    :param root: of the source
    :param options: of the command line
    :param findings: gets pictures that are in no split of the source, and so in none here
    :param notes: gets what was concluded
    :return: train, val and, where the source has it, test
    :raises DataError: when train or val has no object
    """
    given = {picture.split for picture in pictures}
    chosen: list[Split]
    if options.keeps_split and 'train' in given and given & {'val', 'test'}:
        findings += _find_unnamed(pictures)
        pictures = [picture for picture in pictures if picture.split]
    if options.keeps_split and {'train', 'val'} <= given:
        notes.append('train and val are those of the source; --resplit makes new ones')
        chosen = [picture.split for picture in pictures if picture.split]
        notes += _describe_shared(pictures, chosen)
    elif options.keeps_split and {'train', 'test'} <= given:
        notes.append('test is that of the source, val a part of its train; --resplit mixes them')
        rest = [picture for picture in pictures if picture.split != 'test']
        new = iter(_choose(rest, root, options, notes))
        chosen = ['test' if picture.split == 'test' else next(new) for picture in pictures]
    else:
        notes += _describe_mixed(pictures, options)
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


def _find_unnamed(pictures: Sequence[Picture]) -> Iterator[Finding]:
    """Find pictures beside the given splits: they may be kept aside, and nothing says so."""
    for picture in pictures:
        if not picture.split:
            text = 'is in no split of the source; left out; --resplit takes it'
            yield Finding('picture without split', picture.annotation.image.name, text)


def _describe_mixed(pictures: Sequence[Picture], options: Options) -> Iterator[str]:
    """Say which pictures of a val or test are learnt, as there is no train beside it."""
    for split in ('val', 'test') if options.keeps_split else ():
        names = [picture.annotation.image.name for picture in pictures if picture.split == split]
        if 0 < len(names) < len(pictures):
            yield (
                f'{len(names)} pictures are of {split} by folder or list, such as {names[0]}, but '
                f'none is of train: all are split anew'
            )


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
    notes += _describe_joined(groups, fixed)
    return ['val' if goes_to_val else 'train' for goes_to_val in is_val]


def _describe_joined(groups: Sequence[int], fixed: Mapping[int, bool]) -> Iterator[str]:
    """Say where pictures of earlier splits turned out to show one scene."""
    sides: dict[int, set[bool]] = {}
    for index, is_val in fixed.items():
        sides.setdefault(groups[index], set()).add(is_val)
    if joined := sum(len(found) > 1 for found in sides.values()):
        yield (
            f'{joined} scenes are in train and in val from before, and stay there: val may look '
            f'better than new scenes; --resplit parts no scene'
        )


def _group(pictures: Sequence[Picture], notes: list[str]) -> list[int]:
    stems = [Path(picture.annotation.image.name).stem for picture in pictures]
    groups = group_scenes([picture.scene for picture in pictures], stems)
    sizes = Counter(groups)
    largest = max(_LARGEST_SCENE * len(pictures), 1)
    whole = {group for group, size in sizes.items() if size <= largest}
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
