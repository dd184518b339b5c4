"""INT8 files by structure: what TensorRT takes, what makes ONNX Runtime fast, what stays exact."""

import collections
from pathlib import Path
import shutil

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import pytest

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT
from ssd_detector.evaluation.voc import GroundTruths
from ssd_detector.proofs.parity import verify_backend
from ssd_training.data.images.records import ImageFile, Record
from ssd_training.data.sampling import draw_image, find_images, hash_images, sample_balanced
from ssd_training.deployment.conversion import export_onnx
from ssd_training.deployment.validation import record_parity
from ssd_training.errors import DataError, ExportError
from ssd_training.model.serving import Serving
from ssd_training.quantization.calibration import measure_ranges, Range
from ssd_training.quantization.int8_files import (
    CALIBRATED_OPS,
    find_float_nodes,
    quantize_model,
    TensorGrids,
)
from ssd_training.quantization.sensitivity import (
    add_costs,
    format_table,
    LayerSensitivity,
    list_layers,
    measure_sensitivity,
    write_html,
)
from ssd_training.targets.priors import generate_priors
from ssd_training.training.step.building import build_model
from tests.core.proofs.test_int8_parity import forget_a_bias
from tests.locked_folders import lock
from tests.training.deploy_config import SIZE_PX

RELEASED = Path(__file__).parents[3] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'


@pytest.fixture(scope='module')
def float_path(built, tmp_path_factory):
    path = tmp_path_factory.mktemp('quantize') / 'model.onnx'
    shutil.copyfile(built.path / 'model.onnx', path)
    return path


@pytest.fixture(scope='module')
def inputs():
    return [draw_image(SIZE_PX, seed).astype(np.float32)[None] / 255 for seed in range(10)]


@pytest.fixture(scope='module')
def ranges(float_path, inputs):
    return measure_ranges(float_path, inputs, method='minmax', op_types=CALIBRATED_OPS)


@pytest.fixture(scope='module')
def files(float_path, ranges):
    paths = {target: float_path.with_name(f'{target}.onnx') for target in ('cpu', 'trt')}
    for target, path in paths.items():
        quantize_model(float_path, path, target=target, grids=TensorGrids(ranges))
    return paths


