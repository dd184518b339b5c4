"""Which way up photographs are read: everywhere the same, by the size that fits the boxes."""

import json

import cv2
import numpy as np
import pytest

from ssd_detector.images.decoding import decode_image, turn_upright
from ssd_training.data.__main__ import main
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.datasets import read_split, read_splits
from ssd_training.data.images.cache import cache_images
from ssd_training.data.images.decoding import count_used_bits
from ssd_training.data.sampling import find_images, load_images
from tests.image_files import exif_of, with_exif
from tests.training.conftest import TINY
from tests.training.shapes_voc import SIZE_WH, write_image, write_shapes_voc, write_split

UPRIGHT_BOX = (5, 10, 45, 40)
ORIENTATIONS = range(2, 9)
CHANGES = ('photometric', 'expand', 'crop', 'flip', 'mosaic')


@pytest.fixture
def voc(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return write_shapes_voc(tmp_path)


def write_turned(root, name, orientation, *, size_wh):
    """Write a picture that is seen in 120x90 px, annotated in a size of size_wh."""
    write_image(root, name, [('red', UPRIGHT_BOX, False)])
    path = root / f'JPEGImages/{name}.jpg'
    upright_rgb = decode_image(path.read_bytes())
    # What turns it back: a quarter turn is undone by the other one.
    stored_rgb = turn_upright(upright_rgb, {6: 8, 8: 6}.get(orientation, orientation))
    _, jpeg = cv2.imencode('.jpg', stored_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    path.write_bytes(with_exif(jpeg.tobytes(), exif_of(orientation)))
    xml = root / f'Annotations/{name}.xml'
    text = xml.read_text()
    for side, old, new in zip(('width', 'height'), SIZE_WH, size_wh, strict=True):
        text = text.replace(f'<{side}>{old}<', f'<{side}>{new}<')
    xml.write_text(text)
    return upright_rgb, stored_rgb


def settings_of(load, voc, *overrides):
    return load('tiny', f'data.root={voc}', *overrides).data


def run(command, *arguments):
    return main([command, '--experiment_path', str(TINY), *map(str, arguments)])


def is_close(image_rgb, expected_rgb):
    return (
        image_rgb.shape == expected_rgb.shape
        and np.abs(image_rgb.astype(int) - expected_rgb).mean() < 3
    )


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_upright_is_read_where_the_size_fits_or_tells_nothing(orientation, voc, load):
    upright_rgb, _ = write_turned(voc, 'turned', orientation, size_wh=SIZE_WH)
    write_split(voc, 'train', ['turned'])

    (record,) = read_split(settings_of(load, voc), 'train')

    assert is_close(record.load_image(), upright_rgb)
    x1, y1, x2, y2 = UPRIGHT_BOX
    assert record.load_image()[y1:y2, x1:x2, 0].mean() > 200


@pytest.mark.parametrize('orientation', [5, 6, 7, 8])
def test_as_stored_is_read_where_that_fits(orientation, voc, load):
    _, stored_rgb = write_turned(voc, 'turned', orientation, size_wh=SIZE_WH[::-1])
    write_split(voc, 'train', ['turned'])

    (record,) = read_split(settings_of(load, voc), 'train')

    assert is_close(record.load_image(), stored_rgb)


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_a_key_forces_either_way(orientation, voc, load):
    upright_rgb, stored_rgb = write_turned(voc, 'turned', orientation, size_wh=SIZE_WH)
    write_split(voc, 'train', ['turned'])
    images = [
        read_split(settings_of(load, voc, f'data.exif_orientation={key}'), 'train')[0].image.load()
        for key in ('upright', 'stored')
    ]

    assert is_close(images[0], upright_rgb) and is_close(images[1], stored_rgb)


def test_without_a_size_upright_is_read_and_gives_the_size(voc, load):
    upright_rgb, _ = write_turned(voc, 'turned', 6, size_wh=(0, 0))
    write_split(voc, 'train', ['turned'])

    (record,) = read_split(settings_of(load, voc), 'train')

    assert record.size_wh == SIZE_WH
    assert is_close(record.load_image(), upright_rgb)


def test_check_tells_what_no_size_decides_and_training_says_it_once(voc, load, capsys, caplog):
    write_turned(voc, 'quarter', 6, size_wh=SIZE_WH)
    write_turned(voc, 'half', 3, size_wh=SIZE_WH)
    write_turned(voc, 'mirrored', 2, size_wh=SIZE_WH)
    write_turned(voc, 'stored', 8, size_wh=SIZE_WH[::-1])
    write_turned(voc, 'sizeless', 8, size_wh=(0, 0))
    names = ['quarter', 'half', 'mirrored', 'stored', 'sizeless', '000001', '000002', '000003']
    write_split(voc, 'train', names)

    assert run('check', '--json') == 0

    findings = json.loads(capsys.readouterr().out)['splits']['train']['findings']
    undecided = {
        f['place'].split('/')[-1]: f['text'] for f in findings if f['kind'].startswith('undecided')
    }
    assert set(undecided) == {'half.jpg', 'mirrored.jpg', 'sizeless.jpg'}
    words = ('taken upright', '1 others fit upright, 1 as stored', 'exif_orientation=stored')
    read_splits(settings_of(load, voc))
    (said,) = [message for message in caplog.messages if 'EXIF' in message]
    assert said.startswith('3 images, such as ')
    for text in (undecided['half.jpg'], said):
        assert all(word in text for word in words)
    caplog.clear()
    read_splits(settings_of(load, voc, 'data.exif_orientation=upright'))
    assert 'EXIF' not in caplog.text


def test_everything_that_reads_a_training_set_reads_the_same_pixels(voc, load, tmp_path):
    upright_rgb, _ = write_turned(voc, 'half', 3, size_wh=SIZE_WH)
    write_split(voc, 'train', ['half'])
    shards = f'data.tfrecords.dir={tmp_path / "shards"}'
    assert run('tfrecords', shards) == 0
    (record,) = read_split(settings_of(load, voc), 'train')
    (sharded,) = read_split(settings_of(load, voc, shards, 'data.tfrecords.enabled=true'), 'train')
    (cached,) = cache_images([record], str(tmp_path / 'cache'))
    folder = find_images(voc / 'JPEGImages', 99, 0)
    (in_folder,) = [source for source in folder if source.name.endswith('half.jpg')]
    pixels = record.load_image()

    assert is_close(pixels, upright_rgb)
    for image in (
        *load_images([record.image, sharded.image, in_folder]),
        sharded.load_image(),
        cached.load_image(),
        cached.load_image(),
    ):
        np.testing.assert_array_equal(image, pixels)
    plain = load('tiny', *(f'augmentation.{name}.probability=0' for name in CHANGES)).augmentation
    batches = training_batches([record], plain, size_hw=(90, 120), batch_size=1, epochs=1, seed=0)
    (batch,) = batches
    np.testing.assert_allclose(batch.image_rgb[0] * 255, pixels, atol=0.01)


def test_a_cache_notices_the_key(voc, load, tmp_path):
    write_turned(voc, 'half', 3, size_wh=SIZE_WH)
    write_split(voc, 'train', ['half'])

    images = [
        cache_images(
            read_split(settings_of(load, voc, f'data.exif_orientation={key}'), 'train'),
            str(tmp_path / 'cache'),
        )[0].load_image()
        for key in ('upright', 'stored')
    ]

    assert not np.array_equal(*images)
    assert len(list((tmp_path / 'cache').iterdir())) == 2


def test_check_names_16_bits_of_which_few_are_used(voc, capsys):
    write_image(voc, 'dark', [('red', UPRIGHT_BOX, False)])
    (voc / 'JPEGImages/dark.jpg').unlink()
    samples = np.random.default_rng(0).integers(0, 4096, (90, 120, 3)).astype(np.uint16)
    cv2.imwrite(str(voc / 'JPEGImages/dark.png'), samples)
    write_split(voc, 'train', ['dark', '000001', '000002', '000003'])

    assert run('check', '--json') == 1

    findings = json.loads(capsys.readouterr().out)['splits']['train']['findings']
    (finding,) = [finding for finding in findings if finding['kind'] == 'unused bits']
    assert 'has 16 bits, but no value above 4095: read as nearly black' in finding['text']


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize(('largest', 'is_odd'), [(255, True), (1023, True), (60_000, False)])
def test_unused_bits_are_found_in_the_colours_not_in_alpha(suffix, largest, is_odd):
    samples = np.full((9, 9, 4), largest, np.uint16)
    samples[..., 3] = 65535
    content = cv2.imencode(suffix, samples)[1].tobytes()

    assert (count_used_bits(content) is not None) == is_odd
