"""Priors."""

import numpy as np
import pytest

from ssd_training.targets.priors import generate_priors, grid_sizes, priors_per_cell
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
