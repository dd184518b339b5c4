"""COCO's figures against pycocotools, which reads files; ours come from arrays."""

import dataclasses
import json
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.coco import CocoResult, score_coco
from tests.core.evaluation.cases import LABELS, random_data_sets, to_detections, to_truths

NAMES = [field.name for field in dataclasses.fields(CocoResult)][:12]


def write_json(path, found, truths):
    """Write the two files of COCO's tools, images numbered from 100."""
    numbers = {image_id: 100 + index for index, image_id in enumerate(truths)}

    def rows(boxes, class_ids, image_id):
        for (x1, y1, x2, y2), class_id in zip(boxes.tolist(), class_ids.tolist(), strict=True):
            yield {
                'image_id': numbers[image_id],
                'category_id': class_id,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
            }

    objects = [
        row | {'iscrowd': int(is_difficult)}
        for image_id, truth in truths.items()
        for row, is_difficult in zip(
            rows(truth.boxes_xyxy, truth.class_ids, image_id), truth.is_difficult, strict=True
        )
    ]
    results = [
        row | {'score': score}
        for image_id, detections in found.items()
        for row, score in zip(
            rows(detections.boxes_xyxy, detections.class_ids, image_id),
            detections.scores.tolist(),
            strict=True,
        )
    ]
    tree = {
        'images': [{'id': number} for number in numbers.values()],
        'categories': [{'id': k, 'name': label} for k, label in enumerate(LABELS, start=1)],
        'annotations': [annotation | {'id': 1 + k} for k, annotation in enumerate(objects)],
    }
    (path / 'truths.json').write_text(json.dumps(tree))
    (path / 'found.json').write_text(json.dumps(results))


def score_by_pycocotools(path):
    truths = COCO(path / 'truths.json')
    evaluation = COCOeval(truths, truths.loadRes(str(path / 'found.json')), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    by_class = [
        p[p > -1].mean() if np.any(p > -1) else np.nan for p in precision.transpose(2, 0, 1)
    ]
    return np.where(evaluation.stats == -1, np.nan, evaluation.stats), by_class


def test_the_twelve_figures_equal_pycocotools(tmp_path, capsys):
    cases = [*random_data_sets(25, seed=7, scale=16), *random_data_sets(25, seed=8, scale=7)]
    for found, truths in cases:
        if not sum(map(len, found.values())):
            continue
        write_json(tmp_path, found, truths)
        figures, by_class = score_by_pycocotools(tmp_path)
        result = score_coco(found, truths, LABELS)

        ours = [getattr(result, name) for name in NAMES]
        np.testing.assert_allclose(ours, figures, rtol=0, atol=1e-12)
        np.testing.assert_allclose(list(result.ap_by_label.values()), by_class, rtol=0, atol=1e-12)


def test_only_a_hundred_detections_of_a_class_and_image_count(tmp_path, capsys):
    boxes = [[20 * k, 0, 20 * k + 10, 10] for k in range(120)]
    found = {'a': to_detections(boxes, np.linspace(1, 0.1, 120), [1] * 120)}
    truths = {'a': to_truths(boxes, [1] * 120, [False] * 120)}
    write_json(tmp_path, found, truths)

    result = score_coco(found, truths, LABELS)
    assert (result.ar_1, result.ar_10, result.ar_100) == pytest.approx((1 / 120, 1 / 12, 5 / 6))
    figures, by_class = score_by_pycocotools(tmp_path)
    assert figures[8] == pytest.approx(5 / 6)
    assert result.ap_by_label['cat'] == pytest.approx(by_class[0])


def test_ap_is_the_mean_of_ten_ious_and_not_of_two():
    # IoU 0.8 is a hit at 0.50, 0.55, ..., 0.80: seven of the ten.
    found = {'a': to_detections([[0, 0, 10, 8]], [0.9], [1])}
    result = score_coco(found, {'a': to_truths([[0, 0, 10, 10]], [1], [False])}, LABELS)

    assert (result.ap, result.ap_50, result.ap_75) == pytest.approx((0.7, 1, 1))


def test_the_figures_have_the_names_of_the_classes():
    found = {'a': to_detections([[0, 0, 10, 10]], [0.9], [2])}
    result = score_coco(found, {'a': to_truths([[0, 0, 10, 10]], [2], [False])}, LABELS)

    assert set(result.ap_by_label) == set(LABELS)
    assert result.ap_by_label['dog'] == pytest.approx(1)
    assert np.isnan([result.ap_by_label['cat'], result.ar_large]).all()


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faster_coco_eval.core.coco', None)
    with pytest.raises(EvaluationError, match='pip install "faster-coco-eval'):
        score_coco({}, {'a': to_truths([[0, 0, 1, 1]], [1], [False])}, LABELS)
