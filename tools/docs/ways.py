"""The ways that the architecture page follows: a title, a sentence, and the stops of each."""

CORE = 'ssd_detector/ssd_detector'
NODE = 'ssd_detector_ros/ssd_detector_ros'
TRAINING = 'ssd_training/ssd_training'

# Of each stop: file below the repository, and the function or class in it that does the work.
WAYS = {
    'The way of an image': (
        'From the camera topic to `~/detections`, on the robot. Receiving and working have a '
        'thread each: services and parameters answer while a frame is processed.',
        (
            (f'{NODE}/threads/receiver.py', 'Receiver'),
            (f'{NODE}/frames/pipeline.py', 'Pipeline.on_image'),
            (f'{NODE}/threads/frame_queue.py', 'FrameQueue'),
            (f'{NODE}/threads/worker.py', 'Worker'),
            (f'{NODE}/frames/frame_processor.py', 'FrameProcessor.process'),
            (f'{NODE}/images/raw_images.py', 'to_rgb'),
            (f'{CORE}/preprocess.py', 'preprocess'),
            (f'{CORE}/backends/onnxruntime.py', 'OnnxRuntimeBackend'),
            (f'{CORE}/postprocess.py', 'postprocess'),
            (f'{NODE}/outputs/messages.py', 'to_detection_array'),
            (f'{NODE}/outputs/publishers.py', 'CameraOutputs.publish_detections'),
        ),
    ),
    'The way of a configuration value': (
        'From a line of YAML to the robot: `train.batch_size` ends in the training step, '
        '`deploy.post_processing.score_threshold` in the bundle, and from there in a parameter of '
        'the node.',
        (
            (f'{TRAINING}/experiments/merge.py', 'load_experiment'),
            (f'{TRAINING}/experiments/schema.py', 'ExperimentConfig'),
            (f'{TRAINING}/runs/fingerprint.py', 'compute_fingerprint'),
            (f'{TRAINING}/training/trainer.py', 'prepare'),
            (f'{TRAINING}/training/step/building.py', 'build_step'),
            (f'{CORE}/bundles/deploy_config.py', 'DeployConfig'),
            (f'{TRAINING}/deployment/assembly.py', 'assemble'),
            (f'{CORE}/bundles/bundle.py', 'load_bundle'),
            (f'{NODE}/parameters/declarations.py', 'Declaration'),
            (f'{NODE}/parameters/settings.py', 'parse_settings'),
            (f'{CORE}/postprocess.py', 'Thresholds'),
        ),
    ),
    'The way of a ground-truth box': (
        'From a labelling tool to the loss, and to the figures. The evaluator is the one that '
        'scores recordings, too.',
        (
            (f'{TRAINING}/preparation/preparing.py', 'prepare'),
            (f'{TRAINING}/data/sources/voc_files.py', 'read_voc_file'),
            (f'{TRAINING}/data/annotations/boxes.py', 'find_usable_box'),
            (f'{TRAINING}/data/datasets.py', 'read_split'),
            (f'{TRAINING}/data/batches/pipeline.py', 'training_batches'),
            (f'{TRAINING}/data/augmentation/augmentation.py', 'augment'),
            (f'{TRAINING}/targets/prior_matching.py', 'assign_targets'),
            (f'{TRAINING}/targets/box_coding.py', 'encode_boxes'),
            (f'{TRAINING}/losses/multibox.py', 'multibox_loss'),
            (f'{TRAINING}/training/evaluation.py', 'evaluate_split'),
            (f'{CORE}/evaluation/matching.py', 'match'),
            (f'{CORE}/evaluation/voc.py', 'score_voc'),
        ),
    ),
}
