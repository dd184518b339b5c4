"""COCO: one JSON file with all images and objects of a split (cocodataset.org/#format-data)."""

from dataclasses import replace
import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.annotations.annotations import AnnotatedObject, Annotation, Finding
from ssd_training.data.annotations.boxes import turn_box
from ssd_training.data.annotations.identity import drop_repeated, keep_inside
from ssd_training.data.files import find_homes, MAX_SIDE_PX, read_json
from ssd_training.data.images.decoding import Decoding, DEFAULT_DECODING
from ssd_training.data.images.records import ImageFile
from ssd_training.data.sources.voc_files import FilesByStem
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import FilesOutside

_Side = Annotated[int, Field(gt=0, le=MAX_SIDE_PX)]


class _Image(TypedDict):
    id: int | str
    file_name: str
    width: _Side
    height: _Side


class _Object(TypedDict):
    id: NotRequired[int | str]
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: NotRequired[Literal[0, 1]]
    attributes: NotRequired[Any]


class _Category(TypedDict):
    id: int
    name: str


class _Content(TypedDict):
    images: Annotated[list[_Image], Field(min_length=1)]
    annotations: list[_Object]
    categories: list[_Category]


def read_coco_annotations(
    annotation_path: Path,
    image_folder: Path,
    *,
    decoding: Decoding = DEFAULT_DECODING,
    root: Path | None = None,
    outside: FilesOutside = 'error',
) -> tuple[list[Annotation], list[Finding]]:
    """
    Read what a COCO file says; every image is looked for now and decoded later.

    Boxes become edges: (x, y, x + width, y + height). A crowd is difficult: neither learnt nor
    counted as hit or miss.

    :param annotation_path: instances_*.json
    :param image_folder: folder that the file names start from
    :param decoding: of the images; their sizes come from the file
    :param root: of the data set, where images may lie as well
    :param outside: see data.files_outside_root
    :return: the annotations in the order of the file, and what is missing
    :raises DataError: when the file can not be read, or objects name what is not there
    """
    content = _read_json(annotation_path)
    labels = {category['id']: category['name'].strip() for category in content['categories']}
    objects: dict[str, list[AnnotatedObject]] = {
        str(image['id']): [] for image in content['images']
    }
    wrong = []
    for found in content['annotations']:
        image_id = str(found['image_id'])
        if image_id not in objects or found['category_id'] not in labels:
            wrong.append(
                f'{annotation_path}: annotation {found.get("id")}: image {found["image_id"]} or '
                f'category {found["category_id"]} is not in the file'
            )
        else:
            x, y, width, height = found['bbox']
            turn = read_turn(found.get('attributes'))
            box = turn_box((x, y, x + width, y + height), turn)
            is_crowd = found.get('iscrowd') == 1
            objects[image_id].append(AnnotatedObject(labels[found['category_id']], box, is_crowd))
    if len(objects) < len(content['images']):
        wrong.append(f'{annotation_path}: images: some id stands there twice')
    if wrong:
        raise DataError(wrong[:20])
    annotations: list[Annotation] = []
    findings: list[Finding] = []
    homes = find_homes([image_folder, root or image_folder], outside)
    files = FilesByStem(image_folder, IMAGE_SUFFIXES, homes=homes)
    for image in content['images']:
        path = _find_image(files, image['file_name'])
        place = f'{annotation_path.name}: {image["file_name"]}'
        if not os.path.isfile(path):
            similar = files.describe_similar(files.strip(image['file_name']))
            text = f'missing, but listed in {annotation_path.name}{similar}'
            findings.append(Finding('missing file', str(path), text))
        size_wh = (image['width'], image['height'])
        source = ImageFile(path, decoding=replace(decoding, size_wh=size_wh))
        image_id = str(image['id'])
        annotations.append(Annotation(image_id, source, place, size_wh, tuple(objects[image_id])))
    return drop_repeated(keep_inside(annotations, homes, findings), findings), findings


def read_turn(attributes: object) -> float:
    """
    Read by how much a box is turned; CVAT writes it beside the box as it was before.

    :param attributes: of an object, as the file has them
    :return: degrees; 0 where they do not say it
    """
    turn = attributes.get('rotation') if isinstance(attributes, dict) else None
    return float(turn) if isinstance(turn, (int, float)) and math.isfinite(turn) else 0.0


def _find_image(files: FilesByStem, file_name: str) -> Path:
    """Find a file by its name, or by what another system made of its letters and slashes."""
    path = files.folder / file_name
    # Unlike Path's, this one takes any text.
    if os.path.isfile(path):
        return path
    name = file_name.replace('\\', '/')
    same = [
        found
        for found in files.find(files.strip(name))
        if found.suffix.lower() == Path(name).suffix.lower()
    ]
    return same[0] if len(same) == 1 else path


def _read_json(path: Path) -> _Content:
    tree = read_json(path, advice='check data.root (DATA_ROOT) and data.annotations')
    try:
        return TypeAdapter(_Content).validate_python(tree)
    except ValidationError as error:
        findings = [
            f'{path}: {".".join(map(str, details["loc"]))}: {details["msg"].lower()}'
            for details in error.errors()[:20]
        ]
        raise DataError(findings) from error
