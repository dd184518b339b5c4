"""`data prepare`: splits that lists, data.yaml and folders make, and those of an earlier time."""

import json
from pathlib import Path

from hypothesis import assume, example, given
from hypothesis import strategies as st
import pytest

from ssd_training.data.__main__ import main
from ssd_training.data.annotations.annotations import AnnotatedObject, Annotation, box_kind
from ssd_training.data.annotations.boxes import find_usable_box
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError
from ssd_training.preparation.judging.stratification import split_groups
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from ssd_training.preparation.writing.experiment_files import coco_tree
from tests.training.labelling_tools import (
    count_kinds,
    label_studio_coco,
    labelimg,
    LABELS,
    yolo,
)


def names_of(prepared):
    return {
        split: sorted(Path(annotation.image.name).name for annotation in annotations)
        for split, annotations in prepared.splits.items()
    }


def voc(root, pictures, lists):
    """Write VOCdevkit's tree, and lists of ImageSets/Main: name -> places of pictures."""
    labelimg(root / 'JPEGImages', pictures)
    (root / 'Annotations').mkdir()
    for xml in (root / 'JPEGImages').glob('*.xml'):
        xml.rename(root / 'Annotations' / xml.name)
    write_lists(root / 'ImageSets' / 'Main', lists, lambda name: Path(name).stem)


def write_lists(folder, lists, spell):
    folder.mkdir(parents=True, exist_ok=True)
    for name, entries in lists.items():
        text = '\n'.join(map(spell, entries)) + '\n'
        (folder / f'{name}.txt').write_text(text, encoding='utf-8')


@pytest.fixture
def names(pictures):
    return [picture.name for picture in pictures]


def test_a_test_list_of_voc_is_not_learnt(tmp_path, pictures, names):
    voc(tmp_path, pictures, {'train': names[4:], 'test': names[:4]})
    assert names_of(prepare(tmp_path, Options()))['test'] == sorted(names[:4])


@pytest.mark.parametrize('beside', ['val', 'test'])
def test_trainval_is_what_no_other_list_has(beside, tmp_path, pictures, names):
    voc(tmp_path, pictures, {'trainval': names, beside: names[:4]})
    split = names_of(prepare(tmp_path, Options()))
    assert split[beside] == sorted(names[:4])
    assert not {*split['train']} & {*names[:4]}


def test_ids_without_files_are_told(tmp_path, pictures, names):
    voc(tmp_path, pictures, {'train': [*names[4:], 'gone.jpg'], 'val': names[:4]})
    (finding,) = [
        found for found in prepare(tmp_path, Options()).findings if found.kind == 'missing file'
    ]
    assert finding.text == (
        f'1 of {len(names) - 3} lines name no picture that is here, or several, such as gone'
    )


def test_pictures_beside_the_lists_are_left_out_and_named(tmp_path, pictures, names):
    voc(tmp_path, pictures, {'train': names[6:], 'val': names[:4]})
    prepared = prepare(tmp_path, Options())
    assert names_of(prepared) == {'train': sorted(names[6:]), 'val': sorted(names[:4])}
    assert count_kinds(prepared)['picture without split'] == 2
    again = names_of(prepare(tmp_path, Options(keeps_split=False)))
    assert len(again['train']) + len(again['val']) == len(names)


def darknet(root, pictures, lists):
    yolo(root, pictures)
    (root / 'data.yaml').unlink()
    (root / 'obj.names').write_text('\n'.join(LABELS))
    write_lists(root / 'data', lists, lambda name: f'/home/me/darknet/data/obj/{name}')


def test_darknet_says_which_list_is_val(tmp_path, pictures, names):
    darknet(tmp_path, pictures, {'train': names[4:], 'test': names[:4]})
    (tmp_path / 'obj.data').write_text(
        'classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\n'
    )
    assert names_of(prepare(tmp_path, Options())) == {
        'train': sorted(names[4:]),
        'val': sorted(names[:4]),
    }


def test_a_test_list_of_darknet_is_not_learnt(tmp_path, pictures, names):
    darknet(tmp_path, pictures, {'train': names[4:], 'test': names[:4]})
    assert names_of(prepare(tmp_path, Options()))['test'] == sorted(names[:4])


def test_what_is_in_two_lists_is_not_learnt_and_told_once(tmp_path, pictures, names):
    darknet(tmp_path, pictures, {'train': names[2:], 'val': names[:4]})
    prepared = prepare(tmp_path, Options())
    assert names_of(prepared) == {'train': sorted(names[4:]), 'val': sorted(names[:4])}
    (finding,) = [found for found in prepared.findings if found.kind == 'leakage']
    assert finding.place.endswith(names[2])
    assert finding.text == 'is in the lists of val and train, as 1 others are; kept in val'


def test_a_val_of_some_of_train_is_taken_out_of_train(tmp_path, pictures, names):
    darknet(tmp_path, pictures, {'train': names, 'val': names[:3]})
    assert names_of(prepare(tmp_path, Options())) == {
        'train': sorted(names[3:]),
        'val': sorted(names[:3]),
    }


