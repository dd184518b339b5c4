"""What TensorRT's parser and builder take, without a GPU."""

import onnx
import pytest

from ssd_detector import BackendError
from ssd_detector.backends.tensorrt.api import build_engine, BuildOptions, load_module
from tests.tiny_bundle import tiny_model


@pytest.fixture(scope='module')
def trt():
    return pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not installed')


def test_a_missing_package_is_named():
    with pytest.raises(BackendError, match='no Python package tensorrt_none'):
        load_module('tensorrt_none')


def test_the_builder_takes_a_model_and_a_workspace(trt, tmp_path):
    onnx.save(tiny_model(), tmp_path / 'model.onnx')
    said = []

    engine = build_engine(
        trt,
        tmp_path / 'model.onnx',
        BuildOptions(workspace_mib=64, timing_cache=tmp_path / 'times'),
        said.append,
    )

    assert len(engine) > 100
    assert any('steps' in line for line in said)


def test_what_the_parser_refuses_is_said_with_its_reason(trt, tmp_path):
    model = tiny_model()
    model.graph.node[0].op_type = 'NoSuchOperator'
    onnx.save(model, tmp_path / 'model.onnx')

    with pytest.raises(BackendError, match='tensorrt_rtx .* can not read it'):
        build_engine(trt, tmp_path / 'model.onnx', BuildOptions())
