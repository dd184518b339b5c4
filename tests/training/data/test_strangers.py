"""Data sets of strangers: each file is checked for kind and size before it is read."""

from concurrent.futures import ThreadPoolExecutor
import hashlib
import json
import logging
import os
import re

import cv2
import numpy as np
import pytest

from ssd_training.command_line import run_command
from ssd_training.data.__main__ import main
from ssd_training.data.checking.check import check_data
from ssd_training.data.checking.room import PixelRoom
from ssd_training.data.datasets import read_split
from ssd_training.data.files import read_json
from ssd_training.data.images.decoding import Decoding
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.coco_folder import read_coco_folder
from ssd_training.preparation.layouts.listing import list_files
from ssd_training.runs.fingerprint import select_recipe
from tests.training.conftest import TINY
from tests.training.shapes_voc import write_image, write_split

BOX = [('red', (5, 5, 40, 40), False)]


def be_pipe(path):
    path.unlink()
    os.mkfifo(path)


def be_device(path):
    path.unlink()
    path.symlink_to('/dev/zero')


def be_sparse(path):
    os.truncate(path, 10 * 2**30)


TAKES_ALL = '--files_outside_root allow takes what lies there'
ODD = {
    be_pipe: 'is a pipe; expected a regular file',
    be_device: 'is a device; expected a regular file',
    be_sparse: 'has 10737418240 bytes; expected at most',
}
any_odd = pytest.mark.parametrize(
    ('change', 'words'), ODD.items(), ids=['pipe', 'device', 'sparse file']
)


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / 'voc'
    for image_id in ('a', 'b', 'c'):
        write_image(root, image_id, BOX)
    write_split(root, 'train', ['a', 'b'])
    write_split(root, 'val', ['c'])
    return root


@pytest.fixture
def coco(tmp_path):
    root = tmp_path / 'coco'
    (root / 'images').mkdir(parents=True)
    for name in ('train', 'val'):
        image = np.full((40, 60, 3), len(name), np.uint8)
        cv2.imwrite(str(root / f'images/{name}.jpg'), image)
        (root / f'{name}.json').write_text(json.dumps(coco_tree(f'{name}.jpg')))
    return root


def coco_tree(file_name, **fields):
    return {
        'images': [{'id': 1, 'file_name': file_name, 'width': 60, 'height': 40} | fields],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [5, 5, 20, 20]}],
        'categories': [{'id': 1, 'name': 'red'}],
    }


def settings_of(load, root, *overrides):
    is_coco = (root / 'train.json').exists()
    kind = ['data.dataset_name=coco', 'data.coco={annotations: "{split}.json", images: images}']
    overrides = (*(kind if is_coco else ()), f'data.root={root}', *overrides)
    return load('tiny', *overrides).data


def check(load, root, *overrides):
    result = check_data(settings_of(load, root, *overrides))
    return [str(finding) for findings in result.findings.values() for finding in findings]


@any_odd
@pytest.mark.parametrize('name', ['JPEGImages/b.jpg', 'Annotations/b.xml'])
def test_what_is_no_file_of_a_picture_is_a_finding(load, voc, name, change, words):
    change(voc / name)
    allowed = check(load, voc, 'data.files_outside_root=allow')
    assert any(name in finding and words in finding for finding in allowed)
    # The device lies outside.
    assert any(name in finding for finding in check(load, voc))


@any_odd
def test_what_is_no_list_is_refused(load, voc, change, words):
    change(voc / 'ImageSets/Main/train.txt')
    with pytest.raises(DataError, match=rf'train\.txt: {words}'):
        read_split(settings_of(load, voc), 'train')


@any_odd
def test_what_is_no_annotation_file_is_refused(load, coco, change, words):
    change(coco / 'train.json')
    with pytest.raises(DataError, match=rf'train\.json: {words}'):
        read_split(settings_of(load, coco), 'train')


def write_yolo(root):
    (root / 'labels').mkdir(parents=True)
    (root / 'images').mkdir()
    rng = np.random.default_rng(0)
    for name in 'abcdef':
        image = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
        cv2.imwrite(str(root / f'images/{name}.png'), image)
        (root / f'labels/{name}.txt').write_text('0 0.5 0.5 0.4 0.4\n')
    (root / 'data.yaml').write_text('names: [red]\n')
    return root


