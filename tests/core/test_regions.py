"""Region of interest and ignored polygons, against pixels counted one by one and OpenCV."""

import cv2
from hypothesis import assume, given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector import ConfigError, Detector, Regions, Thresholds
from ssd_detector.postprocess import postprocess
from ssd_detector.regions import Window
from tests.tiny_bundle import write_tiny_bundle

shares = st.floats(0, 1, width=32)
sizes = st.integers(1, 40)
# OpenCV's float32 products of tiny numbers vanish: a grid keeps them exact.
steps = st.integers(0, 1024).map(lambda step: step / 1024)
corners = st.tuples(steps, steps)


@st.composite
def regions_of_interest(draw):
    (x1, x2), (y1, y2) = (sorted(draw(st.tuples(shares, shares))) for _ in range(2))
    assume(x1 < x2 and y1 < y2)
    return x1, y1, x2, y2


@given(regions_of_interest(), sizes, sizes)
def test_the_window_holds_each_pixel_that_the_region_touches_and_at_least_one(region, w, h):
    window = Regions(region_of_interest=region).window((w, h))
    for (low, high), (first, end), size in (
        (region[0::2], (window.x1, window.x2), w),
        (region[1::2], (window.y1, window.y2), h),
    ):
        touched = [i for i in range(size) if i < high * size and i + 1 > low * size]
        assert list(range(first, end)) == (touched or [size - 1])


def test_the_last_pixel_is_a_region_of_its_own():
    assert Regions(region_of_interest=(0.95, 0.95, 1, 1)).window((10, 10)) == Window(9, 9, 10, 10)


def test_a_region_thinner_than_floats_can_tell_is_still_a_pixel():
    thin = (0.3333333333333333, 0.33333333333333337)
    assert thin[0] * 3 == thin[1] * 3 == 1
    assert Regions(region_of_interest=(thin[0], 0, thin[1], 1)).window((3, 3)).size_wh == (1, 3)
    assert Regions(region_of_interest=(0, thin[0], 1, thin[1])).window((3, 3)).size_wh == (3, 1)


def test_the_window_cuts_its_pixels_out_and_no_others():
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    rows, columns = [1, 2, 3], [2, 3]
    cut = Window(2, 1, 4, 4).crop(image)
    np.testing.assert_array_equal(cut, image[np.ix_(rows, columns)])


@given(st.lists(corners, min_size=3, max_size=6), corners)
def test_a_centre_is_ignored_where_opencv_finds_it_inside(polygon, centre):
    distance = cv2.pointPolygonTest(np.array(polygon, np.float32), centre, True)
    # On an edge both answers are right; OpenCV computes in float32.
    assume(abs(distance) > 1e-4)
    box = np.array([[*centre, *centre]], np.float32) * 64
    (is_ignored,) = Regions(ignore_polygons=(tuple(polygon),)).are_ignored(box, (64, 64))
    # OpenCV fills a figure that crosses itself by the same even-odd rule.
    assert is_ignored == (distance > 0)


def test_each_of_several_polygons_is_ignored():
    left = ((0, 0), (0.4, 0), (0.4, 1), (0, 1))
    right = ((0.6, 0), (1, 0), (1, 1), (0.6, 1))
    boxes = np.array([[0, 0, 20, 20], [45, 0, 55, 20], [80, 0, 100, 20]], np.float32)
    ignored = Regions(ignore_polygons=(left, right)).are_ignored(boxes, (100, 100))
    assert ignored.tolist() == [True, False, True]


@pytest.mark.parametrize(
    'region',
    [
        *[(0.5, 0, 0.5, 1), (0.6, 0, 0.4, 1), (-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0, 0, 1, 1.1)],
        *[(0, 0.5, 1, 0.5), (0, 0.6, 1, 0.4), (0, -0.1, 1, 1), (0, 0, 1, float('nan'))],
    ],
)
def test_a_region_that_is_no_part_of_the_image_is_refused_with_its_value(region):
    with pytest.raises(ConfigError, match='region_of_interest: .*x1 < x2'):
        Regions(region_of_interest=region)


def test_everything_wrong_with_polygons_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Regions(ignore_polygons=(((0, 0), (1, 1)), ((0, 0), (2, 0), (1, 1))))
    assert len(caught.value.findings) == 2


def test_32_polygons_of_256_corners_are_allowed_and_no_more():
    corners = [(index / 1000, index % 2 / 2) for index in range(257)]
    Regions(ignore_polygons=(tuple(corners[:256]),) * 32)

    with pytest.raises(ConfigError, match='received 33; expected at most 32'):
        Regions(ignore_polygons=(tuple(corners[:3]),) * 33)
    with pytest.raises(ConfigError, match='has 257 corners; expected 3 or more, and at most 256'):
        Regions(ignore_polygons=(tuple(corners),))


def find(regions, *, thresholds=None):
    boxes = np.array([[0, 0, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 1, 1]], np.float32)
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], np.float32)
    return postprocess(
        boxes,
        scores,
        size_wh=(100, 50),
        labels=('cat',),
        thresholds=thresholds or Thresholds(),
        regions=regions,
    )


def test_boxes_in_the_region_come_out_in_pixels_of_the_image():
    found = find(Regions(region_of_interest=(0.5, 0.0, 1.0, 1.0)))
    np.testing.assert_allclose(found.boxes_xyxy, [[50, 0, 75, 25], [75, 25, 100, 50]])


def test_an_ignored_box_neither_counts_nor_suppresses():
    # Its centre (0.25, 0.25) is ignored; the one behind it, at (0.3, 0.3), is not.
    polygon = ((0, 0), (0.27, 0), (0.27, 0.27), (0, 0.27))
    found = find(Regions(ignore_polygons=(polygon,)), thresholds=Thresholds(max_detections=1))
    np.testing.assert_allclose(found.scores, [0.8])


def test_a_class_that_is_not_allowed_is_not_reported():
    thresholds = Thresholds(class_thresholds={'cat': 0.1}, allowed_classes=('dog',))
    np.testing.assert_array_equal(
        thresholds.by_class(('cat', 'dog')), np.array([np.inf, 0.35], np.float32)
    )


def test_an_unknown_label_is_named_with_the_field():
    thresholds = Thresholds(class_thresholds={'cow': 0.1}, allowed_classes=('dgo',))
    with pytest.raises(ConfigError) as caught:
        thresholds.by_class(('cat', 'dog'))
    assert [finding.partition(':')[0] for finding in caught.value.findings] == [
        'class_thresholds.cow',
        'allowed_classes.dgo',
    ]


def test_the_detector_sees_the_region_only(tmp_path):
    detector = Detector.from_bundle(write_tiny_bundle(tmp_path / 'tiny'))
    image_rgb = np.zeros((48, 64, 3), np.uint8)
    image_rgb[:, 32:, 0] = 255
    detector.regions = Regions(region_of_interest=(0.5, 0.0, 1.0, 1.0))
    found = detector(image_rgb)
    # The tiny bundle's `red` scores the mean of the red channel, at a fixed place.
    np.testing.assert_allclose(found.scores, [1.0])
    np.testing.assert_allclose(found.boxes_xyxy, [[36, 12, 48, 36]])
