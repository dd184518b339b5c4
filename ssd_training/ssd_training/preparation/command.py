"""`python -m ssd_training.data prepare`: arguments in, files and a summary out."""

import argparse
from dataclasses import replace
from pathlib import Path

from ssd_training.command_line import positive

_FILES = ('train.json', 'val.json')
_SIDES_PX = (224, 512)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add what the command takes; imports nothing heavy, so that --help is quick.

    :param parser: of the command
    """
    parser.add_argument('source', type=Path, help='folder that the labelling tool exported')
    parser.add_argument('--out', type=Path, required=True, help='folder to write; gives the name')
    parser.add_argument(
        '--layout',
        choices=('voc', 'coco', 'yolo', 'cvat'),
        help='where labels of several lie there',
    )
    parser.add_argument(
        '--labels',
        type=_names,
        default=(),
        metavar='A,B',
        help='classes to take, in this order (YOLO without names: of the numbers 0, 1, ...)',
    )
    parser.add_argument(
        '--rename',
        type=_pair,
        action='append',
        default=[],
        metavar='OLD=NEW',
        help='call a class otherwise, or make two classes one; may be given several times',
    )
    parser.add_argument(
        '--exif_orientation',
        choices=('auto', 'upright', 'stored'),
        default='auto',
        help='how pictures that a camera marked as turned were labelled (auto: their sizes tell)',
    )
    parser.add_argument(
        '--max_image_pixels', type=positive, help='of a picture; more are left out (100 million)'
    )
    parser.add_argument(
        '--files_outside_root',
        choices=('error', 'allow'),
        default='error',
        help='files and folders that links put outside the folder (error: they are left out)',
    )
    parser.add_argument(
        '--val_share', type=_share, default=0.2, help='of the pictures, to score on (0.2)'
    )
    parser.add_argument(
        '--input_size_px',
        type=_side,
        metavar='S',
        help='side of the input (300); 384 shows small objects larger, for 1.5 times the time',
    )
    parser.add_argument('--seed', type=_seed, default=0, help='of the split (0)')
    parser.add_argument(
        '--resplit', action='store_true', help='a new split, although the source has train and val'
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='prepare again, with new pictures; the others stay in their split',
    )
    parser.add_argument('--json', action='store_true', help='JSON instead of tables')


def run(arguments: argparse.Namespace) -> int:
    """
    Prepare a folder.

    :param arguments: of add_arguments
    :return: 0; what is odd is said, and left out where it can't be used
    :raises DataError: when there is nothing to train on or to score, or it can't be written
    """
    from ssd_detector.images.claims import MAX_IMAGE_PIXELS
    from ssd_detector.printable import printable_json
    from ssd_training.errors import DataError
    from ssd_training.preparation.layouts.listing import FINDINGS
    from ssd_training.preparation.options import LAID_OUT_AT_PX, Options
    from ssd_training.preparation.preparing import prepare
    from ssd_training.preparation.writing.experiment_files import write_files
    from ssd_training.preparation.writing.summary import as_tree, format_summary

    folder: Path = arguments.out
    earlier = _read_earlier(folder, overwrite=arguments.overwrite)
    options = Options(
        layout=arguments.layout,
        labels=arguments.labels,
        names=dict(arguments.rename),
        orientation=arguments.exif_orientation,
        max_image_pixels=arguments.max_image_pixels or MAX_IMAGE_PIXELS,
        outside=arguments.files_outside_root,
        val_share=arguments.val_share,
        seed=arguments.seed,
        input_size_px=arguments.input_size_px or LAID_OUT_AT_PX,
        keeps_split=not arguments.resplit,
        earlier={} if arguments.resplit else earlier,
    )
    prepared = prepare(arguments.source, options, left_out=folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        notes = write_files(folder, prepared, arguments.source)
        prepared = replace(prepared, notes=[*prepared.notes, *notes])
        tree = printable_json(as_tree(prepared))
        (folder / FINDINGS).write_text(tree + '\n', encoding='utf-8')
    except OSError as error:
        raise DataError([f'{folder}: can not be written ({error.strerror})']) from error
    print(tree if arguments.json else format_summary(prepared, folder))
    return 0


def _read_earlier(folder: Path, *, overwrite: bool) -> dict[str, bool]:
    """Read which pictures were in val when the folder was prepared before."""
    from ssd_training.data.files import read_json
    from ssd_training.errors import DataError

    if folder.exists() and not folder.is_dir():
        raise DataError([f'{folder}: is a file; --out takes a folder'])
    present = [folder / name for name in _FILES if (folder / name).exists()]
    if present and not overwrite:
        raise DataError(
            [
                f'{folder}: was prepared before; --overwrite prepares it again, or give another '
                f'--out'
            ]
        )
    earlier: dict[str, bool] = {}
    for path in present:
        try:
            images = read_json(path)['images']
            earlier |= {image['file_name']: path.stem == 'val' for image in images}
        except (KeyError, TypeError) as error:
            raise DataError([f'{path}: can not be read ({error}); remove it']) from error
    return earlier


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(',') if name.strip())
    if not names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f'{text!r}: expected different names, A,B')
    return names


def _pair(text: str) -> tuple[str, str]:
    old, separator, new = (part.strip() for part in text.partition('='))
    if not (old and separator and new):
        raise argparse.ArgumentTypeError(f'{text!r}: expected OLD=NEW')
    return old, new


def _side(text: str) -> int:
    low, high = _SIDES_PX
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f'{text!r} is no side from {low} to {high} px')
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number from 0 on')
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no share between 0 and 1')
    return value