def constants(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def quantizers(model):
    return [
        node for node in model.graph.node if node.op_type in ('QuantizeLinear', 'DequantizeLinear')
    ]


def test_calibration_says_nothing_on_stdout(float_path, inputs, capsys):
    measure_ranges(float_path, inputs[:2], method='percentile', op_types=CALIBRATED_OPS)
    assert capsys.readouterr().out == ''


def test_every_zero_point_of_the_tensorrt_file_is_int8_0(files):
    model = onnx.load(files['trt'])
    values = constants(model)

    points = [values[node.input[2]] for node in quantizers(model)]

    assert points
    assert all(point.dtype == np.int8 and not point.any() for point in points)


@pytest.mark.parametrize('target', ['cpu', 'trt'])
def test_grids_of_activations_span_what_was_measured(files, ranges, target):
    """TensorRT's grid is symmetric: the larger end decides, often the lower one."""
    model = onnx.load(files[target])
    values = constants(model)
    lower_ends_decide = 0
    for node in quantizers(model):
        if node.op_type != 'QuantizeLinear' or node.input[0] not in ranges:
            continue
        found, (scale, zero) = ranges[node.input[0]], (values[name] for name in node.input[1:])
        if target == 'trt':
            assert scale * 127 == pytest.approx(max(-found.low, found.high), rel=1e-6)
            lower_ends_decide += -found.low > found.high
        else:
            assert scale * 255 == pytest.approx(found.high - found.low, rel=1e-6)
            assert zero == round(-found.low / scale)
    assert target == 'cpu' or lower_ends_decide > 0


def test_the_tensorrt_file_dequantizes_no_int32(files):
    model = onnx.load(files['trt'])
    values = constants(model)

    assert all(
        values[node.input[0]].dtype == np.int8
        for node in model.graph.node
        if node.op_type == 'DequantizeLinear' and node.input[0] in values
    )


def test_biases_stay_in_float_for_tensorrt(tmp_path):
    """An untrained network has none that are not 0, and those are left out; this one has."""
    shape = helper.make_tensor_value_info('input_image', TensorProto.FLOAT, [1, 3, 8, 8])
    outcome = helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph(
        [
            helper.make_node('Conv', ['input_image', 'w', 'b'], ['x'], name='first'),
            helper.make_node('Conv', ['x', 'w', 'b'], ['y'], name='second'),
        ],
        'biased',
        [shape],
        [outcome],
        [
            numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), 'w'),
            numpy_helper.from_array(np.ones(3, np.float32), 'b'),
        ],
    )
    opset = [helper.make_opsetid('', 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / 'f.onnx')
    ranges = {name: Range(0.0, 6.0) for name in ('input_image', 'x', 'y')}

    quantize_model(
        tmp_path / 'f.onnx', tmp_path / 'q.onnx', target='trt', grids=TensorGrids(ranges)
    )

    model = onnx.load(tmp_path / 'q.onnx')
    assert constants(model)['b'].dtype == np.float32
    assert {constants(model)[n.input[2]].dtype for n in quantizers(model)} == {np.dtype('int8')}


@pytest.mark.parametrize('target', ['cpu', 'trt'])
def test_weights_have_a_scale_for_each_output_channel(files, target):
    model = onnx.load(files[target])
    values = constants(model)
    makers = {node.output[0]: node for node in model.graph.node}

    scales = []
    for conv in (node for node in model.graph.node if node.op_type == 'Conv'):
        dequantize = makers[conv.input[1]]
        weights = values[dequantize.input[0]]
        scales.append((values[dequantize.input[1]].shape, (weights.shape[0],)))

    assert scales and all(found == expected for found, expected in scales)


def test_nothing_parts_a_conv_from_its_relu6_in_the_tensorrt_file(files):
    nodes = onnx.load(files['trt']).graph.node
    takers = collections.defaultdict(list)
    for node in nodes:
        for name in node.input:
            takers[name].append(node.op_type)

    followers = [takers[node.output[0]] for node in nodes if node.op_type == 'Conv']

    assert ['Clip'] in followers
    assert not any('QuantizeLinear' in op_types and 'Clip' in op_types for op_types in followers)


@pytest.mark.parametrize('target', ['cpu', 'trt'])
def test_decoding_softmax_and_outputs_stay_in_float(files, float_path, target):
    """Fault 17 of the reference: boxes in steps of 2.2 px."""
    model = onnx.load(files[target])
    makers = {name: node for node in model.graph.node for name in node.output}
    pending, seen = ['boxes', 'scores'], set()
    while pending:
        node = makers.get(pending.pop())
        if node is None or node.name in seen or node.op_type == 'Conv':
            continue
        seen.add(node.name)
        pending += node.input
    behind_heads = {node.op_type for node in model.graph.node if node.name in seen}

    # The outputs of the heads themselves may have been quantized; nothing behind them is.
    assert {'Softmax', 'Concat', 'Slice'} <= behind_heads
    assert len([n for n in quantizers(model) if n.name in seen]) <= (24 if target == 'cpu' else 0)
    assert all(
        makers[node.input[0]].op_type in ('Conv', 'QuantizeLinear')
        for node in quantizers(model)
        if node.name in seen
    )


def count_optimized(path, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / 'optimized.onnx')
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options)
    model = onnx.load(tmp_path / 'optimized.onnx')
    return collections.Counter(node.op_type for node in model.graph.node)


def check_speed(float_path, int8_path, tmp_path, *, num_maps, num_sums):
    """Hold an optimized graph to what makes it fast: 2.0 times (depthwise), 2.4 times (3x3)."""
    plain = collections.Counter(node.op_type for node in onnx.load(float_path).graph.node)

    counts = count_optimized(int8_path, tmp_path)

    assert counts['QLinearConv'] == plain['Conv'] >= 30
    # An island in float costs more than its arithmetic: it is dequantized and quantized again.
    assert counts['Conv'] == counts['FusedConv'] == counts['Clip'] == 0
    assert counts['QLinearAdd'] == num_sums
    assert counts['QuantizeLinear'] == 1
    # Behind the heads, two a feature map, and nowhere else.
    assert counts['DequantizeLinear'] == plain['Reshape'] == 2 * num_maps
    assert counts['Transpose'] <= plain['Transpose']


