"""One figure whoever computes it: a recording of VOC images, and the training on the same."""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from ssd_detector_ros.evaluate_bag import main
from ssd_detector_ros.make_bag import main as make

BUNDLE = Path(__file__).parents[2] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'


@pytest.mark.slow
@pytest.mark.skipif(find_spec('keras') is None, reason='the training is not installed')
def test_map_of_a_recording_is_that_of_the_training_on_the_same_images(tmp_path):
    root = Path(os.environ.get('DATA_ROOT', '/data'), 'VOCdevkit/VOC2007')
    if not root.is_dir():
        pytest.skip(f'{root} is not there; set DATA_ROOT')
    voc = tmp_path / 'VOCdevkit/VOC2007'
    (voc / 'ImageSets/Main').mkdir(parents=True)
    for name in ('JPEGImages', 'Annotations'):
        (voc / name).symlink_to(root / name)
    names = (root / 'ImageSets/Main/val.txt').read_text().splitlines()[:500]
    (voc / 'ImageSets/Main/some.txt').write_text('\n'.join(names))
    (voc / 'ImageSets/Main/train.txt').write_text('\n'.join(names))

    links = ('--files_outside_root', 'allow')
    assert make([str(voc), '--split', 'some', '--output', str(tmp_path / 'bag'), *links]) == 0
    options = ['--bundle', str(BUNDLE), '--backend', 'onnxruntime', '--model', 'model.onnx']
    assert main([str(tmp_path / 'bag'), *options, '--output', str(tmp_path / 'out')]) == 0
    command = [sys.executable, '-m', 'ssd_training.evaluate', str(BUNDLE / 'model.onnx'), '--json']
    command += ['--experiment_path', 'experiments/exp002_ssdlite.yaml']
    command += ['--overrides', 'data.val_split=some', 'data.files_outside_root=allow']
    environment = {**os.environ, 'DATA_ROOT': str(tmp_path), 'SSD_WEIGHTS_DIR': str(tmp_path)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)

    ours = json.loads((tmp_path / 'out/result.json').read_text())['accuracy']
    theirs = json.loads(done.stdout)['stages'][0]['metrics']
    # Lossless images through the same code: equal, but for the order of sums.
    assert ours['mean_ap'] == pytest.approx(theirs['mean_ap'], abs=1e-6)
    assert ours['mean_ap_75'] == pytest.approx(theirs['mean_ap_75'], abs=1e-6)
    assert ours['coco'] == pytest.approx(theirs['coco'], abs=1e-6)
