"""
Make the released bundle again: train from the COCO weights, then from the mean; deploy all's mean.

`make release-model` goes on where it was stopped: what is finished is not trained again. Data and
start weights are found as always (DATA_ROOT, SSD_WEIGHTS_DIR). `make release-figure` does the same
with `train` alone, and scores the mean on `val`, which it has not seen.
"""

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

# Trainings that differ: their mean is better than each of them, and no slower.
FIRST = (
    'train.seed=11',
    'train.seed=23 loss.weights.regression=2.5',
    'train.seed=37',
)
# These go on from the mean of the first.
LAST = ('train.seed=41', 'train.seed=42 loss.weights.regression=2.5')
# The released ones learn from all images, so that no split is left to score.
TRAIN_ALONE = ('data.train_split=train', 'data.val_split=null')
NOTES = Path(__file__).with_name('card_notes.md')
# Of scikit-image; may be given away with the bundle.
PHOTOGRAPHS = ('astronaut.png', 'chelsea.png', 'coffee.png', 'motorcycle_left.png')


def train(experiment_path: Path, overrides: Sequence[str]) -> str:
    """
    Train a member, or go on with it, unless it is finished.

    :param experiment_path: of every member
    :param overrides: of this one
    :return: the run folder
    """
    command = ['train', '--experiment_path', str(experiment_path), *overrides]
    root = dict(override.partition('=')[::2] for override in overrides)['run.root']
    path = Path(root, json.loads(call([*command, '--dry_run', '--json']))['run'])
    if not path.exists():
        return call(command)
    if json.loads((path / 'status.json').read_text())['status'] == 'success':
        print(f'{path}: is finished', file=sys.stderr)
        return str(path)
    return call([*command, '--resume'])


def is_mean_of(runs: Sequence[str], path: Path) -> bool:
    """
    Tell whether a mean is that of these runs, as they are.

    :param runs: their folders
    :param path: of the weights
    :return: False too where a run was trained again since
    """
    record = path.with_name(path.name.replace('.weights.h5', '.members.json'))
    if not (record.exists() and path.exists()):
        return False
    made = path.stat().st_mtime
    return [own['name'] for own in json.loads(record.read_text())] == list(runs) and all(
        Path(run, 'status.json').stat().st_mtime <= made for run in runs
    )


def average(experiment_path: Path, runs: Sequence[str], path: Path) -> None:
    """
    Average runs, unless that was done: trainings know their start by the bytes of its file.

    :param experiment_path: of every run
    :param runs: their folders
    :param path: of the weights
    """
    if is_mean_of(runs, path):
        print(f'{path}: is finished', file=sys.stderr)
        return
    experiment = ['--experiment_path', str(experiment_path)]
    call(['average', *experiment, '--output', str(path), *runs])


def deploy(deploy_config: Path, weights: Path, bundle: Path, arguments: Sequence[str]) -> str:
    """
    Write the bundle.

    :param deploy_config: of it
    :param weights: of the mean
    :param bundle: its folder
    :param arguments: more of `ssd_training.deploy`
    :return: its folder
    """
    import skimage

    with tempfile.TemporaryDirectory() as folder:
        for name in PHOTOGRAPHS:
            shutil.copy(Path(skimage.__file__).parent / 'data' / name, folder)
        command = ['deploy', '--deploy_config', str(deploy_config), '--checkpoint', str(weights)]
        command += ['--output_dir', str(bundle), '--parity_images', folder]
        command += ['--card_notes', str(NOTES), *arguments]
        return call(command).splitlines()[-1]


def score(experiment_path: Path, weights: Path, report: Path, overrides: Sequence[str]) -> str:
    """
    Score on `val`, which no member of the figure has seen.

    :param experiment_path: of the members
    :param weights: of the mean
    :param report: folder of the page
    :param overrides: of every member
    :return: the table of `ssd_training.evaluate`
    """
    command = ['evaluate', str(weights), '--experiment_path', str(experiment_path)]
    command += ['--report', str(report), '--overrides', *overrides]
    return call([*command, 'data.val_split=val'])


def call(command: Sequence[str]) -> str:
    """
    Run a command of ssd_training; what it logs goes to the terminal.

    :param command: its name and arguments
    :return: what it printed; where it fails, its exit code is that of this program
    """
    name, *arguments = command
    print('$ python -m ssd_training.' + ' '.join(command), file=sys.stderr)
    process = subprocess.run(
        [sys.executable, '-m', f'ssd_training.{name}', *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        sys.exit(process.returncode)
    return process.stdout.strip()


def main() -> None:
    """Make the bundle, or the figure; its path, or the table, goes to stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--root',
        type=Path,
        help='of all it makes (runs/release, with --figure runs/release_figure)',
    )
    parser.add_argument(
        '--experiment_path', type=Path, default=Path('experiments/exp005_release.yaml')
    )
    parser.add_argument(
        '--deploy_config', type=Path, default=Path('deploy/mobilenetv2_ssd_voc_release.yaml')
    )
    # All 4,308 took the file for TensorRT alone 7 minutes at 300 px.
    parser.add_argument('--num_evaluated', default='1500', help='of deploy')
    parser.add_argument('--epochs', type=int, help='of every training, for a trial')
    parser.add_argument(
        '--figure', action='store_true', help='learn from train alone and score on val'
    )
    parser.add_argument('overrides', nargs='*', metavar='key.path=value', help='of every member')
    arguments = parser.parse_intermixed_args()
    experiment_path = arguments.experiment_path
    root = arguments.root or Path('runs', 'release_figure' if arguments.figure else 'release')
    common = [*(TRAIN_ALONE if arguments.figure else ()), *arguments.overrides]
    common.append(f'run.root={root}')
    if arguments.epochs:
        common.append(f'train.epochs={arguments.epochs}')
    start, mean = (root / f'{name}.weights.h5' for name in ('start', 'mobilenetv2_ssd_voc'))
    runs = [train(experiment_path, [*common, *own.split()]) for own in FIRST]
    average(experiment_path, runs, start)
    common.append(f'backbone.weights={start}')
    runs += [train(experiment_path, [*common, *own.split()]) for own in LAST]
    average(experiment_path, runs, mean)
    if arguments.figure:
        print(score(experiment_path, mean, root / 'report', common))
        return
    evaluated = ['--num_evaluated', arguments.num_evaluated]
    print(deploy(arguments.deploy_config, mean, root / 'bundle', evaluated))


if __name__ == '__main__':
    main()
