"""ONNX files that are written layer by layer, without tf2onnx."""

import shutil
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from ssd_training.data.sampling import draw_image
from ssd_training.deployment import steps
from ssd_training.deployment.build import Build
from ssd_training.deployment.conversion import count_operations, find_avoidable
from ssd_training.deployment.direct_conversion import build_onnx
from ssd_training.deployment.onnx_graph import add_network, Graph
from ssd_training.errors import ExportError
from ssd_training.model.averaging import fold
from ssd_training.model.serving import Serving
from ssd_training.quantization.raw_heads import cut_at_heads
from ssd_training.quantization.step import quantize, QuantizeOptions
from ssd_training.targets.priors import generate_priors
from ssd_training.training.step.building import build_float_model
from tests.training.deploying import enliven, make_build

# Both compute in float32, in another order of sums; outputs are near 1.
ROUNDING = 1e-5
CONV_HEADS = ('heads.head_type=conv3x3', 'heads.intermediate_channels=16')


def outputs_of(model, images):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    return session.run(['boxes', 'scores'], {'input_image': images})


def make_images(num_images, size_px):
    drawn = [draw_image(size_px, seed) for seed in range(num_images)]
    return np.stack(drawn).astype(np.float32) / 255


@pytest.fixture(scope='module')
def copy(built, tmp_path_factory):
    """Give a build with what the export made, converted anew."""
    folder = tmp_path_factory.mktemp('direct')
    shutil.copytree(built.path, folder / 'bundle_build')
    return Build(built.deploy, built.tree, folder / 'bundle')


@pytest.fixture(scope='module')
def direct(copy):
    """Convert where tf2onnx is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, 'tf2onnx', None)
        steps.convert(copy, 'direct')
    return copy


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('opset', [13, 18])
def test_the_file_gives_what_the_network_gives(activation, opset, load):
    # Odd sides get zeros on both ends.
    config = load('tiny', 'input_size=[97, 97]', *CONV_HEADS)
    model = build_float_model(config.architecture)
    enliven(model)
    priors = generate_priors(config.priors, config.input_size)
    variances = config.priors.variances
    images = make_images(2, 97)

    made = build_onnx(
        model, priors, variances, activation=activation, batch_size=None, opset=opset
    )

    onnx.checker.check_model(made, full_check=True)
    expected = Serving(model, priors, variances, activation=activation).detect(images)
    for found, wanted in zip(outputs_of(made, images), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=ROUNDING)


def test_both_converters_give_the_same_values_and_operations(direct, built):
    images = make_images(1, 96)
    models = [onnx.load(build.path / 'model.onnx') for build in (built, direct)]

    for found, wanted in zip(*(outputs_of(model, images) for model in models), strict=True):
        np.testing.assert_allclose(found, wanted, atol=ROUNDING)
    counts = [count_operations(build.path / 'model.onnx') for build in (built, direct)]
    assert all(counts[0][kind] == counts[1][kind] for kind in ('Conv', 'Clip', 'Softmax', 'Exp'))
    assert sum(counts[1].values()) <= sum(counts[0].values())
    assert find_avoidable(direct.path / 'model.onnx') == []


def test_old_runtimes_read_the_file(direct):
    model = onnx.load(direct.path / 'model.onnx')

    # Opset 17 came with version 8 of the format.
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)


def test_nodes_are_named_like_their_layers(direct):
    names = {node.name for node in onnx.load(direct.path / 'model.onnx').graph.node}

    assert {'Conv1', 'block_3_depthwise', 'head_0_cls', 'extra_1_expand'} <= names


def test_the_rest_of_the_chain_takes_the_file(direct, tmp_path):
    quantize(direct, QuantizeOptions(num_calibration=2, num_evaluated=0))

    differences = steps.validate(direct)

    assert differences[-1].is_good
    assert {'model_int8_cpu.onnx', 'model_int8_trt.onnx'} <= {
        path.name for path in direct.path.iterdir()
    }
    assert len(cut_at_heads(direct.path / 'model.onnx', tmp_path / 'cut.onnx')) == 2


def test_an_unknown_layer_is_named(tiny_config):
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Dropout(0.5, name='rest')(images))

    with pytest.raises(ExportError, match='rest: is a Dropout.*--converter tf2onnx'):
        add_network(Graph(), model, fold(model), 'images')


def test_nothing_is_converted_without_an_export(tmp_path):
    with pytest.raises(ExportError, match='run export'):
        steps.convert(make_build(tmp_path), 'direct')
