"""What augmentation draws, many times over: ranges, symmetry, independence."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from ssd_training.data.augmentation.augmentation import augment_mosaic, draw_center, flip
from ssd_training.data.augmentation.colors import distort_colors
from ssd_training.data.augmentation.sample import Sample
from ssd_training.data.augmentation.zoom import crop_window, expand_window
from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    FlipSettings,
    MosaicSettings,
    PhotometricSettings,
)

# Seeds are fixed: within four standard deviations here is within them for ever.
NUM_DRAWS = 1000
LIMIT = 4 / np.sqrt(NUM_DRAWS)
WHOLE = np.array([0, 0, 1, 1], np.float32)
EXPAND = ExpandSettings(probability=1.0, max_ratio=4.0, fill_rgb=(0.5, 0.4, 0.3))
CROP = CropSettings(
    probability=0.0, min_ious=(0.0,), scale=(0.3, 1.0), aspect_ratio=(0.5, 2.0), tries=1
)
COLORS = PhotometricSettings(
    probability=1.0, brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0
)
ALL = AugmentationSettings(
    photometric=COLORS,
    expand=EXPAND,
    crop=CROP,
    flip=FlipSettings(probability=0.0),
    mosaic=MosaicSettings(probability=1.0, center=(0.35, 0.65)),
)


def draw(change, count=NUM_DRAWS):
    """Call with that many seeds, compiled once."""
    seeds = tf.constant([[11, number] for number in range(count)], tf.int64)
    shape = tf.TensorSpec(change(seeds[0]).shape, tf.float32)
    run = tf.function(lambda: tf.map_fn(change, seeds, fn_output_signature=shape), autograph=False)
    return run().numpy()


def assert_uniform(values, low, high):
    """Compare with the uniform distribution: ends, mean and spread."""
    shares = (np.asarray(values, float) - low) / (high - low)
    assert -2e-3 <= shares.min() < 0.02 and 0.98 < shares.max() <= 1 + 2e-3
    deviation = np.sqrt(1 / 12)
    tolerance = 4 * deviation / np.sqrt(len(shares))
    assert shares.mean() == pytest.approx(0.5, abs=tolerance)
    assert shares.std() == pytest.approx(deviation, abs=tolerance)


def assert_independent(*columns):
    correlations = np.corrcoef(columns)
    np.testing.assert_allclose(correlations, np.eye(len(columns)), atol=LIMIT)


def image_of(values, boxes=((0.25, 0.25, 0.75, 0.75),)):
    return Sample(
        tf.constant(values),
        tf.constant(boxes, tf.float32),
        tf.ones(len(boxes), tf.int32),
        tf.zeros(len(boxes), tf.bool),
    )


def test_an_image_lies_anywhere_in_its_larger_window_whatever_the_size():
    windows = draw(lambda seed: expand_window(EXPAND, seed))

    more = windows[:, 2] - windows[:, 0] - 1
    left, above = -windows[:, 0] / more, -windows[:, 1] / more
    np.testing.assert_allclose(windows[:, 3] - windows[:, 1] - 1, more, atol=1e-5)
    assert_uniform(more, 0, 3)
    assert_uniform(left, 0, 1)
    assert_uniform(above, 0, 1)
    assert_independent(more, left, above)


def test_a_crop_lies_anywhere_and_is_as_often_wide_as_high():
    settings = dataclasses.replace(CROP, probability=1.0, scale=(0.3, 0.5), tries=1)
    sample = image_of(np.zeros((1000, 1000, 3), np.uint8), [(0.0, 0.0, 1.0, 1.0)])

    # One try, and an object whose centre few windows miss: those that do are left out.
    windows = draw(lambda seed: crop_window(tf.constant(WHOLE), sample, settings, seed))
    windows = windows[windows[:, 2] - windows[:, 0] < 1]

    sizes = windows[:, 2:] - windows[:, :2]
    starts = windows[:, :2] / (1 - sizes)
    wide = np.log(sizes[:, 0] / sizes[:, 1])
    assert len(windows) > 100
    assert np.all(np.sqrt(sizes.prod(axis=1)) == pytest.approx(0.4, abs=0.101))
    assert np.all(np.abs(wide) <= np.log(2) + 0.01)
    limit = 4 / np.sqrt(len(windows))
    assert abs(np.corrcoef(starts.T)[0, 1]) < limit
    assert starts.mean(axis=0) == pytest.approx([0.5, 0.5], abs=limit / 2)


@pytest.mark.parametrize('probability', [0.3, 0.8])
def test_a_change_comes_as_often_as_its_probability_says(probability):
    settings = dataclasses.replace(EXPAND, probability=probability)
    windows = draw(lambda seed: expand_window(settings, seed))

    share = np.mean(np.any(windows != WHOLE, axis=1))
    assert share == pytest.approx(probability, abs=LIMIT / 2)


def test_brightness_goes_up_as_often_and_as_far_as_down():
    grey = image_of(np.full((1, 1, 3), 0.5, np.float32))
    settings = dataclasses.replace(COLORS, brightness=0.2)

    values = draw(lambda seed: distort_colors(grey, settings, seed).image_rgb[0, 0, 0])

    assert_uniform(values - 0.5, -0.2, 0.2)


def test_hue_turns_both_ways_alike():
    mild = image_of(np.array([[[0.55, 0.5, 0.45]]], np.float32))
    settings = dataclasses.replace(COLORS, hue=0.1)

    pixels = draw(lambda seed: distort_colors(mild, settings, seed).image_rgb[0, 0])

    assert_uniform(angles_of(pixels) - angles_of(mild.image_rgb.numpy()[0, 0]), -0.1, 0.1)


@pytest.mark.parametrize(
    ('key', 'spread'), [('contrast', np.ptp), ('saturation', lambda pixel: pixel[0] - pixel[1])]
)
def test_contrast_and_saturation_take_every_factor_alike(key, spread):
    image = np.array([[[0.6, 0.5, 0.5], [0.4, 0.5, 0.5]]], np.float32)
    settings = dataclasses.replace(COLORS, **{key: (0.5, 1.5)})

    images = draw(lambda seed: distort_colors(image_of(image), settings, seed).image_rgb)

    factors = [spread(drawn[0, 0]) / spread(image[0, 0]) for drawn in images]
    assert_uniform(factors, 0.5, 1.5)


def chroma_of(pixels):
    """Give colours as I + jQ: luma changes nothing, saturation the length, hue the angle."""
    return pixels @ np.array([0.596, -0.274, -0.322]) + 1j * pixels @ [0.211, -0.523, 0.312]


def angles_of(pixels):
    """Give hues as shares of the circle."""
    return np.angle(chroma_of(pixels)) / (2 * np.pi)


def draw_colors(settings):
    """Tell brightness, contrast, saturation and hue of images of two pixels."""
    image = np.array([[[0.55, 0.5, 0.45], [0.45, 0.5, 0.5]]], np.float32)
    luma = np.array([0.299, 0.587, 0.114])

    images = draw(lambda seed: distort_colors(image_of(image), settings, seed).image_rgb)[:, 0]

    before = image[0]
    difference = images[:, 0] - images[:, 1]
    contrast = (difference @ luma) / ((before[0] - before[1]) @ luma)
    means = (images.mean(axis=1) - before.mean(axis=0)) @ luma
    turned = angles_of(difference) - angles_of(before[0] - before[1])
    saturation = np.abs(chroma_of(difference) / chroma_of(before[0] - before[1])) / contrast
    return means, contrast, saturation, turned


def test_each_change_of_colour_comes_whether_or_not_the_others_do():
    settings = PhotometricSettings(
        probability=0.5, brightness=0.1, contrast=(0.8, 0.9), saturation=(0.4, 0.5), hue=0.05
    )

    means, contrast, saturation, turned = draw_colors(settings)

    uses = [
        np.abs(means) > 1e-4,
        np.abs(contrast - 1) > 1e-2,
        saturation < 0.7,
        np.abs(turned) > 1e-4,
    ]
    assert np.mean(uses, axis=1) == pytest.approx([0.5] * 4, abs=LIMIT / 2)
    assert_independent(*uses)


def test_how_much_each_colour_changes_says_nothing_of_the_others():
    settings = PhotometricSettings(
        probability=1.0, brightness=0.1, contrast=(0.5, 0.9), saturation=(0.4, 0.8), hue=0.05
    )

    assert_independent(*draw_colors(settings))


@pytest.fixture(scope='module')
def mosaics():
    """Draw samples of which half are mosaics: 4 boxes each, of zeros where there is no part."""
    part = image_of(np.zeros((8, 8, 3), np.uint8))
    settings = dataclasses.replace(ALL, mosaic=dataclasses.replace(ALL.mosaic, probability=0.5))

    def boxes_of(seed):
        sample = augment_mosaic(
            part, settings, size_hw=(200, 200), seed=seed, read_other=lambda _: part
        )
        return tf.pad(sample.boxes_xyxy, [[0, 4 - tf.shape(sample.boxes_xyxy)[0]], [0, 0]])

    return draw(boxes_of, count=400)


def test_mosaics_come_as_often_as_their_probability_says(mosaics):
    share = np.mean(np.any(mosaics[:, 1:] > 0, axis=(1, 2)))

    assert share == pytest.approx(0.5, abs=2 / np.sqrt(400))


def test_the_parts_of_a_mosaic_are_zoomed_each_in_its_own_way(mosaics):
    parts = mosaics[np.all(mosaics[:, 3] > 0, axis=1)]

    sizes = parts[..., 2:] - parts[..., :2]
    ratios = np.log(sizes[..., 0] * sizes[..., 1])
    # Not nought: where the four meet makes some larger and others smaller.
    assert np.corrcoef(ratios.T)[~np.eye(4, dtype=bool)].max() < 0.5
    assert np.mean([len(set(np.round(of_mosaic, 3))) for of_mosaic in ratios]) > 3.5


def test_a_mosaic_meets_anywhere_in_its_range_in_x_and_y():
    settings = MosaicSettings(probability=1.0, center=(0.35, 0.65))

    y, x = draw(
        lambda seed: tf.cast(draw_center(settings, (1000, 1000), seed), tf.float32) / 1000
    ).T

    assert_uniform(x, 0.35, 0.65)
    assert_uniform(y, 0.35, 0.65)
    assert_independent(x, y)


def test_a_mosaic_reads_three_others_each_by_a_seed_of_its_own():
    part = image_of(np.zeros((4, 4, 3), np.uint8))
    seeds = []

    for number in range(3):
        augment_mosaic(
            part,
            ALL,
            size_hw=(8, 8),
            seed=tf.constant([5, number], tf.int64),
            read_other=lambda seed: seeds.append(tuple(seed.numpy())) or part,
        )

    assert len(seeds) == len(set(seeds)) == 9


def test_half_of_the_images_are_flipped():
    image = image_of(np.array([[[0.0] * 3, [1.0] * 3]], np.float32))
    settings = FlipSettings(probability=0.5)

    values = draw(lambda seed: flip(image, settings, seed).image_rgb[0, 0, 0])

    assert values.mean() == pytest.approx(0.5, abs=LIMIT / 2)
