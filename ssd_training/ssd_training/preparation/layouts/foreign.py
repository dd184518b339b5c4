"""Labels of tools whose own formats are not read: what they are, and what to do."""

from collections.abc import Callable
from typing import Any

_COCO = 'export as COCO'
_KINDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("labelme's JSON", lambda tree: _has(tree, 'shapes', 'imagePath'), 'labelme2coco makes COCO'),
    ("VGG Image Annotator's project", lambda tree: _has(tree, '_via_img_metadata'), _COCO),
    ("Supervisely's JSON", lambda tree: _has(tree, 'objects', 'size', 'tags'), _COCO),
    ("VoTT's JSON", lambda tree: _has(tree, 'assets', 'tags'), 'export as Pascal VOC'),
    ("FiftyOne's own JSON", lambda tree: _has(tree, 'samples'), 'export as COCODetectionDataset'),
    (
        'COCO of segments (panoptic)',
        lambda tree: has_segments(tree),
        'export boxes (instances)',
    ),
    (
        'COCO without "categories"',
        lambda tree: _has(tree, 'images', 'annotations'),
        'export it again with classes',
    ),
    (
        "Label Studio's own JSON",
        lambda tree: _has(_first(tree), 'data'),
        'export as COCO or YOLO with images',
    ),
    (
        'CreateML',
        lambda tree: _has(_first(tree), 'image', 'annotations'),
        'export as YOLO or Pascal VOC',
    ),
    (
        "VGG Image Annotator's JSON",
        lambda tree: isinstance(tree, dict) and _has(_first([*tree.values()]), 'regions'),
        _COCO,
    ),
)


def name_tool(tree: object) -> str | None:
    """
    Tell whose labels a JSON tree holds.

    :param tree: of a file that has not COCO's form
    :return: what it is and what to do; None when unknown
    """
    return next((f'{name}: {advice}' for name, fits, advice in _KINDS if fits(tree)), None)


def has_segments(tree: object) -> bool:
    """
    Tell whether a JSON tree is COCO's of panoptic segmentation: pictures, but no objects.

    :param tree: of a file
    :return: whether its annotations have segments instead of a class
    """
    found = _first(tree.get('annotations')) if isinstance(tree, dict) else None
    return _has(found, 'segments_info') and not _has(found, 'category_id')


def _has(tree: object, *keys: str) -> bool:
    return isinstance(tree, dict) and all(key in tree for key in keys)


def _first(tree: object) -> object:
    return tree[0] if isinstance(tree, list) and tree else None
