"""PASCAL VOC: images, files and objects of a split."""

from collections import Counter
from collections.abc import Iterator, Sequence
import dataclasses
from pathlib import Path

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.annotations.annotations import (
    Annotation,
    Finding,
    Policy,
)
from ssd_training.data.annotations.identity import (
    describe_outside,
    drop_repeated,
    keep_inside,
)
from ssd_training.data.annotations.repair import to_records
from ssd_training.data.files import find_homes, without_place
from ssd_training.data.images.decoding import Decoding, DEFAULT_DECODING
from ssd_training.data.images.records import ImageFile, Record
from ssd_training.data.sources.voc_files import BoxBase, FilesByStem, read_voc_file, VocFile
from ssd_training.data.sources.voc_lists import read_list
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import FilesOutside

_COUNTS_FROM_0 = 'pixels count from 0 here, as CVAT writes them: give data.voc_box_base=0'


def read_voc(root: Path, split: str, *, labels: Sequence[str], max_boxes: int) -> list[Record]:
    """
    Read a split in which nothing is wrong; images are decoded later.

    :param root: see read_voc_annotations
    :param split: see read_voc_annotations
    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of an image at most
    :return: the records, in the order of the list
    :raises DataError: with everything that is missing or wrong
    """
    annotations, findings = read_voc_annotations(root, split)
    return to_records(annotations, Policy(labels, max_boxes), findings=findings, name=split)


def read_voc_annotations(
    root: Path,
    split: str,
    *,
    box_base: BoxBase = 1,
    decoding: Decoding = DEFAULT_DECODING,
    outside: FilesOutside = 'error',
) -> tuple[list[Annotation], list[Finding]]:
    """
    Read what a split's XML files say; every file is looked for now.

    :param root: folder with JPEGImages, Annotations and ImageSets/Main, or one that holds several
        such folders
    :param split: name of the list, such as train; of another folder below root, VOC2012/train;
        several are joined by +
    :param box_base: what the first pixel is called in the XML, 1 or 0
    :param decoding: of the images; their sizes come from the annotations
    :param outside: see data.files_outside_root
    :return: the annotations in the order of the lists, and what can not be read
    :raises DataError: when a list can not be read
    """
    found: list[tuple[str, Annotation]] = []
    findings: list[Finding] = []
    for part in split.split('+'):
        folder, _, name = part.strip().rpartition('/')
        homes = find_homes([root, root / folder], outside)
        reader = _Reader(root / folder, name, box_base, decoding, homes)
        path = root / folder / f'ImageSets/Main/{name}.txt'
        read = (
            reader.read(image_id, findings)
            for image_id in read_list(path, reader.has, homes=homes)
        )
        inside = keep_inside(filter(None, read), homes, findings)
        found += [(folder, annotation) for annotation in inside]
    return drop_repeated(_name_apart(found), findings), findings


def _name_apart(found: Sequence[tuple[str, Annotation]]) -> Iterator[Annotation]:
    """Put the folder in front of an id that images of several folders have."""
    counts = Counter(annotation.image_id for _, annotation in found)
    for folder, annotation in found:
        if counts[annotation.image_id] > 1 and folder:
            image_id = f'{folder}/{annotation.image_id}'
            yield dataclasses.replace(annotation, image_id=image_id)
        else:
            yield annotation


class _Reader:
    """
    Reads the images of one folder.

    :param folder: with JPEGImages and Annotations
    :param split: name of the list, for messages
    :param box_base: see read_voc_annotations
    :param decoding: see read_voc_annotations
    :param homes: from find_homes
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        box_base: BoxBase,
        decoding: Decoding,
        homes: Sequence[Path],
    ) -> None:
        self._images = FilesByStem(folder / 'JPEGImages', IMAGE_SUFFIXES, homes=homes)
        self._xmls = FilesByStem(folder / 'Annotations', ('.xml',), homes=homes)
        self._homes = homes
        self._split, self._box_base, self._decoding = split, box_base, decoding

    def has(self, image_id: str) -> bool:
        """
        Tell whether an id has files.

        :param image_id: of the list
        :return: whether there is an image or an XML file
        """
        return bool(self._xmls.find(image_id) or self._images.find(image_id))

    def read(self, image_id: str, findings: list[Finding]) -> Annotation | None:
        """
        Read the files of one image.

        :param image_id: of the list
        :param findings: gets what is wrong with them
        :return: the annotation, unless there is none
        """
        xml_paths = self._xmls.find(image_id)
        content = self._read_xml(xml_paths[0], findings) if xml_paths else None
        image_path = self._find_image(image_id, content, findings)
        if not xml_paths:
            self._miss(self._xmls, image_id, findings)
        if content is None or image_path is None:
            return None
        decoding = dataclasses.replace(self._decoding, size_wh=content.size_wh)
        image = ImageFile(image_path, decoding=decoding)
        size_wh = content.size_wh or self._measure(image, findings)
        if size_wh is None:
            return None
        hint = _COUNTS_FROM_0 if self._box_base and _starts_at_0(content) else ''
        return Annotation(image_id, image, str(xml_paths[0]), size_wh, content.objects, hint)

    def _measure(self, image: ImageFile, findings: list[Finding]) -> tuple[int, int] | None:
        """Let the image say how large it is, since its annotation does not."""
        if not image.path.is_file():
            return None
        try:
            return image.decoding.measure_wh(image.read_bytes(), image.name)
        except DataError as error:
            text = without_place(error, image.name)
            findings.append(Finding('unreadable image', image.name, text))
            return None

    def _read_xml(self, path: Path, findings: list[Finding]) -> VocFile | None:
        try:
            return read_voc_file(path, box_base=self._box_base, homes=self._homes)
        except DataError as error:
            text = without_place(error, str(path))
            findings.append(Finding('unreadable annotation', str(path), text))
            return None

    def _find_image(
        self, image_id: str, content: VocFile | None, findings: list[Finding]
    ) -> Path | None:
        paths = self._images.find(image_id, content.filename if content else None)
        if not paths:
            path = self._miss(self._images, image_id, findings)
            return None if self._images.find_outside(image_id) else path
        if len(paths) > 1:
            names = ', '.join(path.name for path in paths)
            text = f'one of {names}; name it in <filename>, or remove the others'
            findings.append(Finding('ambiguous image', str(paths[0]), text))
        return paths[0]

    def _miss(self, files: FilesByStem, image_id: str, findings: list[Finding]) -> Path:
        path = files.folder / f'{image_id}{files.suffixes[0]}'
        if place := files.find_outside(image_id):
            findings.append(describe_outside(str(path), place))
            return path
        text = f'missing, but listed in {self._split}.txt{files.describe_similar(image_id)}'
        findings.append(Finding('missing file', str(path), text))
        return path


def _starts_at_0(content: VocFile) -> bool:
    return any(-1 <= min(found.box_xyxy) < 0 for found in content.objects)
