"""
Detect in pictures, a video, a camera or a stream: `python -m ssd_training.predict SOURCE`.

Annotated copies go to inference_out/, what was found to stdout. Needs no TensorFlow.
"""

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_detector.printable import printable
from ssd_training.command_line import positive, PREDICTED, run_command
from ssd_training.deployment.arguments import add_deploy_config, read_deploy_config

if TYPE_CHECKING:
    from ssd_detector import Detector
    from ssd_detector.bundles.deploy_config import DeployConfig
    from ssd_training.prediction.frame_sources import LeftOut, Unreadable
    from ssd_training.prediction.predictions import Prediction
    from ssd_training.prediction.tally import Tally

_MODELS = {'auto': 'auto', 'fp32': 'model.onnx', 'int8': 'model_int8_cpu.onnx'}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Detect in everything that was given.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 something could not be read or written, 2 wrong usage, others as run_command
    """
    arguments = parse(argv)
    return run_command(lambda: _predict(arguments))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Read the arguments.

    :param argv: see main
    :return: each by its name
    """
    parser = Parser(prog='python -m ssd_training.predict', description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        'source',
        nargs='?',
        help='picture, folder, video, index of a camera, or URL (MJPEG, RTSP); default: '
        'deploy.prediction.source of the deploy config',
    )
    what.add_argument('--image', metavar='PATH', help='the same: a picture or a folder')
    what.add_argument('--webcam', action='store_true', help='take --camera')
    parser.add_argument('--camera', default='0', help='with --webcam: index or URL (0)')
    parser.add_argument(
        '--bundle', '--model_dir', type=Path, help='its folder (default: the released one)'
    )
    add_deploy_config(parser)
    parser.add_argument('--model', default='auto', help='fp32, int8, or a file of the bundle')
    parser.add_argument('--backend', default='auto', help='auto, onnxruntime, openvino, tensorrt')
    parser.add_argument('--num_threads', type=int, default=0, help='of one inference (0: auto)')
    parser.add_argument('--score_threshold', type=float)
    parser.add_argument('--nms_iou_threshold', type=float)
    parser.add_argument('--max_detections', type=int)
    parser.add_argument('--max_frames', type=positive, help='of a video or stream (default: all)')
    parser.add_argument(
        '--max_image_pixels', type=positive, help='of a picture or frame (100 million)'
    )
    parser.add_argument('--output_dir', type=Path, default=Path(PREDICTED), help=f'({PREDICTED})')
    parser.add_argument('--json', action='store_true', help='one JSON object an image')
    parser.add_argument('--show', action='store_true', help='in a window, too; q ends')
    return parser.parse_args(argv)


def _predict(arguments: argparse.Namespace) -> None:
    from contextlib import closing

    from ssd_detector.images.claims import MAX_IMAGE_PIXELS
    from ssd_training.errors import DataError
    from ssd_training.prediction.opening import open_frame_source
    from ssd_training.prediction.predictions import predict
    from ssd_training.prediction.tally import Tally

    config = read_deploy_config(arguments)
    source = open_frame_source(
        _choose_source(arguments, config),
        arguments.output_dir,
        max_pixels=arguments.max_image_pixels or MAX_IMAGE_PIXELS,
    )
    detector = _open_detector(arguments, config)
    predictions = predict(
        detector,
        source,
        arguments.output_dir,
        max_frames=arguments.max_frames,
        is_shown=arguments.show,
    )
    tally = Tally()
    failures: Sequence[str] = ()
    try:
        with closing(predictions):
            for found in predictions:
                tally.add(found)
                _print(found, as_json=arguments.json)
    except KeyboardInterrupt:
        _tell(_conclude(tally))
        raise
    except DataError as error:
        failures = error.findings
    lines = _conclude(tally, failures)
    if failures or not tally.is_good:
        raise DataError(lines)
    _tell(lines)


def _conclude(tally: 'Tally', failures: Sequence[str] = ()) -> list[str]:
    """Name what was not predicted, and what ended it; nothing where all is well."""
    faults = [*tally.describe_faults(), *failures]
    return [*faults, tally.summarize()] if faults else []


def _tell(lines: Sequence[str]) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr)


def _print(found: 'Prediction | Unreadable | LeftOut', *, as_json: bool) -> None:
    from ssd_training.prediction.predictions import Prediction

    if as_json:
        value = found.to_json() if isinstance(found, Prediction) else vars(found)
        print(json.dumps(value), flush=True)
    elif isinstance(found, Prediction):
        print(found)
        if found.frame.index is None and isinstance(found.copy, Path):
            print(f'Saved → {printable(str(found.copy))}')


def _choose_source(arguments: argparse.Namespace, config: 'DeployConfig | None') -> str:
    from ssd_detector.errors import ConfigError

    given = arguments.camera if arguments.webcam else arguments.image or arguments.source
    if given is None and config is not None and config.deploy.prediction is not None:
        given = config.deploy.prediction.source
    if given is None:
        raise ConfigError(['nothing to predict: give a picture, folder, video, camera or URL'])
    return str(given)


def _open_detector(arguments: argparse.Namespace, config: 'DeployConfig | None') -> 'Detector':
    from dataclasses import replace

    from ssd_detector import Detector
    from ssd_training.deployment.bundles import choose_bundle

    detector = Detector.from_bundle(
        choose_bundle(arguments.bundle, config),
        model=_MODELS.get(arguments.model, arguments.model),
        backend=arguments.backend,
        num_threads=arguments.num_threads,
        engine_build='wait',
    )
    names = ('score_threshold', 'nms_iou_threshold', 'max_detections')
    given = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    base = config.deploy.post_processing if config else detector.thresholds
    thresholds = replace(base, **given)
    thresholds.by_class(detector.labels)
    detector.thresholds = thresholds
    return detector


if __name__ == '__main__':
    sys.exit(main())
