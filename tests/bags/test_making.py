"""Recordings that are made: every pixel and box comes back."""

import json
import os

import cv2
import numpy as np
import pytest

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making import sources
from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene
from ssd_detector_ros.bag_evaluation.making.virtual_camera import film, MOTIONS, VirtualCamera
from ssd_detector_ros.bag_evaluation.reading.box_reading import read_box_arrays
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.naming import choose_image_topic
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.make_bag import main
from tests.bags.scenery import write_colored
from tests.locked_folders import lock

RNG = np.random.default_rng(0)


def photograph(name='photograph', size_wh=(120, 90)):
    """Make a dark image with one bright rectangle, annotated to the pixel."""
    image_rgb = np.full((size_wh[1], size_wh[0], 3), 30, np.uint8)
    image_rgb[30:60, 40:80] = 220
    objects = Objects(np.array([[40.0, 30, 80, 60]]), ('thing',), np.array([False]))
    return Scene(name, lambda: image_rgb, objects)


def read_images(path):
    recording = Recording(path)
    reader = ImageReader(recording, choose_image_topic(None, recording.topics))
    return [(frame, reader.to_rgb(frame)) for frame in reader.frames()]


def read_boxes(path, topic='/ground_truth'):
    recording = Recording(path)
    return list(read_box_arrays(recording, recording.topics[topic]))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compression', ['none', 'message', 'file'])
@pytest.mark.parametrize('transport', ['raw', 'png'])
def test_every_pixel_and_box_comes_back(storage, compression, transport, tmp_path):
    image_rgb = RNG.integers(0, 256, (7, 5, 3), np.uint8)
    box = np.array([[0.1, 1.7, 3.3, 5.9]], np.float32)
    scene = Scene(
        'one', lambda: image_rgb, Objects(box.astype(float), ('cat',), np.array([False]))
    )
    layout = Layout(storage=storage, compression=compression, transport=transport)

    make_recording([scene], tmp_path / 'bag', layout)

    ((frame, pixels),) = read_images(tmp_path / 'bag')
    (boxes,) = read_boxes(tmp_path / 'bag')
    np.testing.assert_array_equal(pixels, image_rgb)
    np.testing.assert_array_equal(boxes.boxes_xyxy.astype(np.float32), box)
    assert (boxes.class_ids, boxes.stamp_ns) == (('cat',), frame.stamp_ns)


def test_frames_stand_at_the_rate_and_no_stamp_is_0(tmp_path):
    path = write_colored(tmp_path / 'bag', layout=Layout(rate_hz=4))

    stamps_ns = [frame.stamp_ns for frame, _ in read_images(path)]

    assert min(stamps_ns) > 0
    assert set(np.diff(stamps_ns).tolist()) == {250_000_000}


@pytest.mark.parametrize('motion', MOTIONS)
def test_the_virtual_camera_knows_where_things_are(motion):
    camera = VirtualCamera(motion, 100, (60, 45), rate_hz=20, seconds=1)
    frames = list(film(photograph(), camera))

    assert len(frames) == 20
    for frame in frames:
        bright = np.argwhere(frame.load()[..., 0] > 125)
        (y1, x1), (y2, x2) = bright.min(axis=0), bright.max(axis=0) + 1
        # A pixel for zoom, where edges fall between pixels; the others move by whole ones.
        atol = 1.0 if motion == 'zoom' else 0
        np.testing.assert_allclose(frame.objects.boxes_xyxy[0], [x1, y1, x2, y2], atol=atol)
    assert len({tuple(frame.objects.boxes_xyxy[0]) for frame in frames}) > 5


def test_pan_moves_by_its_speed_and_turns_at_the_edge():
    camera = VirtualCamera('pan', 40, (60, 45), rate_hz=10, seconds=2)
    rights = [frame.objects.boxes_xyxy[0, 2] for frame in film(photograph(), camera)]

    # 4 px a frame, over 60 px of room, and back.
    assert rights[5:8] == [60, 56, 52]
    assert (rights[15], rights[19]) == (20, 36)


