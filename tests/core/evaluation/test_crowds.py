"""Flags of crowds as tools write them."""

import pytest

from ssd_detector.evaluation.crowds import read_crowd


@pytest.mark.parametrize('value', [None, 0, 0.0, False, '0', '0.0', 'False', ' false '])
def test_no_crowd_is_written_in_many_ways(value):
    assert read_crowd(value) is False


@pytest.mark.parametrize('value', [1, 1.0, True, '1', '1.0', 'True'])
def test_a_crowd_is_written_in_many_ways(value):
    assert read_crowd(value) is True


@pytest.mark.parametrize('value', [2, -1, 0.5, float('nan'), '', 'no', [1], {}])
def test_what_is_no_flag_is_refused(value):
    with pytest.raises(ValueError, match=r'^iscrowd: received .*; expected 0 or 1$'):
        read_crowd(value)
