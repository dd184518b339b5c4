"""What the node knows of a camera; what happens to it is told by its methods only."""

from collections import defaultdict
from dataclasses import dataclass, field
import time

from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.images.sample_scale import SampleScale
from ssd_detector_ros.outputs.publishers import CameraOutputs
from ssd_detector_ros.outputs.snapshots import AnsweredFrame
from ssd_detector_ros.timing.rate_limit import RateLimit

# Between two lines of the log on the same fault of the same camera.
LOG_PERIOD_S = 5.0


@dataclass(eq=False)
class Camera:
    """
    What the node knows of a camera.

    :param index: from 0
    :param name: its topics
    :param outputs: its publishers
    :param samples: of two bytes, how they become one
    :param last_received_s: when the last image arrived, by time.monotonic; None before the first
    :param num_lost: images that the transport reported as lost
    :param last_error: of the last image that could not be used, and when
    :param last_answered: for snapshots
    """

    index: int
    name: CameraName
    outputs: CameraOutputs
    samples: SampleScale = field(default_factory=SampleScale)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    log_limits: defaultdict[str, RateLimit] = field(default_factory=lambda: defaultdict(RateLimit))
    last_received_s: float | None = None
    num_lost: int = 0
    last_error: tuple[str, float] | None = None
    last_answered: AnsweredFrame | None = None

    def note_received(self) -> None:
        """Remember that an image arrived, of whatever worth."""
        self.last_received_s = time.monotonic()

    def note_lost(self, num_images: int) -> None:
        """
        Count images that the transport lost.

        :param num_images: since the last time
        """
        self.num_lost += num_images

    def note_answered(self, frame: AnsweredFrame) -> None:
        """
        Keep the frame that was answered last.

        :param frame: for snapshots
        """
        self.last_answered = frame

    def forget_images(self) -> None:
        """Begin anew: what came before a pause says nothing about the camera now."""
        self.last_received_s = self.last_error = self.last_answered = None
        self.num_lost = 0
        self.samples.forget()

    def may_log(self, fault: str) -> bool:
        """
        Ask whether a fault may be logged now; each has its own turn.

        :param fault: one of a few
        :return: false shortly after the last time
        """
        return self.log_limits[fault].admits(1 / LOG_PERIOD_S)

    def note_error(self, text: str) -> None:
        """
        Remember why an image could not be used.

        :param text: for people
        """
        self.last_error = (text, time.monotonic())
