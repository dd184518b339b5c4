"""Drawing."""

from importlib.util import find_spec

import numpy as np
import pytest

from ssd_detector.detections import Detections
from ssd_detector.images import lettering
from ssd_detector.images.drawing import class_color_rgb, draw_detections, text_color_rgb


def one(box, label='person'):
    return Detections(
        boxes_xyxy=np.array([box], np.float32),
        scores=np.array([0.5], np.float32),
        class_ids=np.array([15]),
        labels=[label],
    )


def test_the_input_image_is_not_changed():
    image = np.zeros((80, 120, 3), np.uint8)
    drawn = draw_detections(image, one([20, 30, 90, 70]))
    assert not image.any()
    assert drawn.shape == image.shape


def test_the_box_has_the_colour_of_its_class_on_black_and_on_white():
    for background in (0, 255):
        image = np.full((80, 120, 3), background, np.uint8)
        drawn = draw_detections(image, one([20, 30, 90, 70]))
        assert tuple(drawn[69, 55]) == class_color_rgb(15)


def test_the_label_of_a_box_at_the_border_stays_inside():
    image = np.zeros((80, 200, 3), np.uint8)
    drawn = draw_detections(image, one([190, 0, 200, 10], label='pottedplant'))
    # The text is somewhere left of the box, and not cut off at the right edge.
    has_label_color = np.all(drawn[:, :185] == class_color_rgb(15), axis=-1)
    assert has_label_color.sum() > 50


def relative_luminance(color_rgb):
    """WCAG 2.1, definition of relative luminance."""
    shares = np.array(color_rgb) / 255
    linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_the_text_of_every_class_can_be_read_on_its_colour():
    for class_id in range(1, 21):
        color_rgb = class_color_rgb(class_id)
        low, high = sorted(relative_luminance(c) for c in (color_rgb, text_color_rgb(color_rgb)))
        # 3 is what WCAG 2.1 asks of large text; white text on class 10 has 1.8.
        assert (high + 0.05) / (low + 0.05) >= 3, class_id


def test_nothing_to_draw_gives_a_copy():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(draw_detections(image, Detections.empty()), image)


def test_colours_of_neighbouring_classes_differ():
    colors = np.array([class_color_rgb(class_id) for class_id in range(1, 21)], int)
    distances = np.abs(np.diff(colors, axis=0)).sum(axis=1)
    assert distances.min() > 100


def test_colours_are_the_same_in_every_run():
    assert [class_color_rgb(class_id) for class_id in (1, 2, 20)] == [
        (20, 74, 204),
        (128, 204, 20),
        (20, 204, 51),
    ]


@pytest.fixture(params=['OpenCV 5', 'OpenCV 4 and Pillow', 'OpenCV 4 alone'])
def opencv(request, monkeypatch):
    """Draw as different machines do; the tests run with OpenCV 5."""
    monkeypatch.setattr(lettering, '_OPENCV_DRAWS_ALL', '5' in request.param)
    if 'Pillow' in request.param and find_spec('PIL') is None:
        pytest.skip('Pillow is not installed (pip install pillow, or python3-pil)')
    if 'alone' in request.param:
        monkeypatch.setattr(lettering, '_find_font', lambda letters, size_px: None)
    return request.param


def lettered(label, image=None):
    image = np.zeros((120, 400, 3), np.uint8) if image is None else image
    return draw_detections(image, one([20, 60, 300, 110], label=label))


@pytest.mark.parametrize('pair', [('Grün', 'Grön'), ('человек', 'собаки'), ('東京', '京東')])
def test_labels_that_differ_beyond_ascii_look_different(opencv, pair):
    if opencv == 'OpenCV 4 alone' and pair[0] == 'Grün':
        pair = ('Grün', 'Grot')  # The dots go.
    first, second = map(lettered, pair)
    assert (first != second).any()
    assert (first != lettered('?' * len(pair[0]))).any()


def test_a_script_that_no_font_has_is_spelled(opencv, monkeypatch):
    monkeypatch.setattr(lettering, '_FONTS', ())
    first, second = lettered('\u8f66'), lettered('\u4eba')
    assert (first != second).any()


@pytest.mark.parametrize('size_hw', [(10, 10), (40, 1000), (2000, 30)])
def test_any_label_fits_any_image(opencv, size_hw):
    drawn = draw_detections(
        np.zeros((*size_hw, 3), np.uint8), one([0, 0, 9, 9], label='Straßenbahnhaltestelle')
    )
    assert drawn.shape == (*size_hw, 3) and drawn.any()
