"""`data prepare`: layouts of labelling tools, what is odd in them, splits, and what is written."""

from collections import Counter
import dataclasses
import json
import os
from pathlib import Path

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from ssd_training.data.__main__ import main
from ssd_training.errors import DataError
from ssd_training.experiments.merge import load_experiment
from ssd_training.preparation.judging.scenes import group_scenes, hash_scene
from ssd_training.preparation.judging.stratification import split_groups
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.train import CONFIG_ROOT
from tests.training.labelling_tools import (
    count_kinds,
    draw,
    Drawn,
    labelimg,
    LABELS,
    LAYOUTS,
    roboflow_coco,
    yolo,
)


@pytest.fixture
def labelled(tmp_path, pictures):
    labelimg(tmp_path / 'photos', pictures)
    return tmp_path / 'photos'


def _boxes(annotations):
    return {
        Path(annotation.image.name).name.rpartition('-')[2]: sorted(
            (found.label, tuple(round(edge) for edge in found.box_xyxy))
            for found in annotation.objects
        )
        for annotation in annotations
    }


def _everything(prepared):
    return [annotation for annotations in prepared.splits.values() for annotation in annotations]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_gives_the_boxes_that_were_drawn(layout, tmp_path, pictures):
    LAYOUTS[layout](tmp_path / 'source', pictures)
    prepared = prepare(tmp_path / 'source', Options())
    assert _boxes(_everything(prepared)) == {
        picture.name: sorted(picture.objects) for picture in pictures
    }
    assert list(prepared.labels) == list(LABELS)
    assert {*count_kinds(prepared)} <= {'rare class'}


def test_one_xml_of_cvat_gives_boxes_and_polygons(tmp_path, pictures):
    root = tmp_path / 'task'
    (image,) = pictures[:1]
    image.write(root / 'images')
    pictures[1].write(root / 'images')
    (root / 'annotations.xml').write_text(
        '<annotations><meta><job><labels><label><name>cone</name></label></labels></job></meta>'
        f'<image id="0" name="{image.name}" width="320" height="240">'
        '<box label="cone" xtl="0.00" ytl="5.5" xbr="60.25" ybr="70"/>'
        '<polygon label="cone" points="100.0,50.0;150,90;120.5,20"/></image>'
        f'<image id="1" name="{pictures[1].name}" width="300" height="300">'
        '<box label="cone" xtl="1" ytl="2" xbr="90" ybr="80"/></image></annotations>'
    )
    boxes = _boxes(_everything(prepare(root, Options())))
    assert boxes[image.name] == [('cone', (0, 6, 60, 70)), ('cone', (100, 20, 150, 90))]


def test_the_split_of_the_source_stays(tmp_path, pictures):
    roboflow_coco(tmp_path / 'source', pictures)
    prepared = prepare(tmp_path / 'source', Options())
    folders = [Path(annotation.image.name).parent.name for annotation in prepared.splits['val']]
    assert folders == ['valid'] * 3
    again = prepare(tmp_path / 'source', Options(keeps_split=False))
    assert {Path(annotation.image.name).parent.name for annotation in again.splits['train']} == {
        'train',
        'valid',
    }


def test_lists_of_voc_are_the_split(tmp_path, pictures):
    LAYOUTS['cvat_voc'](tmp_path / 'source', pictures)
    main_folder = tmp_path / 'source/ImageSets/Main'
    stems = [Path(picture.name).stem for picture in pictures]
    (main_folder / 'train.txt').write_text('\n'.join(stems[:8]))
    (main_folder / 'val.txt').write_text('\r\n'.join(stems[8:]))
    prepared = prepare(tmp_path / 'source', Options())
    newest = sorted(Path(annotation.image.name).stem for annotation in prepared.splits['val'])
    assert newest == stems[8:]


def test_a_broken_picture_a_copy_and_files_without_partner_are_named(labelled, pictures):
    copy = dataclasses.replace(pictures[0], name='zz copy.png', image_rgb=pictures[2].image_rgb)
    copy.write(labelled)
    (labelled / 'zz copy.xml').write_text((labelled / 'IMG 0002.xml').read_text())
    (labelled / 'IMG 0001.JPG').write_bytes(b'\xff\xd8 no picture')
    (labelled / 'IMG 0003.jpeg').unlink()
    (labelled / 'IMG 0004.xml').unlink()
    (labelled / 'IMG 0005.xml').write_text('<annotation><object>')
    prepared = prepare(labelled, Options())
    kinds = count_kinds(prepared)
    assert kinds['unreadable image'] == kinds['duplicate image'] == kinds['missing file'] == 1
    assert kinds['unreadable annotation'] == kinds['image without annotation'] == 1
    assert len(_everything(prepared)) == 8


