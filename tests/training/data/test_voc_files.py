"""What labelling tools write around VOC: any suffix, name, encoding and size is read or named."""

import unicodedata

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import ConfigError
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.sources.voc import read_voc, read_voc_annotations
from ssd_training.data.sources.voc_files import FilesByStem, read_voc_file
from ssd_training.errors import DataError
from ssd_training.runs.fingerprint import compute_fingerprint
from tests.training.shapes_voc import LABELS, write_image, write_split

RED = ('red', (5, 10, 30, 40), False)


def read(root, **more):
    return read_voc(root, 'train', labels=LABELS, max_boxes=8, **more)


def rename(root, old, new):
    (root / f'JPEGImages/{old}.jpg').rename(root / f'JPEGImages/{new}.jpg')
    (root / f'Annotations/{old}.xml').rename(root / f'Annotations/{new}.xml')


def write_xml(path, body, *, declaration='', encoding='utf-8'):
    path.write_bytes(f'{declaration}<annotation>{body}</annotation>'.encode(encoding))
    return path


def one_object(label='red', *, difficult='', box=(6, 11, 30, 40)):
    corners = zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True)
    edges = ''.join(f'<{name}>{value}</{name}>' for name, value in corners)
    return f'<object><name>{label}</name>{difficult}<bndbox>{edges}</bndbox></object>'


@pytest.fixture
def one(tmp_path):
    """Hold one image, im.jpg, of 120x90 px."""
    write_image(tmp_path, 'im', [RED])
    write_split(tmp_path, 'train', ['im'])
    return tmp_path


@pytest.mark.parametrize('suffix', [*IMAGE_SUFFIXES, '.JPG', '.Png', '.JpEg', '.TIF'])
def test_an_image_is_found_whatever_its_suffix(suffix, one):
    (one / 'JPEGImages/im.jpg').rename(one / f'JPEGImages/im{suffix}')

    (record,) = read(one)

    assert record.image.path.name == f'im{suffix}'
    assert record.image_id == 'im'


@pytest.mark.parametrize(
    'name',
    [
        'screenshot 2020-12-16 16.42.21',
        'ali(1) ü 图',
        'a [b] {c}',
        'photo 1',
        'photo -1',
        'x.y.z',
        "it's 100% #1",
        'im.jpg',
        'im.xml',
        '..x',
    ],
)
def test_an_image_is_found_whatever_its_name(name, one):
    rename(one, 'im', name)
    write_split(one, 'train', [name])

    (record,) = read(one)

    assert record.image_id == name


@given(
    name=st.text(
        st.characters(exclude_categories=['C', 'Z'], exclude_characters='/\\'),
        min_size=1,
        max_size=20,
    ).filter(lambda name: name not in ('.', '..') and len(name.encode()) < 200),
    suffix=st.sampled_from(IMAGE_SUFFIXES),
    form=st.sampled_from(['NFC', 'NFD']),
)
def test_files_are_found_by_stem_in_either_spelling(name, suffix, form, tmp_path_factory):
    folder = tmp_path_factory.mktemp('names')
    path = folder / (unicodedata.normalize(form, name) + suffix)
    if len(path.name.encode()) > 250:
        return
    path.touch()

    files = FilesByStem(folder, IMAGE_SUFFIXES)

    for spelling in ('NFC', 'NFD'):
        assert files.find(unicodedata.normalize(spelling, name)) == (path,)


def test_of_two_images_of_one_stem_filename_chooses_or_a_finding_asks(one):
    (one / 'JPEGImages/im.png').write_bytes((one / 'JPEGImages/im.jpg').read_bytes())

    with pytest.raises(DataError, match=r'im.jpg: one of im.jpg, im.png; name it in <filename>'):
        read(one)
    body = f'<filename>C:\\photos\\im.png</filename>{one_object()}'
    write_xml(one / 'Annotations/im.xml', body)
    assert read(one)[0].image.path.name == 'im.png'


def test_an_image_that_is_not_read_is_named(one):
    (one / 'JPEGImages/im.jpg').rename(one / 'JPEGImages/IM.heic')

    with pytest.raises(DataError, match=r'im.jpg: missing, but .*; there is IM.heic: .*convert'):
        read(one)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '.jpg\r\n', '  \n\n'])
