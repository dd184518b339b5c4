"""Image files that recordings are made of."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.files import FileError, read_file
from ssd_detector.images.claims import largest_file_bytes, MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import decode_image
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene


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
