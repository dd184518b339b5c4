"""Archives of a detector of random values."""

from pathlib import Path

import pytest

from ssd_training.coco.archives import write_archives
from ssd_training.coco.tfjs import GraphModel
from tests.training.coco.made_model import draw_tensors


@pytest.fixture(scope='session')
def tensors():
    return draw_tensors()


@pytest.fixture(scope='session')
def folder(tensors, tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    write_archives(GraphModel(Path('package.tgz'), tensors), folder)
    return folder