@any_odd
@pytest.mark.parametrize('name', ['images/b.png', 'labels/b.txt', 'more.json', 'more.xml'])
def test_what_is_no_file_is_left_out_when_a_folder_is_prepared(
    tmp_path, capsys, name, change, words
):
    root = write_yolo(tmp_path / 'yolo')
    (root / name).touch()
    change(root / name)
    out = tmp_path / 'out'
    assert main(['prepare', str(root), '--layout', 'yolo', '--out', str(out)]) == 0
    findings = json.loads((out / 'findings.json').read_text())['findings']
    said = [finding['text'] for finding in findings if name in finding['place']]
    if change is be_device:
        assert said == [f'is a link that leads out of {root}; left out; {TAKES_ALL}']
    else:
        # Files of other layouts are not what this folder is about.
        assert any(words in text for text in said) == (not name.startswith('more'))


@any_odd
def test_what_is_no_file_does_not_name_classes(tmp_path, capsys, change, words):
    root = write_yolo(tmp_path / 'yolo')
    change(root / 'data.yaml')
    out = ['--out', str(tmp_path / 'out'), '--files_outside_root', 'allow']
    assert main(['prepare', str(root), *out]) == 1
    assert f'data.yaml: {words}' in capsys.readouterr().err


def test_a_few_lines_of_yaml_that_mean_many_classes_are_refused(tmp_path, capsys):
    root = write_yolo(tmp_path / 'yolo')
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for level in range(1, 10):
        aliases = ', '.join([f'*a{level - 1}'] * 10)
        lines.append(f'a{level}: &a{level} [{aliases}]')
    (root / 'data.yaml').write_text('\n'.join([*lines, 'names: *a9']))
    assert main(['prepare', str(root), '--out', str(tmp_path / 'out')]) == 1
    assert 'more than 20000 values' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('written', 'words'),
    [
        ('9' * 4000, 'width: input should be less than or equal to 1000000'),
        ('9' * 5000, 'no valid JSON'),
        ('[' * 10**5, 'it has too many levels'),
    ],
    ids=['4000 digits', '5000 digits', 'levels'],
)
def test_numbers_and_levels_without_end_are_refused(load, coco, written, words):
    text = json.dumps(coco_tree('train.jpg', width='HERE'))
    (coco / 'train.json').write_text(text.replace('"HERE"', written))
    with pytest.raises(DataError, match=words):
        read_split(settings_of(load, coco), 'train')


def test_a_side_of_4000_digits_is_no_annotation(load, voc):
    xml = (voc / 'Annotations/b.xml').read_text()
    for digits, words in (('9' * 4000, "<width> is '9999"), ('9' * 9, 'at most 1000000')):
        (voc / 'Annotations/b.xml').write_text(xml.replace('>120<', f'>{digits}<'))
        assert any(words in finding for finding in check(load, voc))


def test_a_picture_that_claims_more_than_the_key_allows_is_not_decoded(load, voc):
    words = 'claims 120x90 pixels; expected at most 10799'
    assert any(words in finding for finding in check(load, voc, 'data.max_image_pixels=10799'))
    assert check(load, voc, 'data.max_image_pixels=10800') == check(load, voc)


def test_the_limit_of_pixels_is_no_part_of_recipes_that_do_not_set_it():
    assert select_recipe({'data': {'max_image_pixels': 10**8}}) == {'data': {}}
    assert select_recipe({'data': {'max_image_pixels': 10**6}})['data']


def test_a_file_of_more_bytes_than_any_picture_is_not_read(tmp_path):
    path = tmp_path / 'a.jpg'
    path.touch()
    os.truncate(path, 8 * 10**8 + 1)
    with pytest.raises(DataError, match='expected at most 800000000'):
        ImageFile(path).read_bytes()


def test_json_that_is_none_says_where(tmp_path):
    (tmp_path / 'a.json').write_text('{"a": ')
    with pytest.raises(DataError, match=r'a\.json: no valid JSON \(Expecting value'):
        read_json(tmp_path / 'a.json')


