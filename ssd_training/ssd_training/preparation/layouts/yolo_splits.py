"""The split that data.yaml, or darknet's lists, make of a YOLO folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ssd_detector.files import MAX_LIST_BYTES
from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.files import without_place
from ssd_training.data.sources.texts import read_text
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.file_names import count_equal, measure_nearness
from ssd_training.preparation.layouts.given_splits import describe_missing, join_splits
from ssd_training.preparation.layouts.labelled import Split, split_of_name
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.yolo_names import read_yaml
from ssd_training.preparation.layouts.yolo_texts import looks_like_labels

_KEYS = ('train', 'val', 'valid', 'test')
_LISTS = ('train.txt', 'val.txt', 'valid.txt', 'test.txt')


def read_splits(listing: Listing, findings: list[Finding]) -> dict[Path, Split]:
    """
    Read which pictures are of which split.

    :param listing: of the source
    :param findings: gets what names no picture, and pictures of several splits
    :return: picture -> split; empty where nothing names a train and a val or test
    """
    named: dict[Split, set[Path]] = {}
    for path, key, value in _read_entries(listing, findings):
        if split := split_of_name(key):
            named.setdefault(split, set()).update(_find_pictures(listing, path, value, findings))
    if not any(named.values()):
        for path in listing.files:
            split = split_of_name(path.stem)
            if split and path.name.lower() in _LISTS and not looks_like_labels(path):
                named.setdefault(split, set()).update(_read_list(listing, path, findings))
    return join_splits({split: sorted(paths) for split, paths in named.items()}, findings)


def _read_entries(listing: Listing, findings: list[Finding]) -> Iterator[tuple[Path, str, str]]:
    """Read what data.yaml, or darknet's *.data, says of splits: file, key and value."""
    for path in listing.with_suffix('.yaml', '.yml'):
        try:
            tree = read_yaml(path)
        except DataError as error:
            findings.append(_describe_unread(path, error))
            continue
        for key in _KEYS:
            values = tree.get(key)
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, str) and value:
                    yield path, key, value
    for path in listing.with_suffix('.data'):
        for line in _read_lines(path, findings):
            key, separator, value = (part.strip() for part in line.partition('='))
            if separator and value and key in _KEYS:
                yield path, key, value


def _find_pictures(listing: Listing, path: Path, value: str, findings: list[Finding]) -> set[Path]:
    """Find what an entry of data.yaml means: a list, or a folder of another machine."""
    parts = [part for part in PurePosixPath(value.replace('\\', '/')).parts if part != '..']
    if value.endswith('.txt'):
        lists = _find_lists(listing, path, parts)
        if len(lists) > 1:
            text = f'{value}: may be any of {listing.spell(lists)}; keep one; none is read'
            findings.append(Finding('missing file', str(path), text))
        return _read_list(listing, lists[0], findings) if len(lists) == 1 else set()
    folders = {image.parent for image in listing.images}
    # As much of the end of the path as there is here; a last `images` alone says nothing.
    for length in range(len(parts), min(len(parts), 2) - 1, -1):
        wanted = tuple(parts[-length:])
        found = {folder for folder in folders if _is_below(folder, wanted, listing.root)}
        if found:
            return {image for image in listing.images if image.parent in found}
    return set()


def _find_lists(listing: Listing, path: Path, parts: Sequence[str]) -> list[Path]:
    """Find the list that an entry names: from its own folder, or the nearest that fits best."""
    if (exact := path.parent.joinpath(*parts)).is_file():
        return [exact]
    lists = [listed for listed in listing.with_suffix('.txt') if listed.name == parts[-1]]

    def agreement(listed: Path) -> tuple[int, tuple[int, int]]:
        return count_equal(listed.parts[::-1], parts[::-1]), measure_nearness(listed, path)

    best = max(map(agreement, lists), default=None)
    return [listed for listed in lists if agreement(listed) == best]


def _is_below(folder: Path, wanted: tuple[str, ...], root: Path) -> bool:
    parts = folder.relative_to(root).parts
    return any(parts[start : start + len(wanted)] == wanted for start in range(len(parts)))


def _read_list(listing: Listing, path: Path, findings: list[Finding]) -> set[Path]:
    found, missing = set(), []
    lines = _read_lines(path, findings)
    for line in lines:
        images = listing.find_images(line, (path.parent, listing.root))
        if len(images) == 1:
            found.update(images)
        else:
            missing.append(line)
    if missing:
        findings.append(describe_missing(path, missing, len(lines)))
    return found


def _describe_unread(path: Path, error: DataError) -> Finding:
    text = f'{without_place(error, str(path))}; what it says of splits is not known'
    return Finding('unreadable annotation', str(path), text)


def _read_lines(path: Path, findings: list[Finding]) -> list[str]:
    try:
        lines = read_text(path, limit_bytes=MAX_LIST_BYTES).splitlines()
    except DataError as error:
        findings.append(_describe_unread(path, error))
        return []
    return [line.strip() for line in lines if line.strip()]
