"""The node's parameters: type, range, meaning and default, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.parameter import Parameter

from ssd_detector.backend_selection import BACKENDS, PRECISIONS
from ssd_detector.regions import MAX_CORNERS, MAX_POLYGONS, Regions
from ssd_detector_ros.images.conversions import IMAGE_CONVERSIONS
from ssd_detector_ros.outputs.messages import CLASS_ID_FORMATS
from ssd_detector_ros.parameters.settings import MAX_LABELS, Settings
from ssd_detector_ros.parameters.static_settings import (
    DROP_POLICIES,
    IMAGE_TRANSPORTS,
    LONGEST_TEXT,
    MAX_CAMERAS,
    StaticSettings,
    VERIFY_MODES,
)


@dataclass(frozen=True)
class Declaration:
    """
    One parameter.

    :param type_: its ROS type
    :param description: one sentence
    :param default: None when the bundle's deploy config gives it
    :param float_range: of a double, both ends included
    :param integer_range: of an integer, likewise
    :param choices: of a text; empty for any
    :param constraint: in words, where it is none of these
    :param is_read_only: only the start sets it: it bounds what anybody on the network may do
    """

    type_: Parameter.Type
    description: str
    default: Any = None
    float_range: tuple[float, float] | None = None
    integer_range: tuple[int, int] | None = None
    choices: Sequence[str] = ()
    constraint: str = ''
    is_read_only: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Build the ROS descriptor."""
        descriptor = ParameterDescriptor(description=self.description, read_only=self.is_read_only)
        if self.choices:
            descriptor.additional_constraints = f'one of {", ".join(self.choices)}'
        elif self.constraint or self.type_ == Parameter.Type.STRING:
            descriptor.additional_constraints = (
                self.constraint or f'at most {LONGEST_TEXT} letters'
            )
        if self.float_range is not None:
            low, high = self.float_range
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=low, to_value=high, step=0.0)
            ]
        if self.integer_range is not None:
            low, high = self.integer_range
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor


def _default(name: str) -> Any:
    value = getattr(StaticSettings, name)
    # An empty list is written as [''], which survives `ros2 param dump` and `load`; [] does not.
    return [*value] or [''] if isinstance(value, tuple) else value