@pytest.mark.parametrize('network', ['small', 'released'])
def test_onnx_runtime_computes_every_conv_and_add_of_the_cpu_file_in_int8(
    files, float_path, tmp_path, network
):
    paths = {'small': (float_path, files['cpu'])}
    paths['released'] = (RELEASED / 'model.onnx', RELEASED / 'model_int8_cpu.onnx')

    num_maps, num_sums = {'small': (2, 3), 'released': (6, 10)}[network]
    check_speed(*paths[network], tmp_path, num_maps=num_maps, num_sums=num_sums)


@pytest.mark.slow
def test_onnx_runtime_computes_3x3_heads_in_int8(load, inputs, tmp_path):
    config = load('tiny', 'heads={head_type: conv3x3, intermediate_channels: 64}')
    serving = Serving(
        build_model(config.architecture),
        generate_priors(config.priors, config.input_size),
        config.priors.variances,
    )
    path = tmp_path / 'model.onnx'
    export_onnx(serving, path, opset=17)
    ranges = measure_ranges(path, inputs[:2], method='minmax', op_types=CALIBRATED_OPS)

    quantize_model(path, tmp_path / 'int8.onnx', target='cpu', grids=TensorGrids(ranges))

    check_speed(path, tmp_path / 'int8.onnx', tmp_path, num_maps=2, num_sums=3)


def test_the_input_normalization_is_not_quantized(float_path):
    names = find_float_nodes(onnx.load(float_path))
    types = {node.name: node.op_type for node in onnx.load(float_path).graph.node}

    assert sorted(types[name] for name in names if 'normalize' in name) == ['Add', 'Mul']
    assert not any(types[name] == 'Clip' for name in names)


def test_a_layer_kept_in_float_is_not_quantized(float_path, ranges, tmp_path):
    conv = next(n.name for n in onnx.load(float_path).graph.node if n.op_type == 'Conv')

    quantize_model(
        float_path,
        tmp_path / 'q.onnx',
        target='cpu',
        grids=TensorGrids(ranges),
        float_nodes=[conv],
    )

    counts = count_optimized(tmp_path / 'q.onnx', tmp_path)
    assert counts['Conv'] + counts['FusedConv'] == 1


def test_an_unknown_layer_to_keep_in_float_is_an_error(float_path, ranges, tmp_path):
    with pytest.raises(ExportError, match='has no node block_99'):
        quantize_model(
            float_path,
            tmp_path / 'q.onnx',
            target='cpu',
            grids=TensorGrids(ranges),
            float_nodes=['block_99'],
        )


