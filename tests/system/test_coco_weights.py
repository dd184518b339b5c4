"""The COCO weights, untouched: weights, priors, decoding, resize and metric in one number."""

import os
from pathlib import Path

import pytest

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend

REPOSITORY = Path(__file__).parents[2]
WEIGHTS_DIR = Path(os.environ.get('SSD_WEIGHTS_DIR', REPOSITORY.parent / 'shared/data/weights'))
DATA_ROOT = Path(os.environ.get('DATA_ROOT', REPOSITORY / 'datasets'))


@pytest.mark.slow
def test_untouched_coco_weights_reach_ap50_of_0_66_on_voc2007_val(tmp_path):
    """data/weights/README.md: 0.669 with sigmoid scores, and softmax works nearly as well."""
    if not (WEIGHTS_DIR / 'mobilenetv2_ssdlite_coco_voc20.npz').is_file():
        pytest.skip(f'no COCO weights in {WEIGHTS_DIR}; set SSD_WEIGHTS_DIR')
    if not (DATA_ROOT / 'VOCdevkit/VOC2007/ImageSets/Main/val.txt').is_file():
        pytest.skip(f'no VOCdevkit/VOC2007 in {DATA_ROOT}; unpack VOC2007 and set DATA_ROOT')
    from ssd_training.data.sources.voc import read_voc
    from ssd_training.deployment.conversion import export_onnx
    from ssd_training.experiments.merge import load_experiment
    from ssd_training.model.serving import Serving
    from ssd_training.targets.priors import generate_priors
    from ssd_training.train import CONFIG_ROOT
    from ssd_training.training.evaluation import evaluate_split
    from ssd_training.training.pretrained import load_pretrained
    from ssd_training.training.step.building import build_model

    config, _ = load_experiment(
        Path('experiments/exp002_ssdlite.yaml'),
        CONFIG_ROOT,
        environment={'SSD_WEIGHTS_DIR': str(WEIGHTS_DIR), 'DATA_ROOT': str(DATA_ROOT)},
    )
    model = build_model(config.architecture)
    load_pretrained(model, config.architecture, trained_statistics=())
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    serving = Serving(model, priors_cxcywh, config.priors.variances)
    export_onnx(serving, tmp_path / 'model.onnx', opset=17)
    backend = OnnxRuntimeBackend(tmp_path / 'model.onnx')

    def predict(images):
        boxes_xyxy, scores = backend.run(images)
        return boxes_xyxy[None], scores[None]

    result = evaluate_split(
        predict,
        read_voc(
            Path(config.data.root),
            'val',
            labels=config.data.labels,
            max_boxes=config.data.max_boxes,
        ),
        config.eval,
        labels=config.data.labels,
        size_px=config.input_size[0],
        batch_size=1,
    )

    assert result.mean_ap >= 0.66, result.ap_by_label
