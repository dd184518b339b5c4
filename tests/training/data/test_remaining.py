"""Nothing to learn or to score is found before step 1, with the likely reason."""

import json

import pytest

from ssd_training.data.__main__ import main
from ssd_training.data.annotations.annotations import AnnotatedObject, Annotation, Policy
from ssd_training.data.annotations.remaining import count_remaining, describe_remaining
from ssd_training.data.datasets import read_splits
from ssd_training.errors import DataError
from tests.training.conftest import TINY
from tests.training.shapes_voc import write_image, write_shapes_voc, write_split

BOX = (5.0, 10.0, 30.0, 40.0)


def annotate(*objects, size_wh=(120, 90)):
    found = tuple(AnnotatedObject(label, box, flag) for label, box, flag in objects)
    return Annotation('a', None, 'a.xml', size_wh, found)


def describe(*annotations, labels=('ball', 'cone')):
    counts = count_remaining(annotations, Policy(labels, 9))
    return [(found.kind, found.text) for found in describe_remaining(counts, 'train')]


def test_a_split_with_objects_of_every_class_is_good():
    assert describe(annotate(('ball', BOX, False)), annotate(('cone', BOX, False))) == []


@pytest.mark.parametrize(
    ('objects', 'reason'),
    [
        ([], 'none of 1 images has an object'),
        ([('ball', BOX, True)], '1 are difficult (or crowds), neither learnt nor scored'),
        ([('violet', BOX, False)], '1 are of classes that data.labels lacks: violet (1)'),
        ([('Ball', BOX, False)], "'Ball' is 'ball' but for capitals or blanks"),
        ([('ball ', BOX, False)], "'ball ' is 'ball' but for capitals or blanks"),
        ([('CONE_', BOX, False)], "'CONE_' is 'cone' but for capitals or blanks"),
        ([('ball', (5, 5, 5, 5), False)], '1 have a side below data.min_box_size_px'),
        ([('ball', (0.1, 0.2, 0.6, 0.9), False)], '1 of these have edges between 0 and 1'),
        ([('ball', (-0.9, -0.8, 0.6, 0.9), False)], '1 of these have edges between 0 and 1'),
    ],
)
def test_a_split_without_usable_objects_says_why(objects, reason):
    ((kind, text),) = describe(annotate(*objects))

    assert kind == 'no objects'
    assert text.startswith('nothing to learn or to score: ') and reason in text


def test_classes_without_objects_are_counted():
    assert describe(annotate(('ball', BOX, False), ('cone', BOX, True))) == [
        ('class without objects', '1 of 2 classes have no object: cone')
    ]


def test_a_large_share_that_is_left_out_is_counted_with_the_reason():
    good = [('ball', BOX, False), ('cone', BOX, False)]
    few = annotate(*good * 5, ('violet', BOX, False))

    assert describe(few) == []
    ((kind, text),) = describe(annotate(*good, ('violet', BOX, False)))
    assert (kind, text) == (
        'dropped objects',
        '1 of 3 objects are left out: 1 are of classes that data.labels lacks: violet (1)',
    )


def test_a_name_that_is_nearly_a_label_is_said_however_rare():
    ((kind, text),) = describe(
        annotate(*[('ball', BOX, False), ('cone', BOX, False)] * 20),
        (annotate(('Cone', BOX, False))),
    )

    assert kind == 'dropped objects'
    assert '1 of 41 objects are left out' in text and "'Cone' is 'cone'" in text


@pytest.fixture
def voc(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return write_shapes_voc(tmp_path)


def test_both_splits_without_objects_are_refused_at_once_by_training_and_check(voc, load, capsys):
    for name in ('a', 'b'):
        write_image(voc, name, [])
    write_image(voc, 'b', [('red', (5, 5, 30, 30), True)])
    write_split(voc, 'train', ['a'])
    write_split(voc, 'val', ['b'])

    with pytest.raises(DataError) as error:
        read_splits(load('tiny', f'data.root={voc}').data)

    assert [finding.split(':')[0] for finding in error.value.findings] == ['train', 'val']
    assert main(['check', '--json', '--experiment_path', str(TINY)]) == 1
    splits = json.loads(capsys.readouterr().out)['splits']
    for split in ('train', 'val'):
        kinds = [finding['kind'] for finding in splits[split]['findings']]
        assert kinds.count('no objects') == 1


def test_what_is_odd_but_allowed_is_logged_when_a_training_starts(voc, load, caplog):
    write_image(voc, 'a', [('red', (5, 5, 30, 30), False), ('Green', (50, 5, 80, 30), False)])
    write_split(voc, 'train', ['a'])

    with caplog.at_level('WARNING'):
        read_splits(load('tiny', f'data.root={voc}', 'data.unknown_classes=ignore').data)

    messages = [message for message in caplog.messages if message.startswith('train: ')]
    assert messages == [
        'train: 1 of 2 objects are left out: 1 are of classes that data.labels lacks: Green (1); '
        "'Green' is 'green' but for capitals or blanks: write it in data.labels",
        'train: 2 of 3 classes have no object: green, blue',
    ]


def test_an_unknown_class_that_is_nearly_a_label_names_it(voc, load):
    write_image(voc, 'a', [('RED', (5, 5, 30, 30), False)])
    write_split(voc, 'train', ['a'])

    with pytest.raises(DataError, match='RED: unknown class; .*; write red as the annotations do'):
        read_splits(load('tiny', f'data.root={voc}').data)


def test_boxes_that_are_shares_of_the_image_are_named_as_such(load, tmp_path):
    image = {'id': 1, 'file_name': 'a.jpg', 'width': 60, 'height': 40}
    found = {'image_id': 1, 'category_id': 1, 'bbox': [0.1, 0.2, 0.3, 0.4]}
    categories = [{'id': 1, 'name': ' red '}]
    tree = {'images': [image], 'annotations': [found], 'categories': categories}
    for split in ('train', 'val'):
        (tmp_path / f'{split}.json').write_text(json.dumps(tree))
        (tmp_path / split).mkdir()
        (tmp_path / f'{split}/a.jpg').touch()
    coco = f'data={{dataset_name: coco, root: "{tmp_path}", train_split: train, val_split: val, '
    coco += 'coco: {annotations: "{split}.json", images: "{split}"}}'

    with pytest.raises(DataError, match='red: degenerate box: .* not shares of the image'):
        read_splits(load('tiny', coco).data)
    with pytest.raises(DataError, match='train: nothing to learn .* expected pixels'):
        read_splits(load('tiny', coco, 'data.invalid_boxes=repair').data)
