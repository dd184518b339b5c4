"""Boxes for Foxglove's image panel, where the optional package foxglove_msgs is installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from std_msgs.msg import Header

from ssd_detector import Detections
from ssd_detector.images.drawing import class_color_rgb

messages: Any = import_module('foxglove_msgs.msg') if find_spec('foxglove_msgs') else None
_LINE_WIDTH_PX = 2.0
_FONT_SIZE_PX = 14.0


def to_annotations(detections: Detections, header: Header, types: Any) -> Any:
    """
    Build foxglove_msgs/ImageAnnotations: a closed line and a text for each box.

    :param detections: in pixels of the image
    :param header: of the image; each annotation has its stamp, older versions have no other
    :param types: foxglove_msgs.msg
    :return: the message
    """
    message = types.ImageAnnotations()
    if hasattr(message, 'timestamp'):
        message.timestamp = header.stamp
    for index, label in enumerate(detections.labels):
        x1, y1, x2, y2 = (float(edge) for edge in detections.boxes_xyxy[index])
        red, green, blue = (
            channel / 255 for channel in class_color_rgb(int(detections.class_ids[index]))
        )
        color = types.Color(r=red, g=green, b=blue, a=1.0)
        corners = ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
        message.points.append(
            types.PointsAnnotation(
                timestamp=header.stamp,
                type=types.PointsAnnotation.LINE_LOOP,
                points=[types.Point2(x=x, y=y) for x, y in corners],
                outline_color=color,
                thickness=_LINE_WIDTH_PX,
            )
        )
        message.texts.append(
            types.TextAnnotation(
                timestamp=header.stamp,
                position=types.Point2(x=x1, y=y1),
                text=f'{label} {detections.scores[index]:.2f}',
                font_size=_FONT_SIZE_PX,
                text_color=types.Color(r=1.0, g=1.0, b=1.0, a=1.0),
                background_color=color,
            )
        )
    return message