def test_boxes_are_cut_or_left_out_in_words(tmp_path, pictures):
    yolo(tmp_path / 'source', pictures)
    text = tmp_path / 'source/labels/train/IMG 0000.txt'
    text.write_text(
        '\ufeff0 0.5 0.5 0.2 0.2\r\n0 0.95 0.5 0.2 0.2\r\n1 0.5 0.5 0 0.2\r\n'
        '0 0.5 0.5 0.2 0.2\r\n1 0.1 0.1 0.3 0.1 0.3 0.4\r\n\r\n',
        encoding='utf-8',
    )
    text.with_name('IMG 0001.txt').write_text('7 0.5 0.5 0.1 0.1\r\n0 nan 1 2\r\n')
    prepared = prepare(tmp_path / 'source', Options())
    kinds = count_kinds(prepared)
    assert kinds['box outside image'] == kinds['degenerate box'] == kinds['duplicate box'] == 1
    assert kinds['unreadable annotation'] == 2
    boxes = _boxes(_everything(prepared))['IMG 0000.jpg']
    assert boxes == [
        ('ball', (128, 96, 192, 144)),
        ('ball', (272, 96, 320, 144)),
        ('traffic cone', (32, 24, 96, 96)),
    ]


def test_a_picture_without_a_label_file_is_background_in_yolo(tmp_path, pictures):
    yolo(tmp_path / 'source', pictures)
    (tmp_path / 'source/labels/train/IMG 0000.txt').unlink()
    prepared = prepare(tmp_path / 'source', Options())
    assert _boxes(_everything(prepared))['IMG 0000.jpg'] == []
    assert count_kinds(prepared)['image without annotation'] == 1


@pytest.mark.parametrize('names', ['classes.txt', 'obj.names', 'option'])
def test_yolo_takes_names_from_where_tools_write_them(names, tmp_path, pictures):
    yolo(tmp_path / 'source', pictures)
    (tmp_path / 'source/data.yaml').unlink()
    if names == 'option':
        prepared = prepare(tmp_path / 'source', Options(labels=('kugel', 'hut')))
    else:
        (tmp_path / f'source/{names}').write_text('kugel\nhut\n')
        prepared = prepare(tmp_path / 'source', Options())
    assert list(prepared.labels) == ['kugel', 'hut']


def test_classes_are_chosen_and_renamed(labelled):
    xml = labelled / 'IMG 0000.xml'
    xml.write_text(xml.read_text().replace('>ball<', '> Ball <'))
    assert count_kinds(prepare(labelled, Options()))['similar names'] == 1
    prepared = prepare(labelled, Options(names={'Ball': 'ball'}, labels=('ball',)))
    assert list(prepared.labels) == ['ball']
    assert {
        found.label for annotation in _everything(prepared) for found in annotation.objects
    } == {'ball'}
    with pytest.raises(
        DataError, match=r'--labels: Bal: no object of that name; there are .*ball'
    ):
        prepare(labelled, Options(labels=('Bal',)))
    notes = prepare(labelled, Options(names={'Bal': 'ball'})).notes
    assert notes == ['--rename: no object is called Bal']


def test_numbers_and_names_of_other_programs_are_understood(tmp_path, pictures):
    roboflow_coco(tmp_path / 'source', pictures)
    path = tmp_path / 'source/train/_annotations.coco.json'
    tree = json.loads(path.read_text())
    for image in tree['images']:
        image['id'] = str(image['id'])
        image['file_name'] = f'C:\\Users\\me\\train\\{image["file_name"]}'
        del image['width']
    for found in tree['annotations']:
        found['category_id'] = float(found['category_id'])
    first = tree['annotations'][0]
    x, y, width, height = first.pop('bbox')
    first['segmentation'] = [[x, y, x + width, y, x + width, y + height]]
    tree['annotations'].append({'image_id': 99, 'category_id': 1, 'bbox': [1, 2, 3, 4]})
    path.write_text(json.dumps(tree))
    prepared = prepare(tmp_path / 'source', Options())
    assert _boxes(_everything(prepared)) == {
        picture.name: sorted(picture.objects) for picture in pictures
    }
    assert [str(finding) for finding in prepared.findings if 'image_id 99' in finding.text]


