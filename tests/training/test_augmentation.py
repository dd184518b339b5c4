"""Augmentation, in graph mode: boxes stay on their objects."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.data.augmentation import (
    augment,
    crop,
    distort_colors,
    expand,
    flip,
    resize,
    Sample,
)
from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    FlipSettings,
    PhotometricSettings,
)

SIZE_HW = (96, 96)
EXPAND = ExpandSettings(probability=1.0, max_ratio=4.0)
CROP = CropSettings(
    probability=1.0, min_ious=(0.1, 0.3, 0.5, 0.0), scale=(0.3, 1.0), aspect_ratio=(0.5, 2.0)
)
FLIP = FlipSettings(probability=0.5)
COLORS = PhotometricSettings(
    probability=0.5, brightness=0.125, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=0.05
)
NO_COLORS = PhotometricSettings(
    probability=0.0, brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0
)

CHANGES = {
    'expand': lambda sample, seed: resize(expand(sample, EXPAND, seed), SIZE_HW),
    'crop': lambda sample, seed: resize(crop(sample, CROP, seed), SIZE_HW),
    'flip': lambda sample, seed: resize(flip(sample, FLIP, seed), SIZE_HW),
    'all': lambda sample, seed: augment(
        sample,
        AugmentationSettings(photometric=NO_COLORS, expand=EXPAND, crop=CROP, flip=FLIP),
        size_hw=SIZE_HW,
        seed=seed,
    ),
}
# As in a tf.data pipeline: graph mode, image and number of boxes of any size.
SIGNATURE = [
    Sample(
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((None, 4), tf.float32),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None,), tf.bool),
    ),
    tf.TensorSpec((2,), tf.int64),
]
COMPILED = {
    name: tf.function(change, input_signature=SIGNATURE, autograph=False)
    for name, change in CHANGES.items()
}

seeds = st.tuples(st.integers(0, 2**31), st.integers(0, 2**31))


@st.composite
def rectangles(draw):
    """Draw the size of an image and the edges of a rectangle in it, px."""
    width, height = draw(st.integers(40, 130)), draw(st.integers(40, 130))
    box_width, box_height = draw(st.integers(12, width)), draw(st.integers(12, height))
    x1, y1 = draw(st.integers(0, width - box_width)), draw(st.integers(0, height - box_height))
    return (width, height), (x1, y1, x1 + box_width, y1 + box_height)


def draw_red(size_wh, box, *, is_difficult=False):
    image = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = (255, 0, 0)
    scale = np.array([*size_wh, *size_wh], np.float32)
    return Sample(
        image,
        np.array([box], np.float32) / scale,
        np.array([5], np.int32),
        np.array([is_difficult]),
    )


def red_edges(image):
    """Find the edges of what is red, as shares of the image."""
    rows, columns = np.nonzero((image[..., 0] > 0.67) & (image[..., 1] < 0.18))
    edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return edges / np.array([*image.shape[1::-1]] * 2)


@pytest.mark.parametrize('name', CHANGES)
@settings(max_examples=60)
@given(rectangle=rectangles(), seed=seeds)
def test_a_red_rectangle_stays_under_its_box(name, rectangle, seed):
    changed = COMPILED[name](draw_red(*rectangle), np.array(seed))

    assert changed.image_rgb.shape == (*SIZE_HW, 3)
    assert list(changed.class_ids) == [5]
    # Bilinear edges are mixed over one pixel of the large or of the small image.
    zoom = max(SIZE_HW) / min(rectangle[0]) / 0.3
    tolerance = (1 + zoom / 2) / SIZE_HW[0]
    np.testing.assert_allclose(
        red_edges(changed.image_rgb.numpy()), changed.boxes_xyxy[0], atol=tolerance
    )


@settings(max_examples=40)
@given(seed=seeds)
def test_objects_whose_centre_is_cut_off_leave_with_their_class_and_flag(seed):
    left, right = (0.0, 0.0, 0.1, 1.0), (0.9, 0.0, 1.0, 1.0)
    sample = Sample(
        np.zeros((100, 100, 3), np.uint8),
        np.array([left, right], np.float32),
        np.array([1, 2], np.int32),
        np.array([False, True]),
    )

    changed = COMPILED['crop'](sample, np.array(seed))

    kept = [
        (int(c), bool(d)) for c, d in zip(changed.class_ids, changed.is_difficult, strict=True)
    ]
    assert kept in ([(1, False)], [(2, True)], [(1, False), (2, True)])
    assert len(changed.boxes_xyxy) == len(kept)
    assert np.all((changed.boxes_xyxy >= 0) & (changed.boxes_xyxy <= 1))


def test_a_crop_that_can_not_be_had_leaves_the_sample_as_it_is():
    """No window of at most half the image overlaps an object that fills it by 0.9."""
    sample = draw_red((80, 60), (0, 0, 80, 60))
    impossible = CropSettings(
        probability=1.0, min_ious=(0.9,), scale=(0.3, 0.5), aspect_ratio=(0.5, 2.0)
    )

    changed = crop(sample, impossible, np.array([1, 2]))

    np.testing.assert_array_equal(changed.image_rgb, sample.image_rgb)
    np.testing.assert_array_equal(changed.boxes_xyxy, sample.boxes_xyxy)


def test_an_image_without_objects_passes_through_every_change():
    empty = Sample(
        np.zeros((50, 60, 3), np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int32),
        np.zeros(0, bool),
    )

    changed = COMPILED['all'](empty, np.array([3, 4]))

    assert changed.boxes_xyxy.shape == (0, 4)


def test_crops_differ_and_most_are_smaller_than_the_image():
    sample = draw_red((100, 80), (20, 20, 70, 60))

    sizes = {tuple(crop(sample, CROP, np.array([0, n])).image_rgb.shape) for n in range(20)}

    assert len(sizes) > 10
    assert all(height <= 80 and width <= 100 for height, width, _ in sizes)


@settings(max_examples=40)
@given(seed=seeds)
def test_changed_colours_stay_in_range_and_boxes_as_they_are(seed):
    sample = resize(draw_red((64, 64), (5, 5, 40, 60)), SIZE_HW)

    changed = distort_colors(sample, COLORS, np.array(seed))

    assert 0 <= np.min(changed.image_rgb) and np.max(changed.image_rgb) <= 1
    np.testing.assert_array_equal(changed.boxes_xyxy, sample.boxes_xyxy)


def test_colours_change_with_the_seed_and_not_at_probability_zero():
    sample = resize(draw_red((64, 64), (5, 5, 40, 60)), SIZE_HW)
    means = {
        round(float(np.mean(distort_colors(sample, COLORS, np.array([0, n])).image_rgb)), 5)
        for n in range(12)
    }

    assert len(means) > 5
    same = distort_colors(sample, NO_COLORS, np.array([0, 0])).image_rgb
    np.testing.assert_allclose(same, sample.image_rgb, atol=1e-6)


@pytest.mark.parametrize('name', CHANGES)
def test_equal_seeds_give_equal_samples(name):
    sample = draw_red((100, 80), (20, 20, 70, 60))

    first, second = (COMPILED[name](sample, np.array([8, 9])) for _ in range(2))

    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