@pytest.fixture
def secret(tmp_path):
    """Lie beside the data sets: a picture with its labels, as good as theirs."""
    write_image(tmp_path / 'private', 'secret', BOX)
    return tmp_path / 'private/JPEGImages/secret.jpg'


def read_names(load, root, *overrides):
    return [
        record.image.name for record in read_split(settings_of(load, root, *overrides), 'train')
    ]


def assert_outside(load, root, name):
    """See that neither check nor training reads the file, and that the key lets them."""
    words = ('leads out of the data set, to', 'data.files_outside_root=allow')
    assert any(
        name in finding and all(map(finding.__contains__, words)) for finding in check(load, root)
    )
    with pytest.raises(DataError, match='leads out of the data set'):
        read_names(load, root)
    assert any(
        name in image_name
        for image_name in read_names(load, root, 'data.files_outside_root=allow')
    )


def test_ids_of_voc_do_not_lead_out_of_the_data_set(load, voc, secret):
    secret.rename(voc.parent / 'secret.jpg')
    (secret.parents[1] / 'Annotations/secret.xml').rename(voc.parent / 'secret.xml')
    write_split(voc, 'train', ['a', '../../secret'])
    assert_outside(load, voc, '../../secret')


@pytest.mark.parametrize('name', ['../../private/JPEGImages/secret.jpg', 'absolute'])
def test_names_of_coco_do_not_lead_out_of_the_data_set(load, coco, secret, name):
    file_name = str(secret) if name == 'absolute' else name
    tree = coco_tree(file_name, width=120, height=90)
    (coco / 'train.json').write_text(json.dumps(tree))
    assert_outside(load, coco, 'secret.jpg')


def test_links_do_not_lead_out_of_the_data_set(load, voc, coco, secret):
    for path in (voc / 'JPEGImages/a.jpg', coco / 'images/train.jpg'):
        path.unlink()
        path.symlink_to(secret)
    (coco / 'train.json').write_text(json.dumps(coco_tree('train.jpg', width=120, height=90)))
    assert_outside(load, voc, 'JPEGImages/a.jpg')
    assert_outside(load, coco, 'images/train.jpg')


@pytest.mark.parametrize('name', ['JPEGImages', 'Annotations'])
def test_linked_folders_do_not_lead_out_of_the_data_set(load, voc, secret, name):
    (voc / name).rename(voc.parent / 'elsewhere')
    (voc / name).symlink_to(voc.parent / 'elsewhere')
    assert_outside(load, voc, 'a.')


@pytest.mark.parametrize('name', ['Annotations/a.xml', 'ImageSets/Main/train.txt'])
def test_of_a_linked_file_outside_nothing_is_quoted(load, voc, tmp_path, name):
    (tmp_path / 'password').write_text('hunter2')
    (voc / name).unlink()
    (voc / name).symlink_to(tmp_path / 'password')
    with pytest.raises(DataError, match='is a link that leads out') as error:
        read_split(settings_of(load, voc), 'train')
    assert 'hunter2' not in str(error.value)


def test_a_data_set_may_be_a_link_and_have_links_inside(load, voc, tmp_path):
    (voc / 'JPEGImages').rename(voc / 'pictures')
    (voc / 'JPEGImages').symlink_to('pictures')
    (tmp_path / 'linked').symlink_to(voc)
    assert len(read_names(load, tmp_path / 'linked')) == 2


def test_where_files_may_lie_is_no_part_of_a_recipe():
    assert select_recipe({'data': {'files_outside_root': 'allow'}}) == {'data': {}}


@pytest.mark.parametrize('is_folder', [False, True])
def test_prepare_leaves_out_what_links_put_elsewhere(load, tmp_path, capsys, is_folder):
    root, name = write_yolo(tmp_path / 'yolo'), 'images' if is_folder else 'images/a.png'
    (root / name).rename(tmp_path / 'elsewhere.png')
    (root / name).symlink_to(tmp_path / 'elsewhere.png')
    arguments = ['prepare', str(root), '--out', str(tmp_path / 'out')]
    assert main(arguments) == (1 if is_folder else 0)
    findings = tmp_path / 'out/findings.json'
    assert TAKES_ALL in (capsys.readouterr().err if is_folder else findings.read_text())

    allowed = [*arguments, '--overwrite', '--files_outside_root', 'allow']
    assert main(allowed) == 0
    # What was prepared so is trained so.
    experiment = ['--experiment_path', str(tmp_path / 'out/experiment.yaml')]
    capsys.readouterr()
    main(['check', *experiment, '--json'])
    result = json.loads(capsys.readouterr().out)
    assert sum(split['images'] for split in result['splits'].values()) == 6