def test_what_is_no_data_set_is_refused_in_a_sentence(tmp_path, pictures):
    cases = {
        'missing': 'no such folder',
        'empty': 'holds no picture',
        'pictures': '1 pictures, but no labels of a known layout',
        'both': 'labels of several layouts .*--layout',
        'nameless': 'nothing names the classes',
        'unlabelled': 'nothing to train on',
        'single': 'make no two splits',
    }
    (tmp_path / 'empty').mkdir()
    pictures[0].write(tmp_path / 'pictures')
    labelimg(tmp_path / 'both', pictures[:2])
    for name in ('both', 'nameless'):
        path = pictures[0].write(tmp_path / name)
        path.with_suffix('.txt').write_text('0 0.5 0.5 0.1 0.1\n')
    labelimg(tmp_path / 'unlabelled', [dataclasses.replace(pictures[0], objects=())])
    labelimg(tmp_path / 'single', pictures[:1])
    for name, text in cases.items():
        with pytest.raises(DataError, match=text):
            prepare(tmp_path / name, Options())


def test_boxes_in_shares_of_the_picture_in_coco_are_told(tmp_path, pictures):
    roboflow_coco(tmp_path / 'source', pictures)
    for path in (tmp_path / 'source').rglob('*.json'):
        tree = json.loads(path.read_text())
        for found in tree['annotations']:
            found['bbox'] = [value / 300 for value in found['bbox']]
        path.write_text(json.dumps(tree))
    with pytest.raises(
        DataError, match=r'nothing to train on(.|\n)*\d+ x degenerate box, such as'
    ):
        prepare(tmp_path / 'source', Options())


def test_copies_of_one_scene_are_in_one_split(tmp_path, pictures):
    copies = [
        Drawn(f'{Path(picture.name).stem}_jpg.rf.{number:032x}.jpg', image, picture.objects)
        for number, picture in enumerate(pictures)
        for image in (
            picture.image_rgb,
            cv2.convertScaleAbs(picture.image_rgb, alpha=1.0, beta=number + 9),
        )
    ]
    copies = [
        dataclasses.replace(picture, name=picture.name.replace('.rf.', f'.rf.{index}'))
        for index, picture in enumerate(copies)
    ]
    labelimg(tmp_path / 'source', copies)
    prepared = prepare(tmp_path / 'source', Options())
    scenes = [
        {Path(annotation.image.name).name.partition('.rf.')[0] for annotation in annotations}
        for annotations in prepared.splits.values()
    ]
    assert len(_everything(prepared)) == 24
    assert not scenes[0] & scenes[1]


def test_reencoded_and_resized_copies_are_one_scene_and_photographs_are_not():
    grounds = [picture.image_rgb for picture in draw(30, seed=3)]
    small = cv2.resize(grounds[0], (160, 120), interpolation=cv2.INTER_AREA)
    coded = cv2.imdecode(cv2.imencode('.jpg', grounds[0], [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1)
    hashes = [hash_scene(image) for image in (*grounds, small, coded)]
    groups = group_scenes(hashes, ['a'] * len(hashes))
    assert groups[30] == groups[31] == groups[0] == 0
    assert len(set(groups)) == 30


def test_scenes_are_groups_of_neighbours_called_by_their_first():
    hashes = np.zeros((6, 256), bool)
    for index in range(1, 4):  # A chain: 0 is far from 3.
        hashes[index, : 12 * index] = True
    hashes[4, 100:] = True
    assert group_scenes([*hashes], ['a', 'b', 'c', 'd', 'e', 'e.rf.1']) == [0, 0, 0, 0, 4, 0]
    assert group_scenes([*hashes[4:]], ['e.rf.0', 'e.rf.1']) == [0, 0]


def test_a_camera_that_stands_still_is_split_in_runs(tmp_path):
    ground = draw(1)[0]
    frames = []
    for index in range(20):
        image = ground.image_rgb.copy()
        image[:6, :6] = index * 12
        frames.append(Drawn(f'frame_{index:03d}.png', image, ground.objects))
    labelimg(tmp_path / 'source', frames)
    prepared = prepare(tmp_path / 'source', Options())
    assert any('look alike' in note for note in prepared.notes)
    numbers = sorted(
        int(Path(annotation.image.name).stem[-3:]) for annotation in prepared.splits['val']
    )
    assert len(numbers) == 4
    assert all(number ^ 1 in numbers for number in numbers)


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.sets(st.sampled_from('abc'))), min_size=2, max_size=40
    ),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 3),
)
def test_a_split_parts_no_group_and_follows_from_its_seed(pictures, share, seed):
    groups, labels = [group for group, _ in pictures], [sorted(found) for _, found in pictures]
    is_val = split_groups(groups, labels, val_share=share, seed=seed)
    assert len({*zip(groups, is_val, strict=True)}) == len(set(groups))
    assert is_val == split_groups(groups, labels, val_share=share, seed=seed)
    assert len(set(is_val)) == min(len(set(groups)), 2)


