"""Evaluation of a split."""

import numpy as np
import pytest

from ssd_training.data.records import ImageFile
from ssd_training.data.voc import read_voc
from ssd_training.engine.evaluation import evaluate_split
from ssd_training.errors import DataError
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