def test_what_is_hardly_seen_is_neither_hit_nor_miss_and_what_is_not_seen_is_gone():
    camera = VirtualCamera('pan', 100, (60, 45), rate_hz=10, seconds=1)
    edge = Objects(
        np.array([[0.0, 30, 20, 60], [70, 30, 130, 60]]), ('a', 'b'), np.array([False] * 2)
    )
    scene = photograph()
    frames = list(film(Scene('edge', scene.load, edge), camera))

    assert frames[0].objects.is_difficult.tolist() == [False]
    assert frames[2].objects.labels == ('b',)
    assert all(frame.objects.boxes_xyxy.min() >= 0 for frame in frames)
    assert all(frame.objects.boxes_xyxy[:, 2].max() <= 60 for frame in frames)


def test_small_photographs_are_enlarged_with_their_boxes():
    camera = VirtualCamera('pan', 50, (240, 180), rate_hz=2, seconds=1)
    frame = next(iter(film(photograph(), camera)))

    assert frame.load().shape == (180, 240, 3)
    x1, y1, x2, y2 = frame.objects.boxes_xyxy[0]
    assert (x2 - x1, y2 - y1) == pytest.approx((40 * 320 / 120, 30 * 240 / 90))


def write_voc(folder, *, names=('a', 'b')):
    for part in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (folder / part).mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / f'JPEGImages/{name}.png'), np.zeros((20, 30, 3), np.uint8))
        objects = ''.join(
            f'<object><name>{label}</name><difficult>{flag}</difficult><bndbox><xmin>3</xmin>'
            f'<ymin>4</ymin><xmax>10</xmax><ymax>12</ymax></bndbox></object>'
            for label, flag in (('dog', 0), ('cat', 1))
        )
        text = f'<annotation>{objects}</annotation>'
        (folder / f'Annotations/{name}.xml').write_text(text)
    (folder / 'ImageSets/Main/val.txt').write_text('b\n')
    return folder


def test_voc_boxes_become_edges_and_difficult_objects_a_topic_of_their_own(tmp_path, capsys):
    voc = write_voc(tmp_path / 'voc')

    assert main([str(voc), '--split', 'val', '--output', str(tmp_path / 'bag')]) == 0

    (boxes,) = read_boxes(tmp_path / 'bag')
    assert (boxes.class_ids, boxes.boxes_xyxy.tolist()) == (('dog',), [[2, 3, 10, 12]])
    (difficult,) = read_boxes(tmp_path / 'bag', '/ground_truth/difficult')
    assert difficult.class_ids == ('cat',)
    assert '1 images' in capsys.readouterr().out


def write_coco(path, images, iscrowd=0):
    found = {'image_id': 7, 'category_id': 3, 'bbox': [1, 2, 3, 4], 'iscrowd': iscrowd}
    tree = {
        'images': images,
        'categories': [{'id': 3, 'name': 'dog'}],
        'annotations': [found],
    }
    path.write_text(json.dumps(tree))


@pytest.mark.parametrize('iscrowd', [0, '0', False, 'False', None])
def test_coco_boxes_come_from_corner_and_size(iscrowd, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((20, 30, 3), np.uint8))
    write_coco(tmp_path / 'coco.json', [{'id': 7, 'file_name': 'a.png'}], iscrowd)

    assert main([str(tmp_path / 'coco.json'), '--output', str(tmp_path / 'bag')]) == 0

    (boxes,) = read_boxes(tmp_path / 'bag')
    assert (boxes.class_ids, boxes.boxes_xyxy.tolist()) == (('dog',), [[1, 2, 4, 6]])


def test_what_is_neither_a_crowd_nor_none_is_refused(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((20, 30, 3), np.uint8))
    write_coco(tmp_path / 'coco.json', [{'id': 7, 'file_name': 'a.png'}], 'no')
    assert main([str(tmp_path / 'coco.json'), '--output', str(tmp_path / 'bag')]) != 0
    assert "iscrowd: received 'no'; expected 0 or 1" in capsys.readouterr().err


