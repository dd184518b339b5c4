"""Files of PASCAL VOC folders, as labelling tools write them: XML in any encoding, any image."""

from collections.abc import Sequence
from dataclasses import dataclass
import math
import os
from pathlib import Path
import re
from typing import Literal
import unicodedata
from xml.etree import ElementTree

from ssd_detector.files import MAX_LABELS_BYTES
from ssd_training.data.annotations.annotations import AnnotatedObject
from ssd_training.data.annotations.boxes import turn_box
from ssd_training.data.files import is_inside, MAX_SIDE_PX, read_data_file
from ssd_training.data.sources.texts import decode_text
from ssd_training.errors import DataError

BoxBase = Literal[0, 1]

_DECLARATION = re.compile(r'^\s*<\?xml\b.*?\?>', re.DOTALL)
# What the tools write beside 0 and 1; VOC2006 has Unspecified where nobody looked.
_FLAGS = {'1': True, 'true': True, 'yes': True} | dict.fromkeys(
    ('', '0', 'false', 'no', 'none', 'unspecified'), False
)


@dataclass(frozen=True)
class VocFile:
    """
    What an XML file says.

    :param size_wh: px; None where the file has none, or 0
    :param filename: of the image, as written; None where the file has none
    :param objects: in the order of the file
    """

    size_wh: tuple[int, int] | None
    filename: str | None
    objects: tuple[AnnotatedObject, ...]


def read_voc_file(path: Path, *, box_base: BoxBase = 1, homes: Sequence[Path] = ()) -> VocFile:
    """
    Read an XML file of PASCAL VOC.

    Corners become edges. Those of VOC are pixels, counted from 1 and inclusive: (xmin - 1,
    ymin - 1, xmax, ymax). Tools that count from 0 write the edges themselves.

    :param path: of the file
    :param box_base: what the first pixel is called, 1 or 0
    :param homes: from find_homes
    :return: what it says
    :raises DataError: when it can not be read or is no annotation
    """
    try:
        root = _parse(path, homes)
        size = root.find('size')
        width_px, height_px = (
            (None, None)
            if size is None
            else (_side(size.findtext(name), name) for name in ('width', 'height'))
        )
        return VocFile(
            size_wh=(width_px, height_px) if width_px and height_px else None,
            filename=(root.findtext('filename') or '').strip() or None,
            objects=tuple(_read_object(node, box_base) for node in root.iter('object')),
        )
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError([f'{path}: no valid annotation ({error})']) from error


class FilesByStem:
    """
    Finds files by name without suffix; each folder is listed once.

    Names are equal when they look equal: one system writes ü as one character, another as two.

    :param folder: of the files
    :param suffixes: with the dot, in lower case; files may have them in any case
    :param homes: from find_homes; folders elsewhere are taken as empty
    """

    def __init__(
        self, folder: Path, suffixes: Sequence[str], *, homes: Sequence[Path] = ()
    ) -> None:
        self.folder = folder
        self.suffixes = tuple(suffixes)
        self._homes = homes
        self._listed: dict[Path, dict[str, tuple[Path, ...]]] = {}
        self._similar: dict[Path, dict[str, str]] = {}

    def find(self, stem: str, filename: str | None = None) -> tuple[Path, ...]:
        """
        Find the files of a stem.

        :param stem: with / between folders
        :param filename: as an annotation has it; chooses when several files have the stem
        :return: none, one, or several among which nothing chooses
        """
        parent, _, name = stem.rpartition('/')
        found = self._list(self.folder / parent).get(_normalize(name), ())
        if filename is None or len(found) < 2:
            return found
        written = _normalize(re.split(r'[/\\]', filename)[-1])
        return tuple(path for path in found if _normalize(path.name) == written) or found

    def describe_similar(self, stem: str) -> str:
        """
        Look for what stands there instead of a missing file: another suffix, other capitals.

        :param stem: see find
        :return: what to do with it, to be added to a finding; empty when there is nothing
        """
        parent, _, name = stem.rpartition('/')
        folder = self.folder / parent
        if folder not in self._similar:
            names = reversed(self._list_names(folder))
            self._similar[folder] = {
                _spell(os.path.splitext(file_name)[0]): file_name for file_name in names
            }
        if other := self._similar[folder].get(_spell(name)):
            return f'; there is {other}: rename it, or convert it to {name}{self.suffixes[0]}'
        return ''

    def find_outside(self, stem: str) -> str:
        """
        Tell where a folder lies that is taken as empty.

        :param stem: see find
        :return: its real path; empty where it lies inside
        """
        place = _real_path(self.folder / stem.rpartition('/')[0])
        return '' if is_inside(place, self._homes) else place

    def strip(self, name: str) -> str:
        """
        Take the suffix off, if it is one of those that are looked for.

        :param name: of a file; dots within it stay
        :return: its stem
        """
        stem, suffix = os.path.splitext(name)
        return stem if suffix.lower() in self.suffixes else name

    def _list(self, folder: Path) -> dict[str, tuple[Path, ...]]:
        if folder not in self._listed:
            stems: dict[str, tuple[Path, ...]] = {}
            for name in self._list_names(folder):
                stem = _normalize(self.strip(name))
                if stem != _normalize(name):
                    stems[stem] = (*stems.get(stem, ()), folder / name)
            self._listed[folder] = stems
        return self._listed[folder]

    def _list_names(self, folder: Path) -> list[str]:
        """List a folder; one that is none, whatever it is called, is empty."""
        if not is_inside(_real_path(folder), self._homes):
            return []
        try:
            return sorted(os.listdir(folder))
        except (OSError, ValueError):
            return []


