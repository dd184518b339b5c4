"""Generated shapes."""

import numpy as np
import pytest

from ssd_training.data.sources.shapes import generate_shapes
from ssd_training.experiments.data_schema import SHAPES


def generate(split='train', num_images=12, seed=0, labels=SHAPES):
    return generate_shapes(split, labels=labels, num_images=num_images, size_px=64, seed=seed)


def test_equal_seeds_give_equal_images_and_objects_and_others_do_not():
    first, second, other = generate(), generate(), generate(seed=1)

    for record, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(record.load_image(), same.load_image())
        np.testing.assert_array_equal(
            record.ground_truths.boxes_xyxy, same.ground_truths.boxes_xyxy
        )
    assert any(
        not np.array_equal(record.load_image(), different.load_image())
        for record, different in zip(first, other, strict=True)
    )


def test_no_image_is_in_both_splits_not_even_under_another_name():
    train, val = generate(num_images=40), generate('val', num_images=40)

    assert not {r.image_id for r in train} & {r.image_id for r in val}
    pixels = {record.load_image().tobytes() for record in [*train, *val]}
    assert len(pixels) == 80


def test_more_images_begin_with_those_of_fewer():
    few, many = generate(num_images=3), generate(num_images=6)

    for record, same in zip(few, many[:3], strict=True):
        np.testing.assert_array_equal(record.load_image(), same.load_image())


@pytest.mark.parametrize('label', SHAPES)
def test_a_box_is_tight_around_its_shape(label):
    """A shape has one colour; the ground has a grain."""
    for record in generate(labels=(label,)):
        image = record.load_image().astype(int)
        for x1, y1, x2, y2 in record.ground_truths.boxes_xyxy.astype(int):
            color = image[y2 - 1, (x1 + x2) // 2]
            rows, columns = np.nonzero(np.all(image[y1:y2, x1:x2] == color, axis=-1))
            assert (rows.min(), columns.min()) == (0, 0)
            assert (rows.max() + 1, columns.max() + 1) == (y2 - y1, x2 - x1)


def test_every_shape_occurs_and_boxes_hardly_overlap():
    records = generate(num_images=60)

    class_ids = np.concatenate([record.ground_truths.class_ids for record in records])
    assert set(class_ids) == {1, 2, 3}
    counts = [len(record.ground_truths.class_ids) for record in records]
    assert set(counts) == {1, 2, 3}
