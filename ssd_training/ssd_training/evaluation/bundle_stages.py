"""The stages of a bundle, and what each loses against the one that it is made from."""

from collections.abc import Mapping
import logging
from pathlib import Path

from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_training.evaluation.stages import (
    open_bundle_engine,
    open_checkpoint,
    open_onnx,
    open_saved_model,
    Stage,
)
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.training_schema import EmaSettings

logger = logging.getLogger(__name__)


def chain_stages(
    bundle: Bundle,
    architecture: Architecture,
    *,
    ema: EmaSettings,
    checkpoint: Path | None = None,
    saved_model: Path | None = None,
    precision: str | None = None,
) -> list[Stage]:
    """
    List the stages of a bundle.

    :param bundle: read and checked
    :param architecture: of the experiment that trained it
    :param ema: its section `train.ema`
    :param checkpoint: run folder, *.weights.h5, ckpt-<step>.npz, archive *.npz, or None
    :param saved_model: its folder; None takes the one that export leaves beside the bundle
    :param precision: of the engine; None takes INT8 where the bundle has a file for it
    :return: in order, the absent ones with their reason
    """
    if precision is None:
        precision = 'INT8' if INT8_TRT in bundle.manifest.models else 'FP32'
    return [
        _checkpoint_stage(bundle, architecture, ema, checkpoint),
        _saved_model_stage(bundle, saved_model),
        _file_stage('ONNX', MODEL, 'SavedModel', bundle),
        _file_stage('FP16', MODEL_FP16, 'ONNX', bundle),
        _file_stage('INT8 CPU', INT8_CPU, 'ONNX', bundle),
        _file_stage('INT8 TRT', INT8_TRT, 'ONNX', bundle),
        Stage(
            f'engine {precision}',
            None,
            lambda: open_bundle_engine(bundle, precision),
            before={'INT8': 'INT8 TRT', 'FP16': 'FP16'}.get(precision, 'ONNX'),
            may_lack_hardware=True,
        ),
    ]


def find_before(stage: Stage, stages: Mapping[str, Stage], scored: set[str]) -> str | None:
    """
    Find the nearest earlier stage that has a score.

    :param stage: that is compared
    :param stages: all of them, by name
    :param scored: names of those with a score
    :return: its name, or None
    """
    before = stage.before
    while before is not None and before not in scored:
        before = stages[before].before if before in stages else None
    return before


def _checkpoint_stage(
    bundle: Bundle, architecture: Architecture, ema: EmaSettings, path: Path | None
) -> Stage:
    if path is None:
        return Stage('checkpoint', None, None, reason='not given; add --checkpoint')
    trained = bundle.manifest.training_run
    if trained not in path.absolute().parts:
        logger.warning(
            '%s: not below a folder %s, the run that the bundle was made of; is it the same?',
            path,
            trained,
        )
    return Stage('checkpoint', path, lambda: open_checkpoint(path, architecture, ema=ema))


def _saved_model_stage(bundle: Bundle, path: Path | None) -> Stage:
    beside = bundle.path.with_name(f'{bundle.path.name}_build') / 'saved_model'
    path = path or beside
    if not path.exists():
        reason = f'{path} is not there; add --saved_model'
        return Stage('SavedModel', None, None, before='checkpoint', reason=reason)
    return Stage(
        'SavedModel', path, lambda: open_saved_model(path, bundle.labels), before='checkpoint'
    )


def _file_stage(name: str, file: str, before: str, bundle: Bundle) -> Stage:
    if file not in bundle.manifest.models:
        return Stage(name, None, None, before=before, reason=f'{file} is not in the bundle')
    path = bundle.model_path(file)
    return Stage(name, path, lambda: open_onnx(path, bundle.labels), before=before)
