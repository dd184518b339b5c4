"""Detector: bundle in, boxes in original pixels out."""

from dataclasses import replace

import numpy as np
import pytest

from ssd_detector import BackendError, BundleError, ConfigError, Detector, ImageError, Regions
from tests.libraries import require_openvino
from tests.tiny_bundle import BOXES_NORMALIZED_XYXY, LABELS, write_tiny_bundle


@pytest.fixture(scope='module')
def bundle_path(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


def plain(red=0, green=0, blue=0, *, size_wh=(64, 48)):
    width, height = size_wh
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def test_boxes_come_in_the_pixels_of_the_image(bundle_path):
    found = Detector.from_bundle(bundle_path)(plain(red=255, size_wh=(101, 57)))
    assert found.labels == ['red']
    expected = BOXES_NORMALIZED_XYXY[0] * [101, 57, 101, 57]
    np.testing.assert_allclose(found.boxes_xyxy[0], expected, rtol=1e-6)
    assert found.scores[0] == pytest.approx(1.0, abs=1e-6)


def test_calling_equals_the_three_stages(bundle_path):
    detector = Detector.from_bundle(bundle_path)
    image = plain(red=200, blue=220)
    outputs = detector.infer(detector.preprocess(image))
    staged = detector.postprocess(*outputs, (64, 48))
    np.testing.assert_array_equal(detector(image).boxes_xyxy, staged.boxes_xyxy)
    assert detector(image).labels == staged.labels == ['blue', 'red']


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
@pytest.mark.parametrize('takes_batches', [False, True])
def test_a_batch_gives_what_its_images_give_one_by_one(tmp_path, backend, takes_batches):
    if backend == 'openvino':
        require_openvino()
    path = write_tiny_bundle(tmp_path / 'tiny', takes_batches=takes_batches)
    detector = Detector.from_bundle(path, backend=backend)
    input_images = [detector.preprocess(plain(red=red)) for red in (0, 100, 255)]
    outputs = detector.infer_batch(input_images)
    assert detector.takes_batches == takes_batches
    assert len(outputs) == 3
    for (boxes, scores), input_image in zip(outputs, input_images, strict=True):
        expected_boxes, expected_scores = detector.infer(input_image)
        np.testing.assert_allclose(boxes, expected_boxes, atol=1e-5)
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_overrides_win_over_the_bundle(bundle_path):
    image = plain(red=200, green=100, blue=220)
    assert len(Detector.from_bundle(bundle_path)(image)) == 3
    assert len(Detector.from_bundle(bundle_path, score_threshold=0.5)(image)) == 2
    assert len(Detector.from_bundle(bundle_path, max_detections=1)(image)) == 1
    strict = Detector.from_bundle(bundle_path, class_thresholds={'blue': 0.9})
    assert strict(image).labels == ['red', 'green']


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('score_threshold', 0.125),
        ('nms_iou_threshold', 0.875),
        ('max_detections', 7),
        ('class_thresholds', {'red': 0.25}),
    ],
)
def test_an_override_changes_its_threshold_and_no_other(bundle_path, name, value):
    detector = Detector.from_bundle(bundle_path, **{name: value})

    assert detector.thresholds == replace(detector.bundle.thresholds, **{name: value})
    assert detector.thresholds != detector.bundle.thresholds


def test_thresholds_and_regions_of_one_call_win(bundle_path):
    detector = Detector.from_bundle(bundle_path)
    outputs = detector.infer(detector.preprocess(plain(red=200, blue=220)))
    strict = replace(detector.thresholds, score_threshold=0.8)
    right = Regions(region_of_interest=(0.5, 0.0, 1.0, 1.0))

    usual = detector.postprocess(*outputs, (64, 48))
    found = detector.postprocess(*outputs, (64, 48), thresholds=strict, regions=right)

    assert (usual.labels, found.labels) == (['blue', 'red'], ['blue'])
    shrunk = usual.boxes_xyxy[0] * [0.5, 1, 0.5, 1] + [32, 0, 32, 0]
    np.testing.assert_allclose(found.boxes_xyxy[0], shrunk, rtol=1e-6)


