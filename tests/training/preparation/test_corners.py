"""`data prepare`: boxes written as two corners where a size or a centre is expected."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_training.errors import DataError
from ssd_training.preparation.layouts.corners import count_leaving
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    drawn_boxes,
    label_studio_coco,
    roboflow_coco,
    yolo,
)

SIZE_WH = (400, 300)
SIDE = st.tuples(st.integers(0, 280), st.integers(4, 120))


def to_corners(tree):
    for found in tree['annotations']:
        x, y, width, height = found['bbox']
        found['bbox'] = [x, y, x + width, y + height]


def test_corners_in_coco_are_refused_with_what_to_do(source, pictures):
    """A box in the upper left corner may be inside in both ways; most are not."""
    roboflow_coco(source, pictures)
    path = source / 'train/_annotations.coco.json'
    change_coco(path, to_corners)
    with pytest.raises(DataError) as raised:
        prepare(source, Options())
    (text,) = raised.value.findings
    assert text.startswith(f'{path}: 1')
    assert ' boxes leave their pictures, and all lie inside as corners x1, y1, x2, y2; ' in text
    assert 'expected bbox: [x, y, width, height]' in text
    assert 'cut them at the edge' in text


def test_corners_in_yolo_are_refused_with_what_to_do(source, pictures):
    yolo(source, pictures)
    for picture in pictures:
        width, height = picture.size_wh
        lines = [
            f'0 {x1 / width} {y1 / height} {x2 / width} {y2 / height}'
            for _, (x1, y1, x2, y2) in picture.objects
        ]
        (source / f'labels/train/{Path(picture.name).stem}.txt').write_text('\n'.join(lines))
    with pytest.raises(DataError, match=r'as corners .* expected class, x, y, width, height'):
        prepare(source, Options())


def test_a_few_boxes_beyond_the_edge_are_cut(source, pictures):
    label_studio_coco(source, pictures)

    def change(tree):
        for found in tree['annotations'][:2]:
            found['bbox'] = [100, 100, 290, 290]

    change_coco(source / 'result.json', change)
    assert boxes_of(prepare(source, Options())).keys() == drawn_boxes(pictures).keys()


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1))
def test_boxes_inside_are_never_corners(sides):
    boxes = [(x, y, x + width, y + height) for (x, width), (y, height) in sides]
    read = [((x1, y1, x2 - x1, y2 - y1), (x1, y1, x2, y2)) for x1, y1, x2, y2 in boxes]
    inside = [(numbers, box, SIZE_WH) for numbers, box in read if box[2] <= 400 and box[3] <= 300]
    assert count_leaving(inside) == 0


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1))
def test_corners_are_known_where_most_read_as_a_size_leave(sides):
    corners = [(x, y, x + width, y + height) for (x, width), (y, height) in sides]
    corners = [box for box in corners if box[2] <= 400 and box[3] <= 300]
    read = [(box, (box[0], box[1], box[0] + box[2], box[1] + box[3])) for box in corners]
    leaving = sum(box[2] > 402 or box[3] > 301.5 for _, box in read)
    expected = leaving if leaving > len(read) / 2 and leaving >= 3 else 0
    assert count_leaving([(*pair, SIZE_WH) for pair in read]) == expected
