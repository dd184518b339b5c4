"""Every key of the reference's configuration is read, or rejected with a sentence."""

from pathlib import Path

import pytest

from ssd_detector.errors import ConfigError
from ssd_training.experiments.merge import load_experiment
from ssd_training.experiments.replaced_keys import REPLACED_KEYS, split_replaced_keys
from ssd_training.train import CONFIG_ROOT

# Of all files below the reference's configs/ but deploy/. A value that is no map and no number
# where the key is read gives another finding than `unknown key`.
REFERENCE_KEYS = """
backbone name width_mult output_layers pretrained weights freeze freeze_bn grad_scale
heads.extra_layers base_feature levels
heads.localization norm_cfg head_type intermediate_channels squeeze_ratio
heads.classification norm_cfg head_type intermediate_channels squeeze_ratio use_sigmoid
priors image_size strides aspect_ratios min_scale max_scale variances scales feature_map_shapes
loss.classification type from_logits label_smoothing focal_alpha focal_gamma
loss.regression type beta
loss.weights classification regression
loss.normalization type epsilon min_pos
loss reduction
matcher iou_threshold_pos iou_threshold_neg allow_low_quality_matches center_in_gt
sampler neg_pos_ratio min_neg max_neg
optimizer name lr betas epsilon weight_decay grad_clip_norm momentum nesterov
scheduler name base_lr min_lr total_steps interval
scheduler.warmup enabled mode steps epochs start_factor end_factor
scheduler.cosine cycles cycle_decay
scheduler.step drop_every_epochs gamma
scheduler.multistep milestones_epochs gamma
train epochs seed device train_split batch_size grad_accum_steps diagnostics eval_every
train.amp enabled policy loss_scale force_fp32 clip_unscaled_grads
train.ema enabled decay warmup_steps update_every eval_use_ema
train.targets.filters min_box_area clip_to_image drop_invalid
train.gradient clip_norm accumulation_steps
ema decay
checkpoint keep_last_k save_best mode save_every_steps save_every_epochs save_last monitor
eval eval_enabled input use_07_metric dataset_split main_metric interval_epochs
eval.decode variances use_sigmoid priors_format output_format clip_boxes boxes_normalized
eval.decode classes_file
eval.nms iou_threshold score_threshold max_detections_per_image per_class_top_k
eval.nms max_detections_per_class
eval.metrics.voc_ap_50 type iou_thresholds
eval.metrics.coco_map type iou_thresholds
eval.visualization enabled max_images output_dir
run root name_format timestamp_format
run.subdirs checkpoints logs tensorboard artifacts workers
logging level log_interval_steps val_interval_epochs log_every_steps
logging.console enabled
logging.file enabled
logging.tensorboard enabled
logging.wandb enabled project entity group
export save_final_checkpoint save_best_checkpoint export_saved_model export_onnx export_tflite
runtime num_workers prefetch_batches mixed_precision deterministic
augmentation enabled output_box_format pipeline
augmentation.photometric_distort enabled prob brightness contrast saturation hue random_order
augmentation.random_expand enabled prob max_ratio fill value
augmentation.random_iou_crop enabled prob min_iou_choices min_scale max_scale max_attempts fallback
augmentation.random_flip enabled prob direction
data tfrecords num_workers prefetch_batches
data dataset_name root use_difficult train_split val_split classes_file num_classes shuffle_buffer
data num_workers prefetch_batches max_boxes
data.tfrecords enabled
data.preprocess standardize_pipeline pipeline output_box_norm
data.preprocess.params.resize size mode interp
data.preprocess.params.sanitize_boxes clip min_size min_size_mode
data.preprocess.params.normalize mean std
data.standardize boxes_format_in boxes_format_out image_rgb to_float32 scale
data.train batch_size padded_shapes padding_values shuffle prefetch max_boxes repeat
data.train.transform enabled output_box_norm pipeline params
data.val batch_size padded_shapes padding_values shuffle prefetch max_boxes
experiment id name description author created tags enabled priority depends_on
infrastructure instance_type spot spot_max_price timeout_hours region dynamodb_table
infrastructure.storage checkpoint_bucket data_bucket artifact_bucket
"""
PATHS = [
    f'{section}.{key}'
    for section, *keys in map(str.split, REFERENCE_KEYS.strip().splitlines())
    for key in keys
] + ['input_size', 'num_classes', 'recipes']


def findings_of(*overrides):
    try:
        load_experiment(
            Path('experiments/smoke.yaml'), CONFIG_ROOT, overrides=overrides, environment={}
        )
    except ConfigError as error:
        return error.findings
    return ()


@pytest.mark.parametrize('path', PATHS)
def test_a_key_of_the_reference_is_read_or_rejected_with_a_sentence(path):
    findings = findings_of(f'{path}=something')

    replaced = [f for f in findings if f': {path}: no key here; ' in f or is_above(f, path)]
    unknown = [finding for finding in findings if 'unknown key' in finding]
    assert not unknown, unknown
    assert replaced or not any(
        path == rule or path.startswith(f'{rule}.') for rule in REPLACED_KEYS
    )


def is_above(finding, path):
    """Tell whether a finding rejects a section that the path is in."""
    rejected = finding.partition(': ')[2].partition(': no key here; ')[0]
    return 'no key here' in finding and path.startswith(f'{rejected}.')


def test_all_replaced_keys_are_said_at_once_beside_other_findings():
    findings = findings_of(
        'optimizer.lr=0.1', 'eval.interval_epochs=2', 'train.batch_sise=1', 'num_classes=21'
    )

    assert findings[:3] == (
        'command line: optimizer.lr: no key here; scheduler.base_lr is the only learning rate',
        'command line: eval.interval_epochs: no key here; train.eval_every (in epochs) says when; '
        'the last epoch is always evaluated',
        'command line: num_classes: no key here; data.labels lists the classes; the background '
        'is added',
    )
    assert 'did you mean train.batch_size?' in findings[3]
    assert len(findings) == 4


def test_keys_inside_lists_are_found():
    level = {'name': 'P6', 'out_channels': 256, 'channels': 8}

    kept, found = split_replaced_keys({'heads': {'extra_layers': {'levels': [level]}}})

    assert kept['heads']['extra_layers']['levels'] == [{'name': 'P6', 'channels': 8}]
    assert list(found) == ['heads.extra_layers.levels.0.out_channels']