_TYPE = Parameter.Type
_UNIT = (0.0, 1.0)
# Live: the next frame obeys. Without a default of their own: as the bundle's deploy.yaml says.
LIVE = {
    'score_threshold': Declaration(
        _TYPE.DOUBLE, 'Boxes with at least this score are reported.', float_range=_UNIT
    ),
    'nms_iou_threshold': Declaration(
        _TYPE.DOUBLE, 'Of two boxes of a class that overlap more, one stays.', float_range=_UNIT
    ),
    'max_detections': Declaration(
        _TYPE.INTEGER, 'The best of an image that are reported.', integer_range=(1, 10_000)
    ),
    'class_thresholds': Declaration(
        _TYPE.STRING_ARRAY,
        "Score thresholds of single labels, such as ['cat=0.6', 'dog=0.5'].",
        constraint=f'at most {MAX_LABELS} labels',
    ),
    'allowed_classes': Declaration(
        _TYPE.STRING_ARRAY,
        "Labels that are reported, such as ['person']; [''] for all.",
        constraint=f'at most {MAX_LABELS} labels',
    ),
    'candidate_score_threshold': Declaration(
        _TYPE.DOUBLE,
        'The score threshold of ~/candidates.',
        default=Settings.candidate_score_threshold,
        float_range=_UNIT,
    ),
    'region_of_interest': Declaration(
        _TYPE.DOUBLE_ARRAY,
        'The part of the image that is looked at: x1, y1, x2, y2 in shares of width and height.',
        default=list(Regions.region_of_interest),
    ),
    'ignore_polygons': Declaration(
        _TYPE.STRING_ARRAY,
        'Boxes with their centre in one are not reported; each is a text of corners in shares, '
        "such as '0.0,0.8 1.0,0.8 1.0,1.0 0.0,1.0'; [''] for none.",
        default=[''],
        constraint=f'at most {MAX_POLYGONS} polygons of {MAX_CORNERS} corners',
    ),
    'class_id_format': Declaration(
        _TYPE.STRING,
        "What class_id holds: the label's text, or its number from 1.",
        default=Settings.class_id_format,
        choices=CLASS_ID_FORMATS,
    ),
    'max_rate_hz': Declaration(
        _TYPE.DOUBLE,
        'Frames of a camera that are processed per second, at most; 0.0 for no limit.',
        default=Settings.max_rate_hz,
        float_range=(0.0, 1000.0),
    ),
    'max_age_ms': Declaration(
        _TYPE.DOUBLE,
        'With drop_policy max_age: older frames, by their stamp, are dropped.',
        default=Settings.max_age_ms,
        float_range=(0.0, 3_600_000.0),
    ),
    'only_if_subscribed': Declaration(
        _TYPE.BOOL,
        'Drop frames while nobody subscribes to what comes of them.',
        default=Settings.only_if_subscribed,
    ),
    'snapshot_folder': Declaration(
        _TYPE.STRING,
        'Where ~/snapshot writes when it is not told; relative to the working folder.',
        default='snapshots',
    ),
}
_STATIC = {
    'bundle': Declaration(
        _TYPE.STRING, 'Folder of the bundle; empty for the one of this package.'
    ),
    'model': Declaration(_TYPE.STRING, 'Model file of the bundle, or auto for the one that fits.'),
    'backend': Declaration(_TYPE.STRING, 'What runs the model.', choices=BACKENDS),
    'precision': Declaration(
        _TYPE.STRING,
        "Of the model that auto chooses; auto: as the bundle's deploy.yaml says.",
        choices=PRECISIONS,
    ),
    'verify': Declaration(
        _TYPE.STRING,
        "Compare the model's outputs with those of the trained network: warn in the log and the "
        'diagnostics, refuse to start, or off.',
        choices=VERIFY_MODES,
    ),
    'num_threads': Declaration(
        _TYPE.INTEGER,
        'Threads of one inference; 0 takes the cores of this process, at most 4.',
        integer_range=(0, 256),
    ),
    'max_batch_size': Declaration(
        _TYPE.INTEGER,
        'Frames of several cameras that go through the model at once, when they wait at the same '
        'moment; more than 1 takes a bundle with deploy.runtime.batch_size dynamic.',
        integer_range=(1, 64),
    ),
    'bundle_root': Declaration(
        _TYPE.STRING,
        'Bundles that requests and parameters name lie below it; empty for the folder that the '
        'bundle of the start is in, / for any.',
        is_read_only=True,
    ),
    'load_timeout_s': Declaration(
        _TYPE.DOUBLE,
        'Loading a bundle may take so long; then it is refused.',
        float_range=(1.0, 3600.0),
        is_read_only=True,
    ),
    'load_memory_mb': Declaration(
        _TYPE.INTEGER,
        'Memory of the process in which a bundle is tried that the start did not name.',
        integer_range=(256, 1_000_000),
        is_read_only=True,
    ),
    'snapshot_root': Declaration(
        _TYPE.STRING,
        'Snapshots are written below it; empty for the snapshot_folder of the start, / for '
        'anywhere.',
        is_read_only=True,
    ),
    'max_snapshots_mb': Declaration(
        _TYPE.INTEGER,
        'Snapshots of one run of the node take no more together.',
        integer_range=(0, 1_000_000_000),
        is_read_only=True,
    ),
    'image_topic': Declaration(_TYPE.STRING, 'Topic of the images, without /compressed.'),
    'image_topics': Declaration(
        _TYPE.STRING_ARRAY,
        "Topics of several cameras, in place of image_topic; [''] for none. Each gets topics of "
        'its own: ~/<image topic>/detections and so on.',
        constraint=f'at most {MAX_CAMERAS} topics',
    ),
    'image_transport': Declaration(
        _TYPE.STRING,
        'raw subscribes to sensor_msgs/Image, compressed to sensor_msgs/CompressedImage on '
        '<image topic>/compressed.',
        choices=IMAGE_TRANSPORTS,
    ),
    'image_conversion': Declaration(
        _TYPE.STRING,
        'What converts to RGB; auto takes cv_bridge, where it is there, for what it does right.',
        choices=IMAGE_CONVERSIONS,
    ),
    'sample_bits': Declaration(
        _TYPE.INTEGER,
        'Of 16-bit encodings: the bits that the samples use, such as 10 or 12; more is white.',
        integer_range=(8, 16),
    ),
    'max_image_pixels': Declaration(
        _TYPE.INTEGER,
        'An image that has or claims more is dropped before it is decoded; decoding one takes up '
        'to 12 bytes a pixel.',
        integer_range=(1, 2**30),
        is_read_only=True,
    ),
    'drop_policy': Declaration(
        _TYPE.STRING,
        'newest: a newer frame replaces one that waits. max_age: frames wait in order, those '
        'older than max_age_ms are dropped. keep_all: frames wait in order.',
        choices=DROP_POLICIES,
    ),
    'queue_size': Declaration(
        _TYPE.INTEGER,
        'Frames of a camera that may wait, but for drop_policy newest; the oldest has to go.',
        integer_range=(1, 1000),
    ),
    'autostart': Declaration(
        _TYPE.BOOL, 'Configure and activate at start, without a lifecycle manager.'
    ),
}
# These take effect at configure; ~/load_model changes bundle and model of a running node.
STATIC = {
    name: replace(declaration, default=_default(name)) for name, declaration in _STATIC.items()
}
DECLARATIONS = STATIC | LIVE