def test_classes_keep_their_shares_in_the_split():
    rng = np.random.default_rng(0)
    labels = [[f'c{rng.geometric(0.3)}'] for _ in range(600)]
    is_val = split_groups(range(600), labels, val_share=0.2, seed=0)
    everything = Counter(label for (label,) in labels)
    val = Counter(label for (label,), chosen in zip(labels, is_val, strict=True) if chosen)
    assert all(abs(val[label] - 0.2 * count) <= 1 for label, count in everything.items())


def test_the_files_are_a_training_that_finds_nothing_wrong(labelled, tmp_path, capsys):
    out = tmp_path / 'out {1}'
    assert main(['prepare', str(labelled), '--out', str(out)]) == 0
    told = capsys.readouterr().out
    assert f"--experiment_path '{out}/experiment.yaml'" in told
    # Without a topic the node waits for one that nobody publishes.
    assert 'image_topic:=' in told
    assert main(['check', '--experiment_path', str(out / 'experiment.yaml')]) == 0
    config, _ = load_experiment(out / 'experiment.yaml', CONFIG_ROOT, environment={})
    assert config.data.labels == LABELS
    assert config.experiment.id == 'out__1_'
    deploy = yaml.safe_load((out / 'deploy.yaml').read_text())
    assert deploy['deploy']['input']['size'] == [*config.input_size, 3]


def test_a_larger_input_is_that_of_experiment_and_deployment(labelled, tmp_path, capsys):
    out = tmp_path / 'out'
    command = ['prepare', str(labelled), '--out', str(out), '--input_size_px']

    assert main([*command, '384']) == 0

    config, _ = load_experiment(out / 'experiment.yaml', CONFIG_ROOT, environment={})
    assert (config.input_size, config.priors.laid_out_at_px) == ((384, 384), 300)
    deploy = yaml.safe_load((out / 'deploy.yaml').read_text())
    assert deploy['deploy']['input']['size'] == [384, 384, 3]
    for text in ('223', '513', '384.0', '-384', '²'):
        with pytest.raises(SystemExit):
            main([*command, text, '--overwrite'])
        assert f'{text!r} is no side from 224 to 512 px' in capsys.readouterr().err


def draw_sides(sides_px):
    """Give four pictures of 600 px of noise with objects of these widths."""
    places = [(60, 60), (300, 60), (60, 300), (300, 300)]
    objects = [
        ('ball', (x, y, x + side, y + 100)) for (x, y), side in zip(places, sides_px, strict=True)
    ]
    images = np.random.default_rng(0).integers(0, 256, (4, 600, 600, 3), np.uint8)
    return [Drawn(f'{index}.png', own, objects) for index, own in enumerate(images)]


@pytest.mark.parametrize(('num_small', 'is_said'), [(1, False), (2, True)])
def test_many_small_objects_ask_for_a_larger_input(num_small, is_said, tmp_path):
    """Of 24 px in 600 px there are 12 in 300, and 15.4 in 384."""
    yolo(tmp_path / 'source', draw_sides([24] * num_small + [100] * (4 - num_small)))

    found = prepare(tmp_path / 'source', Options()).notes
    larger = prepare(tmp_path / 'source', Options(input_size_px=384)).notes

    words = f'{3 * num_small} of 12 objects in train have a side of less than 16 px'
    assert any(words in note and '--input_size_px 384' in note for note in found) == is_said
    assert not any('--input_size_px' in note for note in larger)


