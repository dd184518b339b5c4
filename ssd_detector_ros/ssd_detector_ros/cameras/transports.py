"""The two ways in which images are sent: the message of each."""

from dataclasses import dataclass

from sensor_msgs.msg import CompressedImage, Image

from ssd_detector_ros.parameters.static_settings import ImageTransport


@dataclass(frozen=True)
class Transport:
    """
    A way to send images.

    :param name: the value of image_transport
    :param message: its class
    :param message_type: the same, as the graph names it
    """

    name: ImageTransport
    message: type
    message_type: str


RAW = Transport('raw', Image, 'sensor_msgs/msg/Image')
COMPRESSED = Transport('compressed', CompressedImage, 'sensor_msgs/msg/CompressedImage')
# Each with the other one.
OTHERS = {RAW: COMPRESSED, COMPRESSED: RAW}
TRANSPORTS = {transport.name: transport for transport in OTHERS}
