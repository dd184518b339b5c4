"""What works at a moment: a detector with its settings."""

from dataclasses import dataclass

from ssd_detector import Detector
from ssd_detector_ros.parameters.settings import Settings


@dataclass(frozen=True, eq=False)
class Operation:
    """What works at a moment: swapped as one, so that no frame meets half of a change."""

    detector: Detector
    settings: Settings
