"""Which image another program means: its id, as number or text, or its file."""

from collections.abc import Mapping
from pathlib import PurePath
import re

_SLASHES = re.compile(r'[\\/]+')


def name_images(file_names: Mapping[str, str]) -> dict[str, str]:
    """
    List everything that names one image, and that one alone.

    :param file_names: image id -> path of the image
    :return: name -> image id; ids go before numbers of the same value, numbers before files
    """
    by_file: dict[str, str | None] = {}
    for image_id, file_name in file_names.items():
        parts = _SLASHES.split(file_name)
        suffixes = {'/'.join(parts[first:]) for first in range(len(parts))}
        for name in suffixes | {PurePath(parts[-1]).stem}:
            # Two images of one name have none.
            by_file[name] = image_id if name not in by_file else None
    names = {name: image_id for name, image_id in by_file.items() if image_id is not None}
    names |= {str(int(image_id)): image_id for image_id in file_names if image_id.isdecimal()}
    return names | {image_id: image_id for image_id in file_names}


def find_image(name: str, names: Mapping[str, str]) -> str | None:
    """
    Find an image by what a program calls it.

    :param name: an id, or a path with any folders and slashes
    :param names: from name_images
    :return: its id, or None
    """
    if name in names:
        return names[name]
    if name.isdecimal() and str(int(name)) in names:
        return names[str(int(name))]
    parts = _SLASHES.split(name)
    suffixes = ('/'.join(parts[first:]) for first in range(len(parts)))
    return next((names[suffix] for suffix in suffixes if suffix in names), None)