def test_a_val_that_is_train_is_made_anew(tmp_path, pictures, names):
    """Templates of data.yaml have `train: images/train`, `val: images/train`."""
    darknet(tmp_path, pictures, {'train': names[2:], 'val': names[2:], 'test': names[:2]})
    prepared = prepare(tmp_path, Options())
    split = names_of(prepared)
    assert split['test'] == sorted(names[:2])
    assert split['val'] and split['train']
    assert count_kinds(prepared)['leakage'] == 1


def test_a_list_that_can_not_be_read_is_named(tmp_path, pictures, names):
    darknet(tmp_path, pictures, {'train': names[4:], 'test': names[:4]})
    (tmp_path / 'data' / 'test.txt').write_bytes(b'\x80\x00\xff')
    assert count_kinds(prepare(tmp_path, Options()))['unreadable annotation'] == 1


def test_each_data_yaml_has_its_own_lists(tmp_path, pictures, names):
    for root, drawn in ((tmp_path / 'a', pictures[:6]), (tmp_path / 'b', pictures[6:])):
        own = [picture.name for picture in drawn]
        darknet(root, drawn, {'train': own[2:], 'val': own[:2]})
        text = 'path: .\ntrain: data/train.txt\nval: data/val.txt\nnames: [ball, traffic cone]\n'
        (root / 'data.yaml').write_text(text)
    val = names_of(prepare(tmp_path, Options()))['val']
    assert val == sorted([*names[:2], *names[6:8]])


def test_settings_of_a_training_name_no_pictures(tmp_path, pictures, names):
    """Ultralytics writes args.yaml, with `val: true`."""
    darknet(tmp_path, pictures, {'train': names[4:], 'test': names[:4]})
    (tmp_path / 'args.yaml').write_text('task: detect\nval: true\ntrain: here\n')
    assert names_of(prepare(tmp_path, Options()))['test'] == sorted(names[:4])


def test_folders_speak_for_what_data_yaml_does_not_find(tmp_path, pictures, names):
    """An export has valid/, its data.yaml another name."""
    for split, drawn in (
        ('train', pictures[4:]),
        ('valid', pictures[2:4]),
        ('test', pictures[:2]),
    ):
        yolo(tmp_path / split, drawn)
        (tmp_path / split / 'data.yaml').unlink()
    text = ''.join(f'{split}: {split}/images/train\n' for split in ('train', 'val', 'test'))
    (tmp_path / 'data.yaml').write_text(f'{text}names: [ball, traffic cone]\n')
    assert names_of(prepare(tmp_path, Options())) == {
        'train': sorted(names[4:]),
        'val': sorted(names[2:4]),
        'test': sorted(names[:2]),
    }


def test_lists_of_two_years_are_one_split(tmp_path, pictures, names):
    voc(tmp_path / 'VOC2012', pictures[4:], {'trainval': names[4:]})
    voc(tmp_path / 'VOC2007', pictures[:4], {'test': names[:4]})
    assert names_of(prepare(tmp_path, Options()))['test'] == sorted(names[:4])


@pytest.mark.parametrize('folder', ['Main', '.'])
def test_a_folder_may_be_called_as_that_of_lists(folder, tmp_path, pictures, monkeypatch):
    labelimg(tmp_path / 'Main', pictures)
    monkeypatch.chdir(tmp_path)
    prepared = prepare(Path(folder), Options())
    assert sum(map(len, names_of(prepared).values())) == len(pictures)


def test_copies_beside_the_split_are_not_learnt(tmp_path, pictures, names):
    """People keep all pictures in one folder, and copies of them in train, val and test."""
    labelimg(tmp_path / 'all', pictures)
    labelimg(tmp_path / 'train', pictures[4:])
    labelimg(tmp_path / 'val', pictures[2:4])
    labelimg(tmp_path / 'test', pictures[:2])
    assert names_of(prepare(tmp_path, Options())) == {
        'train': sorted(names[4:]),
        'val': sorted(names[2:4]),
        'test': sorted(names[:2]),
    }


def test_folders_of_pictures_are_the_split_of_one_coco_file(tmp_path, pictures, names):
    label_studio_coco(tmp_path, pictures)
    path = tmp_path / 'result.json'
    tree = json.loads(path.read_text())
    for number, image in enumerate(tree['images']):
        folder = 'test' if number < 2 else 'val' if number < 4 else 'train'
        name = image['file_name'].rpartition('\\')[2]
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / 'images' / name).rename(tmp_path / folder / name)
        image['file_name'] = f'{folder}/{name}'
    path.write_text(json.dumps(tree))
    split = {name: len(found) for name, found in names_of(prepare(tmp_path, Options())).items()}
    assert split == {'train': len(names) - 4, 'val': 2, 'test': 2}


