"""Small data sets of VOC and COCO as files, and how they are bent."""

from functools import cache
import json
import os
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
from hypothesis import strategies as st
import numpy as np

from tests.fuzzing import bent_bytes, texts

NAMES = 'abcdef'

# A file is its bytes, or what it is instead: "pipe", or the place that a link leads to.
Files = dict[str, bytes | str]

VOC_XML = (
    '<annotation><filename>{name}.png</filename><size><width>48</width><height>36</height></size>'
    '<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{xmin}</xmin>'
    '<ymin>3</ymin><xmax>30</xmax><ymax>30</ymax></bndbox></object></annotation>'
)


@cache
def picture(name: str) -> bytes:
    """Give a picture like no other."""
    image = np.random.default_rng(ord(name)).integers(0, 256, (36, 48, 3)).astype(np.uint8)
    return cv2.imencode('.png', image)[1].tobytes()


def coco_tree(names: str = NAMES) -> dict:
    return {
        'images': [
            {'id': n, 'file_name': f'{name}.png', 'width': 48, 'height': 36}
            for n, name in enumerate(names)
        ],
        'annotations': [
            {'id': n, 'image_id': n, 'category_id': 1, 'bbox': [2, 3, 20, 20], 'iscrowd': 0}
            for n, _ in enumerate(names)
        ],
        'categories': [{'id': 1, 'name': 'red'}, {'id': 2, 'name': 'green'}],
    }


def voc(label: str = 'red', xmin: str = '2', ids: bytes = b'a\nb\nc\nd\n') -> Files:
    xmls = {
        f'Annotations/{name}.xml': VOC_XML.format(name=name, label=label, xmin=xmin).encode()
        for name in NAMES
    }
    lists = {'ImageSets/Main/train.txt': ids, 'ImageSets/Main/val.txt': b'e\nf\n'}
    return xmls | lists | {f'JPEGImages/{name}.png': picture(name) for name in NAMES}


def coco(tree: object = None) -> Files:
    trees = {'train.json': tree or coco_tree('abcd'), 'val.json': coco_tree('ef')}
    return {name: json.dumps(tree).encode() for name, tree in trees.items()} | {
        f'images/{name}.png': picture(name) for name in NAMES
    }


def write(files: Files, root: Path) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == 'pipe':
            os.mkfifo(path)
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)


strange = st.sampled_from(['pipe', '/dev/zero', '/etc/hosts', '..', '.', 'a.png', 'nowhere'])


@st.composite
def with_bent_file(draw, *makers) -> Files:
    """Bend a file of a data set, or put something else in its place."""
    files = draw(st.sampled_from(makers))()
    name = draw(st.sampled_from(sorted(files)))
    content = files[name]
    assert isinstance(content, bytes)
    return files | {name: draw(bent_bytes(content) | bent_bytes(content) | strange)}


words = texts.map(lambda text: escape(text, {'"': '&quot;'}))
numbers = st.sampled_from(['-1', '1e309', 'nan', '9' * 4000, '9' * 5000, '', '٣', '1_0', '0x10'])


def encoded(text: str) -> bytes:
    return text.encode('utf-8', 'surrogatepass')
