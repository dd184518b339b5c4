"""Fixtures of the training tests: coloured rectangles, shipped experiments, real weights."""

from collections.abc import Callable
import fcntl
import os
from pathlib import Path
import sys

import pytest

from ssd_training.experiments.merge import load_experiment
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.train import CONFIG_ROOT
from tests.training.labelling_tools import draw, Drawn
from tests.training.shapes_voc import write_shapes_voc

WEIGHTS_DIR = Path(
    os.environ.get('SSD_WEIGHTS_DIR', Path(__file__).parents[3] / 'shared/data/weights')
)

# An experiment for tests, beside those that are shipped.
TINY = Path(__file__).with_name('tiny.yaml')
# For tests of what comes after augmentation: it takes seconds to trace.
UNCHANGED = tuple(
    f'augmentation.{change}.probability=0.0'
    for change in ('photometric', 'expand', 'crop', 'flip')
)

Load = Callable[..., ExperimentConfig]


@pytest.fixture(scope='session')
def data_root(tmp_path_factory) -> Path:
    """Hold VOCdevkit/VOC2007 with coloured rectangles."""
    root = tmp_path_factory.mktemp('data')
    write_shapes_voc(root)
    return root


@pytest.fixture(scope='session')
def load(data_root) -> Load:
    """Load tiny, or a shipped experiment, with overrides; VOC is the coloured rectangles."""

    def load_with(name: str, *overrides: str) -> ExperimentConfig:
        config, _ = load_experiment(
            TINY if name == 'tiny' else Path(f'experiments/{name}.yaml'),
            CONFIG_ROOT,
            overrides=overrides,
            environment={'DATA_ROOT': str(data_root), 'SSD_WEIGHTS_DIR': str(WEIGHTS_DIR)},
        )
        return config

    return load_with


@pytest.fixture(scope='session', autouse=True)
def used_blocks():
    """
    Build no block behind the last feature map.

    keras.applications knows whole backbones only; what is not used is thrown away, after half of
    the time that a small network takes.
    """
    if 'keras' not in sys.modules:
        yield
        return
    from keras.src.applications import mobilenet_v2

    from ssd_training.model import ssd

    last_blocks = {'C3': 6, 'C4': 13, 'C5': 16}
    build_whole, add_block = ssd.build_backbone, mobilenet_v2._inverted_res_block

    def build(images, settings):
        last = last_blocks[settings.output_layers[-1]]

        def add(inputs, *, block_id, **options):
            if block_id > last:
                return inputs
            return add_block(inputs, block_id=block_id, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mobilenet_v2, '_inverted_res_block', add)
            return build_whole(images, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssd, 'build_backbone', build)
        yield


@pytest.fixture(scope='module')
def unoptimized_graphs():
    """
    Run graphs as they are traced.

    Rewriting them takes TensorFlow longer than a few steps; whole commands do it.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})
    yield
    tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': False})


@pytest.fixture(scope='session')
def pictures() -> list[Drawn]:
    """Draw a dozen pictures, for the folders of labelling tools."""
    return draw(12)


@pytest.fixture(scope='session')
def tiny_config(load) -> ExperimentConfig:
    """Load the small experiment."""
    return load('tiny')


@pytest.fixture(scope='session')
def pretrained_path() -> Callable[[str], Path]:
    """Find a file of pretrained weights, or skip the test."""

    def find(name: str) -> Path:
        path = WEIGHTS_DIR / name
        if not path.is_file():
            pytest.skip(f'{name} is not in {WEIGHTS_DIR}; set SSD_WEIGHTS_DIR')
        return path

    return find


@pytest.fixture(scope='session')
def built(tiny_config, tmp_path_factory):
    """Export, convert, quantize and validate the small network, once for all workers."""
    from tests.training.deploying import build_everything, make_build

    folder = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        folder = folder.parent
    folder = folder / 'deployed'
    with folder.with_suffix('.lock').open('w') as lock:
        # Half a minute of one core: the other worker waits, or finds what it needs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        build = make_build(folder)
        return build if build.bundle_path.exists() else build_everything(tiny_config, folder)


@pytest.fixture(scope='module')
def bucket():
    """Run an S3 server on this machine, with one bucket."""
    server_module = pytest.importorskip('moto.server', reason='moto is not installed')
    boto3 = pytest.importorskip('boto3', reason='boto3 is not installed')
    s3fs = pytest.importorskip('s3fs', reason='s3fs is not installed')
    server = server_module.ThreadedMotoServer('127.0.0.1', port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        'AWS_ENDPOINT_URL': f'http://{host}:{port}',
        'AWS_ACCESS_KEY_ID': 'nobody',
        'AWS_SECRET_ACCESS_KEY': 'nothing',
        'AWS_DEFAULT_REGION': 'us-east-1',
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        # A file system of an earlier server would go on asking that one.
        s3fs.S3FileSystem.clear_instance_cache()
        client = boto3.client('s3')
        client.create_bucket(Bucket='checkpoints')
        # What all servers of a process hold is one: an earlier file's objects are here, too.
        boto3.resource('s3').Bucket('checkpoints').objects.all().delete()
        yield client
    server.stop()
