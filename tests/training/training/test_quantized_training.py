"""Training for INT8: the rounding, the ranges, and files that give the same bits."""

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st
import keras
import numpy as np
import onnx
from onnx import numpy_helper
import onnxruntime
import pytest
import tensorflow as tf

from ssd_detector.errors import ConfigError
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.sampling import draw_image
from ssd_training.deployment.conversion import export_onnx
from ssd_training.deployment.steps import convert, export, validate
from ssd_training.deployment.trained_model import TrainedModel
from ssd_training.errors import ExportError
from ssd_training.experiments.architecture import describe_architecture
from ssd_training.model.fake_quantization import (
    ActivationQuantizer,
    fake_quantize,
    HALF_STEPS,
    INT8,
    is_quantized,
    kernel_steps,
    round_to_bits,
)
from ssd_training.model.quantized_ssd import (
    build_float_twin,
    build_quantized,
    CPU_GRIDS,
    TENSORRT_GRIDS,
)
from ssd_training.model.serving import Serving
from ssd_training.model.weights import save_weights
from ssd_training.quantization.int8_files import FILE_NAMES, quantize_model
from ssd_training.quantization.step import quantize, QuantizeOptions
from ssd_training.quantization.trained_grids import find_trained_grids
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.targets.priors import generate_priors
from ssd_training.training import trainer
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step import building
from tests import reference
from tests.training.deploy_config import SIZE_PX
from tests.training.deploying import make_build

QUANTIZED = ('quantization={observed_batches: 2}', 'backbone.freeze_bn=true')
GRIDS = {'trt': TENSORRT_GRIDS, 'cpu': CPU_GRIDS}
floats = st.floats(-50, 50, width=32)


@pytest.fixture(scope='module')
def config(load):
    return load('tiny', *QUANTIZED)


@pytest.fixture(scope='module')
def float_model(config):
    """Build the small network with BatchNorm that does something."""
    model = building.build_float_model(config.architecture)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            values = rng.uniform(0.5, 1.5, size), rng.normal(0, 0.5, size)
            layer.set_weights([*values, rng.normal(0, 0.5, size), rng.uniform(0.5, 2, size)])
    return model


@pytest.fixture(scope='module')
def images():
    drawn = [draw_image(SIZE_PX, seed) for seed in range(4)]
    return np.stack(drawn).astype(np.float32) / 255


@pytest.fixture(scope='module')
def trained(config, float_model, images):
    """Build a network that has seen images, as each file computes."""
    models = {
        target: build_quantized(float_model, config.quantization, grids)
        for target, grids in GRIDS.items()
    }
    for _ in range(2):
        models['trt'](images, training=True)
    models['cpu'].set_weights(models['trt'].get_weights())
    return models


@pytest.fixture(scope='module')
def twin(float_model, trained):
    return build_float_twin(float_model, trained['trt'])


@pytest.fixture(scope='module')
def folder(config, twin, trained, tmp_path_factory):
    """Hold model.onnx and both INT8 files."""
    path = tmp_path_factory.mktemp('quantized')
    priors = generate_priors(config.priors, config.input_size)
    serving = Serving(twin, priors, config.priors.variances)
    export_onnx(serving, path / 'model.onnx', opset=17)
    for target, name in FILE_NAMES.items():
        grids = find_trained_grids(trained[target], path / 'model.onnx', target=target)
        quantize_model(path / 'model.onnx', path / name, target=target, grids=grids)
    return path


def run_unoptimized(path, image):
    """Give offsets, logits, boxes and scores of an ONNX file, computed as it is written."""
    model = onnx.load(path)
    makers = {name: node for node in model.graph.node for name in node.output}
    concatenated = [name for name in makers if name.endswith('rows_1/concat:0')]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in concatenated)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {'input_image': image[None]}), strict=True))
    box, cls = (next(n for n in concatenated if kind in n) for kind in ('box', 'cls'))
    return outputs[box], outputs[cls], outputs['boxes'], outputs['scores']


@pytest.mark.parametrize('target', ['trt', 'cpu'])
def test_onnx_runtime_gives_the_bits_that_training_saw(folder, trained, images, target):
    """Offsets and logits; boxes and scores are behind exp, which every library computes alone."""
    for image in images[:2]:
        outputs = trained[target](image[None], training=False)
        offsets, logits = (output.numpy() for output in outputs)
        found = run_unoptimized(folder / f'model_int8_{target}.onnx', image)
        assert offsets.any() and logits.any()
        np.testing.assert_array_equal(found[0], offsets)
        np.testing.assert_array_equal(found[1], logits)
        np.testing.assert_allclose(found[3], keras.ops.softmax(logits), atol=1e-6)


