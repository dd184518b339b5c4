"""The demo's photographs (from the scikit-image wheel) and the rosbag2 bag made of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
import shutil

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

NAMES = (
    'astronaut.png',
    'chelsea.png',
    'coffee.png',
    'motorcycle_left.png',
    'motorcycle_right.png',
    'rocket.jpg',
)
IMAGE_TYPE = 'sensor_msgs/msg/Image'
FRAME_ID = 'camera'


@dataclass(frozen=True)
class Frame:
    """
    One message of the bag.

    :param stamp_ns: the image's header stamp
    :param cdr: the serialized sensor_msgs/Image
    """

    stamp_ns: int
    cdr: bytes


def load_photographs() -> dict[str, NDArray[np.uint8]]:
    """
    Load the photographs without importing scikit-image.

    :return: name without ending -> (H, W, 3) uint8 RGB
    :raises FileNotFoundError: when scikit-image is not installed or has lost a photograph
    """
    package = find_spec('skimage')
    if package is None or package.origin is None:
        raise FileNotFoundError('scikit-image is not installed; run `make build`')
    photographs = {}
    for name in NAMES:
        path = Path(package.origin).parent / 'data' / name
        image_bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image_bgr is None:
            raise FileNotFoundError(f'{path}: not in this scikit-image; run `make build`')
        photographs[path.stem] = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
    return photographs


def write_bag(bag: Path, images_rgb: dict[int, NDArray[np.uint8]], *, topic: str) -> None:
    """
    Write images as a rosbag2 bag (MCAP); an older one of the same name is replaced.

    :param bag: folder of the bag
    :param images_rgb: stamp in ns -> (H, W, 3) uint8
    :param topic: of type sensor_msgs/Image, encoding rgb8
    """
    shutil.rmtree(bag, ignore_errors=True)
    store = get_typestore(Stores.ROS2_JAZZY)
    image_type, header_type = store.types[IMAGE_TYPE], store.types['std_msgs/msg/Header']
    time_type = store.types['builtin_interfaces/msg/Time']
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, IMAGE_TYPE, typestore=store)
        for stamp_ns, image_rgb in images_rgb.items():
            height_px, width_px = image_rgb.shape[:2]
            seconds, nanoseconds = divmod(stamp_ns, 10**9)
            message = image_type(
                header=header_type(
                    stamp=time_type(sec=seconds, nanosec=nanoseconds), frame_id=FRAME_ID
                ),
                height=height_px,
                width=width_px,
                encoding='rgb8',
                is_bigendian=0,
                step=width_px * 3,
                data=np.ascontiguousarray(image_rgb).reshape(-1),
            )
            writer.write(connection, stamp_ns, store.serialize_cdr(message, IMAGE_TYPE))


def read_bag(bag: Path, *, topic: str) -> Iterator[Frame]:
    """
    Read the images of a bag as they are stored, in time order.

    :param bag: folder of the bag
    :param topic: of type sensor_msgs/Image
    :return: the frames
    """
    with AnyReader([bag]) as reader:
        connections = [
            connection for connection in reader.connections if connection.topic == topic
        ]
        for _, stamp_ns, cdr in reader.messages(connections=connections):
            yield Frame(stamp_ns=stamp_ns, cdr=bytes(cdr))
