"""Augmentation, in graph mode: boxes stay on their objects."""

import colorsys
import dataclasses

from hypothesis import example, given
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from ssd_detector.boxes import iou_matrix
from ssd_training.data.augmentation.augmentation import augment, augment_mosaic, flip, mosaic
from ssd_training.data.augmentation.colors import distort_colors
from ssd_training.data.augmentation.sample import Sample
from ssd_training.data.augmentation.zoom import crop_window, expand_window, resize, view
from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    FlipSettings,
    MosaicSettings,
    PhotometricSettings,
)

SIZE_HW = (96, 96)
FILL = (0.5, 0.4, 0.3)
EXPAND = ExpandSettings(probability=1.0, max_ratio=4.0, fill_rgb=FILL)
NO_EXPAND = ExpandSettings(probability=0.0, max_ratio=4.0, fill_rgb=FILL)
CROP = CropSettings(
    probability=1.0,
    min_ious=(0.1, 0.3, 0.5, 0.0),
    scale=(0.3, 1.0),
    aspect_ratio=(0.5, 2.0),
    tries=50,
)
FLIP = FlipSettings(probability=0.5)
COLORS = PhotometricSettings(
    probability=0.5, brightness=0.125, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=0.05
)
NO_COLORS = PhotometricSettings(
    probability=0.0, brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0
)
MOSAIC = MosaicSettings(probability=1.0, center=(0.35, 0.65))
ALL = AugmentationSettings(
    photometric=NO_COLORS, expand=EXPAND, crop=CROP, flip=FLIP, mosaic=MOSAIC
)
WHOLE = np.array([0, 0, 1, 1], np.float32)


def expand(sample, seed):
    window = expand_window(EXPAND, seed)
    return view(sample, window, size_hw=SIZE_HW, fill_rgb=FILL)


def crop(sample, seed):
    window = crop_window(WHOLE, sample, CROP, seed)
    return view(sample, window, size_hw=SIZE_HW, fill_rgb=FILL)


def make_plain(seed):
    """Make an image without objects and without red."""
    return Sample(
        tf.fill((70, 50, 3), tf.constant(90, tf.uint8)),
        tf.zeros((0, 4)),
        tf.zeros(0, tf.int32),
        tf.zeros(0, tf.bool),
    )


def mosaic_of_one(sample, seed):
    """Put the sample into each corner in turn, beside images without objects."""
    corner = seed[0] % 4
    samples = [
        Sample(
            *(
                tf.cond(corner == i, lambda a=a: a, lambda b=b: b)
                for a, b in zip(sample, make_plain(seed), strict=True)
            )
        )
        for i in range(4)
    ]
    return mosaic(samples, ALL, size_hw=SIZE_HW, seed=seed)


CHANGES = {
    'resize': lambda sample, seed: resize(sample, SIZE_HW),
    'expand': expand,
    'crop': crop,
    'flip': lambda sample, seed: flip(resize(sample, SIZE_HW), FLIP, seed),
    'all': lambda sample, seed: augment(sample, ALL, size_hw=SIZE_HW, seed=seed),
    'mosaic': mosaic_of_one,
    'all with mosaic': lambda sample, seed: augment_mosaic(
        sample, ALL, size_hw=SIZE_HW, seed=seed, read_other=make_plain
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

COMPILED_COLORS = tf.function(
    lambda sample, seed: distort_colors(sample, COLORS, seed), autograph=False
)

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
# The first call of a function initializes it.
@given(rectangle=rectangles(), seed=seeds)
# Its centre fell on the edge of the crop, which then showed no object.
@example(rectangle=((47, 40), (0, 12, 12, 24)), seed=(7233, 1_337_032_204))
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


@pytest.mark.parametrize('name', ['photometric', 'expand', 'crop', 'flip', 'nothing'])
def test_augmentation_makes_the_change_that_is_on_and_no_other(name):
    probabilities = {field.name: float(field.name == name) for field in dataclasses.fields(ALL)}
    chosen = AugmentationSettings(
        **{
            field: dataclasses.replace(section, probability=probabilities[field])
            for field, section in vars(dataclasses.replace(ALL, photometric=COLORS)).items()
        }
    )
    sample = draw_red((100, 80), (20, 20, 70, 60))
    plain = resize(sample, SIZE_HW)

    changed = augment(sample, chosen, size_hw=SIZE_HW, seed=np.array([1, 2]))

    is_moved = not np.allclose(changed.boxes_xyxy, plain.boxes_xyxy, atol=1e-6)
    is_other = not np.allclose(changed.image_rgb, plain.image_rgb, atol=1e-6)
    assert (is_moved, is_other) == (name in ('expand', 'crop', 'flip'), name != 'nothing')


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


def test_a_crop_that_can_not_be_had_leaves_the_window_as_it_is():
    """No window of at most half the image overlaps an object that fills it by 0.9."""
    sample = draw_red((80, 60), (0, 0, 80, 60))
    impossible = dataclasses.replace(CROP, min_ious=(0.9,), scale=(0.3, 0.5))

    for number in range(10):
        window = crop_window(WHOLE, sample, impossible, np.array([1, number]))
        np.testing.assert_array_equal(window, WHOLE)


def test_an_image_without_objects_passes_through_every_change():
    empty = Sample(
        np.zeros((50, 60, 3), np.uint8),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int32),
        np.zeros(0, bool),
    )

    changed = COMPILED['all with mosaic'](empty, np.array([3, 4]))

    assert changed.boxes_xyxy.shape == (0, 4)


def test_crops_differ_lie_on_pixels_and_overlap_an_object_as_wanted():
    sample = draw_red((100, 80), (20, 20, 70, 60))
    settings = dataclasses.replace(CROP, min_ious=(0.5,))
    windows = np.stack([crop_window(WHOLE, sample, settings, np.array([0, n])) for n in range(20)])

    pixels = windows * [100, 80, 100, 80]
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-4)
    assert len({tuple(window) for window in windows}) > 15
    assert np.all(iou_matrix(pixels, np.float32([[20, 20, 70, 60]])) >= 0.5 - 1e-5)


