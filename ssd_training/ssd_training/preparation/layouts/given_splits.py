"""The split that lists of a labelling tool make, and what is odd about it."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.labelled import Split

_ORDER: tuple[Split, ...] = ('train', 'val', 'test')


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
    if given['val'] and {*given['val']} <= {*given['train']}:
        # `val: images/train`: who writes so scores on what is learnt, and gets a val of its own.
        text = f'each of the {len(given["val"])} pictures of val is in train: val is made anew'
        findings.append(Finding('leakage', 'val', text))
        given['val'] = ()
    if not (given['train'] and (given['val'] or given['test'])):
        return {}
    splits: dict[Path, Split] = {}
    for split, paths in given.items():
        for path in paths:
            first = splits.setdefault(path, split)
            if first != split:
                text = f'is in the lists of {first} and {split}; kept in {first}'
                findings.append(Finding('leakage', str(path), text))
    return splits


def describe_missing(path: Path, missing: Sequence[str], count: int) -> Finding:
    """
    Say which lines of a list have no files.

    :param path: of the list
    :param missing: those lines, one or more
    :param count: of all lines
    :return: one finding for the list
    """
    text = f'{len(missing)} of {count} lines name nothing that is here, such as {missing[0]}'
    return Finding('missing file', str(path), text)
