"""The split that data.yaml, or darknet's lists, make of a YOLO folder."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ssd_detector.files import MAX_LIST_BYTES
from ssd_training.data.sources.texts import read_text
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.labelled import Split, split_of_name
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.yolo_names import read_yaml

_LISTS = ('train.txt', 'val.txt', 'valid.txt', 'test.txt')


def read_splits(listing: Listing) -> Mapping[Path, Split]:
    """
    Read which pictures are of which split.

    :param listing: of the source
    :return: picture -> split; empty where not both train and val are named, or they overlap
    """
    named: dict[Split, set[Path]] = {}
    for path in listing.with_suffix('.yaml', '.yml'):
        try:
            tree = read_yaml(path)
        except DataError:  # read_classes names it where it matters.
            continue
        for key in ('train', 'val', 'test'):
            values = tree.get(key)
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, str) and value:
                    _add(named, key, _find_pictures(listing, path, value))
    if not named:
        for path in listing.files:
            if path.name.lower() in _LISTS:
                _add(named, path.stem, _read_list(listing, path))
    train, val = named.get('train', set()), named.get('val', set())
    if not (train and val) or train & val:
        return {}
    test = named.get('test', set()) - train - val
    splits: tuple[tuple[Split, set[Path]], ...] = (('train', train), ('val', val), ('test', test))
    return {path: split for split, paths in splits for path in paths}


def _add(named: dict[Split, set[Path]], name: str, paths: set[Path]) -> None:
    if split := split_of_name(name):
        named.setdefault(split, set()).update(paths)


def _find_pictures(listing: Listing, path: Path, value: str) -> set[Path]:
    """Find what an entry of data.yaml means: a list, or a folder of another machine."""
    parts = [part for part in PurePosixPath(value.replace('\\', '/')).parts if part != '..']
    if value.endswith('.txt'):
        lists = [listed for listed in listing.with_suffix('.txt') if listed.name == parts[-1]]
        return _read_list(listing, lists[0]) if len(lists) == 1 else set()
    folders = {image.parent for image in listing.images}
    # As much of the end of the path as there is here; a last `images` alone says nothing.
    for length in range(len(parts), min(len(parts), 2) - 1, -1):
        wanted = tuple(parts[-length:])
        found = {folder for folder in folders if _is_below(folder, wanted, listing.root)}
        if found:
            return {image for image in listing.images if image.parent in found}
    return set()


def _is_below(folder: Path, wanted: tuple[str, ...], root: Path) -> bool:
    parts = folder.relative_to(root).parts
    return any(parts[start : start + len(wanted)] == wanted for start in range(len(parts)))


def _read_list(listing: Listing, path: Path) -> set[Path]:
    try:
        lines = read_text(path, limit_bytes=MAX_LIST_BYTES).splitlines()
    except DataError:  # A split that nobody can read is none.
        return set()
    found = (listing.find_image(line.strip(), (path.parent, listing.root)) for line in lines)
    return {image for image in found if image}
