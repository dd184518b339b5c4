"""From records to batches."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

from ssd_detector.preprocess import preprocess
from ssd_training.data.augmentation.sample import Sample
from ssd_training.data.augmentation.zoom import resize
from ssd_training.data.batches.order import EpochOrder
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.images.records import hash_records, ImageFile
from ssd_training.data.sources.voc import read_voc
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
        'tiny',
        *(f'augmentation.{name}.probability=0.0' for name in ('photometric', 'expand')),
        *(f'augmentation.{name}.probability=0.0' for name in ('crop', 'flip')),
    ).augmentation


def batches_of(records, settings, *, batch_size=2, epochs=1, seed=0, **place):
    batches = training_batches(
        records,
        settings,
        size_hw=SIZE_HW,
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
        **place,
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
    settings = load('tiny').augmentation
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
    settings = load('tiny', 'augmentation.crop.probability=1.0').augmentation

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
        EpochOrder(3, 4, 0)


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

    expected = preprocess(grey_records[4].load_image(), SIZE_HW[0])[0]
    assert np.max(np.abs(batch[0][image] - expected)) <= 1 / 255


@pytest.fixture(scope='module')
def whole_training(grey_records, load):
    """Make every batch of three epochs of two steps, with all augmentation."""
    return batches_of(grey_records, load('tiny').augmentation, batch_size=2, epochs=3, seed=7)


def assert_equal_batches(batches, expected):
    for batch, expected_batch in zip(batches, expected, strict=True):
        for part, expected_part in zip(batch, expected_batch, strict=True):
            np.testing.assert_array_equal(part, expected_part)


@pytest.mark.parametrize('first_step', [0, 1, 3, 8])
def test_a_training_goes_on_at_any_step_with_the_batches_of_the_unbroken_one(
    first_step, whole_training, grey_records, load
):
    rest = batches_of(
        grey_records,
        load('tiny').augmentation,
        batch_size=2,
        epochs=3,
        seed=7,
        first_step=first_step,
    )

    assert len(rest) == 9 - first_step
    assert_equal_batches(rest, whole_training[first_step:])


def test_earlier_images_are_not_read_when_a_training_goes_on(grey_records, no_augmentation):
    loaded = []

    @dataclass(frozen=True)
    class Counted:
        image_id: str
        image: ImageFile
        name = 'counted'

        def load(self):
            loaded.append(self.image_id)
            return self.image.load()

    records = [
        dataclasses.replace(record, image=Counted(record.image_id, record.image))
        for record in grey_records
    ]

    batches_of(records, no_augmentation, batch_size=3, first_step=1)

    assert len(loaded) == 3


def test_workers_get_the_parts_of_every_batch_in_order(whole_training, grey_records, load):
    settings = load('tiny').augmentation
    parts = [
        batches_of(
            grey_records,
            settings,
            batch_size=2,
            epochs=3,
            seed=7,
            shard_index=shard_index,
            num_shards=2,
            first_step=2,
        )
        for shard_index in (0, 1)
    ]

    for whole, *own in zip(whole_training[2:], *parts, strict=True):
        np.testing.assert_array_equal(whole[0], np.concatenate([part[0] for part in own]))
        for image, part in enumerate(own):
            count = np.sum(part[2] > 0)
            np.testing.assert_array_equal(part[1][0, :count], whole[1][image, :count])


def test_a_batch_that_workers_can_not_divide_is_an_error(grey_records, no_augmentation):
    with pytest.raises(DataError, match='3 images can not be divided among 2 workers'):
        batches_of(grey_records, no_augmentation, batch_size=3, num_shards=2)


def test_the_records_of_a_step_can_be_told_without_reading_them(grey_records, no_augmentation):
    batches = batches_of(grey_records, no_augmentation, epochs=2, seed=3)
    order = EpochOrder(len(grey_records), 2, 3)

    assert [order.indices_of_step(step) for step in range(6)] == [
        order_of([batch]) for batch in batches
    ]


def test_a_broken_image_stops_the_training_with_its_name(grey_records, no_augmentation, tmp_path):
    whole = grey_records[2].image.path.read_bytes()
    (tmp_path / 'cut.jpg').write_bytes(whole[: len(whole) // 2])
    record = dataclasses.replace(grey_records[2], image=ImageFile(tmp_path / 'cut.jpg'))

    named = r'cut.jpg: ends too early \(\d+ bytes\); get it again'
    with pytest.raises(DataError, match=named):
        batches_of([record], no_augmentation, batch_size=1)
    batches = training_batches(
        [record], no_augmentation, size_hw=SIZE_HW, batch_size=1, epochs=1, seed=0
    )
    with pytest.raises(DataError, match=named):
        next(iter(batches.dealt_out_by(tf.distribute.MirroredStrategy(['/cpu:0']))))


def test_records_hash_by_what_they_say_not_by_where_they_are(grey_records, tmp_path):
    moved = [
        dataclasses.replace(record, image=ImageFile(tmp_path / 'x.jpg')) for record in grey_records
    ]

    assert hash_records(moved) == hash_records(grey_records)
    assert hash_records(grey_records[1:]) != hash_records(grey_records)
    assert hash_records(grey_records[::-1]) != hash_records(grey_records)
