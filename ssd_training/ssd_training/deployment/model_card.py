"""The model card: what a bundle holds, what it was made of, what may be done with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_detector.errors import ConfigError
from ssd_detector.files import read_file
from ssd_training.experiments.data_schema import DataSettings, EvalSettings
from ssd_training.experiments.loss_schema import DistillationSettings
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.start_weights import (
    COCO80_ARCHIVE,
    COCO_ARCHIVE,
    IMAGENET,
    is_archive,
    name_weights,
    RELEASED,
)

_TENSORFLOW = (
    'Start weights: TensorFlow model garden, Apache-2.0; the conversion keeps those terms.'
)
_VOC = (
    'PASCAL VOC photographs come from Flickr and belong to their owners; they are not part of '
    'this bundle. Use them for research and evaluation within the Flickr terms.'
)
# A bundle's card may have twice as much.
_MAX_NOTES_BYTES = 2**19
_VOC_FOLDERS = ('VOCdevkit', 'VOC2007', 'VOC2012')
_COCO_DETECTOR = (
    'ssdlite_mobilenet_v2_coco_2018_05_09: backbone, extra levels and heads, trained on COCO'
)


@dataclass(frozen=True)
class _Origin:
    """How a result that starts from some weights has to be named, from what, on what terms."""

    kind: str
    source: str
    licence: str


_NOTHING = _Origin('Not pretrained', 'started from random weights', 'Trained from random weights.')
_KNOWN = {
    IMAGENET: _Origin(
        'ImageNet-pretrained', 'keras.applications MobileNetV2: backbone', _TENSORFLOW
    ),
    RELEASED: _Origin(
        'COCO-pretrained',
        f'the released bundle mobilenetv2_ssd_voc: {_COCO_DETECTOR}, then on PASCAL VOC 2007',
        f'{_TENSORFLOW} The released bundle, which they come through, is Apache-2.0, too; its '
        f'model card names its data.',
    ),
    COCO_ARCHIVE: _Origin('COCO-pretrained', _COCO_DETECTOR, _TENSORFLOW),
    COCO80_ARCHIVE: _Origin('COCO-pretrained', _COCO_DETECTOR, _TENSORFLOW),
    'mobilenetv2_imagenet.npz': _Origin(
        'ImageNet-pretrained', 'mobilenet_v2_1.0_224: backbone', _TENSORFLOW
    ),
}


def read_card_notes(path: Path) -> str:
    """
    Read what a person adds to the card.

    :param path: Markdown, UTF-8
    :return: the text
    :raises ConfigError: when it can not be read, or takes more room than a card has
    """
    try:
        return read_file(path, limit_bytes=_MAX_NOTES_BYTES).decode('utf-8')
    except OSError as error:
        raise ConfigError([f'--card_notes: {path}: can not be read ({error.strerror})']) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f'--card_notes: {path}: is not UTF-8 ({error})']) from error


def write_model_card(
    name: str,
    config: ExperimentConfig,
    *,
    training_run: str,
    metrics: Mapping[str, float],
    members: Sequence[str] = (),
    notes: str = '',
) -> str:
    """
    Write the card as Markdown.

    :param name: of the bundle
    :param config: the experiment that trained the model
    :param training_run: name of the run folder
    :param metrics: tag -> value
    :param members: the trainings that the weights are the mean of, a phrase each
    :param notes: more sections, before the licence
    :return: the text
    """
    origin = _find_origin(config.backbone.weights)
    data = config.data
    size_px = config.input_size[0]
    sections = [
        f'# {name}',
        f'{config.experiment.name}. **{origin.kind}**: {origin.source}.',
        '## Model',
        f'MobileNetV2 (alpha {config.backbone.width_mult}) SSD, {config.heads.head_type} heads, '
        f'priors {config.priors.layout}, input {size_px}x{size_px} RGB in [0, 1], '
        f'{len(data.labels)} classes: {", ".join(data.labels)}.',
        '## Training',
        _describe_training(config, training_run, members),
        '## Result',
        _describe_metrics(data, config.eval, metrics),
        *filter(None, [notes.strip()]),
        '## Licence',
        origin.licence
        if is_archive(Path(training_run))
        else f'{origin.licence} {_describe_photographs(data)}',
    ]
    return '\n\n'.join(sections) + '\n'


def _describe_training(config: ExperimentConfig, training_run: str, members: Sequence[str]) -> str:
    settings = f'batch {config.train.batch_size}, {config.optimizer.name}'
    if members:
        head = (
            f'`{training_run}`: the mean of the weights of {len(members)} trainings ({settings})'
        )
        return '\n'.join([f'{head}:', '', *(f'* {member}' for member in members)])
    if is_archive(Path(training_run)):
        return f'None here: `{training_run}` holds the weights as they were published.'
    return (
        f'Run `{training_run}`: {config.train.epochs} epochs on {config.data.title} '
        f'`{config.data.train_split}`, {settings}, learning rate {config.scheduler.base_lr:g}, '
        f'seed {config.train.seed}.{_describe_teacher(config.loss.distillation)}'
    )


def _describe_teacher(settings: DistillationSettings | None) -> str:
    if settings is None:
        return ''
    teacher, share = Path(settings.teacher).name, settings.share
    return (
        f' It learnt from `{teacher}`, too ({share:g} of the loss); what that was trained on, and '
        f'its licence, stand where it comes from.'
    )


def _find_origin(weights: str | None) -> _Origin:
    if weights is None:
        return _NOTHING
    path = Path(weights)
    if (known := _KNOWN.get(path.name)) is not None:
        return known
    name = name_weights(path)
    return _Origin(
        'Pretrained',
        f'started from the weights of {name}',
        f'Start weights: {name}; what they were trained on, and their licence, stand where they '
        f'come from.',
    )


def _describe_photographs(data: DataSettings) -> str:
    if data.dataset_name == 'shapes':
        return 'The images were drawn for the training; nobody else has rights in them.'
    parts = Path(data.root or '').parts
    if data.dataset_name == 'voc' and any(name in parts for name in _VOC_FOLDERS):
        return _VOC
    return (
        f'The photographs ({data.title}) are those of whoever trained this model; they are not '
        f'part of this bundle, and their licence is not known here: add it.'
    )


def _describe_metrics(
    data: DataSettings, settings: EvalSettings, metrics: Mapping[str, float]
) -> str:
    scores = {tag: value for tag, value in metrics.items() if tag.startswith('val/')}
    if not scores:
        return _describe_unscored(data, _list_files(metrics))
    rows = [f'| {tag.removeprefix("val/")} | {value:.4f} |' for tag, value in scores.items()]
    nms = settings.nms
    head = (
        f'{data.title} `{data.val_split}`, {settings.interpolation} AP '
        f'at IoU {settings.iou_threshold:g}, difficult objects ignored, by the float32 '
        f'network; not with the thresholds of deploy.yaml, but of boxes from score '
        f'{nms.score_threshold:g} on, {nms.per_class_top_k} candidates a class, NMS at IoU '
        f'{nms.iou_threshold:g}, {nms.max_detections_per_image} boxes an image:'
    )
    table = [head, '', '| metric | value |', '| --- | --- |', *rows]
    return '\n'.join([*table, *_list_files(metrics)])


def _describe_unscored(data: DataSettings, files: Sequence[str]) -> str:
    if data.val_split is not None:
        return '\n'.join(['Not evaluated.', *files])
    text = f'Not evaluated: it learnt from all images of `{data.train_split}`; none was kept.'
    if files:
        text += ' The figures below are of images that it learnt from: they only compare files.'
    return '\n'.join([text, *files])


def _list_files(metrics: Mapping[str, float]) -> list[str]:
    rows = [
        f'| {tag.removesuffix("/mAP")} | {value:.4f} |'
        for tag, value in metrics.items()
        if tag.endswith('.onnx/mAP')
    ]
    head = ['', 'mAP of each file on the same images:', '', '| file | mAP |', '| --- | --- |']
    return [*head, *rows] if rows else []
