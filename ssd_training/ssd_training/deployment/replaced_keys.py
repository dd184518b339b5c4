"""Keys of AdmiralAki99/MobileNetV2-SSD's deploy configuration that are others here, or none."""

_FILES = 'files have fixed names, in --output_dir and beside it in <output_dir>_build'
_ENGINE = 'engines lie in ~/.cache/ssd_detector/engines, or where --engine_folder says'
_NORMALIZATION = 'normalization is part of the network, as it was trained'
_CLASSES = 'the classes are those of the experiment: data.labels'

# The key path, or one above it -> what to do instead.
REPLACED_DEPLOY_KEYS: dict[str, str] = {
    'engine_path': _ENGINE,
    'deploy.engine_path': _ENGINE,
    'deploy.saved_model_path': _FILES,
    'deploy.onnx_path': _FILES,
    'deploy.quantized_onnx_path': _FILES,
    'deploy.input.mean': _NORMALIZATION,
    'deploy.input.std': _NORMALIZATION,
    'deploy.priors': 'priors and variances are those of the experiment: its section priors',
    'deploy.classes.use_sigmoid': 'the experiment decides: loss.classification.type',
    'deploy.classes': _CLASSES,
}
