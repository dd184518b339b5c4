"""Image files that recordings are made of."""

from collections.abc import Iterable
import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.files import FileError, read_file
from ssd_detector.images.claims import largest_file_bytes, MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import decode_image
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene

FilesOutside = Literal['error', 'allow']
_SHOWN = 20


def check_inside(files: Iterable[Path | str], root: Path, outside: FilesOutside) -> None:
    """
    Refuse files of a stranger's data set that links or names put outside of it.

    :param files: as the data set names them; what is not there passes
    :param root: the folder that whoever starts the command named; may be a link itself
    :param outside: allow takes files of anywhere
    :raises BagError: naming them
    """
    if outside == 'allow':
        return
    home = Path(os.path.realpath(root))
    findings = [
        f'{file}: leads out of {root}, to {place}; copy it, or take what lies outside as well: '
        f'--files_outside_root allow'
        for file in files
        if not Path(place := os.path.realpath(file)).is_relative_to(home) and os.path.exists(place)
    ]
    if findings:
        raise BagError(findings[:_SHOWN])


def make_scene(file: Path, objects: Objects | None, name: str = '') -> Scene:
    """
    Make a scene of an image file, which is read when it is wanted.

    :param file: of the image
    :param objects: in it; None where nobody annotated
    :param name: of the image; that of the file by default
    :return: the scene
    """
    return Scene(name or file.stem, lambda: load_image(file), objects)


def load_image(path: Path) -> NDArray[np.uint8]:
    """
    Read an image file, as it is stored.

    :param path: the file
    :return: (H, W, 3) uint8, RGB
    :raises BagError: when it is no image, or claims more pixels than are decoded
    """
    try:
        content = read_file(path, limit_bytes=largest_file_bytes(MAX_IMAGE_PIXELS))
        return decode_image(content)
    except FileError as error:
        raise BagError([str(error)]) from error
    except (OSError, ImageError) as error:
        raise BagError([f'{path}: {error}']) from error
