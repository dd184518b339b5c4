"""
Say line by line whether a detector keeps the contract of a good one, on a recording or live.

    python -m ssd_detector_ros.check_detector BAG
    python -m ssd_detector_ros.check_detector --detections /ssd_detector/detections
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_detector_ros.bag_evaluation.commands import (
    own_arguments,
    positive,
    run_bag_command,
    share,
)

if TYPE_CHECKING:
    from ssd_detector_ros.bag_evaluation.checking.observation import Observation
    from ssd_detector_ros.bag_evaluation.checking.observing import Watched


def main(argv: Sequence[str] | None = None) -> int:
    """
    Check; the lines go to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 kept, 1 broken or failed, 2 wrong usage
    """
    arguments = _parse(argv)
    return run_bag_command(lambda: _check(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='check_detector',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('bag', type=Path, nargs='?', metavar='BAG', help='a recording (the live node)')
    add('--detections', metavar='TOPIC', help='of the detector (the only one)')
    add('--image_topic', metavar='TOPIC', help='of its camera (the only one)')
    add('--max_age_ms', type=positive, default=1000.0, help='from image to answer, p95 (1000)')
    add('--min_answered', type=share, default=0.95, help='share of the images (0.95)')
    add('--seconds', type=positive, default=5.0, help='to listen to a live node (5)')
    add('--output', type=Path, metavar='DIR', help='for result.json and report.html')
    return parser.parse_args(own_arguments(argv))


def _check(arguments: argparse.Namespace) -> int:
    from ssd_detector_ros.bag_evaluation.checking.check_output import format_lines, write_check
    from ssd_detector_ros.bag_evaluation.checking.contract import check_contract
    from ssd_detector_ros.bag_evaluation.checking.observing import observe_recording, Watched
    from ssd_detector_ros.bag_evaluation.reading.recording import Recording

    limits = arguments.max_age_ms, arguments.min_answered
    watched = Watched(arguments.image_topic, arguments.detections, *limits)
    if arguments.bag is not None:
        recording = Recording(arguments.bag)
        seen = observe_recording(recording, watched)
        for problem in recording.problems:
            print(f'note: {problem}', file=sys.stderr)
    else:
        seen = _observe_live(watched, arguments.seconds)
    lines = check_contract(seen)
    if arguments.output:
        title = str(arguments.bag or arguments.detections or 'live')
        write_check(lines, seen, arguments.output, title=title)
    print(format_lines(lines))
    return int(any(line.is_kept is False for line in lines))


def _observe_live(watched: 'Watched', seconds: float) -> 'Observation':
    from importlib.util import find_spec

    from ssd_detector.errors import ConfigError

    if find_spec('rclpy') is None:
        raise ConfigError(['a live check needs ROS 2 (no rclpy here); source its setup.bash'])
    from ssd_detector_ros.bag_evaluation.live.node_process import prepare_transport
    from ssd_detector_ros.bag_evaluation.live.observe import observe_live

    prepare_transport()
    return observe_live(watched, seconds=seconds)


if __name__ == '__main__':
    sys.exit(main())
