"""The run that is deployed when none is named: the newest that ended well, of one experiment."""

import logging
from pathlib import Path

from ssd_detector.errors import ConfigError
from ssd_training.errors import WeightsError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.runs.layout import read_status, started_at, Status
from ssd_training.runs.start_weights import is_archive

_SHOWN = 3

logger = logging.getLogger(__name__)


def find_newest_run(config: ExperimentConfig) -> Path:
    """
    Find the newest finished run of an experiment: of its very recipe, or of its id.

    :param config: the experiment
    :return: the run folder; which one is logged
    :raises ConfigError: when none has ended well
    """
    root, name = Path(config.run.root), config.experiment.id
    runs = sorted(_runs_of(root, name), key=started_at, reverse=True)
    finished = [run for run in runs if read_status(run) == Status.SUCCESS.value]
    if not finished:
        found = [f'{run.name} (status: {read_status(run)})' for run in runs[:_SHOWN]]
        raise ConfigError(
            [
                f'--checkpoint: missing, and {root.absolute()} has no finished run of {name}'
                f'{"; there are " + ", ".join(found) if found else ""}; train it, or name a run '
                f'folder: --checkpoint RUN{_describe_start(config)}'
            ]
        )
    fingerprint = _fingerprint_of(config)
    own = [run for run in finished if run.name.endswith(f'_{fingerprint}')]
    chosen = (own or finished)[0]
    if not own:
        logger.warning(
            '--checkpoint %s: the newest finished run of %s; its recipe is not that of the '
            'experiment file today (overrides, or a change)',
            *(chosen, name),
        )
    elif chosen != finished[0]:
        logger.warning(
            '--checkpoint %s: the newest finished run of this recipe; %s is newer, of another '
            'one: name it to deploy it',
            *(chosen, finished[0]),
        )
    else:
        logger.info('--checkpoint %s: the newest finished run of %s', chosen, name)
    return chosen


def _describe_start(config: ExperimentConfig) -> str:
    start = Path(config.backbone.weights or '')
    if not is_archive(start):
        return ''
    return f'; untrained, the detector that it starts from: --checkpoint {start}'


def _runs_of(root: Path, name: str) -> list[Path]:
    return [path for path in root.glob(f'{name}_*') if path.name.rpartition('_')[0] == name]


def _fingerprint_of(config: ExperimentConfig) -> str | None:
    try:
        return compute_fingerprint(config)
    except WeightsError:
        # What it started from is no longer there; the run is.
        return None
