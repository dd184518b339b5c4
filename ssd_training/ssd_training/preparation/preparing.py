"""From a labelling tool's folder to splits: read, look at, clean, split."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ssd_training.data.annotations import Annotation, Finding
from ssd_training.data.decoding import Orientation
from ssd_training.errors import DataError
from ssd_training.preparation.cleaning import choose_labels, clean, find_similar_names, rename
from ssd_training.preparation.duplicates import group_scenes
from ssd_training.preparation.layouts import read_labels
from ssd_training.preparation.pictures import Picture, read_pictures
from ssd_training.preparation.source import Layout, list_files, Split
from ssd_training.preparation.splits import split_groups

_FEW_OBJECTS = 10
# A scene with more of the pictures than this can't stay whole: it is cut into runs of names.
_LARGEST_SCENE = 0.5
_RUNS = 10


@dataclass(frozen=True)
class Options:
    """
    What the command line says.

    :param layout: of the folder, where it has several
    :param labels: classes to take, in this order (YOLO: names of the classes 0, 1, ...); all by
        default
    :param names: name in the labels -> name wanted
    :param orientation: how pictures that EXIF data turn are read; see data.exif_orientation
    :param val_share: of the pictures, for val
    :param seed: of the split
    :param keeps_split: take over the train and val of the source where it has both
    :param earlier: name below the source -> whether it was in val before
    """

    layout: Layout | None = None
    labels: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    orientation: Orientation = 'auto'
    val_share: float = 0.2
    seed: int = 0
    keeps_split: bool = True
    earlier: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """
    What came of a folder.

    :param layout: of the folder
    :param labels: names of the classes 1, 2, ...
    :param splits: split -> its pictures, with boxes inside them
    :param findings: everything odd
    :param notes: what was concluded, in words
    :param orientation: how pictures that EXIF data turn are read
    """

    layout: Layout
    labels: Sequence[str]
    splits: Mapping[Split, Sequence[Annotation]]
    findings: Sequence[Finding]
    notes: Sequence[str]
    orientation: Orientation


def prepare(source: Path, options: Options, *, left_out: Path | None = None) -> Prepared:
    """
    Read, check and split what a labelling tool exported.

    :param source: the folder
    :param options: of the command line
    :param left_out: a folder below it that is not looked at
    :return: the splits, and everything that is odd
    :raises DataError: when there is nothing to train on, or nothing to score
    """
    listing = list_files(source, left_out=left_out)
    layout, labelled = read_labels(listing, layout=options.layout, names=options.labels)
    findings, notes = [*labelled.findings], [*labelled.notes]
    pictures = [
        replace(picture, annotation=rename(picture.annotation, options.names))
        for picture in read_pictures(labelled.images, options.orientation, findings)
    ]
    declared = [options.names.get(label, label) for label in labelled.labels]
    labels = choose_labels([one.annotation for one in pictures], declared, options.labels)
    pictures = [
        replace(picture, annotation=clean(picture.annotation, labels, findings))
        for picture in pictures
    ]
    findings += find_similar_names([one.annotation for one in pictures])
    _check_not_empty(pictures, findings, source)
    splits = _split(pictures, listing.root, options, notes)
    findings += _check_splits(splits, labels)
    return Prepared(layout, labels, splits, findings, notes, options.orientation)


def _check_not_empty(
    pictures: Sequence[Picture], findings: Sequence[Finding], source: Path
) -> None:
    if any(picture.annotation.objects for picture in pictures):
        return
    kinds = Counter(finding.kind for finding in findings)
    reasons = [
        f'{count} x {kind}, such as {next(one for one in findings if one.kind == kind)}'
        for kind, count in kinds.most_common()
    ]
    raise DataError([f'{source}: no object that can be learnt: nothing to train on', *reasons])


def _split(
    pictures: Sequence[Picture], root: Path, options: Options, notes: list[str]
) -> dict[Split, list[Annotation]]:
    given = {picture.split for picture in pictures}
    names = [_name(picture, root) for picture in pictures]
    if options.keeps_split and {'train', 'val'} <= given:
        notes.append('train and val are those of the source; --resplit makes new ones')
        chosen = [picture.split or 'train' for picture in pictures]
    else:
        groups = _group(pictures, notes)
        earlier = options.earlier
        fixed = {index: earlier[name] for index, name in enumerate(names) if name in earlier}
        labels = [[found.label for found in one.annotation.objects] for one in pictures]
        is_val = split_groups(
            groups, labels, val_share=options.val_share, seed=options.seed, fixed=fixed
        )
        chosen = ['val' if one else 'train' for one in is_val]
    splits: dict[Split, list[Annotation]] = {'train': [], 'val': []}
    for split, picture in zip(chosen, pictures, strict=True):
        splits.setdefault(split, []).append(picture.annotation)
    if not all(any(one.objects for one in splits[split]) for split in ('train', 'val')):
        counts = ', '.join(f'{split} {len(found)}' for split, found in splits.items())
        raise DataError(
            [
                f'{root}: {len(pictures)} pictures make no two splits with objects ({counts}); '
                f'label more pictures, of more than one scene'
            ]
        )
    return splits


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
        members = [index for index, one in enumerate(groups) if one == group]
        members.sort(key=lambda index: stems[index])
        for position, index in enumerate(members):
            groups[index] = members[position * _RUNS // len(members) * len(members) // _RUNS]
        notes.append(
            f'{len(members)} pictures look alike (a camera that stands still?): they are split in '
            f'runs of neighbouring names, and val will look better than new scenes'
        )
    return groups


def _name(picture: Picture, root: Path) -> str:
    return Path(picture.annotation.image.name).relative_to(root).as_posix()


def _check_splits(
    splits: Mapping[Split, Sequence[Annotation]], labels: Sequence[str]
) -> Iterator[Finding]:
    for split in ('train', 'val'):
        counts = Counter(found.label for one in splits[split] for found in one.objects)
        for label in labels:
            if not counts[label]:
                text = f'{label}: no object in {split}; label more, or leave it out with --labels'
                yield Finding('class without objects', split, text)
            elif split == 'train' and counts[label] < _FEW_OBJECTS:
                text = f'{label}: {counts[label]} objects in train; some dozens are needed'
                yield Finding('rare class', split, text)
