"""From a labelling tool's folder to splits: read, look at, clean, split."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ssd_training.data.annotations.annotations import Annotation, Finding
from ssd_training.data.images.decoding import Decoding
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import FilesOutside, Orientation
from ssd_training.preparation.judging.claims import settle_claims
from ssd_training.preparation.judging.cleaning import (
    choose_labels,
    clean,
    find_similar_names,
    rename,
    straighten_others,
)
from ssd_training.preparation.judging.pictures import read_pictures
from ssd_training.preparation.judging.splits import count_learnable, split_pictures
from ssd_training.preparation.layouts.detection import read_labels
from ssd_training.preparation.layouts.labelled import Layout, Split
from ssd_training.preparation.layouts.listing import list_files, Listing
from ssd_training.preparation.options import Options

_FEW_OBJECTS = 10
# Sides of objects in the input that are hard to see, and the share of them that is many.
_SMALL_PX = 16
_MANY_SMALL = 0.25
_LARGER_PX = 384
# Of the links that lead out, beside an error.
_SHOWN = 3


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
    :param max_image_pixels: of a picture
    :param outside: see Options
    :param input_size_px: see Options
    """

    layout: Layout
    labels: Sequence[str]
    splits: Mapping[Split, Sequence[Annotation]]
    findings: Sequence[Finding]
    notes: Sequence[str]
    orientation: Orientation
    max_image_pixels: int
    outside: FilesOutside
    input_size_px: int


def prepare(source: Path, options: Options, *, left_out: Path | None = None) -> Prepared:
    """
    Read, check and split what a labelling tool exported.

    :param source: the folder
    :param options: of the command line
    :param left_out: a folder below it that is not looked at
    :return: the splits, and everything that is odd
    :raises DataError: when there is nothing to train on, or nothing to score
    """
    listing = list_files(source, left_out=left_out, outside=options.outside)
    try:
        layout, labelled = read_labels(listing, layout=options.layout, names=options.labels)
    except DataError as error:
        # What is missing may lie where a link led.
        outside = (str(finding) for finding in islice(_list_outside(listing), _SHOWN))
        raise DataError([*error.findings, *outside]) from error
    findings, notes = [*labelled.findings], [*labelled.notes]
    claimed = settle_claims(labelled.images, findings)
    findings += [*_list_unread(listing), *_list_outside(listing)]
    decoding = Decoding(options.orientation, max_pixels=options.max_image_pixels)
    straight = [straighten_others(image, options.labels, options.names) for image in claimed]
    pictures = read_pictures(straight, decoding, findings)
    annotations = rename([picture.annotation for picture in pictures], options.names, notes)
    declared = [options.names.get(label, label) for label in labelled.labels]
    wanted = choose_labels(annotations, declared, options.labels)
    annotations = [clean(annotation, wanted, findings) for annotation in annotations]
    findings += find_similar_names(annotations)
    counts = count_learnable(annotations)
    if others := sum(len(annotation.objects) for annotation in annotations) - counts.total():
        notes.append(f'{others} objects are difficult (or crowds): neither learnt nor scored')
    _check_not_empty(counts, findings, notes, source)
    labels = [label for label in wanted if counts[label]]
    findings += [
        Finding('class without objects', str(source), f'{label}: no object to learn; left out')
        for label in dict.fromkeys((*options.labels, *wanted))
        if label not in labels
    ]
    pictures = [
        replace(picture, annotation=clean(annotation, labels, []))
        for picture, annotation in zip(pictures, annotations, strict=True)
    ]
    try:
        splits = split_pictures(pictures, listing.root, options, findings=findings, notes=notes)
    except DataError as error:
        raise DataError([*error.findings, *_give_reasons(findings), *notes]) from error
    findings += _check_splits(splits, labels)
    notes += _describe_small(splits['train'], options.input_size_px)
    return Prepared(
        layout,
        labels,
        splits,
        findings,
        notes,
        options.orientation,
        options.max_image_pixels,
        options.outside,
        options.input_size_px,
    )


def _describe_small(annotations: Sequence[Annotation], input_size_px: int) -> Iterator[str]:
    """Say where a larger input would help: half a cell of the first map is hard to see."""
    sides_px = [
        min(
            (found.box_xyxy[2] - found.box_xyxy[0]) / annotation.size_wh[0],
            (found.box_xyxy[3] - found.box_xyxy[1]) / annotation.size_wh[1],
        )
        * input_size_px
        for annotation in annotations
        for found in annotation.objects
        if not found.is_difficult
    ]
    num_small = sum(side_px < _SMALL_PX for side_px in sides_px)
    if num_small > _MANY_SMALL * len(sides_px) and input_size_px < _LARGER_PX:
        yield (
            f'{num_small} of {len(sides_px)} objects in train have a side of less than '
            f'{_SMALL_PX} px in an input of {input_size_px} px, and are hard to find; '
            f'--input_size_px {_LARGER_PX} shows them larger, for more time an image'
        )


def _list_unread(listing: Listing) -> Iterator[Finding]:
    for path in listing.foreign:
        yield Finding('unreadable image', str(path), f'{path.suffix} is not read; make it JPEG')
    for name in listing.misnamed:
        yield Finding('missing file', name, 'the name is not UTF-8: rename it; left out')


def _list_outside(listing: Listing) -> Iterator[Finding]:
    for path, why in listing.unread.items():
        text = f'can not be read ({why}): what lies there is left out'
        yield Finding('missing file', str(path), f'{text}; chmod -R u+rX makes it readable')
    for path in listing.outside:
        text = (
            f'is a link that leads out of {listing.root}; left out; --files_outside_root allow '
            f'takes what lies there'
        )
        yield Finding('file outside root', str(path), text)


def _check_not_empty(
    counts: Counter[str], findings: Sequence[Finding], notes: Sequence[str], source: Path
) -> None:
    if counts:
        return
    raise DataError(
        [
            f'{source}: no object that can be learnt: nothing to train on',
            *_give_reasons(findings),
            *notes,
        ]
    )


def _give_reasons(findings: Sequence[Finding]) -> Iterator[str]:
    for kind, count in Counter(finding.kind for finding in findings).most_common():
        yield f'{count} x {kind}, such as {next(one for one in findings if one.kind == kind)}'


def _check_splits(
    splits: Mapping[Split, Sequence[Annotation]], labels: Sequence[str]
) -> Iterator[Finding]:
    for split in ('train', 'val'):
        counts = count_learnable(splits[split])
        for label in labels:
            if not counts[label]:
                text = f'{label}: no object in {split}; label more, or leave it out with --labels'
                yield Finding('class without objects', split, text)
            elif split == 'train' and counts[label] < _FEW_OBJECTS:
                text = f'{label}: {counts[label]} objects in train; some dozens are needed'
                yield Finding('rare class', split, text)
