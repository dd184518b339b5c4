"""MobileNetV2-SSD inference: one core for training, laptop and robot."""

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

__all__ = [
    'BackendError',
    'BundleError',
    'ConfigError',
    'Detections',
    'Detector',
    'ImageError',
    'SsdDetectorError',
    'Thresholds',
]