def test_small_objects_that_are_not_learnt_ask_for_nothing(tmp_path):
    labelimg(tmp_path / 'source', draw_sides([24, 24, 100, 100]))
    for path in (tmp_path / 'source').rglob('*.xml'):
        path.write_text(path.read_text().replace('<difficult>0', '<difficult>1', 2))

    notes = prepare(tmp_path / 'source', Options()).notes

    assert any(note.startswith('8 objects are difficult') for note in notes)
    assert not any('--input_size_px' in note for note in notes)


def test_a_folder_that_moved_is_the_same_recipe(pictures, tmp_path):
    fingerprints = set()
    for place in ('here', 'there'):
        labelimg(tmp_path / place / 'photos', pictures)
        out = tmp_path / place / 'cones'
        assert main(['prepare', str(tmp_path / place / 'photos'), '--out', str(out)]) == 0
        config, _ = load_experiment(out / 'experiment.yaml', CONFIG_ROOT, environment={})
        fingerprints.add(compute_fingerprint(config))
    assert len(fingerprints) == 1


def test_more_pictures_leave_the_others_in_their_split(labelled, tmp_path, capsys):
    out = labelled / 'out'
    arguments = ['prepare', str(labelled), '--out', str(out)]
    assert main(arguments) == 0
    before = {image['file_name'] for image in json.loads((out / 'val.json').read_text())['images']}
    labelimg(labelled / 'more', draw(12, seed=9))
    assert main(arguments) == 1
    assert '--overwrite prepares it again' in capsys.readouterr().err
    assert main([*arguments, '--overwrite']) == 0
    after = {image['file_name'] for image in json.loads((out / 'val.json').read_text())['images']}
    assert before < after
    assert {name for name in after - before if 'more' not in name} == set()


def test_a_turned_photograph_is_read_as_it_was_labelled(tmp_path, pictures, capsys):
    """A portrait from a phone: stored on its side, labelled upright; and one upside down."""
    labelimg(tmp_path / 'photos', pictures)
    for picture, orientation, turn in (
        (pictures[0], 6, cv2.ROTATE_90_COUNTERCLOCKWISE),
        (pictures[4], 3, cv2.ROTATE_180),
    ):
        stored = cv2.cvtColor(cv2.rotate(picture.image_rgb, turn), cv2.COLOR_RGB2BGR)
        content = cv2.imencode('.jpg', stored)[1].tobytes()
        tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0' + bytes([orientation]) + bytes(7)
        exif = b'\xff\xe1' + (len(tiff) + 8).to_bytes(2, 'big') + b'Exif\0\0' + tiff
        (tmp_path / 'photos' / picture.name).write_bytes(content[:2] + exif + content[2:])
    prepared = prepare(tmp_path / 'photos', Options())
    assert len(_everything(prepared)) == len(pictures)
    assert [
        finding.place[-12:]
        for finding in prepared.findings
        if finding.kind == 'undecided orientation'
    ] == [pictures[4].name]
    for annotation in _everything(prepared):
        if annotation.image.name.endswith((pictures[0].name, pictures[4].name)):
            picture = next(
                drawn for drawn in pictures if annotation.image.name.endswith(drawn.name)
            )
            difference = np.abs(annotation.image.load().astype(int) - picture.image_rgb)
            assert difference.mean() < 8
    out = ['prepare', str(tmp_path / 'photos'), '--out', str(tmp_path / 'out')]
    assert main([*out, '--exif_orientation', 'stored']) == 0
    assert 'unreadable image' in capsys.readouterr().out
    written = yaml.safe_load((tmp_path / 'out/experiment.yaml').read_text())
    assert written['overrides']['data']['exif_orientation'] == 'stored'


def test_a_folder_that_links_to_itself_ends(labelled):
    os.symlink(labelled, labelled / 'again')
    assert len(_everything(prepare(labelled, Options()))) == 12


def test_json_has_every_finding(labelled, tmp_path, capsys):
    (labelled / 'IMG 0004.xml').unlink()
    assert main(['prepare', str(labelled), '--out', str(tmp_path / 'out'), '--json']) == 0
    tree = json.loads(capsys.readouterr().out)
    assert [finding['kind'] for finding in tree['findings'] if 'IMG 0004' in finding['place']]
    assert tree == json.loads((tmp_path / 'out/findings.json').read_text())
