"""Priors."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from ssd_detector.errors import ConfigError
from ssd_training.targets.priors import generate_priors, grid_sizes, priors_per_cell, views_px
from tests import reference


def test_ssd_300_has_13502_priors_with_the_references_first_and_last_row(load):
    priors = generate_priors(load('exp001_baseline').priors, (300, 300))

    assert priors.shape == (13502, 4)
    assert priors.dtype == np.float32
    np.testing.assert_allclose(priors[0], [0.013158, 0.013158, 0.2, 0.2], atol=5e-7)
    np.testing.assert_allclose(priors[-1], [0.75, 0.75, 0.6892024, 1.0], atol=5e-8)


def test_ssd_300_tf_has_1917_priors_from_scale_0_1_to_a_square_of_root_0_95(load):
    priors = generate_priors(load('exp002_ssdlite').priors, (300, 300))

    assert priors.shape == (1917, 4)
    np.testing.assert_allclose(priors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(priors[1, 2:], [0.2 * 2**0.5, 0.2 / 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(priors[-1], [0.5, 0.5, 0.95**0.5, 0.95**0.5], rtol=1e-6)


@pytest.mark.parametrize('size_hw', [(300, 300), (96, 96), (300, 600)])
def test_ssd_300_equals_the_slow_reference(load, size_hw):
    settings = load('exp001_baseline').priors
    grids = grid_sizes(settings.strides, size_hw)

    expected = reference.ssd_300_priors(grids, settings.aspect_ratios)

    np.testing.assert_allclose(generate_priors(settings, size_hw), expected, rtol=1e-6)


def test_ssd_300_tf_equals_the_slow_reference_also_where_priors_leave_the_image(load):
    settings = load('exp002_ssdlite').priors

    priors = generate_priors(settings, (300, 300))

    expected = reference.ssd_300_tf_priors(grid_sizes(settings.strides, (300, 300)))
    np.testing.assert_allclose(priors, expected, rtol=1e-6)
    assert (priors[:, 2:] > 1).any()


def test_a_wide_input_has_more_columns_than_rows(load):
    priors = generate_priors(load('exp001_baseline').priors, (300, 600))
    first_map = priors[: 38 * 75 * 6]

    assert len(np.unique(first_map[:, 0])) == 75
    assert len(np.unique(first_map[:, 1])) == 38


def test_the_cells_of_the_two_layouts_have_the_documented_numbers_of_priors(load):
    assert priors_per_cell(load('exp001_baseline').priors) == [6, 10, 10, 6, 6, 6]
    assert priors_per_cell(load('exp002_ssdlite').priors) == [3, 6, 6, 6, 6, 6]


@pytest.mark.parametrize('side_px', [300, 320, 331, 96, 1])
def test_views_lie_where_convolutions_of_stride_2_look(side_px):
    """Kernels that copy their middle hand the place of each pixel on."""
    places = np.arange(side_px, dtype=np.float32).reshape(1, side_px, 1) + 0.5
    for stride in (2, 4, 8, 16, 32):
        layer = keras.layers.Conv1D(1, 3, strides=2, padding='same', use_bias=False)
        layer.build(places.shape)
        layer.set_weights([np.array([0.0, 1.0, 0.0], np.float32).reshape(3, 1, 1)])
        places = np.asarray(layer(places))

        np.testing.assert_array_equal(views_px(side_px, stride), places[0, :, 0])


@pytest.mark.parametrize('side_px', [320, 384, 256])
def test_priors_of_another_size_lie_off_their_cells_as_they_did_where_they_were_learnt(
    load, side_px
):
    settings = dataclasses.replace(load('exp002_ssdlite').priors, laid_out_at_px=300)
    found = generate_priors(settings, (side_px, side_px))
    learned = generate_priors(settings, (300, 300))

    first = learned_first = 0
    for stride, per_cell in zip(settings.strides, priors_per_cell(settings), strict=True):
        views, learned_views = views_px(side_px, stride), views_px(300, stride)
        own = found[first : first + per_cell * len(views) ** 2]
        old = learned[learned_first : learned_first + per_cell * len(learned_views) ** 2]
        first, learned_first = first + len(own), learned_first + len(old)
        ends = [0, -1] if len(views) > 1 and len(learned_views) > 1 else []
        rows = own.reshape(len(views), len(views), per_cell, 4)
        old_rows = old.reshape(len(learned_views), len(learned_views), per_cell, 4)
        for row, column in itertools.product(ends, ends):
            off = rows[row, column, :, :2] * side_px - [views[column], views[row]]
            old_off = old_rows[row, column, :, :2] * 300
            old_off -= [learned_views[column], learned_views[row]]
            np.testing.assert_allclose(off, old_off, atol=1e-3)
    assert (first, learned_first) == (len(found), len(learned))


@pytest.mark.parametrize('side_px', [320, 384, 256])
def test_small_priors_keep_their_px_and_large_ones_their_share_of_the_image(load, side_px):
    settings = dataclasses.replace(load('exp002_ssdlite').priors, laid_out_at_px=300)
    numbers = priors_per_cell(settings)

    shares = []
    for size_px in (side_px, 300):
        cells = [len(views_px(size_px, stride)) ** 2 for stride in settings.strides]
        counts = np.multiply(cells, numbers)
        maps = np.split(generate_priors(settings, (size_px, size_px)), np.cumsum(counts)[:-1])
        shares.append(
            [
                own.reshape(-1, number, 4)[:, :, 2:]
                for own, number in zip(maps, numbers, strict=True)
            ]
        )

    for index, (found, learned) in enumerate(zip(*shares, strict=True)):
        # Of the first map 300 / side_px, of the last one 1, between them in equal ratios.
        expected = (300 / side_px) ** ((5 - index) / 5)
        ratios = found / learned[:1]
        np.testing.assert_allclose(ratios, expected, rtol=1e-5)


def test_one_cell_lies_as_the_middle_of_several_did(load):
    """Maps of 300 px have 19, 10, 5, 3, 2 and 1 cells, of 400 px 25, 13, 7, 4, 2 and 1."""
    settings = dataclasses.replace(load('exp002_ssdlite').priors, laid_out_at_px=300)

    for side_px in (240, 400):
        priors = generate_priors(settings, (side_px, side_px))
        (view,), (learned_view,) = views_px(side_px, 512), views_px(300, 512)
        assert priors[-1, 0] * side_px == pytest.approx(view + 150 - learned_view, abs=1e-3)
        assert (priors[:, :2] > 0).all() and (priors[:, :2] < 1).all()
    # Below what an experiment takes: one cell where 300 px have two.
    lone = generate_priors(settings, (200, 200))[-12, 0] * 200
    middle = (views_px(300, 256) - [75, 225]).mean()
    assert lone == pytest.approx(views_px(200, 256)[0] - middle, abs=1e-3)


def test_between_the_ends_priors_move_evenly(load):
    settings = dataclasses.replace(load('exp002_ssdlite').priors, laid_out_at_px=300)

    centers = generate_priors(settings, (384, 384))[: 24 * 3 : 3, 0]

    steps = np.diff(centers)
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-4)


def test_at_the_size_that_was_learnt_nothing_changes(load):
    kept = dataclasses.replace(load('exp002_ssdlite').priors, laid_out_at_px=300)

    plain = generate_priors(dataclasses.replace(kept, laid_out_at_px=None), (300, 300))
    np.testing.assert_array_equal(generate_priors(kept, (300, 300)), plain)
    # Of a wide image one side alone is another one.
    wide = generate_priors(kept, (300, 600))[: 19 * 38 * 3]
    np.testing.assert_array_equal(np.unique(wide[:, 1]), np.unique(plain[: 19 * 19 * 3, 1]))


def test_strides_that_no_row_of_halvings_makes_have_no_views(load):
    settings = load('exp002_ssdlite').priors

    with pytest.raises(ConfigError, match='laid_out_at_px: needs strides that are powers of 2'):
        dataclasses.replace(settings, strides=(12, *settings.strides[1:]), laid_out_at_px=300)
