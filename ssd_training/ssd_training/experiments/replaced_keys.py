"""Keys of AdmiralAki99/MobileNetV2-SSD's configuration that are others here, or none."""

from collections.abc import Mapping
from typing import Any

_EVERY_STEP = 'train.eval_every (in epochs) says when; the last epoch is always evaluated'
_HEADS = 'both heads are built alike: heads.head_type and heads.intermediate_channels'
_LEVELS = 'a level has name, reduce_channels, channels: 1x1 reduce, 3x3 depthwise of stride 2, 1x1'
_ACTIVATION = 'loss.classification.type decides between softmax and sigmoid'
_FILTERS = 'boxes are checked when they are read: python -m ssd_training.data check'
_AUGMENTATION = 'the section augmentation says it, with a probability for each change'
_EXPORT = 'nothing is exported while training; python -m ssd_training.export does it'
_RUN = 'the run folder is <run.root>/<experiment.id>_<fingerprint>, with fixed names inside'
_MACHINE = 'the Terraform variables of the same name say it'
_LEDGER = 'the flags and variables of python -m ssd_training.ledger say it'
_CLOUD = 'run.upload_to (variable CHECKPOINT_BUCKET) says where runs go'
_PREPROCESS = 'images are stretched to input_size and normalized to [-1, 1] inside the network'
_STEP_UNITS = 'lengths have their unit in their name, such as drop_every_epochs'