def test_folders_of_pictures_are_the_split_of_voc(tmp_path, pictures, names):
    labelimg(tmp_path / 'Annotations', pictures)
    for number, name in enumerate(names):
        folder = tmp_path / 'JPEGImages' / ('val' if number < 4 else 'train')
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'Annotations' / name).rename(folder / name)
    assert names_of(prepare(tmp_path, Options()))['val'] == sorted(names[:4])


@pytest.mark.parametrize(
    ('folder', 'split'), [('eval', 'val'), ('holdout', 'test'), ('Evaluation_2', 'val')]
)
def test_folders_beside_train_are_not_learnt(folder, split, tmp_path, pictures, names):
    labelimg(tmp_path / 'train', pictures[4:])
    labelimg(tmp_path / folder, pictures[:4])
    assert names_of(prepare(tmp_path, Options()))[split] == sorted(names[:4])


def test_a_folder_that_is_no_split_is_named(tmp_path, pictures):
    labelimg(tmp_path / 'train', pictures[5:])
    labelimg(tmp_path / 'val', pictures[2:5])
    labelimg(tmp_path / 'kept aside', pictures[:2])
    prepared = prepare(tmp_path, Options())
    assert {split: len(names) for split, names in names_of(prepared).items()} == {
        'train': len(pictures) - 5,
        'val': 3,
    }
    assert count_kinds(prepared)['picture without split'] == 2


def test_a_test_without_train_is_learnt_in_words(tmp_path, pictures):
    labelimg(tmp_path / 'street', pictures[4:])
    labelimg(tmp_path / 'test', pictures[:4])
    (note,) = [note for note in prepare(tmp_path, Options()).notes if 'of test' in note]
    assert note.startswith('4 pictures are of test by folder or list, such as ')


def test_a_split_that_is_gone_is_put_aside(tmp_path, pictures, capsys):
    for split, drawn in (('train', pictures[6:]), ('val', pictures[3:6]), ('test', pictures[:3])):
        labelimg(tmp_path / 'source' / split, drawn)
    command = ['prepare', str(tmp_path / 'source'), '--out', str(tmp_path / 'out')]
    assert main(command) == 0
    assert main([*command, '--overwrite', '--resplit']) == 0
    assert (
        'there is no test now: the earlier test.json is test.json.old' in capsys.readouterr().out
    )
    assert not (tmp_path / 'out' / 'test.json').exists()
    assert (tmp_path / 'out' / 'test.json.old').exists()


def test_too_few_pictures_are_told_with_what_was_left_out(tmp_path, pictures):
    labelimg(tmp_path, pictures[:3])
    for path in sorted(tmp_path.glob('*.[jJp]*'))[:2]:
        path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError) as raised:
        prepare(tmp_path, Options())
    assert any(text.startswith('2 x unreadable image, such as ') for text in raised.value.findings)


def test_a_seed_is_a_whole_number(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['prepare', str(tmp_path), '--out', str(tmp_path / 'out'), '--seed', '-1'])
    assert "'-1' is no whole number from 0 on" in capsys.readouterr().err


SHARES = st.floats(0, 1)


@given(side_px=st.integers(2, 6000), edges=st.tuples(SHARES, SHARES, SHARES, SHARES))
@example(side_px=1000, edges=(0.3491495, 0.25, 1.0000005, 0.75))
def test_boxes_are_inside_when_they_are_read_back(side_px, edges):
    """Rounded apart, place and side made 1000.001 of an edge at 1000."""
    x1, x2 = sorted((edges[0], edges[2]))
    y1, y2 = sorted((edges[1], edges[3]))
    size_wh = (side_px, side_px)
    box = find_usable_box(tuple(edge * side_px for edge in (x1, y1, x2, y2)), size_wh, 1.0)
    assume(box is not None)
    found = AnnotatedObject('cone', box, False)
    annotation = Annotation('a', ImageFile(Path('/a.jpg')), 'a.txt', size_wh, (found,))
    ((x, y, width, height),) = (
        written['bbox'] for written in coco_tree([annotation], ['cone'], Path('/'))['annotations']
    )
    read = (x, y, x + width, y + height)
    assert box_kind(read, size_wh, 1.0) is None
    assert read == pytest.approx(box, abs=0.0011)


@given(
    groups=st.lists(st.integers(0, 4), min_size=2, max_size=12),
    share=st.floats(0.1, 0.5),
    data=st.data(),
)
def test_what_was_in_a_split_stays_there(groups, share, data):
    """A scene that new pictures made of two moved pictures of val to train, and back."""
    indices = st.integers(0, len(groups) - 1)
    fixed = data.draw(st.dictionaries(indices, st.booleans(), max_size=len(groups)))
    assume({*fixed.values()} == {False, True})
    labels = [['ball']] * len(groups)
    chosen = split_groups(groups, labels, val_share=share, seed=1, fixed=fixed)
    assert {index: chosen[index] for index in fixed} == fixed
    for group in {*groups}:
        earlier = {fixed[index] for index in fixed if groups[index] == group}
        new = {
            chosen[index]
            for index, other in enumerate(groups)
            if other == group and index not in fixed
        }
        assert not earlier or new <= {earlier == {True}}
