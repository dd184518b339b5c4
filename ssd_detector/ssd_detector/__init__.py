"""MobileNetV2-SSD inference: one core for training, laptop and robot."""

from importlib import import_module
from typing import TYPE_CHECKING

# First: those that follow import onnxruntime.
import ssd_detector.telemetry  # noqa: F401

# isort: split
if TYPE_CHECKING:
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
else:
    _MODULES = {
        'Detections': 'detections',
        'Detector': 'detector',
        'Regions': 'regions',
        'Thresholds': 'postprocess',
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for: --help of a command needs neither OpenCV nor ONNX Runtime."""
        if name not in __all__:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        return getattr(import_module(f'{__name__}.{_MODULES.get(name, "errors")}'), name)


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