def test_lists_are_read_in_every_unicode_encoding(encoding, end, tmp_path):
    ids = ['im 1', 'ü', '图']
    for image_id in ids:
        write_image(tmp_path, image_id, [RED])
    write_split(tmp_path, 'train', [])
    content = ''.join(image_id + end for image_id in ids).encode(encoding)
    (tmp_path / 'ImageSets/Main/train.txt').write_bytes(content)

    assert [record.image_id for record in read(tmp_path)] == ids


def test_a_list_in_another_encoding_is_refused_in_words(one):
    (one / 'ImageSets/Main/train.txt').write_bytes('im\nschön\n'.encode('latin-1'))

    with pytest.raises(DataError, match=r'train.txt: line 2 is not UTF-8 \(byte 0xf6\); save'):
        read(one)


@pytest.mark.parametrize('flags', [('1', '-1', '0'), (' 1', '   0', '\t-1')])
def test_flags_of_a_class_list_are_no_part_of_the_id(flags, tmp_path):
    for number in range(3):
        write_image(tmp_path, f'im {number}', [RED])
    write_split(tmp_path, 'train', [f'im {n} {flag}' for n, flag in enumerate(flags)])

    assert [record.image_id for record in read(tmp_path)] == ['im 0', 'im 1', 'im 2']


def test_a_listed_class_flag_of_a_missing_image_is_no_part_of_its_name(tmp_path):
    write_split(tmp_path, 'train', ['000012  1', '000013 -1'])

    with pytest.raises(DataError, match=r'000012.jpg: missing'):
        read(tmp_path)


@pytest.mark.parametrize('line', ['JPEGImages/im.jpg', './im', 'data\\JPEGImages\\im.JPG'])
def test_folders_and_suffixes_in_lists_do_no_harm(line, one):
    write_split(one, 'train', [line])

    assert read(one)[0].image.path.name == 'im.jpg'


def test_images_in_folders_below_are_found(tmp_path):
    for folder in ('JPEGImages', 'Annotations'):
        (tmp_path / folder / 'cam 1').mkdir(parents=True)
    write_image(tmp_path, 'cam 1/im', [RED])
    write_split(tmp_path, 'train', ['cam 1/im'])

    assert read(tmp_path)[0].image_id == 'cam 1/im'


@pytest.mark.parametrize(
    ('declared', 'encoding'),
    [
        ('utf-8', 'utf-8'),
        ('UTF-8', 'utf-8-sig'),
        ('utf-16', 'utf-16'),
        ('utf-16', 'utf-8'),
        ('unicode', 'utf-8'),
        ('x-unknown', 'utf-8'),
        ('rot13', 'utf-8'),
        ('iso-8859-1', 'iso-8859-1'),
        ('windows-1252', 'cp1252'),
        ('ascii', 'utf-8'),
        (None, 'utf-16-le'),
        (None, 'utf-8-sig'),
    ],
)
def test_an_xml_file_is_read_in_the_encoding_that_it_has(declared, encoding, tmp_path):
    declaration = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else '\n '
    path = write_xml(
        tmp_path / 'im.xml', one_object('schön'), declaration=declaration, encoding=encoding
    )

    assert read_voc_file(path).objects[0].label == 'schön'


@pytest.mark.parametrize('encoding', ['gb2312', 'shift_jis', 'euc-kr', 'big5'])
def test_encodings_of_several_bytes_are_read(encoding, tmp_path):
    declaration = f"<?xml version='1.0' encoding='{encoding}'?>"
    path = write_xml(
        tmp_path / 'im.xml', one_object('中'), declaration=declaration, encoding=encoding
    )

    assert read_voc_file(path).objects[0].label == '中'


