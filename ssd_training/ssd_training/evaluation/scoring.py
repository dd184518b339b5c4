"""Scores stages one after the other, and describes what was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
import hashlib
from importlib.metadata import PackageNotFoundError, version
import logging
from pathlib import Path
import platform

from rich.console import Console

from ssd_detector.bundles.bundle import Bundle
from ssd_detector.errors import BackendError
from ssd_detector.evaluation.analysis import Analysis
from ssd_detector.evaluation.detections_file import read_detections, Targets
from ssd_detector.many_images import DetectionRun, Model
from ssd_detector.report.description import describe
from ssd_detector.report.result import DataResult, Origin, Result
from ssd_training.data.datasets import read_val_split
from ssd_training.data.images.records import hash_records, Record
from ssd_training.evaluation.bundle_stages import find_before
from ssd_training.evaluation.categories import number_categories
from ssd_training.evaluation.stages import Stage
from ssd_training.experiments.data_schema import DataSettings, EvalSettings
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.progress import open_progress
from ssd_training.training.evaluation import analyse_records, detect_records, make_thresholds

_LIBRARIES = (
    'ssd_detector',
    'numpy',
    'opencv-python-headless',
    'onnxruntime',
    'faster-coco-eval',
    'tensorflow-cpu',
    'tensorflow',
    'keras',
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Score:
    """
    What one stage reaches.

    :param stage: see Stage
    :param result: for people and files, or None when the stage is absent
    :param analysis: what it was written from
    :param before: name of the stage that it is compared with, or None
    :param loss: mAP of that one less mAP of this one
    :param reason: why it is absent
    """

    stage: Stage
    result: Result | None = None
    analysis: Analysis | None = None
    before: str | None = None
    loss: float | None = None
    reason: str = ''


@dataclass(frozen=True, eq=False)
class ScoredSplit:
    """
    What is scored on.

    :param experiment_id: of the experiment
    :param data: its section `data`
    :param settings: its section `eval`
    :param records: of its val split
    """

    experiment_id: str
    data: DataSettings
    settings: EvalSettings
    records: Sequence[Record]

    @classmethod
    def read(cls, config: ExperimentConfig) -> 'ScoredSplit':
        """
        Read the lists; images are decoded later.

        :param config: the experiment
        :return: the split
        :raises DataError: with everything that is missing or wrong
        """
        return cls(config.experiment.id, config.data, config.eval, read_val_split(config.data))


def score_stages(stages: Sequence[Stage], split: ScoredSplit, console: Console) -> Iterator[Score]:
    """
    Score each stage; the loss is against the stage that it is made from.

    :param stages: in order
    :param split: what they are scored on
    :param console: of the progress
    :return: one a stage, as soon as it is there
    """
    by_name = {stage.name: stage for stage in stages}
    mean_aps: dict[str, float] = {}
    for stage in stages:
        try:
            model = stage.open() if stage.open else None
        except BackendError as error:
            if not stage.may_lack_hardware:
                raise
            yield Score(stage, reason=str(error))
            continue
        if model is None:
            yield Score(stage, reason=stage.reason)
            continue
        result, analysis = _score(model, stage, split, console)
        before = find_before(stage, by_name, set(mean_aps))
        loss = mean_aps[before] - analysis.voc.mean_ap if before is not None else None
        mean_aps[stage.name] = analysis.voc.mean_ap
        yield Score(stage, result, analysis, before, loss)


def score_detections(path: Path, split: ScoredSplit) -> Score:
    """
    Score what another program found.

    :param path: COCO results
    :param split: what they are scored on
    :return: the score; no time is known
    :raises EvaluationError: with everything that can't be scored
    """
    data = split.data
    targets = Targets(
        file_names={record.image_id: record.image.name for record in split.records},
        class_ids=number_categories(data),
        labels=data.labels,
    )
    found = read_detections(path, targets)
    for sentence in found.left_out:
        logger.warning('%s', sentence)
    run = DetectionRun(found.detections, {})
    stage = Stage('detections', path, None)
    analysis = analyse_records(run, split.records, split.settings, split.data.labels)
    origin = _describe_origin(stage, split, run)
    # What comes from elsewhere is scored as it is.
    settings = {k: v for k, v in origin.settings.items() if not k.startswith('nms.')}
    return Score(stage, describe(analysis, replace(origin, settings=settings)), analysis)


def tell_differences(bundle: Bundle, settings: EvalSettings) -> str:
    """
    Say that a bundle is not scored with what it deploys: a score is of the whole curve.

    :param bundle: that is scored
    :param settings: the section `eval` that applies
    :return: one line; empty when nothing differs
    """
    scored = asdict(make_thresholds(settings.nms))
    deployed = asdict(bundle.thresholds)
    differences = ', '.join(
        f'{name} {scored[name]} (deploy.yaml: {deployed[name]})'
        for name in scored
        if scored[name] != deployed[name]
    )
    return f'scored with the section eval: {differences}' if differences else ''


def _score(
    model: Model, stage: Stage, split: ScoredSplit, console: Console
) -> tuple[Result, Analysis]:
    with open_progress(console, stage.name) as on_progress:
        run = detect_records(model, split.records, split.settings, on_progress)
    analysis = analyse_records(run, split.records, split.settings, model.labels)
    return describe(analysis, _describe_origin(stage, split, run)), analysis


def _describe_origin(stage: Stage, split: ScoredSplit, run: DetectionRun) -> Origin:
    path = stage.path
    source = {'kind': stage.name}
    if path is not None:
        source['path'] = str(path)
        if path.is_file():
            source['sha256'] = hashlib.sha256(path.read_bytes()).hexdigest()
    source['experiment'] = split.experiment_id
    return Origin(
        title=stage.name if path is None else f'{stage.name}: {"/".join(path.parts[-2:])}',
        created_at=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        source=source,
        data=_describe_data(split),
        settings=dict(_flatten(asdict(split.settings))),
        versions=_list_versions(),
        speed_ms=run.stage_ms,
        wall_s=run.wall_s,
    )


def _describe_data(split: ScoredSplit) -> DataResult:
    num_difficult = sum(int(record.ground_truths.is_difficult.sum()) for record in split.records)
    num_objects = sum(len(record.ground_truths.class_ids) for record in split.records)
    data = split.data
    return DataResult(
        name=f'{data.dataset_name} {data.val_split}',
        num_images=len(split.records),
        num_objects=num_objects - num_difficult,
        num_difficult=num_difficult,
        sha256=hash_records(split.records),
    )


def _flatten(
    tree: Mapping[str, object], prefix: str = ''
) -> Iterator[tuple[str, float | int | str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f'{prefix}{key}.')
        elif isinstance(value, float | int | str):
            yield f'{prefix}{key}', value


def _list_versions() -> dict[str, str]:
    versions = {'python': platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
