"""The VOC reader."""

import numpy as np
import pytest

from ssd_training.data.annotations.identity import check_disjoint
from ssd_training.data.sources.voc import read_voc
from ssd_training.errors import DataError
from tests.training.shapes_voc import LABELS, SIZE_WH, write_image, write_split


def read(root, split='train', *, labels=LABELS, max_boxes=8):
    return read_voc(root, split, labels=labels, max_boxes=max_boxes)


def test_objects_keep_order_class_difficult_flag_and_their_edges(tmp_path):
    """Edges: 1-based inclusive xmin and ymin of the XML, less 1."""
    write_image(
        tmp_path, '000007', [('blue', (0, 0, 30, 20), False), ('red', (40, 10, 120, 90), True)]
    )
    write_split(tmp_path, 'train', ['000007'])

    (record,) = read(tmp_path)

    assert record.image_id == '000007'
    assert record.size_wh == SIZE_WH
    truths = record.ground_truths
    np.testing.assert_array_equal(truths.boxes_xyxy, [[0, 0, 30, 20], [40, 10, 120, 90]])
    np.testing.assert_array_equal(truths.class_ids, [3, 1])
    np.testing.assert_array_equal(truths.is_difficult, [False, True])


def test_an_image_without_objects_is_read(tmp_path):
    write_image(tmp_path, '000001', [])
    write_split(tmp_path, 'train', ['000001'])

    (record,) = read(tmp_path)

    assert record.ground_truths.boxes_xyxy.shape == (0, 4)


def test_everything_that_is_wrong_is_said_at_once_with_the_file(tmp_path):
    write_image(tmp_path, 'no_jpeg', [('red', (0, 0, 9, 9), False)])
    (tmp_path / 'JPEGImages/no_jpeg.jpg').unlink()
    write_image(tmp_path, 'no_xml', [])
    (tmp_path / 'Annotations/no_xml.xml').unlink()
    write_image(tmp_path, 'unknown', [('violet', (0, 0, 9, 9), False)])
    write_image(tmp_path, 'outside', [('red', (0, 0, 9, 91), False)])
    write_image(tmp_path, 'empty', [('red', (9, 9, 9, 20), False)])
    write_image(tmp_path, 'cut', [])
    (tmp_path / 'Annotations/cut.xml').write_text('<annotation><size>')
    write_image(tmp_path, 'many', [('red', (0, 0, 9, 9), False)] * 9)
    ids = ['no_jpeg', 'no_xml', 'unknown', 'outside', 'empty', 'cut', 'many']
    write_split(tmp_path, 'train', ids)

    with pytest.raises(DataError) as error:
        read(tmp_path)

    findings = error.value.findings
    expected = [
        'no_jpeg.jpg: missing, but listed in train.txt',
        'no_xml.xml: missing, but listed in train.txt',
        'cut.xml: no valid annotation',
        'unknown.xml: violet: unknown class; data.labels has red, green, blue',
        'outside.xml: red: box outside image: edges 0, 0, 9, 91 px in an image of 120x90 px',
        'empty.xml: red: degenerate box: edges 9, 9, 9, 20 px',
        'many.xml: has 9 objects; data.max_boxes is 8',
    ]
    assert len(findings) == len(expected)
    for finding, part in zip(findings, expected, strict=True):
        assert part in finding


def test_thousands_of_missing_files_are_counted_not_listed(tmp_path):
    write_split(tmp_path, 'train', [str(number) for number in range(1000)])

    with pytest.raises(DataError) as error:
        read(tmp_path)

    assert len(error.value.findings) == 21
    assert error.value.findings[-1] == '... and 1980 findings more'


def test_a_missing_or_empty_split_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r'train.txt: can not be read .*DATA_ROOT'):
        read(tmp_path)
    write_split(tmp_path, 'train', [])
    with pytest.raises(DataError, match='train.txt: lists no image'):
        read(tmp_path)


def test_images_in_both_splits_are_an_error(data_root):
    root = data_root / 'VOCdevkit/VOC2007'
    train, val = read(root), read(root, 'val')

    check_disjoint(train, val)
    with pytest.raises(DataError, match='1 images are in both'):
        check_disjoint(train, [*val, train[3]])
