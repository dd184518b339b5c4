"""The gate of INT8: a loss is judged by its interval, not by a bare difference."""

import pytest

from ssd_detector.evaluation.bootstrap import PairedBootstrap
from ssd_training.quantization.accuracy import judge_loss, Loss


def judge(difference, low, high, num_images=100):
    comparison = PairedBootstrap(
        first=0.7,
        second=0.7 + difference,
        low=low,
        high=high,
        confidence=0.95,
        num_resamples=1000,
        seed=0,
    )
    return judge_loss(comparison, 0.5, num_images)


@pytest.mark.parametrize(
    ('difference', 'low', 'high', 'loss'),
    [
        (-0.02, -0.03, -0.01, Loss.TOO_MUCH),
        (-0.02, -0.06, 0.01, Loss.UNKNOWN),
        (0.01, -0.06, 0.04, Loss.UNKNOWN),
        (-0.001, -0.004, 0.002, Loss.ALLOWED),
        (0.0, 0.0, 0.0, Loss.ALLOWED),
    ],
)
def test_only_an_interval_beyond_the_limit_is_too_much(difference, low, high, loss):
    assert judge(difference, low, high)[0] is loss


def test_what_the_images_can_not_tell_is_said_with_its_interval():
    assert judge(-0.02, -0.06, 0.01)[1] == (
        'loses 2.00 points of mAP (95 % interval -1.00 to 6.00, 100 images); 0.5 are allowed: '
        '100 images can not tell; more would'
    )


def test_a_handful_of_images_without_a_loss_proves_nothing():
    """All right in both files, in each resample: the interval has no width, whatever the loss."""
    loss, text = judge(0.0, 0.0, 0.0, num_images=5)
    assert loss is Loss.UNKNOWN
    assert '5 images can not tell' in text
