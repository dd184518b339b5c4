"""The network of a training, as whoever scores it and whoever exports it reads it."""

import numpy as np
import pytest

from ssd_training.evaluation.stages import open_checkpoint
from ssd_training.experiments.architecture import describe_architecture
from ssd_training.model.detector import detect
from ssd_training.runs.checkpoints import Checkpoint, Position, write_checkpoint
from ssd_training.runs.state import AVERAGE, MODEL
from ssd_training.targets.priors import generate_priors
from ssd_training.training.step.building import build_float_model
from ssd_training.training.trained import load_float

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')


@pytest.fixture(scope='module')
def state(tmp_path_factory, tiny_config):
    """Write a checkpoint whose averages are far from its weights."""
    arrays = {}
    for weight in build_float_model(tiny_config.architecture).weights:
        shift = np.float32(0.5 if weight.name in ('bias', 'beta') else 0)
        value = weight.numpy()
        arrays |= {MODEL + weight.path: value, AVERAGE + weight.path: value + shift}
    checkpoint = Checkpoint(
        Position(7), describe_architecture(tiny_config.architecture), 'f' * 12, 'd' * 64, arrays
    )
    return write_checkpoint(tmp_path_factory.mktemp('checkpoint'), checkpoint), arrays


@pytest.mark.parametrize(('eval_use_ema', 'part'), [('true', AVERAGE), ('false', MODEL)])
def test_a_checkpoint_is_scored_with_the_weights_that_are_exported(
    state, load, eval_use_ema, part
):
    path, arrays = state
    config = load('tiny', f'train.ema.eval_use_ema={eval_use_ema}')
    images = np.random.default_rng(0).random((1, *config.input_size, 3), np.float32)

    exported = load_float(path, config.architecture, ema=config.train.ema)
    scored = open_checkpoint(path, config.architecture, ema=config.train.ema).predict(images)

    for weight in exported.weights:
        np.testing.assert_array_equal(weight, arrays[part + weight.path], err_msg=weight.path)
    expected = detect(
        exported,
        images,
        generate_priors(config.priors, config.input_size),
        config.priors.variances,
        activation=config.loss.classification.activation,
    )
    for received, wanted in zip(scored, expected, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-5)