# The key path, or one above it -> what to do instead.
REPLACED_KEYS: dict[str, str] = {
    'num_classes': 'data.labels lists the classes; the background is added',
    'recipes': 'list the file under defaults',
    'ema': 'train.ema says it',
    'experiment.author': 'git knows it; description is free text',
    'experiment.created': 'git knows it; description is free text',
    'infrastructure.spot': _MACHINE,
    'infrastructure.spot_max_price': _MACHINE,
    'infrastructure.timeout_hours': 'nothing ends a training by the clock; train.epochs says it',
    'infrastructure.region': _LEDGER,
    'infrastructure.dynamodb_table': _LEDGER,
    'infrastructure.storage': _CLOUD,
    'backbone.pretrained': 'backbone.weights says it: imagenet, a file, or null for none',
    'heads.extra_layers.base_feature': (
        'the extra levels start from the last of backbone.output_layers'
    ),
    'heads.extra_layers.levels.*.out_channels': _LEVELS,
    'heads.extra_layers.levels.*.stride': _LEVELS,
    'heads.extra_layers.levels.*.kernel_size': _LEVELS,
    'heads.localization': _HEADS,
    'heads.classification.use_sigmoid': _ACTIVATION,
    'heads.classification': _HEADS,
    'priors.image_size': 'input_size says it',
    'priors.feature_map_shapes': 'they follow from input_size and priors.strides',
    'loss.classification.from_logits': 'the heads always give logits',
    'loss.normalization.epsilon': 'loss.normalization.min_pos keeps the divisor from 0',
    'loss.reduction': 'losses are summed over priors and divided as loss.normalization says',
    'matcher.center_in_gt': 'matching is by IoU alone',
    'optimizer.lr': 'scheduler.base_lr is the only learning rate',
    'scheduler.warmup.enabled': 'scheduler.warmup.steps: 0 means none',
    'scheduler.warmup.mode': 'the rise is linear',
    'scheduler.warmup.end_factor': 'the rise ends with scheduler.base_lr',
    'scheduler.cosine': 'there is one cosine, from the warm-up to the last step',
    'scheduler.interval': _STEP_UNITS,
    'train.amp.force_fp32': 'box coding, IoU, losses and NMS always compute in float32',
    'train.amp.clip_unscaled_grads': 'gradients are always unscaled before they are clipped',
    'train.gradient': 'optimizer.grad_clip_norm and train.grad_accum_steps say it',
    'train.device': 'runtime.strategy says it; CUDA_VISIBLE_DEVICES hides devices',
    'train.train_split': 'data.train_split says it',
    'train.targets': _FILTERS,
    'train.diagnostics': 'the parts of the loss and the positives are always recorded',
    'checkpoint.save_last': 'the newest checkpoints are always kept: checkpoint.keep_last_k',
    'eval.eval_enabled': _EVERY_STEP,
    'eval.interval_epochs': _EVERY_STEP,
    'eval.input': 'input_size says it',
    'eval.decode.variances': 'priors.variances says it',
    'eval.decode.use_sigmoid': _ACTIVATION,
    'eval.decode.classes_file': 'data.labels lists the classes',
    'eval.decode': 'boxes are decoded as they were coded, and clipped to the image',
    'eval.nms.max_detections_per_class': 'eval.nms.per_class_top_k says it',
    'eval.metrics': 'eval.interpolation and eval.iou_threshold say it',
    'eval.use_07_metric': 'eval.interpolation: 11point says it',
    'eval.dataset_split': 'data.val_split says it',
    'eval.visualization': 'TensorBoard shows detections: logging.tensorboard.enabled',
    'eval.main_metric': 'checkpoint.monitor says it',
    'run.name_format': _RUN,
    'run.timestamp_format': _RUN,
    'run.subdirs': _RUN,
    'logging.val_interval_epochs': _EVERY_STEP,
    'logging.log_every_steps': 'logging.log_interval_steps says it',
    'logging.wandb': 'metric_history.json and TensorBoard hold all metrics',
    'export': _EXPORT,
    'runtime.num_workers': 'data.num_workers says it',
    'runtime.prefetch_batches': 'data.prefetch_batches says it',
    'runtime.mixed_precision': 'train.amp says it',
    'augmentation.enabled': 'a probability of 0 switches a change off',
    'augmentation.output_box_format': 'boxes are always normalized corners',
    'augmentation.pipeline': 'the order of the changes is fixed',
    'augmentation.photometric_distort': 'augmentation.photometric says it',
    'augmentation.random_expand': 'augmentation.expand says it',
    'augmentation.random_iou_crop': 'augmentation.crop says it',
    'augmentation.random_flip': 'augmentation.flip says it',
    'data.use_difficult': 'difficult objects are neither learnt nor scored, as in VOC',
    'data.num_classes': 'data.labels lists the classes; the background is added',
    'data.classes_file': 'data.labels lists the classes',
    'data.shuffle_buffer': 'file names are shuffled, all of them, before images are read',
    'data.preprocess': _PREPROCESS,
    'data.standardize': _PREPROCESS,
    'data.train.batch_size': 'train.batch_size says it',
    'data.train.transform': _AUGMENTATION,
    'data.train.max_boxes': 'data.max_boxes says it',
    'data.train': 'training always shuffles, repeats, prefetches and pads as needed',
    'data.val.batch_size': 'train.batch_size says it',
    'data.val': 'evaluation reads every image once, in order',
}


def split_replaced_keys(
    tree: Mapping[str, Any], rules: Mapping[str, str] = REPLACED_KEYS
) -> tuple[dict[str, Any], dict[str, str]]:
    """
    Take the reference's keys that have no place here out of a tree.

    :param tree: a merged experiment, or a deploy config
    :param rules: key path, or one above it -> what to do instead
    :return: what is left; key path of what was taken out -> what to do instead
    """
    found: dict[str, str] = {}
    kept: dict[str, Any] = _without(tree, rules, ('', ''), found)
    return kept, found


def _without(
    node: Any, rules: Mapping[str, str], above: tuple[str, str], found: dict[str, str]
) -> Any:
    """Walk down; in rules every item of a list has the name *."""
    if isinstance(node, list):
        pairs = [(str(index), '*', item) for index, item in enumerate(node)]
    elif isinstance(node, Mapping):
        pairs = [(str(key), str(key), item) for key, item in node.items()]
    else:
        return node
    kept = {}
    for key, name, item in pairs:
        path, rule = f'{above[0]}{key}', f'{above[1]}{name}'
        if rule in rules:
            found[path] = rules[rule]
        left = _without(item, rules, (f'{path}.', f'{rule}.'), found)
        if rule not in rules:
            kept[key] = left
    return list(kept.values()) if isinstance(node, list) else kept
