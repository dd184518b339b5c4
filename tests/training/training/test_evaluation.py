"""Evaluation of a split."""

import numpy as np
import pytest

from ssd_detector.many_images import Model
from ssd_training.data.images.records import ImageFile
from ssd_training.data.sources.voc import read_voc
from ssd_training.errors import DataError
from ssd_training.training.evaluation import analyse_records, detect_records, evaluate_split
from ssd_training.training.evaluator import score_split
from tests.training.shapes_voc import LABELS


@pytest.fixture(scope='module')
def records(data_root):
    return read_voc(data_root / 'VOCdevkit/VOC2007', 'train', labels=LABELS, max_boxes=8)


def oracle(records, *, shift=0.0):
    """Predict the annotated boxes, in the order in which the images are asked for."""
    waiting = list(records)

    def predict(images):
        boxes = np.zeros((len(images), 2, 4), np.float32)
        scores = np.zeros((len(images), 2, 4), np.float32)
        for index in range(len(images)):
            record = waiting.pop(0)
            truths = record.ground_truths
            count = len(truths.class_ids)
            boxes[index, :count] = truths.boxes_xyxy / [*record.size_wh, *record.size_wh] + shift
            scores[index, np.arange(count), truths.class_ids] = 0.9
        return boxes, scores

    return predict


@pytest.mark.parametrize(('batch_size', 'shift', 'expected'), [(1, 0, 1), (3, 0, 1), (3, 0.5, 0)])
def test_perfect_boxes_score_1_and_boxes_elsewhere_0(
    records, tiny_config, batch_size, shift, expected
):
    result = evaluate_split(
        oracle(records, shift=shift),
        records,
        tiny_config.eval,
        labels=LABELS,
        size_px=96,
        batch_size=batch_size,
    )

    assert result.mean_ap == pytest.approx(expected)


def detect_with(predict, records, config):
    return detect_records(Model(predict, 96, 2, LABELS), records, config.eval)


def test_what_is_not_there_is_not_kept_as_padding(records, tiny_config):
    run = detect_with(oracle(records), records, tiny_config)
    found = list(run.detections.values())

    assert [len(detections) for detections in found] == [
        len(r.ground_truths.class_ids) for r in records
    ]
    assert all(np.all(detections.scores > 0) for detections in found)


def test_training_names_classes_and_scores_as_everywhere(records, tiny_config):
    values = score_split(
        oracle(records, shift=0.05),
        records,
        tiny_config.eval,
        labels=LABELS,
        size_px=96,
        batch_size=4,
    )
    run = detect_with(oracle(records, shift=0.05), records, tiny_config)
    analysis = analyse_records(run, records, tiny_config.eval, LABELS)

    # Nothing is called COCO's that is not the mean of its ten thresholds.
    assert values == {
        'val/voc_ap_50/mAP': analysis.voc.mean_ap,
        **{f'val/voc_ap_50/AP/{of_class.label}': of_class.ap for of_class in analysis.classes},
    }
    assert [of_class.label for of_class in analysis.classes] == list(LABELS)
    assert 0 < analysis.voc.mean_ap < 1


def detect_boxes(boxes, scores, records, config):
    """Let a model find boxes of the first class in the first image."""
    all_scores = np.zeros((1, len(boxes), 4), np.float32)
    all_scores[0, :, 1] = scores
    outputs = np.array(boxes, np.float32)[None], all_scores
    run = detect_with(lambda _: outputs, records[:1], config)
    return run.detections[records[0].image_id]


def grid_boxes(count):
    starts = np.stack(np.divmod(np.arange(count), 40), axis=1) / 40
    return np.concatenate([starts, starts + 0.02], axis=1)


def test_evaluation_keeps_scores_from_a_hundredth_on(records, tiny_config):
    found = detect_boxes(grid_boxes(3), [0.5, 0.0101, 0.0099], records, tiny_config)

    np.testing.assert_allclose(found.scores, [0.5, 0.0101])


def test_evaluation_keeps_200_of_an_image(records, tiny_config):
    found = detect_boxes(grid_boxes(300), np.linspace(0.9, 0.1, 300), records, tiny_config)

    assert len(found) == 200


def test_evaluation_looks_at_400_of_a_class(records, tiny_config):
    # 399 copies are suppressed by the first; one more box is the 400th or the 401st.
    def count(copies):
        boxes = np.concatenate([[[0.5, 0.5, 0.9, 0.9]] * copies, grid_boxes(1)])
        return len(detect_boxes(boxes, np.linspace(0.9, 0.1, len(boxes)), records, tiny_config))

    assert (count(399), count(400)) == (2, 1)


def test_evaluation_suppresses_from_an_overlap_of_045_on(records, tiny_config):
    def count(iou):
        boxes = [[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.1 + 0.4 * iou]]
        return len(detect_boxes(boxes, [0.9, 0.8], records, tiny_config))

    assert (count(0.44), count(0.46)) == (2, 1)


def test_images_are_read_as_rgb(records):
    seen = set()
    for record in records:
        image_rgb = record.load_image()
        # The last object is drawn on top.
        x1, y1, x2, y2 = record.ground_truths.boxes_xyxy[-1].astype(int)
        channel = np.argmax(image_rgb[(y1 + y2) // 2, (x1 + x2) // 2])
        assert channel == record.ground_truths.class_ids[-1] - 1
        seen.add(LABELS[channel])

    assert seen >= {'red', 'blue'}


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'no image')

    with pytest.raises(DataError, match='broken.jpg: can not be read as an image'):
        ImageFile(tmp_path / 'broken.jpg').load()