def test_a_video_gives_its_frames_without_ground_truth(tmp_path):
    path = tmp_path / 'film.avi'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (32, 24))
    for value in (0, 100, 200):
        video.write(np.full((24, 32, 3), value, np.uint8))
    video.release()

    assert main([str(path), '--output', str(tmp_path / 'bag')]) == 0

    assert [round(pixels.mean(), -1) for _, pixels in read_images(tmp_path / 'bag')] == [
        0,
        100,
        200,
    ]
    assert '/ground_truth' not in Recording(tmp_path / 'bag').topics


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['missing'], 'no such file or folder'),
        (['.'], 'no images'),
        (['.', '--split', 'val'], '--split needs a VOC folder'),
        (['voc', '--split', 'train'], 'no such list; there are: val'),
        (['broken.json'], 'no COCO annotations'),
        (['film.mp4'], 'can not be opened as a video'),
    ],
)
def test_a_source_that_is_none_is_refused_in_words(
    arguments, expected, tmp_path, capfd, monkeypatch
):
    (tmp_path / 'folder').mkdir()
    monkeypatch.chdir(tmp_path / 'folder')
    (tmp_path / 'folder/broken.json').write_text('{')
    (tmp_path / 'folder/film.mp4').write_text('no film')
    if arguments[0] == 'voc':
        write_voc(tmp_path / 'folder/voc')

    assert main([*arguments, '--output', str(tmp_path / 'bag')]) == 1

    assert expected in capfd.readouterr().err
    assert not (tmp_path / 'bag').exists()


def test_a_damaged_image_leaves_no_part_of_a_recording(tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.zeros((20, 30, 3), np.uint8))
    (folder / 'b.png').write_text('no image')

    assert main([str(folder), '--output', str(tmp_path / 'bag')]) == 1

    assert 'b.png: can not be read as an image' in capsys.readouterr().err
    assert not (tmp_path / 'bag').exists()


def test_what_systems_leave_in_a_folder_is_no_image(tmp_path):
    (tmp_path / 'images/b.png').mkdir(parents=True)
    for name in ('images/a.png', 'images/._a.png'):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 30, 3), np.uint8))

    assert main([str(tmp_path / 'images'), '--output', str(tmp_path / 'bag')]) == 0

    assert len(read_images(tmp_path / 'bag')) == 1


def test_what_a_mac_leaves_in_a_voc_folder_is_no_annotation(tmp_path):
    voc = write_voc(tmp_path / 'voc')
    (voc / 'Annotations/._b.xml').write_bytes(b'\0\5\x16\7')

    assert main([str(voc), '--output', str(tmp_path / 'bag')]) == 0


def test_a_folder_of_images_that_may_not_be_read_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / 'images/locked').mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'images/a.png'), np.zeros((20, 30, 3), np.uint8))
    lock(monkeypatch, 'locked')

    assert main([str(tmp_path / 'images'), '--output', str(tmp_path / 'bag')]) == 1

    assert 'locked: can not be read (Permission denied)' in capsys.readouterr().err


def test_a_recording_that_is_there_is_not_written_over(tmp_path):
    path = write_colored(tmp_path / 'bag')

    with pytest.raises(BagError, match='choose another path'):
        write_colored(path)
    assert len(read_images(path)) == 6


# A video may have any size: it is read frame by frame.
@pytest.mark.parametrize(
    ('place', 'kind'),
    [
        *((place, 'pipe') for place in ('image', 'xml', 'list', 'json', 'video')),
        *((place, 'large') for place in ('image', 'xml', 'list', 'json')),
    ],
)
def test_a_pipe_and_a_file_without_end_are_refused_before_they_are_read(
    place, kind, tmp_path, capsys
):
    voc = write_voc(tmp_path / 'voc')
    path = {
        'image': voc / 'JPEGImages/b.png',
        'xml': voc / 'Annotations/b.xml',
        'list': voc / 'ImageSets/Main/val.txt',
        'json': tmp_path / 'coco.json',
        'video': tmp_path / 'film.mp4',
    }[place]
    path.unlink(missing_ok=True)
    if kind == 'pipe':
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 3 * 2**30)
    source = [str(path)] if place in ('json', 'video') else [str(voc), '--split', 'val']

    assert main([*source, '--output', str(tmp_path / 'bag')]) == 1

    said = capsys.readouterr().err
    assert str(path) in said
    assert ('is a pipe' if kind == 'pipe' else 'expected at most') in said
    assert not (tmp_path / 'bag').exists()


def test_frames_of_a_video_are_counted_in_pixels_before_they_are_decoded(
    tmp_path, monkeypatch, capsys
):
    path = tmp_path / 'film.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    monkeypatch.setattr(sources, 'MAX_IMAGE_PIXELS', 64 * 48 - 1)
    assert main([str(path), '--output', str(tmp_path / 'bag')]) == 1
    assert 'film.avi: claims 64x48 pixels; expected at most 3071' in capsys.readouterr().err
    monkeypatch.setattr(sources, 'MAX_IMAGE_PIXELS', 64 * 48)
    assert main([str(path), '--output', str(tmp_path / 'bag')]) == 0


