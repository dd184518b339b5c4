"""
Score a detector on recordings: accuracy, latency and streaming accuracy.

    python -m ssd_detector_ros.evaluate_bag BAG --output results
    python -m ssd_detector_ros.evaluate_bag BAG --mode score --detections /camera/detections
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_detector_ros.bag_evaluation.arguments import (
    add_detector,
    add_gates,
    add_published,
    add_replay,
    add_streaming,
)
from ssd_detector_ros.bag_evaluation.commands import (
    open_progress,
    own_arguments,
    run_bag_command,
)

if TYPE_CHECKING:
    from ssd_detector_ros.bag_evaluation.live.playing import Replay
    from ssd_detector_ros.bag_evaluation.scoring.options import Options
    from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation

# Of detections that are drawn where no ground truth tells a better one; deploy.yaml's default.
_SHOWN_SCORE = 0.35


def main(argv: Sequence[str] | None = None) -> int:
    """
    Score; the table goes to stdout, everything to the folder of --output.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed or a gate missed, 2 wrong usage
    """
    arguments = _parse(argv)
    if arguments.detections and arguments.mode == 'offline':
        # What is recorded is scored as it is: nothing has to be detected.
        arguments.mode = 'score'
    if arguments.list_topics:
        return run_bag_command(lambda: _list_topics(arguments))
    if arguments.find_max_rate:
        return run_bag_command(lambda: _find_max_rate(arguments))
    return run_bag_command(lambda: _evaluate(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='evaluate_bag',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('bags', type=Path, nargs='+', metavar='BAG', help='folder of a recording, or a file')
    add('--output', type=Path, metavar='DIR', help='result.json, report.html and more go there')
    add('--annotated', action='store_true', help='write DIR/annotated, a recording for Foxglove')
    add('--mode', choices=('offline', 'replay', 'score'), default='offline', help='(offline)')
    add('--list_topics', action='store_true', help='list topics and messages, and stop')
    add('--image_topic', help='(the only one)')
    add('--ground_truth', metavar='TOPIC', help='annotated objects (a topic named ground_truth)')
    add('--stamp_tolerance_ms', type=float, default=1.0, help='of stamps that match (1)')
    add_detector(parser)
    add_published(parser)
    add_replay(parser)
    add_streaming(parser)
    add_gates(parser)
    return parser.parse_args(own_arguments(argv))


def _list_topics(arguments: argparse.Namespace) -> None:
    from ssd_detector_ros.bag_evaluation.reading.recording import Recording

    for path in arguments.bags:
        recording = Recording(path)
        print(f'{path}: {sum(recording.counts.values())} messages')
        for name, topic in sorted(recording.topics.items()):
            print(f'  {recording.counts[name]:>8}  {name}  {topic.type_name}')
        for problem in recording.problems:
            print(f'  note: {problem}')


def _evaluate(arguments: argparse.Namespace) -> int:
    from ssd_detector.errors import ConfigError
    from ssd_detector_ros.bag_evaluation.pages.output import write_output
    from ssd_detector_ros.bag_evaluation.pages.result_files import make_folder
    from ssd_detector_ros.bag_evaluation.pages.tables import format_evaluation
    from ssd_detector_ros.bag_evaluation.scoring.gates import check_gates, Limits

    if arguments.annotated and not arguments.output:
        raise ConfigError(['--annotated needs a folder: --output DIR'])
    if arguments.output:
        make_folder(arguments.output)
    evaluation = _run(arguments, _read_options(arguments))
    names = ('min_map', 'min_sap', 'max_latency_ms', 'max_drop_rate')
    gates = check_gates(evaluation, Limits(**{name: getattr(arguments, name) for name in names}))
    if arguments.output:
        page = write_output(
            evaluation,
            gates,
            arguments.output,
            bags=arguments.bags,
            image_topic=arguments.image_topic,
        )
        print(f'report: {page}', file=sys.stderr)
        if arguments.annotated:
            _annotate(arguments, evaluation)
    print(format_evaluation(evaluation, gates))
    return int(not all(gate.is_passed for gate in gates))


def _annotate(arguments: argparse.Namespace, evaluation: 'Evaluation') -> None:
    from ssd_detector_ros.bag_evaluation.making.annotated import write_annotated

    best = evaluation.result.best if evaluation.result else None
    write_annotated(
        evaluation,
        arguments.bags,
        arguments.output / 'annotated',
        image_topic=arguments.image_topic,
        # Below it there are hundreds of boxes a frame.
        score_threshold=best.score_threshold if best else _SHOWN_SCORE,
    )
    print(f'for Foxglove: {arguments.output / "annotated"}', file=sys.stderr)


def _read_options(arguments: argparse.Namespace) -> 'Options':
    from dataclasses import replace

    from ssd_detector_ros.bag_evaluation.scoring.detecting import EVALUATION_THRESHOLDS
    from ssd_detector_ros.bag_evaluation.scoring.options import Options
    from ssd_detector_ros.bag_evaluation.scoring.runtimes import read_runtimes
    from ssd_detector_ros.bag_evaluation.scoring.streaming import FramePolicy

    given = arguments.simulate_runtime_ms
    return Options(
        bags=tuple(arguments.bags),
        image_topic=arguments.image_topic,
        ground_truth=arguments.ground_truth,
        tolerance_ns=round(arguments.stamp_tolerance_ms * 1e6),
        thresholds=replace(EVALUATION_THRESHOLDS, **_given_thresholds(arguments)),
        runtimes_ms=None if given is None else read_runtimes(given),
        frame_policy=FramePolicy(
            arguments.drop_policy, arguments.queue_size, arguments.max_age_ms
        ),
    )


def _given_thresholds(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ('score_threshold', 'nms_iou_threshold', 'max_detections')
    given = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _run(arguments: argparse.Namespace, options: 'Options') -> 'Evaluation':
    if arguments.mode == 'score':
        return _score(arguments, options)
    if arguments.mode == 'replay':
        return _replay(arguments, options)
    return _detect(arguments, options)


def _score(arguments: argparse.Namespace, options: 'Options') -> 'Evaluation':
    from ssd_detector.errors import ConfigError
    from ssd_detector_ros.bag_evaluation.scoring.labels import read_class_map, read_labels
    from ssd_detector_ros.bag_evaluation.scoring.published import evaluate_published, Publisher

    if arguments.detections is None:
        raise ConfigError(['--mode score: name the topic that is scored: --detections TOPIC'])
    publisher = Publisher(
        arguments.detections,
        read_labels(arguments.labels) if arguments.labels else (),
        read_class_map(arguments.class_map) if arguments.class_map else {},
    )
    return evaluate_published(options, publisher)


def _describe_replay(arguments: argparse.Namespace, options: 'Options') -> 'Replay':
    from importlib.util import find_spec

    from ssd_detector.bundles.bundle import load_bundle
    from ssd_detector.errors import ConfigError
    from ssd_detector_ros.bag_evaluation.scoring.bundles import find_bundle
    from ssd_detector_ros.bag_evaluation.scoring.labels import read_labels

    if find_spec('rclpy') is None:
        raise ConfigError(['--mode replay needs ROS 2 (no rclpy here); source its setup.bash'])
    from ssd_detector_ros.bag_evaluation.live.playing import Replay

    bundle = find_bundle(arguments.bundle)
    # With a curve down to the lowest scores it would not be the node that is deployed.
    parameters = {
        'bundle': str(bundle.absolute()),
        'model': arguments.model,
        'backend': arguments.backend,
        'num_threads': arguments.num_threads,
        'drop_policy': arguments.drop_policy,
        'queue_size': arguments.queue_size,
        'max_age_ms': arguments.max_age_ms,
        **_given_thresholds(arguments),
    }
    return Replay(
        parameters if arguments.node is None else {},
        read_labels(arguments.labels) if arguments.labels else load_bundle(bundle).labels,
        node=arguments.node,
        detections=arguments.detections,
        play_topic=arguments.play_topic,
        rate=arguments.rate,
        loops=arguments.loops,
        has_clock=arguments.clock,
    )


def _replay(arguments: argparse.Namespace, options: 'Options') -> 'Evaluation':
    how = _describe_replay(arguments, options)
    from ssd_detector_ros.bag_evaluation.live.replay import evaluate_replay

    with open_progress('evaluate_bag') as on_frame:
        return evaluate_replay(options, how, on_frame=on_frame)


def _find_max_rate(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    options = _read_options(arguments)
    how = _describe_replay(arguments, options)
    from ssd_detector_ros.bag_evaluation.live.max_rate import best_rate_hz, find_max_rate
    from ssd_detector_ros.bag_evaluation.pages.rates_output import write_rates

    trials = find_max_rate(options, how, trial_s=arguments.trial_s)
    best_hz = best_rate_hz(trials)
    if arguments.output:
        write_rates([asdict(trial) for trial in trials], best_hz, arguments.output)
    print(f'{"Hz":>8}{"played":>8}{"answered":>10}{"dropped":>9}')
    for trial in trials:
        dropped = f'{100 * trial.drop_rate:.1f} %'
        print(f'{trial.rate_hz:>8.1f}{trial.played:>8}{trial.answered:>10}{dropped:>9}')
    if best_hz is None:
        print('every rate that was tried dropped 5 % or more')
        return 1
    print(f'highest rate with under 5 % drops: {best_hz:.1f} Hz')
    return 0


def _detect(arguments: argparse.Namespace, options: 'Options') -> 'Evaluation':
    from ssd_detector import Detector
    from ssd_detector_ros.bag_evaluation.scoring.bundles import find_bundle
    from ssd_detector_ros.bag_evaluation.scoring.offline import evaluate_offline

    def make_detector() -> Detector:
        return Detector.from_bundle(
            find_bundle(arguments.bundle),
            model=arguments.model,
            backend=arguments.backend,
            num_threads=arguments.num_threads,
        )

    with open_progress('evaluate_bag') as on_frame:
        return evaluate_offline(options, make_detector, on_frame=on_frame)


if __name__ == '__main__':
    sys.exit(main())
