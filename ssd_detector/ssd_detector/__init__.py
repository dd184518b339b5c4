"""MobileNetV2-SSD inference: one core for training, laptop and robot."""

# First: those that follow import onnxruntime.
import ssd_detector.telemetry  # noqa: F401

# isort: split
from ssd_detector.detections import Detections
from ssd_detector.detector import Detector
from ssd_detector.errors import (
    BackendError,
    BundleError,
    ConfigError,
    ImageError,
    SsdDetectorError,
)
from ssd_detector.postprocess import Thresholds
from ssd_detector.regions import Regions

__all__ = [
    'BackendError',
    'BundleError',
    'ConfigError',
    'Detections',
    'Detector',
    'ImageError',
    'Regions',
    'SsdDetectorError',
    'Thresholds',
]
