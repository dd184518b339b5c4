"""
Make a recording of annotated images, or of a video.

    python -m ssd_detector_ros.make_bag VOC2007 --split val --output bag
    python -m ssd_detector_ros.make_bag photographs/ --virtual_camera pan --output moving
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
    size_wh,
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Write the recording.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    return run_bag_command(lambda: _make(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='make_bag', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('source', type=Path, help='VOC folder, COCO *.json, folder of images, or a video')
    add('--output', type=Path, required=True, metavar='BAG', help='folder that is made')
    add('--split', help='list of a VOC folder, such as val (every annotated image)')
    add('--images', type=Path, metavar='DIR', help='of a COCO file (beside it)')
    add('--limit', type=count, metavar='N', help='images of the source (all)')
    add('--rate_hz', type=positive, default=10.0, help='frames a second (10)')
    add('--image_topic', default='/camera/image_raw', help='(/camera/image_raw)')
    add('--frame_id', default='camera', help='(camera)')
    add('--transport', choices=('raw', 'jpeg', 'png'), default='raw', help='of images (raw)')
    add('--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(mcap)')
    add('--compression', choices=('none', 'message', 'file'), default='none', help='zstd (none)')
    add('--labels', type=Path, metavar='FILE', help='classes 1, 2, ..., one a line (by name)')
    add(
        '--files_outside_root',
        choices=('error', 'allow'),
        default='error',
        help='of files that links or names put outside of the source (error)',
    )
    group = parser.add_argument_group('moving scenes')
    add = group.add_argument
    add('--virtual_camera', choices=('pan', 'zoom', 'shake'), help='moves over each image')
    add('--speed_px_s', type=positive, default=100.0, help='of what is seen (100)')
    add('--size', type=size_wh, default=(320, 240), metavar='WxH', help='of frames (320x240)')
    add('--seconds', type=positive, default=3.0, help='of each image (3)')
    return parser.parse_args(own_arguments(argv))


def _make(arguments: argparse.Namespace) -> None:
    from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
    from ssd_detector_ros.bag_evaluation.making.sources import open_source
    from ssd_detector_ros.bag_evaluation.making.virtual_camera import VirtualCamera
    from ssd_detector_ros.bag_evaluation.scoring.labels import read_labels

    scenes = open_source(
        arguments.source,
        split=arguments.split,
        images=arguments.images,
        outside=arguments.files_outside_root,
    )
    names = ('image_topic', 'transport', 'storage', 'compression', 'rate_hz', 'frame_id')
    layout = Layout(
        **{name: getattr(arguments, name) for name in names},
        labels=read_labels(arguments.labels) if arguments.labels else (),
    )
    camera = None
    if arguments.virtual_camera:
        camera = VirtualCamera(
            arguments.virtual_camera,
            arguments.speed_px_s,
            arguments.size,
            arguments.rate_hz,
            arguments.seconds,
        )
    num = make_recording(scenes, arguments.output, layout, camera=camera, limit=arguments.limit)
    print(f'{arguments.output}: {num} images, {num / arguments.rate_hz:.1f} s')


if __name__ == '__main__':
    sys.exit(main())