def _real_path(folder: Path) -> str:
    try:
        return os.path.realpath(folder)
    except ValueError:  # No folder has a NUL in its name.
        return str(folder)


def _spell(name: str) -> str:
    return _normalize(name).casefold()


def _normalize(name: str) -> str:
    return unicodedata.normalize('NFC', name)


def _parse(path: Path, homes: Sequence[Path]) -> ElementTree.Element:
    """Decode here, since expat knows few encodings; give the root of a VOC annotation."""
    content = read_data_file(path, limit_bytes=MAX_LABELS_BYTES, homes=homes)
    text = decode_text(content, str(path), declared=_declared_encoding)
    root = ElementTree.fromstring(_DECLARATION.sub('', text).strip())
    for node in root.iter():
        node.tag = node.tag.rpartition('}')[2]
    if root.tag != 'annotation' and root.find('size') is None and root.find('object') is None:
        raise ValueError(
            f'<{root.tag}> is not <annotation>; export the labels in the format PASCAL VOC'
        )
    return root


def _declared_encoding(content: bytes) -> str | None:
    declaration = re.match(rb'\s*<\?xml[^>]*?encoding\s*=\s*["\']([\w.:-]+)["\']', content)
    name = declaration[1].decode('ascii').lower() if declaration else None
    # Who can read this name byte by byte does not read UTF-16, whatever it says.
    return None if name and name.startswith(('utf-16', 'utf16', 'utf-32', 'utf32')) else name


def _side(text: str | None, name: str) -> int | None:
    """Read a side; some tools write 160.0, some 0 or nothing where they do not know it."""
    value = _number((text or '').strip() or '0', name)
    if value > 0 and not (value.is_integer() and value <= MAX_SIDE_PX):
        raise ValueError(f'<{name}> is {value:g}; expected whole pixels, at most {MAX_SIDE_PX}')
    return int(value) if value > 0 else None


def _read_object(node: ElementTree.Element, box_base: BoxBase) -> AnnotatedObject:
    label = (node.findtext('name') or '').strip()
    if not label:
        raise ValueError('<object> has no name')
    xmin, ymin, xmax, ymax = (
        _number(node.findtext(f'bndbox/{name}'), f'bndbox/{name}')
        for name in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    flag = (node.findtext('difficult') or '').strip()
    if flag.lower() not in _FLAGS:
        raise ValueError(f'{label}: <difficult> is {flag!r:.40}; expected 0 or 1')
    box = (xmin - box_base, ymin - box_base, xmax, ymax)
    return AnnotatedObject(label, turn_box(box, _turn(node)), _FLAGS[flag.lower()])


def _turn(node: ElementTree.Element) -> float:
    """Read by how much a box is turned; CVAT writes it beside the edges of the box unturned."""
    for attribute in node.iterfind('attributes/attribute'):
        if attribute.findtext('name') == 'rotation':
            return _number(attribute.findtext('value') or '0', 'rotation')
    return 0.0


def _number(text: str | None, name: str) -> float:
    if text is None or not text.strip():
        raise ValueError(f'<object> has no {name}')
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'<{name}> is {text.strip()!r:.40}; expected a number')
    return value
