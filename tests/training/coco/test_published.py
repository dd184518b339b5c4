"""The published detector itself: downloaded, converted, and compared with what TensorFlow runs."""

import numpy as np
import pytest
from skimage import data

from ssd_detector.preprocess import preprocess
from ssd_training.coco.archives import write_archives
from ssd_training.coco.package import fetch, open_source
from ssd_training.coco.tfjs import read_model
from ssd_training.errors import WeightsError
from ssd_training.runs.start_weights import COCO_ARCHIVES
from ssd_training.training.trained import load_float
from tests.training.coco.published_graph import run_published

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def files():
    try:
        return open_source(fetch())
    except WeightsError as error:
        pytest.skip(str(error))


def test_the_archives_compute_what_tensorflows_own_graph_does(files, load, tmp_path):
    model = read_model(files)
    write_archives(model, tmp_path)
    photographs = [data.astronaut(), data.chelsea(), data.coffee()]
    images = np.stack([preprocess(photograph, 300)[0] for photograph in photographs])
    published_boxes, published_logits = run_published(files.read, model.tensors, 2 * images - 1)

    for experiment, (name, ids) in zip(
        ('exp002_ssdlite', 'exp007_coco80'), COCO_ARCHIVES.items(), strict=True
    ):
        config = load(experiment, 'backbone.weights=null')
        network = load_float(tmp_path / name, config.architecture, ema=config.train.ema)
        boxes, logits = network(images)
        # Ours are tx, ty, tw, th.
        np.testing.assert_allclose(boxes, published_boxes[..., [1, 0, 3, 2]], atol=2e-4)
        rows = [0, *ids.values()]
        np.testing.assert_allclose(logits, published_logits[..., rows], atol=5e-4)
