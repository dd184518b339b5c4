"""YOLO's text files: a line an object, class number and box in shares of the picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ssd_detector.config import load_yaml
from ssd_detector.errors import ConfigError
from ssd_training.data.annotations import AnnotatedObject, Finding
from ssd_training.errors import DataError
from ssd_training.preparation.source import Labelled, LabelledImage, Listing, split_of

_NAME_FILES = ('classes.txt', 'obj.names', 'labels.txt')
# Text files that tools write beside the labels.
_OTHER_TEXTS = {
    *_NAME_FILES,
    'train.txt',
    'valid.txt',
    'val.txt',
    'test.txt',
    'predefined_classes.txt',
}
_BOX_COLUMNS = 5
_SHOWN = 60


def find_label_files(listing: Listing) -> dict[Path, Path]:
    """
    Pair pictures with the text files that have their labels.

    A label file has its picture's name and lies beside it, or in a folder `labels` where the
    picture's is `images` (Ultralytics).

    :param listing: of the source
    :return: picture -> text file
    """
    texts = {path for path in listing.with_suffix('.txt') if path.name.lower() not in _OTHER_TEXTS}
    pairs = {}
    for image in listing.images:
        for candidate in _candidates(image, listing.root):
            if candidate in texts:
                pairs[image] = candidate
                break
    return pairs


def read_yolo(listing: Listing, pairs: Mapping[Path, Path], names: Sequence[str] = ()) -> Labelled:
    """
    Read a folder of pictures and label files.

    A picture without a label file has no objects, as Ultralytics has it.

    :param listing: of the source
    :param pairs: from find_label_files
    :param names: of the classes 0, 1, ...; by default those of data.yaml, classes.txt or obj.names
    :return: the labels
    :raises DataError: when the classes have no names
    """
    names = names or _read_names(listing)
    if not names:
        raise DataError(
            [
                f'{listing.root}: YOLO labels, but nothing names the classes; expected data.yaml '
                f'(names), {", ".join(_NAME_FILES)}; add one, or give --labels first,second,...'
            ]
        )
    findings: list[Finding] = []
    images = []
    for path in listing.images:
        text = pairs.get(path)
        objects = _read_objects(text, names, findings) if text else ()
        images.append(
            LabelledImage(
                path,
                str(text or path),
                None,
                objects,
                is_normalized=True,
                split=split_of(path, listing.root),
            )
        )
        if text is None:
            findings.append(
                Finding('image without annotation', str(path), 'no label file; taken as empty')
            )
    used = set(pairs.values())
    findings += [
        Finding('missing file', str(path), 'labels without a picture of that name')
        for path in listing.with_suffix('.txt')
        if path not in used and _looks_like_labels(path)
    ]
    return Labelled(images, tuple(names), findings)


def _candidates(image: Path, root: Path) -> list[Path]:
    name = f'{image.stem}.txt'
    candidates = [image.with_name(name), image.parent / 'labels' / name]
    parts = image.relative_to(root).parts
    for index in reversed(range(len(parts) - 1)):
        if parts[index].lower() in ('images', 'jpegimages'):
            candidates.append(
                root.joinpath(*parts[:index], 'labels', *parts[index + 1 : -1], name)
            )
    return candidates


def _read_objects(
    path: Path, names: Sequence[str], findings: list[Finding]
) -> tuple[AnnotatedObject, ...]:
    objects = []
    text = path.read_bytes().decode('utf-8-sig', errors='replace')
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            objects.append(_read_object(line.split(), names))
        except ValueError as error:
            findings.append(
                Finding(
                    'unreadable annotation',
                    f'{path}, line {number}',
                    f'{line.strip()[:_SHOWN]!r}: {error}; left out',
                )
            )
    return tuple(objects)


def _read_object(columns: Sequence[str], names: Sequence[str]) -> AnnotatedObject:
    number, *values = (float(column) for column in columns)
    if not number.is_integer() or not 0 <= number < len(names):
        raise ValueError(f'class {columns[0]}; there are 0 to {len(names) - 1}')
    # Detections have a sixth column, the score.
    if len(columns) in (_BOX_COLUMNS, _BOX_COLUMNS + 1):
        x, y, width, height = values[:4]
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(columns) > _BOX_COLUMNS + 1 and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
    else:
        raise ValueError('expected class, x, y, width, height, or class and a polygon')
    return AnnotatedObject(names[int(number)], box, False)


def _read_names(listing: Listing) -> list[str]:
    for path in listing.with_suffix('.yaml', '.yml'):
        try:
            names = load_yaml(path).get('names')
        except ConfigError:
            continue
        if isinstance(names, Mapping):
            names = [names[key] for key in sorted(names, key=int)]
        if isinstance(names, list) and names:
            return [str(name).strip() for name in names]
    for path in listing.files:
        if path.name.lower() in _NAME_FILES:
            lines = path.read_bytes().decode('utf-8-sig', errors='replace').splitlines()
            return [line.strip() for line in lines if line.strip()]
    return []


def _looks_like_labels(path: Path) -> bool:
    if path.name.lower() in _OTHER_TEXTS:
        return False
    try:
        columns = path.read_bytes().decode('utf-8-sig').split('\n')[0].split()
        return len(columns) >= _BOX_COLUMNS and all(float(column) >= 0 for column in columns)
    except ValueError:
        return False