@pytest.mark.parametrize('annotations', [True, 7, 'text', {'a': 1}])
def test_annotations_that_are_no_list_are_a_finding_of_prepare(coco, annotations):
    tree = coco_tree('val.jpg') | {'annotations': annotations}

    labelled = read_coco_folder(list_files(coco), {coco / 'val.json': tree})

    assert f'received {annotations!r}; expected a list' in str(labelled.findings[0])


HARMFUL = ['\x1b[2J', '\u202eneed', '\ud800', '\n: nothing is wrong']


@pytest.mark.parametrize('harmful', HARMFUL, ids=['ESC', 'direction', 'surrogate', 'line'])
@pytest.mark.parametrize('where', ['file_name', 'category'])
def test_check_shows_names_of_strangers_harmless(coco, capsys, monkeypatch, harmful, where):
    # Short paths, which the table does not break.
    monkeypatch.chdir(coco)
    tree = coco_tree(f'{harmful}.jpg' if where == 'file_name' else 'train.jpg')
    if where == 'category':
        tree['categories'][0]['name'] = f'a {harmful} b'
    (coco / 'train.json').write_text(json.dumps(tree))
    sections = '{annotations: "{split}.json", images: images}'
    overrides = ['data.dataset_name=coco', f'data.coco={sections}', 'data.root=.']

    assert main(['check', '--experiment_path', str(TINY), *overrides]) == 1

    shown = ''.join(re.split(r'[\s│]+', capsys.readouterr().out))
    assert shown.isprintable() and repr(harmful)[1:-1].replace(' ', '') in shown


@pytest.mark.parametrize('harmful', HARMFUL, ids=['ESC', 'direction', 'surrogate', 'line'])
def test_prepare_writes_names_of_strangers_harmless(coco, capsys, tmp_path, harmful):
    for name in ('train', 'val'):
        tree = coco_tree(f'{name}.jpg')
        tree['images'].append(tree['images'][0] | {'id': 2, 'file_name': f'{harmful}.jpg'})
        (coco / f'{name}.json').write_text(json.dumps(tree))

    assert main(['prepare', str(coco), '--out', str(tmp_path / 'out'), '--json']) == 0

    written = (tmp_path / 'out/findings.json').read_text()
    assert all(map(str.isprintable, (capsys.readouterr().out + written).split('\n')))
    assert any(harmful in finding['place'] for finding in json.loads(written)['findings'])


def test_the_log_of_a_command_shows_names_of_strangers_harmless(monkeypatch, capsys):
    monkeypatch.setattr(logging.root, 'handlers', [])

    run_command(lambda: logging.getLogger('ssd_training').warning('%s: left out', 'a\x1b[2J'))

    assert capsys.readouterr().err == 'a\\x1b[2J: left out\n'


@pytest.mark.parametrize(('max_pixels', 'together'), [(3000, 2), (1200, 1), (1199, 12)])
def test_threads_hold_no_more_pixels_than_one_picture_may_have(tmp_path, max_pixels, together):
    """Of 1200 pixels each; what claims too much is not decoded, and takes no room."""
    image = np.zeros((30, 40, 3), np.uint8)
    content = cv2.imencode('.png', image)[1].tobytes()
    decoding = Decoding(max_pixels=max_pixels)
    images = []
    for number in range(12):
        (tmp_path / f'{number}.png').write_bytes(content)
        images.append(ImageFile(tmp_path / f'{number}.png', decoding=decoding))
    room, held, most = PixelRoom(), set(), []

    def hold(image):
        with room.take(image):
            held.add(image)
            most.append(len(held))
            # Leaves Python to the others for a while.
            hashlib.sha256(bytes(2**20))
            held.remove(image)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(hold, images))

    assert len(most) == 12 and max(most) <= together
