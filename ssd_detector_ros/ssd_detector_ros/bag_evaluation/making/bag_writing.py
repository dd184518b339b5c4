"""Writes recordings: images, detections and labels, as a recorder of ROS 2 would."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import shutil
from types import TracebackType
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.message_types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE,
    LABEL_INFO,
    make_typestore,
)

Transport = Literal['raw', 'jpeg', 'png']
TRANSPORTS: tuple[Transport, ...] = ('raw', 'jpeg', 'png')
_JPEG_QUALITY = 95
_METADATA_VERSION: Literal[9] = 9


@dataclass(frozen=True)
class Stamp:
    """
    Header of a message.

    :param time_ns: stamp
    :param frame_id: of the camera
    """

    time_ns: int
    frame_id: str = 'camera'


@dataclass(frozen=True)
class Box:
    """
    A detection, or an annotated object.

    :param class_id: label or number, as text
    :param score: in [0, 1]
    :param box_xyxy: px
    """

    class_id: str
    score: float
    box_xyxy: tuple[float, float, float, float]


class BagWriter:
    """
    Writes a recording; a context.

    :param path: its folder, which must not be there
    :param storage: mcap or sqlite3
    :param compression: of the recording: none, message or file
    :raises BagError: when the folder is there or can't be made
    """

    def __init__(self, path: Path, *, storage: str = 'mcap', compression: str = 'none') -> None:
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        self.types = make_typestore()
        self._path = path
        self._connections: dict[tuple[str, str], Connection] = {}
        try:
            self._writer = Writer(path, version=_METADATA_VERSION, storage_plugin=plugin)
            if compression != 'none':
                mode = CompressionMode[compression.upper()]
                self._writer.set_compression(mode, CompressionFormat.ZSTD)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(
                [f'{path}: can not be written ({error}); choose another path']
            ) from error

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()
        if error is not None:
            # A part of a recording would pass for the whole.
            shutil.rmtree(self._path, ignore_errors=True)

    def write(self, topic: str, type_name: str, time_ns: int, message: Any) -> None:
        """
        Write any message.

        :param topic: its name
        :param type_name: of the message
        :param time_ns: of recording
        :param message: object of self.types, or serialized
        """
        connection = self.connect(topic, type_name)
        if not isinstance(message, bytes):
            message = self.types.serialize_cdr(message, type_name)
        self._writer.write(connection, time_ns, message)

    def connect(self, topic: str, type_name: str) -> Connection:
        """
        Name a topic, also one that stays without messages.

        :param topic: its name
        :param type_name: of its messages
        :return: the connection
        """
        key = topic, type_name
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                topic, type_name, typestore=self.types
            )
        return self._connections[key]

    def write_image(
        self,
        topic: str,
        image_rgb: NDArray[np.uint8],
        stamp: Stamp,
        transport: Transport = 'raw',
        *,
        time_ns: int | None = None,
    ) -> None:
        """
        Write an image.

        :param topic: without /compressed, which is added where the transport asks for it
        :param image_rgb: (H, W, 3) uint8
        :param stamp: its header
        :param transport: raw and png keep every pixel
        :param time_ns: of recording; that of the stamp by default
        """
        header = self.header(stamp)
        time_ns = stamp.time_ns if time_ns is None else time_ns
        if transport == 'raw':
            message = self.types.types[IMAGE](
                header=header,
                height=image_rgb.shape[0],
                width=image_rgb.shape[1],
                encoding='rgb8',
                is_bigendian=0,
                step=3 * image_rgb.shape[1],
                data=np.ascontiguousarray(image_rgb).reshape(-1),
            )
            self.write(topic, IMAGE, time_ns, message)
            return
        message = self.types.types[COMPRESSED_IMAGE](
            header=header,
            format=f'rgb8; {transport} compressed bgr8',
            data=encode(image_rgb, transport),
        )
        self.write(f'{topic}/compressed', COMPRESSED_IMAGE, time_ns, message)

    def write_boxes(
        self, topic: str, boxes: Sequence[Box], stamp: Stamp, *, time_ns: int | None = None
    ) -> None:
        """
        Write detections or annotated objects; also when there are none.

        :param topic: its name
        :param boxes: any number
        :param stamp: header of the image
        :param time_ns: of recording; that of the stamp by default
        """
        header = self.header(stamp)
        message = self.types.types[DETECTIONS](
            header=header, detections=[self._to_detection(box, header) for box in boxes]
        )
        self.write(topic, DETECTIONS, stamp.time_ns if time_ns is None else time_ns, message)

    def write_labels(self, topic: str, labels: Sequence[str], stamp: Stamp) -> None:
        """
        Write the names of classes 1, 2, ...

        :param topic: its name
        :param labels: in order
        :param stamp: when
        """
        make = self.types.types['vision_msgs/msg/VisionClass']
        message = self.types.types[LABEL_INFO](
            header=self.header(stamp),
            class_map=[make(class_id=i, class_name=name) for i, name in enumerate(labels, 1)],
            threshold=0.0,
        )
        self.write(topic, LABEL_INFO, stamp.time_ns, message)

    def header(self, stamp: Stamp) -> Any:
        """
        Make a std_msgs/Header.

        :param stamp: what it says
        :return: the message
        """
        seconds, nanoseconds = divmod(stamp.time_ns, 10**9)
        time = self.types.types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return self.types.types['std_msgs/msg/Header'](stamp=time, frame_id=stamp.frame_id)

    def _to_detection(self, box: Box, header: Any) -> Any:
        def make(name: str, **fields: Any) -> Any:
            return self.types.types[name](**fields)

        x1, y1, x2, y2 = box.box_xyxy
        hypothesis = make(
            'vision_msgs/msg/ObjectHypothesis', class_id=box.class_id, score=float(box.score)
        )
        point = make('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0)
        turn = make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
        pose = make(
            'geometry_msgs/msg/PoseWithCovariance',
            pose=make('geometry_msgs/msg/Pose', position=point, orientation=turn),
            covariance=np.zeros(36),
        )
        center = make('vision_msgs/msg/Point2D', x=(x1 + x2) / 2, y=(y1 + y2) / 2)
        return make(
            'vision_msgs/msg/Detection2D',
            header=header,
            results=[
                make('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis=hypothesis, pose=pose)
            ],
            bbox=make(
                'vision_msgs/msg/BoundingBox2D',
                center=make('vision_msgs/msg/Pose2D', position=center, theta=0.0),
                size_x=x2 - x1,
                size_y=y2 - y1,
            ),
            id='',
        )


def encode(image_rgb: NDArray[np.uint8], transport: Transport) -> NDArray[np.uint8]:
    """
    Compress an image.

    :param image_rgb: (H, W, 3) uint8
    :param transport: jpeg or png
    :return: (N,) uint8
    """
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if transport == 'jpeg' else []
    _, encoded = cv2.imencode(f'.{transport}', image_bgr, options)
    return np.asarray(encoded, np.uint8).reshape(-1)
