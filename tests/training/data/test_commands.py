"""python -m ssd_training.data, shards and cache."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from ssd_training.data.__main__ import main
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.datasets import read_split, read_splits
from ssd_training.data.images.cache import cache_images
from ssd_training.data.images.records import hash_records
from ssd_training.errors import DataError
from tests.training.conftest import TINY
from tests.training.limited_files import files_limited_to
from tests.training.shapes_voc import write_image, write_shapes_voc, write_split


@pytest.fixture
def voc(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return write_shapes_voc(tmp_path)


def run(command, *arguments):
    return main([command, '--experiment_path', str(TINY), *map(str, arguments)])


def settings_of(load, voc, *overrides):
    return load('tiny', f'data.root={voc}', *overrides).data


def test_good_data_are_good(voc, capsys):
    assert run('check') == 0
    assert 'images: train 8, val 4; nothing is wrong' in capsys.readouterr().out


def test_check_finds_every_kind_of_fault(voc, capsys):
    box = (5, 5, 20, 20)
    write_image(voc, 'out', [('red', (100, 5, 125, 20), False)])
    write_image(voc, 'flat', [('red', (5, 5, 5, 20), False)])
    write_image(voc, 'twice', [('red', box, False)] * 2)
    write_image(voc, 'empty', [])
    write_image(voc, 'violet', [('violet', box, False)])
    write_image(voc, 'crowd', [('red', (n, n, 20 + n, 20 + n), False) for n in range(9)])
    write_image(voc, 'cut', [('red', box, False)])
    path = voc / 'JPEGImages/cut.jpg'
    path.write_bytes(path.read_bytes()[:400])
    write_image(voc, 'small', [('red', box, False)])
    cv2.imwrite(str(voc / 'JPEGImages/small.jpg'), np.zeros((9, 9, 3), np.uint8))
    write_image(voc, 'xml', [])
    (voc / 'Annotations/xml.xml').write_text('<annotation>')
    write_image(voc, 'gone', [])
    (voc / 'JPEGImages/gone.jpg').unlink()
    names = ['out', 'flat', 'twice', 'empty', 'violet', 'crowd', 'cut', 'small', 'xml', 'gone']
    write_split(voc, 'train', [*names, '000001', '000002'])
    shutil.copy(voc / 'JPEGImages/000002.jpg', voc / 'JPEGImages/copy.jpg')
    shutil.copy(voc / 'Annotations/000002.xml', voc / 'Annotations/copy.xml')
    write_split(voc, 'val', ['000001', 'copy', 'cut'])

    assert run('check', '--json') == 1

    splits = json.loads(capsys.readouterr().out)['splits']
    found = {(f['kind'], f['place'].split('/')[-1]) for f in splits['train']['findings']}
    assert found == {
        ('box outside image', 'out.xml'),
        ('degenerate box', 'flat.xml'),
        ('duplicate box', 'twice.xml'),
        ('empty image', 'empty.xml'),
        ('empty image', 'gone.xml'),
        # Nothing is drawn in either.
        ('duplicate image', 'empty.jpg'),
        ('unknown class', 'violet.xml'),
        ('too many boxes', 'crowd.xml'),
        ('unreadable image', 'cut.jpg'),
        ('unreadable image', 'small.jpg'),
        ('unreadable annotation', 'xml.xml'),
        ('missing file', 'gone.jpg'),
        ('class without objects', 'train'),
        ('dropped objects', 'train'),
    }
    leaks = {f['place'] for f in splits['val']['findings'] if f['kind'] == 'leakage'}
    assert {place.split('/')[-1] for place in leaks} == {'000001.jpg', 'copy.jpg', 'cut.jpg'}


def test_what_the_data_section_repairs_is_allowed(voc, capsys):
    write_image(voc, 'out', [('red', (100, 5, 125, 20), False)])
    write_split(voc, 'train', ['out', '000001'])

    assert run('check') == 1
    assert run('check', 'data.invalid_boxes=repair') == 0
    assert 'allowed' in capsys.readouterr().out


def test_wrong_usage_is_2(voc, capsys):
    assert run('check', 'data.train_splt=x') == 2
    assert 'did you mean data.train_split?' in capsys.readouterr().err


def test_stats_count_objects_and_what_priors_match(voc, load, capsys):
    assert run('stats', '--json') == 0

    stats = json.loads(capsys.readouterr().out)['train']
    records = read_split(settings_of(load, voc), 'train')
    class_ids = np.concatenate([record.ground_truths.class_ids for record in records])
    assert stats['objects'] == len(class_ids)
    counts = [counts['objects'] for counts in stats['classes'].values()]
    assert counts == [int(np.sum(class_ids == class_id)) for class_id in (1, 2, 3)]
    *sizes, every = stats['prior_recall']
    assert sum(row['objects'] for row in sizes) == every['objects']
    assert 0 < every['reach_threshold'] <= every['with_forced_priors'] == 1.0


def test_the_tables_of_stats_name_classes_and_sizes(voc, capsys):
    assert run('stats') == 0

    output = capsys.readouterr().out
    assert all(word in output for word in ('red', 'green', 'blue', '16 to 32', 'prior recall'))


def test_preview_is_a_sheet_of_samples(voc, tmp_path):
    assert run('preview', '--num_images', 4, '--output', tmp_path / 'sheet.png') == 0

    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet.shape == (2 * 102 + 6, 2 * 102 + 6, 3)
    assert sheet.std() > 10


def test_a_preview_of_no_image_is_wrong_usage(voc, capsys):
    with pytest.raises(SystemExit) as caught:
        run('preview', '--num_images', 0)

    assert caught.value.code == 2
    assert '--num_images: 0 is not a whole number from 1 on' in capsys.readouterr().err


def test_an_unreadable_image_is_an_error_or_no_part_of_shards_and_preview(voc, tmp_path, capsys):
    (voc / 'JPEGImages/000003.jpg').write_bytes(b'no image')
    assert run('tfrecords') == 1
    assert '000003.jpg: can not be read as an image' in capsys.readouterr().err
    skip = 'data.unreadable_images=skip'
    assert run('tfrecords', skip) == run('preview', '--output', tmp_path / 'p.png', skip) == 0

    shards = [voc / f'shards/{split}/metadata.json' for split in ('train', 'val')]
    numbers = [json.loads(path.read_text())['shards'][0]['num_images'] for path in shards]
    assert numbers == [7, 4]


def batches_of(records, load):
    return list(
        training_batches(
            records,
            load('tiny').augmentation,
            size_hw=(48, 48),
            batch_size=4,
            epochs=1,
            seed=3,
        )
    )


def assert_equal_batches(batches, expected):
    assert len(batches) == len(expected)
    for batch, same in zip(batches, expected, strict=True):
        for part, same_part in zip(batch, same, strict=True):
            np.testing.assert_array_equal(part, same_part)


def test_shards_alone_give_the_batches_of_the_raw_tree(voc, load, tmp_path, capsys):
    assert run('tfrecords', f'data.tfrecords.dir={tmp_path / "shards"}') == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / 'shards/train'),
        str(tmp_path / 'shards/val'),
    ]
    expected = batches_of(read_split(settings_of(load, voc), 'train'), load)
    shutil.rmtree(voc)

    settings = settings_of(
        load, voc, 'data.tfrecords.enabled=true', f'data.tfrecords.dir={tmp_path / "shards"}'
    )
    train, val = read_splits(settings)

    assert_equal_batches(batches_of(train, load), expected)
    assert len(val) == 4 and val[0].load_image().shape == (90, 120, 3)


def test_shards_hold_the_features_of_the_reference_and_difficult(voc, load, tmp_path):
    import tensorflow as tf

    assert run('tfrecords', f'data.tfrecords.dir={tmp_path}') == 0
    records = read_split(settings_of(load, voc), 'train')

    contents = tf.data.TFRecordDataset(str(tmp_path / 'train/000.tfrecord')).as_numpy_iterator()

    for content, record in zip(contents, records, strict=True):
        feature = tf.train.Example.FromString(content).features.feature
        assert set(feature) == {
            f'image/{name}'
            for name in ('encoded', 'height', 'width', 'boxes', 'boxes_count', 'labels')
            + ('difficult', 'image_id', 'path')
        }
        truths = record.ground_truths
        assert list(feature['image/boxes'].float_list.value) == list(truths.boxes_xyxy.ravel())
        flags = list(feature['image/difficult'].int64_list.value)
        assert flags == list(truths.is_difficult)
        assert feature['image/encoded'].bytes_list.value[0] == record.image.read_bytes()


def test_damaged_or_foreign_shards_are_errors(voc, load, tmp_path, capsys):
    folder = tmp_path / 'shards'
    assert run('tfrecords', f'data.tfrecords.dir={folder}') == 0
    overrides = ('data.tfrecords.enabled=true', f'data.tfrecords.dir={folder}')

    assert run('tfrecords', f'data.tfrecords.dir={folder}') == 1
    assert 'exists already; give --overwrite' in capsys.readouterr().err
    with pytest.raises(DataError, match='the shards have the labels red, green, blue'):
        read_split(settings_of(load, voc, *overrides, 'data.labels=[red, blue, green]'), 'train')
    shard = folder / 'train/000.tfrecord'
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r'000.tfrecord: damaged after byte 0'):
        read_split(settings_of(load, voc, *overrides), 'train')
    shard.write_bytes(content[:-10])
    with pytest.raises(DataError, match=r'000.tfrecord: has \d+ bytes, expected \d+'):
        read_split(settings_of(load, voc, *overrides), 'train')
    (folder / 'train/metadata.json').unlink()
    with pytest.raises(DataError, match='write the shards first'):
        read_split(settings_of(load, voc, *overrides), 'train')


def test_without_room_for_shards_the_old_ones_stay(voc, load, tmp_path, capfd):
    place = f'data.tfrecords.dir={tmp_path}'
    assert run('tfrecords', place) == 0
    before = read_split(settings_of(load, voc, place, 'data.tfrecords.enabled=true'), 'train')

    with files_limited_to(4000):
        assert run('tfrecords', '--overwrite', place) == 1

    assert 'train: can not be written (' in capfd.readouterr().err
    after = read_split(settings_of(load, voc, place, 'data.tfrecords.enabled=true'), 'train')
    assert hash_records(after) == hash_records(before)
    assert sorted(path.name for path in tmp_path.glob('*.part')) == []
    assert run('tfrecords', '--overwrite', place) == 0


@pytest.mark.parametrize('where', ['memory', 'folder'])
def test_a_cache_gives_equal_batches_without_reading_again(where, voc, load, tmp_path):
    records = read_split(settings_of(load, voc), 'train')
    expected = batches_of(records, load)
    cache = 'memory' if where == 'memory' else str(tmp_path / 'cache')
    cached = cache_images(records, cache)

    assert_equal_batches(batches_of(cached, load), expected)
    for record in records:
        path = record.image.path
        state = path.stat()
        path.write_bytes(b'x' * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert_equal_batches(batches_of(cached, load), expected)


def test_an_unreadable_image_can_be_skipped_and_is_counted(voc, load, caplog):
    records = read_split(settings_of(load, voc), 'train')
    records[2].image.path.write_bytes(b'no image')

    with caplog.at_level('WARNING'):
        batches = list(
            training_batches(
                records,
                load('tiny').augmentation,
                size_hw=(48, 48),
                batch_size=4,
                epochs=2,
                seed=3,
                skips_unreadable=True,
            )
        )

    assert len(batches) == 4
    assert len(caplog.messages) == 1
    assert '000003.jpg: can not be read as an image' in caplog.messages[0]
    assert 'skipped, 1 so far' in caplog.messages[0]


def test_a_union_of_lists_has_every_image_once_and_shares_none_with_val(tmp_path, load):
    for year, first in (('VOC2007', 1), ('VOC2012', 10)):
        for number in range(first, first + 3):
            write_image(tmp_path / year, f'{number:06d}', [('red', (1, 1, 9, 9), False)])
        ids = [f'{number:06d}' for number in range(first, first + 3)]
        write_split(tmp_path / year, 'trainval', ids)
        write_split(tmp_path / year, 'val', ids[:1])
    union = 'data.train_split=VOC2007/trainval+VOC2012/trainval'
    base = settings_of(load, tmp_path, union, 'data.val_split=VOC2007/val')

    assert len(read_split(base, base.train_split)) == 6
    with pytest.raises(DataError, match='1 images are in both train_split and val_split'):
        read_splits(base)
    twice = dataclasses.replace(base, train_split='VOC2007/trainval+VOC2007/val')
    with pytest.raises(DataError, match='000001.jpg: is listed more than once'):
        read_split(twice, twice.train_split)


def test_help_needs_no_heavy_library():
    code = (
        'import sys\nfrom ssd_training.data.__main__ import main\n'
        'heavy = {"cv2", "numpy", "pydantic", "rich", "tensorflow"}\n'
        'try:\n    main(["check", "--help"])\n'
        'except SystemExit as end:\n    print(end.code, sorted(heavy & set(sys.modules)))'
    )

    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert process.stdout.splitlines()[-1] == '0 []'


@pytest.mark.parametrize('name', ['exp001_baseline', 'exp002_ssdlite'])
def test_all_changes_but_mosaic_are_on_in_shipped_experiments(name, load):
    settings = load(name).augmentation

    changes = (settings.photometric, settings.expand, settings.crop, settings.flip)
    assert all(change.probability > 0 for change in changes)
    assert settings.mosaic.probability == 0
