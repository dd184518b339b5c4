"""
Take frames out of a recording, into a VOC folder, for labelling and training.

    python -m ssd_detector_ros.extract BAG --output photographs --every 10
    python -m ssd_detector_ros.extract BAG --output hard --detections TOPIC --uncertain 0.2 0.5
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from ssd_detector.command_line import Parser
from ssd_detector_ros.bag_evaluation.commands import (
    count,
    own_arguments,
    positive,
    run_bag_command,
    share,
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Write the frames.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    return run_bag_command(lambda: _extract(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='extract', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('bag', type=Path, metavar='BAG', help='folder of a recording, or a file')
    add('--output', type=Path, required=True, metavar='DIR', help='root of the VOC folder')
    add('--image_topic', help='(the only one)')
    add('--detections', metavar='TOPIC', help='boxes to write (a topic named ground_truth)')
    add('--format', choices=('jpeg', 'png'), default='jpeg', help='of the files (jpeg)')
    add('--every', type=count, default=1, metavar='N', help='every N-th frame (1)')
    add('--min_gap_s', type=positive, default=0.0, help='between two frames (0)')
    add('--min_change', type=share, default=0.0, help='of the grey levels since the last (0)')
    add(
        '--uncertain',
        type=share,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='only frames with a detection whose score lies between',
    )
    add('--limit', type=count, metavar='N', help='frames at most')
    return parser.parse_args(own_arguments(argv))


def _extract(arguments: argparse.Namespace) -> None:
    from ssd_detector.errors import ConfigError
    from ssd_detector_ros.bag_evaluation.making.extraction import extract_frames, Rule, SPLIT
    from ssd_detector_ros.bag_evaluation.making.extraction_output import write_extraction
    from ssd_detector_ros.bag_evaluation.pages.result_files import make_folder
    from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
    from ssd_detector_ros.bag_evaluation.reading.message_types import DETECTIONS
    from ssd_detector_ros.bag_evaluation.reading.naming import (
        choose_ground_truth,
        choose_image_topic,
        find_topic,
    )
    from ssd_detector_ros.bag_evaluation.reading.recording import Recording

    if arguments.uncertain and not arguments.detections:
        raise ConfigError(['--uncertain needs scores: --detections TOPIC'])
    make_folder(arguments.output)
    recording = Recording(arguments.bag)
    topics = recording.topics
    images = choose_image_topic(arguments.image_topic, topics)
    boxes = choose_ground_truth(None, topics)
    if arguments.detections:
        boxes = find_topic(arguments.detections, topics, (DETECTIONS,), option='detections')
    rule = Rule(
        arguments.every,
        arguments.min_gap_s,
        arguments.min_change,
        tuple(arguments.uncertain) if arguments.uncertain else None,
        arguments.limit,
    )
    extracted = extract_frames(
        recording,
        ImageReader(recording, images),
        arguments.output,
        boxes=boxes,
        rule=rule,
        transport=arguments.format,
    )
    write_extraction(extracted, recording, arguments.output)
    print(
        f'{arguments.output}: {len(extracted.image_ids)} of {extracted.num_frames} frames, '
        f'{extracted.num_objects} objects; list ImageSets/Main/{SPLIT}.txt'
    )
    for reason, number in extracted.excluded.items():
        print(f'  {number} images left out: {reason}')
    for problem in recording.problems:
        print(f'  note: {problem}')


if __name__ == '__main__':
    sys.exit(main())
