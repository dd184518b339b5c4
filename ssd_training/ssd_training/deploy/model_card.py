"""The model card: what a bundle holds, what it was made of, what may be done with it."""

from collections.abc import Mapping
from pathlib import Path

from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.experiments.start_weights import IMAGENET

_TENSORFLOW = (
    'Start weights: TensorFlow model garden, Apache-2.0; the conversion keeps those terms.'
)
_VOC = (
    'PASCAL VOC photographs come from Flickr and belong to their owners; they are not part of '
    'this bundle. Use them for research and evaluation within the Flickr terms.'
)
# File name of known start weights -> how a result that starts from them has to be named.
_PRETRAINED = {
    'mobilenetv2_ssdlite_coco_voc20.npz': (
        'COCO-pretrained',
        'ssdlite_mobilenet_v2_coco_2018_05_09: backbone, extra levels and heads, trained on COCO',
    ),
    'mobilenetv2_imagenet.npz': ('ImageNet-pretrained', 'mobilenet_v2_1.0_224: backbone'),
}


def write_model_card(
    name: str, config: ExperimentConfig, *, training_run: str, metrics: Mapping[str, float]
) -> str:
    """
    Write the card as Markdown.

    :param name: of the bundle
    :param config: the experiment that trained the model
    :param training_run: name of the run folder
    :param metrics: tag -> value
    :return: the text
    """
    kind, source = _describe_start(config.backbone.weights)
    data = config.data
    size_px = config.input_size[0]
    sections = [
        f'# {name}',
        f'{config.experiment.name}. **{kind}**: {source}.',
        '## Model',
        f'MobileNetV2 (alpha {config.backbone.width_mult}) SSD, {config.heads.head_type} heads, '
        f'priors {config.priors.layout}, input {size_px}x{size_px} RGB in [0, 1], '
        f'{len(data.labels)} classes: {", ".join(data.labels)}.',
        '## Training',
        f'Run `{training_run}`: {config.train.epochs} epochs on {data.title} '
        f'`{data.train_split}`, batch {config.train.batch_size}, {config.optimizer.name}, '
        f'learning rate {config.scheduler.base_lr:g}, seed {config.train.seed}.',
        '## Result',
        _describe_metrics(config, metrics),
        '## Licence',
        f'{_TENSORFLOW if config.backbone.weights else "Trained from random weights."} {_VOC}',
    ]
    return '\n\n'.join(sections) + '\n'


def _describe_start(weights: str | None) -> tuple[str, str]:
    if weights is None:
        return 'Not pretrained', 'started from random weights'
    if weights == IMAGENET:
        return 'ImageNet-pretrained', 'keras.applications MobileNetV2: backbone'
    name = Path(weights).name
    return _PRETRAINED.get(name, ('Pretrained', f'started from {name}'))


def _describe_metrics(config: ExperimentConfig, metrics: Mapping[str, float]) -> str:
    scores = {tag: value for tag, value in metrics.items() if tag.startswith('val/')}
    if not scores:
        return 'Not evaluated.'
    rows = [f'| {tag.removeprefix("val/")} | {value:.4f} |' for tag, value in scores.items()]
    nms = config.eval.nms
    head = (
        f'{config.data.title} `{config.data.val_split}`, {config.eval.interpolation} AP '
        f'at IoU {config.eval.iou_threshold:g}, difficult objects ignored, by the float32 '
        f'network; not with the thresholds of deploy.yaml, but of boxes from score '
        f'{nms.score_threshold:g} on, {nms.per_class_top_k} candidates a class, NMS at IoU '
        f'{nms.iou_threshold:g}, {nms.max_detections_per_image} boxes an image:'
    )
    files = [
        f'| {tag.removesuffix("/mAP")} | {value:.4f} |'
        for tag, value in metrics.items()
        if tag.endswith('.onnx/mAP')
    ]
    table = [head, '', '| metric | value |', '| --- | --- |', *rows]
    if files:
        table += [
            '',
            'mAP of each file on the same images:',
            '',
            '| file | mAP |',
            '| --- | --- |',
        ]
    return '\n'.join([*table, *files])
