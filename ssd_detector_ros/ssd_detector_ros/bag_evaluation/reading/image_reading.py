"""Frames of a recording: stamps without decoding, pixels where they are asked for."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder, read_header
from ssd_detector_ros.bag_evaluation.reading.message_types import IMAGE
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import StoredMessage, Topic
from ssd_detector_ros.images.compressed_images import decode_rgb
from ssd_detector_ros.images.raw_images import to_rgb


@dataclass(frozen=True, eq=False)
class Frame:
    """
    An image of a recording.

    :param image_id: the stamp in seconds, behind the name of the recording where there are several
    :param stamp_ns: of its header
    :param time_ns: when it was recorded, by the recorder's clock
    :param frame_id: of its header
    :param message: as it is stored
    """

    image_id: str
    stamp_ns: int
    time_ns: int
    frame_id: str
    message: StoredMessage


class ImageReader:
    """
    Reads the images of a topic.

    :param recording: where from
    :param topic: of Image or CompressedImage
    :param prefix: of image ids
    """

    def __init__(self, recording: Recording, topic: Topic, prefix: str = '') -> None:
        self.excluded: Counter[str] = Counter()
        self.num_backwards = 0
        self._recording = recording
        self._topic = topic
        self._prefix = prefix
        self._decoder = Decoder(topic)

    def frames(self) -> Iterator[Frame]:
        """
        Read the frames in the order of recording.

        What can't be matched by its stamp is left out and counted in `excluded`: headers that
        can't be read, and stamps that were there before.

        :return: the frames
        """
        self.excluded.clear()
        self.num_backwards = 0
        seen: set[int] = set()
        newest_ns: int | None = None
        for message in self._recording.messages({self._topic.name}):
            header = read_header(message.data)
            if header is None:
                self.excluded['no header can be read'] += 1
                continue
            stamp_ns, frame_id = header
            if stamp_ns in seen:
                again = 'stamp 0, again' if stamp_ns == 0 else 'a stamp that was there before'
                self.excluded[again] += 1
                continue
            seen.add(stamp_ns)
            self.num_backwards += newest_ns is not None and stamp_ns < newest_ns
            newest_ns = max(stamp_ns, newest_ns or stamp_ns)
            image_id = f'{self._prefix}{name_stamp(stamp_ns)}'
            yield Frame(image_id, stamp_ns, message.time_ns, frame_id, message)

    def to_rgb(self, frame: Frame) -> NDArray[np.uint8]:
        """
        Decode a frame.

        :param frame: of this reader
        :return: (H, W, 3) uint8, RGB; perhaps a view of the message
        :raises ImageError: when it can't be decoded
        """
        message = self._decoder.read(frame.message)
        if message is None:
            raise ImageError('the bytes are no message of its type')
        return to_rgb(message) if self._topic.type_name == IMAGE else decode_rgb(message)


def name_stamp(stamp_ns: int) -> str:
    """
    Write a stamp in seconds, without rounding.

    :param stamp_ns: in ns
    :return: such as 1700000000.100000000
    """
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    return f'{seconds}.{nanoseconds:09}'
