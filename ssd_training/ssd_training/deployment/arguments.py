"""Arguments of the steps of a deployment; imports no TensorFlow: --help is quick."""

import argparse
from collections.abc import Callable, Sequence
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_training.command_line import CONFIG_ROOT, positive, run_command

if TYPE_CHECKING:
    from ssd_detector.bundles.deploy_config import DeployConfig
    from ssd_training.deployment.build import Build

AddArguments = Callable[[argparse.ArgumentParser], object]


def run_step(
    argv: Sequence[str] | None,
    program: str,
    description: str,
    *,
    arguments: Sequence[AddArguments] = (),
    action: 'Callable[[argparse.Namespace, Build], None]',
) -> int:
    """
    Run one step of a deployment; --print_config shows the deploy config instead.

    :param argv: the arguments; those of the process by default
    :param program: name of the module, such as `quantize`
    :param description: of the command
    :param arguments: add what the step takes besides the arguments of all steps
    :param action: does the work
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = deploy_parser(program, description)
    for add in arguments:
        add(parser)
    parsed = parser.parse_args(argv)

    def run() -> None:
        build = read_build(parsed)
        if build is not None:
            action(parsed, build)

    return run_command(run)


def deploy_parser(program: str, description: str) -> argparse.ArgumentParser:
    """
    Make the parser of a step; each takes these arguments.

    :param program: name of the module, such as `quantize`
    :param description: of the command
    :return: the parser
    """
    parser = Parser(prog=f'python -m ssd_training.{program}', description=description)
    parser.add_argument(
        '--deploy_config',
        type=Path,
        required=True,
        help='YAML file; a relative path may start at the config root',
    )
    parser.add_argument(
        '--output_dir', type=Path, help='the bundle (default: exported_model/<model_name>)'
    )
    parser.add_argument(
        '--config_root',
        type=Path,
        default=CONFIG_ROOT,
        help='folder of the component files (default: the configs of this package)',
    )
    parser.add_argument(
        '--print_config', action='store_true', help='show the values and their origin, and stop'
    )
    return parser


def add_deploy_config(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take a deploy config that it can do without.

    :param parser: of the command
    """
    parser.add_argument(
        '--deploy_config',
        type=Path,
        help='names the bundle (exported_model/<model_name>) and says what to do with it',
    )
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT, help='of --deploy_config')


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take what was trained.

    :param parser: of the command
    """
    parser.add_argument(
        '--checkpoint',
        type=Path,
        help='run folder, or a file *.weights.h5 or ckpt-<step>.npz of the experiment that the '
        'deploy config names, or the archive *.npz of a detector with its labels (default: the '
        "experiment's newest finished run below run.root)",
    )


def add_card_notes(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take what the model card can't know.

    :param parser: of the command
    """
    parser.add_argument(
        '--card_notes',
        type=Path,
        metavar='FILE',
        help='Markdown that the model card gets before its licence, such as use, limits, failures',
    )


def add_quantization(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take how to quantize.

    :param parser: of the command
    """
    parser.add_argument(
        '--calibration_images',
        type=Path,
        help='a folder (default: a class-balanced sample of the training split)',
    )
    parser.add_argument('--num_calibration', type=int, default=200, help='images (200)')
    parser.add_argument(
        '--method',
        choices=('minmax', 'entropy', 'percentile'),
        default='percentile',
        help='how ranges are found (percentile)',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the calibration sample (0)')
    parser.add_argument(
        '--num_evaluated',
        type=int,
        help='images of val_split (where it is null: of train_split) that the loss is measured on '
        '(default: all; 0: not measured)',
    )
    parser.add_argument(
        '--max_loss', type=float, default=0.5, help='allowed loss of mAP, in points (0.5)'
    )
    parser.add_argument(
        '--auto_exclude',
        action='store_true',
        help='keep the most sensitive layers in float until the loss is allowed',
    )


def add_converter(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take how the ONNX file is made.

    :param parser: of the command
    """
    parser.add_argument(
        '--converter',
        choices=('tf2onnx', 'direct'),
        default='tf2onnx',
        help='who writes model.onnx: tf2onnx from the SavedModel, or direct from the network, '
        'layer by layer, without tf2onnx (default: tf2onnx); both give the same values',
    )


def add_parity_images(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take the images of parity.npz.

    :param parser: of the command
    """
    parser.add_argument(
        '--parity_images',
        type=Path,
        help='a folder of photographs that may be given away (default: drawn ones)',
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take how to build an engine.

    :param parser: of the command
    """
    parser.add_argument('--workspace_mib', type=positive, default=1024, help='for tactics (1024)')
    parser.add_argument('--timing_cache', type=Path, help='file that makes the next build faster')
    parser.add_argument('--engine_folder', type=Path, help='where engines lie')


def read_deploy_config(arguments: argparse.Namespace) -> 'DeployConfig | None':
    """
    Read the deploy config of a command that can do without one.

    :param arguments: of add_deploy_config
    :return: the config, or None when none was given
    :raises ConfigError: with everything that is wrong
    """
    if arguments.deploy_config is None:
        return None
    from ssd_training.deployment.trained_model import load_deploy_config

    config, _ = load_deploy_config(arguments.deploy_config, arguments.config_root, os.environ)
    return config


def read_build(arguments: argparse.Namespace) -> 'Build | None':
    """
    Read the deploy config and name the folders; print the config where that was asked for.

    :param arguments: of deploy_parser
    :return: the build, or None when nothing is left to do
    :raises ConfigError: with everything that is wrong
    """
    from ssd_training.deployment.build import Build
    from ssd_training.deployment.trained_model import load_deploy_config
    from ssd_training.experiments.merge import format_tree

    deploy, merged = load_deploy_config(arguments.deploy_config, arguments.config_root, os.environ)
    if arguments.print_config:
        print(format_tree(merged))
        return None
    path = arguments.output_dir or Path('exported_model', deploy.model_name)
    return Build(deploy, merged.tree, path)
