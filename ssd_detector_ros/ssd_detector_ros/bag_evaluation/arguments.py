"""The arguments of evaluate_bag, by what they are about."""

import argparse
from pathlib import Path

from ssd_detector_ros.bag_evaluation.commands import count, positive, share
from ssd_detector_ros.parameters.static_settings import (
    DROP_POLICIES,
    MAX_AGE_MS,
    StaticSettings,
)


def add_detector(parser: argparse.ArgumentParser) -> None:
    """
    Let the command take which detector runs, and how.

    :param parser: of the command
    """
    add = parser.add_argument_group('the detector').add_argument
    add('--bundle', type=Path, metavar='DIR', help='(the released one)')
    add('--model', default='auto', help='file of the bundle, such as model_int8_cpu.onnx (auto)')
    add('--backend', default='auto', help='onnxruntime, openvino or tensorrt (auto)')
    add('--num_threads', type=int, default=0, help='of one inference (0: the cores, at most 4)')
    add('--score_threshold', type=share, help='lowest score (0.01; replay: as deployed)')
    add('--nms_iou_threshold', type=share, help='(0.45; replay: as deployed)')
    add('--max_detections', type=count, help='of an image (200; replay: as deployed)')


def add_published(parser: argparse.ArgumentParser) -> None:
    """
    Let the command take whose detections are scored.

    :param parser: of the command
    """
    add = parser.add_argument_group('mode score').add_argument
    add('--detections', metavar='TOPIC', help='recorded Detection2DArray, of any node')
    add('--labels', type=Path, metavar='FILE', help='classes 1, 2, ..., one a line')
    add('--class_map', type=Path, metavar='FILE', help='YAML: their name or number: our label')


def add_replay(parser: argparse.ArgumentParser) -> None:
    """
    Let the command take how a recording is played.

    :param parser: of the command
    """
    add = parser.add_argument_group('mode replay').add_argument
    add('--rate', type=positive, default=1.0, help='factor of the speed (1)')
    add('--loops', type=count, default=1, help='(1)')
    add('--clock', action='store_true', help='publish /clock; the node that is started uses it')
    add('--node', metavar='NAME', help='a node that runs, such as /ssd_detector (one is started)')
    add('--play_topic', metavar='TOPIC', help='where images go (with --node: as recorded)')
    add('--find_max_rate', action='store_true', help='highest rate with under 5 %% drops')
    add('--trial_s', type=positive, default=3.0, help='length of a rate that is tried (3)')


def add_streaming(parser: argparse.ArgumentParser) -> None:
    """
    Let the command take what streaming AP is simulated from.

    :param parser: of the command
    """
    add = parser.add_argument_group('streaming AP').add_argument
    add(
        '--simulate_runtime_ms',
        metavar='MS',
        help='a number, or a file with one a line, instead of the times of this run',
    )
    add(
        '--drop_policy',
        choices=DROP_POLICIES,
        default=StaticSettings.drop_policy,
        help=f'({StaticSettings.drop_policy})',
    )
    add(
        '--queue_size',
        type=count,
        default=StaticSettings.queue_size,
        metavar='N',
        help=f'frames that may wait, but for newest ({StaticSettings.queue_size})',
    )
    add(
        '--max_age_ms',
        type=positive,
        default=MAX_AGE_MS,
        metavar='MS',
        help=f'of a frame at its turn, with max_age ({MAX_AGE_MS:g})',
    )


def add_gates(parser: argparse.ArgumentParser) -> None:
    """
    Let the command take what has to be reached.

    :param parser: of the command
    """
    add = parser.add_argument_group('gates: exit code 1 beyond them').add_argument
    add('--min_map', type=share)
    add('--min_sap', type=share)
    add('--max_latency_ms', type=positive, help='p95 from image to detections')
    add('--max_drop_rate', type=share, help='frames without an answer')