@pytest.fixture
def clip_path(tmp_path):
    """Write a network that only clips at 6."""
    shape = [1, 100, 100, 1]
    graph = helper.make_graph(
        [helper.make_node('Clip', ['input_image', 'low', 'high'], ['y'], name='clip')],
        'clip',
        [helper.make_tensor_value_info('input_image', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.float32(value), name)
            for name, value in (('low', 0.0), ('high', 6.0))
        ],
    )
    opset = [helper.make_opsetid('', 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / 'clip.onnx')
    return tmp_path / 'clip.onnx'


def ramp(highest):
    return np.linspace(0, highest, 10_000, dtype=np.float32).reshape(1, 100, 100, 1)


@pytest.mark.parametrize('method', ['minmax', 'percentile'])
def test_ranges_do_not_depend_on_where_chunks_are_cut(clip_path, method):
    """More images than a chunk holds, in the other order; the last two are not like the rest."""
    images = [ramp(5), *(ramp(3) for _ in range(7)), ramp(1), ramp(1)]

    there = measure_ranges(clip_path, images, method=method, op_types=['Clip'])
    back = measure_ranges(clip_path, images[::-1], method=method, op_types=['Clip'])

    # One value in 10,000 of ten images: ten of the one that reaches 5.
    highest = 5.0 if method == 'minmax' else 4.995
    for found in (there, back):
        assert (found['y'].low, found['y'].high) == (0, pytest.approx(highest, abs=5 / 1024))


@pytest.mark.parametrize(('method', 'highest'), [('minmax', 5.0), ('percentile', 4.9995)])
def test_percentile_leaves_out_one_value_in_ten_thousand(clip_path, method, highest):
    ranges = measure_ranges(clip_path, [ramp(5)], method=method, op_types=['Clip'])

    # A histogram of 2,048 bins tells no more than half a bin.
    assert ranges['y'].high == pytest.approx(highest, abs=5 / 2048)


def test_no_image_to_calibrate_with_is_an_error(float_path):
    with pytest.raises(ExportError, match='no calibration image'):
        measure_ranges(float_path, [], method='minmax', op_types=CALIBRATED_OPS)


def record(name, class_ids):
    count = len(class_ids)
    truths = GroundTruths(
        boxes_xyxy=np.zeros((count, 4), np.float32),
        class_ids=np.array(class_ids, np.int64),
        is_difficult=np.zeros(count, bool),
    )
    return Record(name, ImageFile(name), (10, 10), truths)


def test_the_sample_holds_rare_classes_too():
    records = [record(f'common{number}', [1]) for number in range(95)]
    records += [record(f'rare{number}', [2]) for number in range(5)]

    sample = sample_balanced(records, 8, seed=0)

    names = [record.image_id for record in sample]
    assert sum(name.startswith('rare') for name in names) == 4
    assert len(set(names)) == 8
    assert names == [record.image_id for record in sample_balanced(records, 8, seed=0)]
    assert names != [record.image_id for record in sample_balanced(records, 8, seed=1)]


def test_the_sample_ends_where_there_are_no_more_images():
    records = [record('a', [1, 2]), record('b', [1]), record('empty', [])]

    assert {record.image_id for record in sample_balanced(records, 9, seed=0)} == {'a', 'b'}


def test_images_that_are_tested_with_are_not_calibrated_with(tmp_path):
    for name in ('train.jpg', 'val.jpg'):
        (tmp_path / name).write_bytes(name.encode())

    found = find_images(tmp_path, 9, 0, excluded=[str(tmp_path / 'val.jpg')])

    assert [source.name for source in found] == [str(tmp_path / 'train.jpg')]
    assert hash_images(found) != hash_images(find_images(tmp_path, 9, 0))


def test_a_link_to_an_image_that_is_tested_with_is_that_image(tmp_path):
    folder = tmp_path / 'calibration'
    folder.mkdir()
    (tmp_path / 'val.jpg').touch()
    (folder / 'renamed.jpg').symlink_to(tmp_path / 'val.jpg')
    (folder / 'train.jpg').touch()

    found = find_images(folder, 9, 0, excluded=[str(tmp_path / 'val.jpg')])

    assert [source.name for source in found] == [str(folder / 'train.jpg')]


def test_an_image_that_is_tested_with_through_a_link_is_that_image(tmp_path):
    folder, split = tmp_path / 'calibration', tmp_path / 'split'
    folder.mkdir()
    split.mkdir()
    (folder / 'val.jpg').touch()
    (folder / 'train.jpg').touch()
    (split / 'renamed.jpg').symlink_to(folder / 'val.jpg')

    found = find_images(folder, 9, 0, excluded=[str(split / 'renamed.jpg')])

    assert [source.name for source in found] == [str(folder / 'train.jpg')]


def test_of_a_folder_pictures_alone_are_drawn(tmp_path):
    (tmp_path / 'folder.jpg').mkdir()
    for name in ('a.jpg', '._a.jpg', 'folder.jpg/b.png'):
        (tmp_path / name).touch()

    found = find_images(tmp_path, 9, 0)

    assert {Path(source.name).name for source in found} == {'a.jpg', 'b.png'}


def test_a_folder_that_may_not_be_read_is_not_left_out_in_silence(tmp_path, monkeypatch):
    (tmp_path / 'locked').mkdir()
    (tmp_path / 'a.jpg').touch()
    lock(monkeypatch, 'locked')

    with pytest.raises(DataError, match=r'locked: can not be read \(Permission denied\)'):
        find_images(tmp_path, 9, 0)


def test_images_of_a_folder_are_drawn_by_the_seed_and_not_the_first_ones(tmp_path):
    for number in range(40):
        (tmp_path / f'{number:02d}.jpg').touch()

    draws = [
        [Path(source.name).stem for source in find_images(tmp_path, 8, seed)] for seed in (0, 0, 1)
    ]

    assert draws[0] == draws[1] != draws[2]
    assert sorted(draws[0]) != [f'{number:02d}' for number in range(8)]


@pytest.mark.slow
def test_sensitivity_names_the_layer_whose_range_is_wrong(tmp_path):
    path = RELEASED / 'model.onnx'
    images = [
        image[None] / np.float32(255) for image in np.load(RELEASED / 'parity.npz')['images_rgb']
    ]
    ranges = measure_ranges(path, images[:1], method='minmax', op_types=CALIBRATED_OPS)
    convs = [node for node in onnx.load(path).graph.node if node.op_type == 'Conv']
    # Of ReLU6: a hundred times too wide. As measured the layer is one of the harmless ones.
    ranges[convs[20].input[0]] = Range(0.0, 600.0)
    grids = TensorGrids(ranges)

    rows = measure_sensitivity(path, grids, images[:1])
    timed = add_costs(rows[:1], path, grids, images[0])
    write_html([*timed, *rows[1:]], tmp_path / 'sensitivity.html', 'released')

    assert rows[0].layer == convs[20].name
    assert len(rows) == len(convs)
    assert ' ms' in format_table(timed)
    assert (tmp_path / 'sensitivity.html').read_text().count('<tr><td>') == len(convs)


@pytest.mark.parametrize(('network', 'num_layers'), [('small', 30), ('released', 88)])
def test_layers_have_the_names_that_keras_gives_them(float_path, network, num_layers):
    path = float_path if network == 'small' else RELEASED / 'model.onnx'

    titles = list(list_layers(path).values())

    assert len(set(titles)) == len(titles) == num_layers
    assert {'Conv1', 'expanded_conv_project', 'block_5_depthwise'} < set(titles)
    assert network == 'small' or {'block_16_depthwise', 'Conv_1'} < set(titles)
    assert {'extra_1_reduce', 'head_0_cls', 'head_1_box_depthwise'} < set(titles)


def test_the_table_says_where_nothing_was_timed():
    assert format_table([LayerSensitivity('Conv__7', 'block_1_expand', 0.1, 0.2)]).endswith(
        '           -  block_1_expand'
    )


def test_the_other_way_to_round_passes_on_whatever_images_a_bundle_has(tmp_path):
    """On drawn images boxes of released files moved by 7.0 px, more than on photographs."""
    paths = [RELEASED / name for name in (INT8_CPU, INT8_TRT)]
    run = OnnxRuntimeBackend(RELEASED / 'model.onnx').run_batch
    size_px = load_bundle(RELEASED).manifest.input_size_px
    images = [draw_image(size_px, seed) for seed in range(4)]

    parity = record_parity(run, images, size_px, paths)

    for path in paths:
        for optimization in ('all', 'off'):
            backend = OnnxRuntimeBackend(path, graph_optimization=optimization)
            result = verify_backend(backend, parity, precision='INT8', path=RELEASED)
            assert result.is_good, str(result)
    model = onnx.load(RELEASED / INT8_CPU)
    forget_a_bias(model)
    onnx.save(model, tmp_path / INT8_CPU)
    damaged = OnnxRuntimeBackend(tmp_path / INT8_CPU)
    assert not verify_backend(damaged, parity, precision='INT8', path=RELEASED).is_good