@given(st.binary(max_size=60), st.sampled_from([b'', b'<annotation>', b'<?xml encoding="']))
def test_no_file_whatever_its_bytes_is_a_traceback(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / 'any.xml'
    path.write_bytes(start + content)

    with pytest.raises(DataError, match=r'any.xml: '):
        read_voc_file(path)


@pytest.mark.parametrize(
    'size',
    [
        '',
        '<size/>',
        '<size><width>0</width><height>0</height></size>',
        '<size><width></width><height> </height></size>',
        '<size><width>120</width></size>',
        '<size><width>120.0</width><height>90.0</height></size>',
        '<size><width> 120 </width><height>\n90</height></size>',
    ],
)
def test_a_size_that_is_absent_or_0_is_that_of_the_image(size, one):
    write_xml(one / 'Annotations/im.xml', f'{size}{one_object()}')

    assert read(one)[0].size_wh == (120, 90)


@pytest.mark.parametrize('size', ['160.5', 'nan', 'inf', '1e999', 'wide'])
def test_a_size_that_is_no_whole_number_is_an_error(size, one):
    size = f'<size><width>{size}</width><height>90</height></size>'
    write_xml(one / 'Annotations/im.xml', f'{size}{one_object()}')

    with pytest.raises(DataError, match=r'im.xml: no valid annotation \(<width> is '):
        read(one)


def test_a_broken_image_without_a_size_is_a_finding(one):
    write_xml(one / 'Annotations/im.xml', one_object())
    (one / 'JPEGImages/im.jpg').write_bytes(b'no image')

    with pytest.raises(DataError, match=r'^.*im.jpg: can not be read as an image'):
        read(one)


@pytest.mark.parametrize(
    ('text', 'is_difficult'),
    [
        ('', False),
        ('<difficult/>', False),
        ('<difficult>0</difficult>', False),
        ('<difficult>Unspecified</difficult>', False),
        ('<difficult>False</difficult>', False),
        ('<difficult> 1 </difficult>', True),
        ('<difficult>true</difficult>', True),
        ('<difficult>True</difficult>', True),
    ],
)
def test_difficult_is_read_as_tools_write_it(text, is_difficult, tmp_path):
    path = write_xml(tmp_path / 'im.xml', one_object(difficult=text))

    assert read_voc_file(path).objects[0].is_difficult is is_difficult


@pytest.mark.parametrize(
    ('body', 'message'),
    [
        (one_object(difficult='<difficult>hard</difficult>'), "red: <difficult> is 'hard'"),
        (one_object(''), '<object> has no name'),
        (one_object(box=(1, 2, 3, '')), '<object> has no bndbox/ymax'),
        (one_object(box=(1, 2, 3, 'NaN')), "<bndbox/ymax> is 'NaN'; expected a number"),
        (one_object(box=(1, 2, '3,5', 4)), "<bndbox/xmax> is '3,5'; expected a number"),
    ],
)
def test_an_object_that_says_too_little_is_named(body, message, tmp_path):
    path = write_xml(tmp_path / 'im.xml', body)

    with pytest.raises(DataError) as error:
        read_voc_file(path)

    assert message in str(error.value)


def test_another_format_of_xml_is_named(tmp_path):
    path = tmp_path / 'annotations.xml'
    path.write_text('<annotations><image><box label="red" xtl="1"/></image></annotations>')

    with pytest.raises(DataError, match=r'<annotations> is not <annotation>; export .* VOC'):
        read_voc_file(path)


def test_boxes_that_count_from_0_are_named_with_the_key_that_reads_them(one):
    write_xml(one / 'Annotations/im.xml', one_object(box=(0, 10, 120, 90)))

    with pytest.raises(DataError, match=r'red: box outside .* give data.voc_box_base=0'):
        read(one)
    (annotation,), findings = read_voc_annotations(one, 'train', box_base=0)

    assert (annotation.objects[0].box_xyxy, findings) == ((0, 10, 120, 90), [])


def test_the_key_of_boxes_is_of_voc_alone_and_counts_in_the_fingerprint(load):
    before, after = load('tiny'), load('tiny', 'data.voc_box_base=0')

    assert compute_fingerprint(before) != compute_fingerprint(after)
    with pytest.raises(ConfigError, match='voc_box_base: not for dataset_name shapes'):
        load('smoke', 'data.voc_box_base=0')


def test_boxes_far_outside_get_no_such_hint(one):
    write_xml(one / 'Annotations/im.xml', one_object(box=(-7, 10, 120, 90)))

    with pytest.raises(DataError, match=r'box outside image: .*px$'):
        read(one)


def test_a_grey_png_is_read_as_any_image(one):
    (one / 'JPEGImages/im.jpg').unlink()
    cv2.imwrite(str(one / 'JPEGImages/im.png'), np.zeros((90, 120), np.uint8))

    assert read(one)[0].load_image().shape == (90, 120, 3)
