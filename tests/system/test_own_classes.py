"""A user's own classes: from what a labelling tool exported to a node that answers with them."""

from importlib.util import find_spec
import json
from pathlib import Path
import shutil
import subprocess
import sys
import time

import pytest
import yaml

if find_spec('tensorflow') is None:
    pytest.skip('TensorFlow is not installed; run `make test`', allow_module_level=True)

from ssd_detector import Detector
from ssd_training.export import main as export
from ssd_training.train import main as train
from tests.training.in_process import call
from tests.training.labelling_tools import draw, LABELS, LAYOUTS

HAS_ROS = find_spec('rclpy') is not None and shutil.which('ros2') is not None
NUM_PICTURES = 80
# Three minutes on two idle cores, at 20 images a second: a test has no clock.
MAX_TRAINED = 3 * 60 * 20
# Seconds instead of minutes: a small network, which learns little.
SMALL = yaml.safe_load((Path(__file__).parents[1] / 'training/tiny.yaml').read_text())['overrides']
TINY = {
    'backbone': {**SMALL['backbone'], 'freeze_until': 'block_4'},
    'heads': SMALL['heads'],
    # Far below the size that the written file has them laid out at.
    'priors': {**SMALL['priors'], 'laid_out_at_px': None},
    'train': {'epochs': 2, 'batch_size': 4, 'eval_every': 2},
    'augmentation': {
        change: {'probability': 0.0} for change in ('photometric', 'expand', 'crop', 'flip')
    },
}


def run(*arguments, folder):
    started_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-m', *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{arguments}: {done.stdout}{done.stderr}'
    assert 'Traceback' not in done.stderr
    sys.stdout.write(f'{arguments[0]}: {time.monotonic() - started_s:.0f} s\n')
    return done


def prepare_and_check(layout, folder, pictures):
    LAYOUTS[layout](folder / 'source', pictures)
    run('ssd_training.data', 'prepare', 'source', '--out', 'cones', folder=folder)
    run('ssd_training.data', 'check', '--experiment_path', 'cones/experiment.yaml', folder=folder)


def test_pictures_become_a_bundle_of_their_classes_with_nothing_but_the_written_files(
    tmp_path, monkeypatch
):
    """
    The short journey: a small network, and the export instead of the whole deployment.

    Training and export run in this process; the journeys below start each command.
    """
    monkeypatch.chdir(tmp_path)
    prepare_and_check('labelimg', tmp_path, draw(10))
    make_small(tmp_path / 'cones/experiment.yaml', TINY)
    make_small(tmp_path / 'cones/deploy.yaml', {'deploy': {'input': {'size': [96, 96, 3]}}})
    trained = call(train, '--experiment_path', 'cones/experiment.yaml')
    exported = call(export, '--deploy_config', 'cones/deploy.yaml')
    assert (trained.code, exported.code) == (0, 0), trained.err + exported.err
    bundle = tmp_path / 'exported_model/cones'
    detector = Detector.from_bundle(bundle, score_threshold=0.0)
    detections = detector(draw(1)[0].image_rgb)
    assert len(detections) > 0
    assert {*detections.labels} <= {*LABELS}
    assert detector.bundle.manifest.training_run == Path(trained.out.strip()).name
    assert 'PASCAL' not in (bundle / 'MODEL_CARD.md').read_text()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ROS, reason='ROS 2 is not sourced (no rclpy or no ros2)')
@pytest.mark.parametrize('layout', LAYOUTS)
def test_pictures_of_every_layout_become_a_node_that_finds_their_objects(layout, tmp_path):
    pictures = draw(NUM_PICTURES)
    prepare_and_check(layout, tmp_path, pictures)
    training = ['--experiment_path', 'cones/experiment.yaml', '--json']
    if layout == 'labelimg':
        experiment = yaml.safe_load((tmp_path / 'cones/experiment.yaml').read_text())
        assert experiment['overrides']['train']['epochs'] * NUM_PICTURES <= MAX_TRAINED
    else:
        # The splits are alike: once at full length is enough.
        training += ['train.epochs=10', 'train.eval_every=10']
    result = json.loads(run('ssd_training.train', *training, folder=tmp_path).stdout)
    assert result['best_metric'] >= 0.9
    run('ssd_training.deploy', '--deploy_config', 'cones/deploy.yaml', folder=tmp_path)
    bundle = tmp_path / 'exported_model/cones'
    unseen = draw(3, seed=1)
    for picture in unseen:
        picture.write(tmp_path / 'unseen')
    done = run('ssd_training.predict', 'unseen', '--bundle', bundle, '--json', folder=tmp_path)
    predictions = {
        prediction['name']: prediction for prediction in map(json.loads, done.stdout.splitlines())
    }
    assert {*predictions} == {picture.name for picture in unseen}
    assert_node_finds(bundle, unseen, tmp_path)


def assert_node_finds(bundle, pictures, folder):
    """Launch the node as a user does, and see its answers name the objects."""
    from std_msgs.msg import Header

    from ssd_detector_ros.outputs.messages import to_image
    from tests.ros.processes import running
    from tests.ros.talking import peer

    launch = ['ros2', 'launch', 'ssd_detector_ros', 'detector.launch.py', f'bundle:={bundle}']
    with (
        running([*launch, 'namespace:=own', 'image_topic:=image'], folder / 'node.log'),
        peer('own') as camera,
    ):
        camera.wait_until_active()
        for picture in pictures:
            found = camera.ask(to_image(picture.image_rgb, Header()))
            best = max(found.detections, key=lambda one: one.results[0].hypothesis.score)
            assert best.results[0].hypothesis.class_id in dict(picture.objects)


def make_small(path, changes):
    tree = yaml.safe_load(path.read_text())
    tree |= {'input_size': [96, 96]} if 'input_size' in tree else {}
    merge(tree.get('overrides', tree), changes)
    path.write_text(yaml.safe_dump(tree))


def merge(tree, changes):
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(tree.setdefault(key, {}), value)
        else:
            tree[key] = value
