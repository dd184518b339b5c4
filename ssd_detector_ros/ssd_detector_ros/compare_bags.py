"""
Compare two detectors on the same recordings, with ground truth or without.

    python -m ssd_detector_ros.compare_bags results/a results/b --output compared
    python -m ssd_detector_ros.compare_bags bundles/old bundles/new --bag BAG
    python -m ssd_detector_ros.compare_bags /old/detections /new/detections --bag BAG
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_detector_ros.bag_evaluation.commands import (
    count,
    open_progress,
    own_arguments,
    run_bag_command,
    share,
)

if TYPE_CHECKING:
    from ssd_detector_ros.bag_evaluation.comparing.comparison_sides import BagSide
    from ssd_detector_ros.bag_evaluation.scoring.options import Options
    from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


def main(argv: Sequence[str] | None = None) -> int:
    """
    Compare; the table goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    return run_bag_command(lambda: _compare(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='compare_bags',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('first', metavar='A', help='folder of evaluate_bag, a bundle, or a topic')
    add('second', metavar='B', help='likewise')
    add('--output', type=Path, metavar='DIR', help='for result.json and report.html')
    add('--bag', type=Path, nargs='+', default=[], metavar='BAG', help='of bundles and topics')
    add('--image_topic', help='(the only one)')
    add('--ground_truth', metavar='TOPIC', help='(a topic named ground_truth)')
    add('--score_threshold', type=share, default=0.35, help='of boxes that are compared (0.35)')
    add('--flicker_frames', type=count, default=5, help='gone for less is a flicker (5)')
    return parser.parse_args(own_arguments(argv))


def _compare(arguments: argparse.Namespace) -> None:
    from ssd_detector_ros.bag_evaluation.comparing.bag_comparison import (
        compare_sides,
        comparison_tree,
        format_bag_comparison,
    )
    from ssd_detector_ros.bag_evaluation.comparing.comparison_page import render_bag_comparison
    from ssd_detector_ros.bag_evaluation.pages.result_files import (
        make_folder,
        PAGE,
        RESULT,
        write_json,
    )

    if arguments.output:
        make_folder(arguments.output)
    comparison = compare_sides(
        _open(arguments.first, arguments),
        _open(arguments.second, arguments),
        score_threshold=arguments.score_threshold,
        flicker_frames=arguments.flicker_frames,
    )
    if arguments.output:
        write_json(comparison_tree(comparison), arguments.output / RESULT)
        page = render_bag_comparison(comparison, arguments.image_topic)
        (arguments.output / PAGE).write_text(page, encoding='utf-8')
        print(f'report: {arguments.output / PAGE}', file=sys.stderr)
    print(format_bag_comparison(comparison))


def _open(text: str, arguments: argparse.Namespace) -> 'BagSide':
    from ssd_detector.bundles.contents import MANIFEST
    from ssd_detector.errors import ConfigError
    from ssd_detector_ros.bag_evaluation.comparing.comparison_sides import (
        from_evaluation,
        read_side,
    )
    from ssd_detector_ros.bag_evaluation.pages.result_files import RESULT
    from ssd_detector_ros.bag_evaluation.scoring.options import Options

    folder = Path(text)
    if (folder / RESULT).is_file():
        return read_side(folder)
    is_bundle = (folder / MANIFEST).is_file()
    if not is_bundle and folder.exists():
        raise ConfigError([f'{text}: neither a folder of evaluate_bag --output nor a bundle'])
    if not arguments.bag:
        raise ConfigError(
            [f'{text}: {"a bundle" if is_bundle else "a topic"} needs a recording: --bag BAG']
        )
    options = Options(tuple(arguments.bag), arguments.image_topic, arguments.ground_truth)
    evaluation = _detect(folder, options) if is_bundle else _read(text, options)
    return from_evaluation(evaluation, text, options.bags)


def _detect(bundle: Path, options: 'Options') -> 'Evaluation':
    from ssd_detector import Detector
    from ssd_detector_ros.bag_evaluation.scoring.offline import evaluate_offline

    with open_progress(str(bundle)) as on_frame:
        return evaluate_offline(options, lambda: Detector.from_bundle(bundle), on_frame=on_frame)


def _read(topic: str, options: 'Options') -> 'Evaluation':
    from ssd_detector_ros.bag_evaluation.scoring.published import evaluate_published, Publisher

    return evaluate_published(options, Publisher(topic))


if __name__ == '__main__':
    sys.exit(main())