def scales(path):
    """Give name of a quantized tensor -> scale, and all zero points, of an INT8 file."""
    graph = onnx.load(path).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found, zero_points = {}, []
    for node in graph.node:
        if node.op_type == 'QuantizeLinear':
            found[node.input[0]] = values[node.input[1]]
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear'):
            zero_points.append(values[node.input[2]])
        if node.op_type == 'DequantizeLinear' and node.input[0] in values:
            found[node.input[0].removesuffix('_quantized')] = values[node.input[1]]
    return found, zero_points


def test_the_tensorrt_file_has_the_trained_scales_int8_and_zero_points_of_0(folder, trained):
    layers = trained['trt'].layers
    grids = find_trained_grids(trained['trt'], folder / 'model.onnx', target='trt')

    found, zero_points = scales(folder / 'model_int8_trt.onnx')

    assert all(point.dtype == np.int8 and not point.any() for point in zero_points)
    assert len(grids.kernel_steps) == sum(map(is_quantized, layers))
    for name, steps in grids.kernel_steps.items():
        np.testing.assert_array_equal(found.pop(name), steps)
    steps = {float(layer.step()) for layer in layers if is_active(layer)}
    assert {float(scale) for scale in found.values()} == steps
    assert len(found) == sum(map(is_active, layers))


def is_active(layer):
    return isinstance(layer, ActivationQuantizer) and layer.grid is not None


def test_onnx_runtime_computes_the_trained_cpu_file_in_int8(folder, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / 'optimized.onnx')
    options.log_severity_level = 3
    onnxruntime.InferenceSession(folder / 'model_int8_cpu.onnx', options)

    operators = [node.op_type for node in onnx.load(tmp_path / 'optimized.onnx').graph.node]

    # 19 of the backbone, 3 of the extra level, 4 in the heads of each of two maps.
    assert operators.count('QLinearConv') == 30
    assert not {'Conv', 'FusedConv', 'Clip'} & set(operators)


def test_what_saw_nothing_and_what_was_not_exported_are_errors(folder, config, float_model):
    other = build_quantized(float_model, config.quantization)
    with pytest.raises(ExportError, match='normalize_quantizer: has seen no image'):
        find_trained_grids(other, folder / 'model.onnx', target='trt')

    kernel = other.get_layer('Conv1').kernel
    kernel.assign_add(keras.ops.ones_like(kernel))
    with pytest.raises(ExportError, match='its kernel is not of this training'):
        find_trained_grids(other, folder / 'model.onnx', target='trt')


def test_folding_batch_norm_changes_nothing(float_model, twin, images):
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in twin.layers)
    for found, expected in zip(twin(images[:1]), float_model(images[:1]), strict=True):
        # Biases of the twin are rounded, to steps of 1e-4 and less.
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_exported_network_has_the_kernels_that_were_trained(twin, trained):
    for layer in (layer for layer in trained['cpu'].layers if is_quantized(layer)):
        np.testing.assert_array_equal(twin.get_layer(layer.name).kernel, layer.kernel)


@pytest.mark.slow
def test_the_chain_takes_the_scales_of_the_training(config, trained, folder, tmp_path):
    path = tmp_path / 'seen.weights.h5'
    save_weights(trained['trt'], path)
    build = make_build(tmp_path)

    export(TrainedModel(config, '0123456789ab', 'exp_0123456789ab', path, {}), build)
    convert(build)
    quantize(build, QuantizeOptions(num_evaluated=0))
    validate(build)

    record = json.loads((build.path / 'calibration.json').read_text())
    assert (record['method'], record['images']) == ('training', [])
    for name in FILE_NAMES.values():
        found, expected = scales(build.path / name)[0], scales(folder / name)[0]
        assert sorted(map(np.sum, found.values())) == sorted(map(np.sum, expected.values()))


@pytest.mark.slow
def test_what_is_frozen_stays_frozen(load):
    model = building.build_model(
        load('tiny', *QUANTIZED, 'backbone.freeze_until=block_3').architecture
    )

    assert not model.get_layer('block_3_project').trainable_variables
    assert len(model.get_layer('block_4_expand').trainable_variables) == 2


@given(st.lists(floats, min_size=1, max_size=50), st.sampled_from([2**-5, 0.046875, 2**-9]))
def test_rounding_equals_what_onnx_defines(values, step):
    array = np.array(values, np.float32)
    for grid in (INT8, HALF_STEPS):
        found = fake_quantize(array, np.float32(step), grid)

        expected = reference.quantize_dequantize(array, step, low=grid.low, high=grid.high)
        np.testing.assert_array_equal(found, expected)