def assert_outside(capsys, arguments, bag):
    """See that a file elsewhere is neither read nor skipped, and that the option takes it."""
    arguments = [*map(str, arguments), '--output', str(bag)]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert 'leads out of' in said
    assert '--files_outside_root allow' in said
    assert not bag.exists()

    assert main([*arguments, '--files_outside_root', 'allow']) == 0
    assert read_images(bag)


@pytest.mark.parametrize('name', ['../secret.png', 'link.png', 'absolute'])
def test_coco_names_do_not_lead_out_of_the_folder_of_images(name, tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    secret = tmp_path / 'secret.png'
    cv2.imwrite(str(secret), np.zeros((20, 30, 3), np.uint8))
    (folder / 'link.png').symlink_to(secret)
    name = str(secret) if name == 'absolute' else name
    write_coco(tmp_path / 'coco.json', [{'id': 7, 'file_name': name}])
    assert_outside(capsys, [tmp_path / 'coco.json', '--images', folder], tmp_path / 'bag')


@pytest.mark.parametrize(
    'place', ['JPEGImages/b.png', 'Annotations/b.xml', 'ImageSets/Main/val.txt']
)
@pytest.mark.parametrize('of', ['file', 'folder'])
def test_links_of_voc_do_not_lead_out_of_it(place, of, tmp_path, capsys):
    voc = write_voc(tmp_path / 'voc')
    linked = voc / place if of == 'file' else (voc / place).parent
    linked.rename(tmp_path / 'private')
    linked.symlink_to(tmp_path / 'private')
    assert_outside(capsys, [voc, '--split', 'val'], tmp_path / 'bag')


def test_links_of_a_folder_of_images_do_not_lead_out_of_it(tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    cv2.imwrite(str(tmp_path / 'secret.png'), np.zeros((20, 30, 3), np.uint8))
    (folder / 'a.png').symlink_to(tmp_path / 'secret.png')
    assert_outside(capsys, [folder], tmp_path / 'bag')


def test_a_link_to_a_data_set_and_links_within_it_are_followed(tmp_path):
    voc = write_voc(tmp_path / 'voc')
    (voc / 'JPEGImages/b.png').rename(voc / 'moved.png')
    (voc / 'JPEGImages/b.png').symlink_to(voc / 'moved.png')
    link = tmp_path / 'link'
    link.symlink_to(voc)
    assert main([str(link), '--split', 'val', '--output', str(tmp_path / 'bag')]) == 0


@pytest.mark.parametrize('bbox', ['[1, 2, 3]', '[1, 2, 1e999, 4]', f'[1, 2, {"9" * 4000}, 4]'])
def test_coco_boxes_that_are_none_are_refused_in_words(bbox, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((20, 30, 3), np.uint8))
    path = tmp_path / 'coco.json'
    write_coco(path, [{'id': 7, 'file_name': 'a.png'}])
    path.write_text(path.read_text().replace('[1, 2, 3, 4]', bbox))

    assert main([str(path), '--output', str(tmp_path / 'bag')]) == 1

    assert f'{path}: ' in (said := capsys.readouterr().err)
    assert 'Traceback' not in said


@pytest.mark.parametrize('value', ['nan', '1e999', '9' * 4000])
def test_voc_boxes_that_are_none_are_refused_in_words(value, tmp_path, capsys):
    voc = write_voc(tmp_path / 'voc')
    xml = voc / 'Annotations/b.xml'
    xml.write_text(xml.read_text().replace('<xmax>10', f'<xmax>{value}'))

    assert main([str(voc), '--output', str(tmp_path / 'bag')]) == 1

    assert f'{xml}: ' in (said := capsys.readouterr().err)
    assert len(said) < 1000


def test_json_of_nothing_but_levels_is_refused_in_words(tmp_path, capsys):
    path = tmp_path / 'coco.json'
    path.write_text('[' * 100_000)

    assert main([str(path), '--output', str(tmp_path / 'bag')]) == 1

    assert f'{path}: no COCO annotations' in capsys.readouterr().err