def test_a_region_that_changes_during_an_inference_counts_from_the_next_image(bundle_path):
    detector = Detector.from_bundle(bundle_path)
    right = Regions(region_of_interest=(0.5, 0.0, 1.0, 1.0))
    detector.regions = right
    expected = detector(plain(red=255))

    class Meddling:
        def run(self, input_image):
            detector.regions = Regions()
            return backend.run(input_image)

    backend, detector._backend = detector.backend, Meddling()
    found = detector(plain(red=255))

    np.testing.assert_array_equal(found.boxes_xyxy, expected.boxes_xyxy)
    assert found.boxes_xyxy[0, 0] >= 32 and detector.regions == Regions()


def test_thresholds_are_live(bundle_path):
    detector = Detector.from_bundle(bundle_path)
    image = plain(red=200)
    assert len(detector(image)) == 1
    detector.thresholds = replace(detector.thresholds, score_threshold=0.9)
    assert len(detector(image)) == 0


def test_what_the_detector_is_can_be_read(bundle_path):
    detector = Detector.from_bundle(str(bundle_path), num_threads=1)
    assert detector.labels == LABELS
    assert detector.input_size_px == 32
    assert detector.bundle.manifest.name == 'tiny'


def test_overrides_out_of_range_are_named(bundle_path):
    with pytest.raises(ConfigError, match=r'score_threshold: 1.5 is outside \[0.0, 1.0\]'):
        Detector.from_bundle(bundle_path, score_threshold=1.5)


def test_an_override_for_a_label_that_is_not_there_is_named(bundle_path):
    with pytest.raises(ConfigError, match='class_thresholds.horse: no such label; the model kn'):
        Detector.from_bundle(bundle_path, class_thresholds={'horse': 0.5})


def test_a_missing_bundle_is_named(tmp_path):
    with pytest.raises(BundleError, match='no such bundle folder'):
        Detector.from_bundle(tmp_path / 'absent')


def test_a_model_that_is_not_in_the_bundle_is_named(bundle_path):
    with pytest.raises(BundleError, match='model_int8_cpu.onnx is not in the bundle'):
        Detector.from_bundle(bundle_path, model='model_int8_cpu.onnx')
    with pytest.raises(BundleError, match='model_int8_cpu.onnx is not in the bundle'):
        Detector.from_bundle(bundle_path, precision='INT8')


GPU_FIRST = ('CUDAExecutionProvider', 'CPUExecutionProvider')


def test_a_provider_that_is_not_there_is_a_warning_and_the_cpu(bundle_path, caplog):
    detector = Detector.from_bundle(bundle_path, providers=GPU_FIRST)

    assert 'CUDAExecutionProvider not in this onnxruntime' in caplog.text
    assert 'the CPU serves instead' in caplog.text
    assert detector.backend.description == 'ONNX Runtime CPUExecutionProvider, model.onnx'


def test_a_required_gpu_that_is_not_there_is_an_error(bundle_path):
    with pytest.raises(BackendError, match='CUDAExecutionProvider not in this onnxruntime'):
        Detector.from_bundle(
            bundle_path, backend='onnxruntime', providers=GPU_FIRST, require_gpu=True
        )
    with pytest.raises(BackendError, match='require_gpu'):
        Detector.from_bundle(bundle_path, require_gpu=True)


def test_a_negative_thread_count_is_an_error(bundle_path):
    with pytest.raises(BackendError, match='num_threads: received -1; expected 0'):
        Detector.from_bundle(bundle_path, num_threads=-1)


def test_an_image_without_pixels_is_an_error(bundle_path):
    with pytest.raises(ImageError, match='0x0 pixels'):
        Detector.from_bundle(bundle_path)(np.zeros((0, 0, 3), np.uint8))


def test_what_is_no_array_is_an_error(bundle_path):
    with pytest.raises(ImageError, match='received list; expected a NumPy array'):
        Detector.from_bundle(bundle_path)([[0, 0, 0]])


def test_a_tensor_of_another_size_is_an_error(bundle_path):
    detector = Detector.from_bundle(bundle_path)
    with pytest.raises(BackendError, match=r'inference failed on \(1, 16, 16, 3\)'):
        detector.infer(np.zeros((1, 16, 16, 3), np.float32))
