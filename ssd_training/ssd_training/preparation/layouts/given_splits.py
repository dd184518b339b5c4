"""The split that lists of a labelling tool make, and what is odd about it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.labelled import Split

# Which list keeps a picture that is in several: what is kept aside is not learnt.
_ORDER: tuple[Split, ...] = ('val', 'test', 'train')


def join_splits(
    lists: Mapping[Split, Collection[Path]], findings: list[Finding]
) -> dict[Path, Split]:
    """
    Give each file its split, where the lists make one.

    :param lists: split -> its files; train with a val or a test is a split
    :param findings: gets files that are in several
    :return: file -> split; empty where the lists make none
    """
    given = {split: lists.get(split, ()) for split in _ORDER}
    if given['train'] and {*given['train']} <= {*given['val']}:
        # `val: images/train`: who writes so scores on what is learnt, and gets a val of its own.
        text = f'each of the {len(given["train"])} pictures of train is in val: val is made anew'
        findings.append(Finding('leakage', 'val', text))
        given['val'] = ()
    splits: dict[Path, Split] = {}
    shared: dict[tuple[Split, Split], list[Path]] = {}
    for split, paths in given.items():
        for path in paths:
            first = splits.setdefault(path, split)
            if first != split:
                shared.setdefault((first, split), []).append(path)
    made = {*splits.values()}
    if 'train' not in made or len(made) < 2:
        return {}
    for (first, split), paths in shared.items():
        others = f', as {len(paths) - 1} others are' if len(paths) > 1 else ''
        text = f'is in the lists of {first} and {split}{others}; kept in {first}'
        findings.append(Finding('leakage', str(paths[0]), text))
    return splits


def choose_split(
    splits: Mapping[Path, Split], path: Path, of_folder: Split | None
) -> Split | None:
    """
    Choose the split of a file that a folder may give one, too.

    :param splits: from join_splits
    :param path: of the file
    :param of_folder: what the folder says
    :return: that of the lists; else that of the folder, where no list gives any picture that split
    """
    if path in splits:
        return splits[path]
    return of_folder if of_folder == 'test' or of_folder not in {*splits.values()} else None


def describe_missing(path: Path, missing: Sequence[str], count: int) -> Finding:
    """
    Say which lines of a list have no file, or several.

    :param path: of the list
    :param missing: those lines, one or more
    :param count: of all lines
    :return: one finding for the list
    """
    what = f'{len(missing)} of {count} lines name no picture that is here, or several'
    text = f'{what}, such as {missing[0]}'
    return Finding('missing file', str(path), text)