def test_what_is_around_a_smaller_image_has_the_fill_colour():
    sample = Sample(np.full((40, 40, 3), 255, np.uint8), *make_plain(None)[1:])

    zoomed = expand(sample, np.array([0, 1])).image_rgb.numpy()

    is_image = np.isclose(zoomed, 1.0).all(axis=-1)
    assert 0.01 < is_image.mean() < 0.99
    np.testing.assert_allclose(zoomed[~is_image], np.broadcast_to(FILL, zoomed.shape)[~is_image])


def test_a_mosaic_shows_four_images_that_meet_in_one_point():
    samples = [
        Sample(np.full((50, 50, 3), 60 * (i + 1), np.uint8), *make_plain(None)[1:])
        for i in range(4)
    ]
    plain = dataclasses.replace(
        ALL, expand=NO_EXPAND, crop=dataclasses.replace(CROP, probability=0.0)
    )

    joined = mosaic(samples, plain, size_hw=SIZE_HW, seed=np.array([3, 4])).image_rgb

    values = np.round(joined.numpy()[..., 0] * 255 / 60).astype(int)
    corners = values[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_array_equal(corners, [1, 2, 3, 4])
    rows, columns = np.argmax(values[:, 0] == 3), np.argmax(values[0] == 2)
    assert 0.35 * 96 - 1 <= min(rows, columns) and max(rows, columns) <= 0.65 * 96 + 1
    expected = np.ones(SIZE_HW, int)
    expected[:rows, columns:], expected[rows:, :columns], expected[rows:, columns:] = 2, 3, 4
    np.testing.assert_array_equal(values, expected)


def test_without_a_mosaic_no_other_image_is_read():
    changed = dataclasses.replace(ALL, mosaic=dataclasses.replace(MOSAIC, probability=0.0))

    for number in range(4):
        augment_mosaic(
            draw_red((60, 60), (5, 5, 40, 40)),
            changed,
            size_hw=SIZE_HW,
            seed=np.array([0, number]),
            read_other=lambda seed: pytest.fail('another image was read'),
        )


@given(seed=seeds)
def test_changed_colours_stay_in_range_and_boxes_as_they_are(seed):
    sample = resize(draw_red((64, 64), (5, 5, 40, 60)), SIZE_HW)

    changed = COMPILED_COLORS(sample, np.array(seed))

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


@pytest.mark.parametrize('change', ['hue', 'saturation', 'brightness', 'contrast'])
def test_each_change_of_colour_does_what_its_name_says(change):
    """Two pixels of mild colours; nothing of them reaches the ends of the range."""
    image = np.array([[[0.5, 0.4, 0.3], [0.4, 0.45, 0.55]]], np.float32)
    values = {
        'hue': {'hue': 0.05},
        'saturation': {'saturation': (0.5, 0.5)},
        'brightness': {'brightness': 0.1},
        'contrast': {'contrast': (0.6, 0.6)},
    }[change]
    settings = dataclasses.replace(NO_COLORS, probability=1.0, **values)

    changed = distort_colors(Sample(image, *make_plain(None)[1:]), settings, np.array([5, 6]))

    before, after = image[0], changed.image_rgb.numpy()[0]
    luma = np.array([0.299, 0.587, 0.114])
    if change == 'hue':
        turns = [
            colorsys.rgb_to_hsv(*b)[0] - colorsys.rgb_to_hsv(*a)[0]
            for a, b in zip(before, after, strict=True)
        ]
        assert turns[0] == pytest.approx(turns[1], abs=0.02)
        assert 0.005 < abs(turns[0]) < 0.07
        np.testing.assert_allclose(after @ luma, before @ luma, atol=1e-3)
    elif change == 'saturation':
        np.testing.assert_allclose(after @ luma, before @ luma, atol=1e-5)
        np.testing.assert_allclose(np.ptp(after, axis=1), 0.5 * np.ptp(before, axis=1), rtol=1e-4)
    elif change == 'brightness':
        assert 0 < np.abs(after - before).max() <= 0.1
        np.testing.assert_allclose(after - before, (after - before)[0, 0], atol=1e-6)
    else:
        np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(
            np.diff(after, axis=0), 0.6 * np.diff(before, axis=0), rtol=1e-4
        )