@given(st.floats(2**-20, 2**20, width=32), st.integers(2, 8))
def test_short_mantissas_are_the_nearest_ones(value, num_bits):
    found = float(round_to_bits(tf.constant(value, tf.float32), num_bits))

    assert abs(found - value) == abs(reference.round_mantissa(value, num_bits) - value)
    assert float(found).hex().rstrip('0').count('p') == 1
    assert reference.round_mantissa(found, num_bits) == found


@given(st.floats(2**-7, 100, width=32))
def test_the_largest_weight_of_a_channel_is_not_clipped(largest):
    assert 112 <= largest / float(kernel_steps(tf.constant(largest, tf.float32))) <= 127


def test_gradients_pass_inside_the_range_and_end_outside():
    values = tf.constant([-200.0, -3.3, 0.0, 3.3, 200.0])
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(fake_quantize(values, tf.constant(1.0), INT8) * values.shape[0])

    np.testing.assert_array_equal(tape.gradient(total, values), [0, 5, 5, 5, 0])


def test_the_range_is_the_mean_of_the_first_batches_and_then_fixed():
    quantizer = ActivationQuantizer(INT8, observed_batches=2)
    for largest in ([1.0, 3.0], [4.0, 8.0], [100.0, 100.0]):
        quantizer(np.array(largest, np.float32)[:, None, None, None], training=True)

    assert float(quantizer.largest) == 4.0
    assert float(quantizer.step()) == 2**-5


def test_what_was_trained_for_int8_is_a_start_for_floats(load, trained, tmp_path):
    path = tmp_path / 'final_weights.weights.h5'
    save_weights(trained['trt'], path)
    config = load('tiny', 'backbone.freeze_bn=true', f'backbone.weights={path}')
    model = building.build_float_model(config.architecture)

    load_pretrained(model, config.architecture, trained_statistics=())

    kernel, bias = trained['trt'].get_layer('block_5_project').get_weights()
    np.testing.assert_array_equal(model.get_layer('block_5_project').get_weights()[0], kernel)
    np.testing.assert_array_equal(model.get_layer('block_5_project_BN').get_weights()[1], bias)


@pytest.mark.slow
def test_a_step_trains_what_a_run_left_and_observes_ranges(load, float_model, tmp_path):
    path = tmp_path / 'final_weights.weights.h5'
    save_weights(float_model, path)
    training = trainer.prepare(load('tiny', *QUANTIZED, f'backbone.weights={path}'))
    step, batch = training.step, first_batch(training)

    expected = build_quantized(float_model, training.config.quantization)
    kernel = expected.get_layer('block_5_expand').kernel
    np.testing.assert_array_equal(training.model.get_layer('block_5_expand').kernel, kernel)
    before = {name: np.array(variable.value) for name, variable in step.state.items()}
    step(*batch)

    changed = {
        n for n, variable in step.state.items() if (np.array(variable.value) != before[n]).any()
    }
    assert 'model/block_3_depthwise/kernel' in changed
    assert 'model/block_3_depthwise/bias' in changed
    assert 'model/block_3_depthwise_quantizer/largest' in changed
    assert step.num_traces == 1


def first_batch(training):
    config = training.config
    batches = training_batches(
        training.train_records,
        config.augmentation,
        size_hw=config.input_size,
        batch_size=config.train.batch_size,
        epochs=1,
        seed=0,
    )
    images, *ground_truths = next(iter(batches))
    return images, GroundTruthBatch(*ground_truths)


@pytest.mark.parametrize(
    ('override', 'finding'),
    [
        ('backbone.freeze_bn=false', 'backbone.freeze_bn: false with quantization; set it'),
        ('train.amp.enabled=true', 'train.amp.enabled: true with quantization; set it'),
        ('runtime.strategy=mirrored', 'runtime.strategy: mirrored with quantization; set it'),
        ('quantization.observed_batches=0', 'quantization.observed_batches: '),
        ('quantization.bits=4', 'quantization.bits: unknown key'),
    ],
)
def test_what_quantization_does_not_go_with_is_named(load, override, finding):
    with pytest.raises(ConfigError) as error:
        load('tiny', *QUANTIZED, override)

    assert any(finding in found for found in error.value.findings)


def test_a_recipe_without_quantization_keeps_its_fingerprint_and_architecture(load, config):
    plain = load('tiny', 'backbone.freeze_bn=true')

    assert compute_fingerprint(plain) != compute_fingerprint(config)
    assert 'quantization' not in str(describe_architecture(plain.architecture))
    assert describe_architecture(config.architecture)['quantization.observed_batches'] == 2
    assert dataclasses.replace(config, quantization=None) == plain
