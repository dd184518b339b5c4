"""From records to batches."""

import numpy as np
import pytest

from ssd_detector.preprocess import preprocess
from ssd_training.data.augmentation import resize, Sample
from ssd_training.data.pipeline import count_steps, training_batches
from ssd_training.data.voc import read_voc
from ssd_training.engine.evaluation import read_image
from ssd_training.errors import DataError
from tests.training.shapes_voc import LABELS, write_image, write_split

SIZE_HW = (48, 48)


@pytest.fixture(scope='module')
def grey_records(tmp_path_factory):
    """Make images that are told apart by how bright they are; the n-th has n objects."""
    root = tmp_path_factory.mktemp('grey')
    ids = [f'{number:03d}' for number in range(6)]
    for number, image_id in enumerate(ids):
        objects = [('red', (10 * n, 0, 10 * n + 8, 8), False) for n in range(number)]
        write_image(root, image_id, objects, ground=[40 * number] * 3)
    write_split(root, 'train', ids)
    return read_voc(root, 'train', labels=LABELS, max_boxes=8)


@pytest.fixture(scope='module')
def no_augmentation(load):
    return load(
        'smoke',
        *(f'augmentation.{name}.probability=0.0' for name in ('photometric', 'expand')),
        *(f'augmentation.{name}.probability=0.0' for name in ('crop', 'flip')),
    ).augmentation


def batches_of(records, settings, *, batch_size=2, epochs=1, seed=0):
    batches = training_batches(
        records, settings, size_hw=SIZE_HW, batch_size=batch_size, epochs=epochs, seed=seed
    )
    return [[np.array(part) for part in batch] for batch in batches]


def order_of(batches):
    return [round(float(image[-1, -1, 0]) * 255 / 40) for batch in batches for image in batch[0]]


def test_each_epoch_gives_every_image_once_in_an_order_of_its_own(grey_records, no_augmentation):
    order = order_of(batches_of(grey_records, no_augmentation, epochs=3))

    epochs = [order[:6], order[6:12], order[12:]]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_equal_seeds_give_equal_batches_and_others_do_not(grey_records, load):
    settings = load('smoke').augmentation
    first, second, other = (
        batches_of(grey_records, settings, epochs=2, seed=seed) for seed in (5, 5, 6)
    )

    for batch, same in zip(first, second, strict=True):
        for part, same_part in zip(batch, same, strict=True):
            np.testing.assert_array_equal(part, same_part)
    assert any(
        not np.array_equal(batch[0], different[0])
        for batch, different in zip(first, other, strict=True)
    )


def test_an_image_is_augmented_in_another_way_each_time(grey_records, load):
    settings = load('smoke', 'augmentation.crop.probability=1.0').augmentation

    batches = batches_of(grey_records[5:], settings, batch_size=1, epochs=5)

    assert len({batch[1].tobytes() for batch in batches}) > 1


def test_boxes_stay_with_their_image_and_are_padded_with_class_0(grey_records, no_augmentation):
    (batch,) = batches_of(grey_records, no_augmentation, batch_size=6)

    images, boxes_xyxy, class_ids, is_difficult = batch
    assert images.shape == (6, *SIZE_HW, 3) and images.dtype == np.float32
    assert boxes_xyxy.shape == (6, 5, 4) and is_difficult.shape == (6, 5)
    np.testing.assert_array_equal(np.sum(class_ids > 0, axis=1), order_of([batch]))
    image = order_of([batch]).index(2)
    expected = np.array([[0, 0, 8, 8], [10, 0, 18, 8]]) / [120, 90, 120, 90]
    np.testing.assert_allclose(boxes_xyxy[image, :2], expected, rtol=1e-6)


def test_what_does_not_fill_a_batch_is_left_for_another_epoch(grey_records, no_augmentation):
    batches = batches_of(grey_records, no_augmentation, batch_size=4, epochs=6)

    assert len(batches) == 6
    assert set(order_of(batches)) == set(range(6))


def test_a_split_smaller_than_a_batch_is_an_error():
    with pytest.raises(DataError, match='3 images do not fill a batch of 4'):
        count_steps(3, 4)


@pytest.mark.parametrize('name', ['astronaut', 'coffee', 'chelsea'])
def test_training_resizes_as_the_core_does_within_one_step_of_255(name):
    import skimage.data

    image_rgb = getattr(skimage.data, name)()
    nothing = np.zeros((0, 4), np.float32)

    resized = resize(Sample(image_rgb, nothing, nothing[:, 0], nothing[:, 0] > 0), (300, 300))

    difference = np.abs(resized.image_rgb - preprocess(image_rgb, 300)[0])
    assert np.max(difference) <= 1 / 255


def test_training_reads_as_evaluation_does(grey_records, no_augmentation):
    """Decoder and resize together."""
    (batch,) = batches_of(grey_records, no_augmentation, batch_size=6)

    image = order_of([batch]).index(4)

    expected = preprocess(read_image(grey_records[4].image_path), SIZE_HW[0])[0]
    assert np.max(np.abs(batch[0][image] - expected)) <= 1 / 255
