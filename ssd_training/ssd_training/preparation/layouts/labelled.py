"""Pictures with their labels, as a labelling tool left them, and the splits that it made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Literal

from ssd_training.data.annotations.annotations import AnnotatedObject, Finding

Split = Literal['train', 'val', 'test']
Layout = Literal['voc', 'coco', 'yolo', 'cvat']

_SPLIT_NAMES: Mapping[str, Split] = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'eval': 'val',
    'evaluation': 'val',
    'test': 'test',
    'testing': 'test',
    'holdout': 'test',
}


@dataclass(frozen=True)
class LabelledImage:
    """
    One picture as it was labelled, right or wrong.

    :param path: of the picture
    :param place: file that has its labels, for messages
    :param named: the picture, as that file has it
    :param size_wh: px, as that file says; None where it does not
    :param objects: in the order of the file
    :param is_normalized: whether the boxes are in shares of the picture instead of px
    :param split: that the tool put it in
    """

    path: Path
    place: str
    named: str
    size_wh: tuple[int, int] | None
    objects: tuple[AnnotatedObject, ...]
    is_normalized: bool = False
    split: Split | None = None


@dataclass(frozen=True)
class Labelled:
    """
    Everything that a folder's labels say.

    :param images: in the order of their files
    :param labels: the classes in the order in which the tool numbers them; those that only
        objects name come behind
    :param findings: what could not be read
    :param notes: what was concluded from the files, in words
    """

    images: Sequence[LabelledImage]
    labels: Sequence[str]
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()


def split_of(path: Path, root: Path) -> Split | None:
    """
    Read the split off the folders that a file lies in.

    :param path: of the file
    :param root: of the source
    :return: the split, or None where no folder is called like one
    """
    for part in path.relative_to(root).parts[:-1]:
        if split := split_of_name(part):
            return split
    return None


def split_of_name(name: str) -> Split | None:
    """
    Read the split off a name, such as instances_val2017 or obj_train_data.

    :param name: of a folder, or of a file without its suffix
    :return: the split, or None
    """
    words = re.split(r'[-_.\s]+', name.lower())
    found = (_SPLIT_NAMES.get(word.rstrip('0123456789')) for word in words)
    return next((split for split in found if split), None)
