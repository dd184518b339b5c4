"""Follows boxes from frame to frame, as far as flicker, new and lost objects need it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections
from ssd_detector.boxes import iou_matrix

_MIN_IOU = 0.3


@dataclass(frozen=True)
class Steadiness:
    """
    How steadily objects are found.

    :param num_frames: looked at
    :param num_objects: followed
    :param num_flickers: times that an object vanished and came back before the limit
    :param num_new: objects that appear after the first frame
    :param num_lost: objects that are gone for good before the last frames
    """

    num_frames: int
    num_objects: int
    num_flickers: int
    num_new: int
    num_lost: int


@dataclass(eq=False)
class _Track:
    class_id: int
    box_xyxy: NDArray[np.float32]
    first: int
    last: int


def measure_steadiness(frames: Sequence[Detections], *, flicker_frames: int) -> Steadiness:
    """
    Follow each object by its box; what comes back in time is the same object.

    :param frames: detections above the threshold, in order
    :param flicker_frames: an object that is gone for less is a flicker; for more, another object
    :return: see Steadiness
    """
    tracks: list[_Track] = []
    num_flickers = 0
    for index, found in enumerate(frames):
        alive = [track for track in tracks if index - track.last <= flicker_frames]
        owners = _match(alive, found)
        for position in range(len(found)):
            box, track = found.boxes_xyxy[position], owners.get(position)
            if track is None:
                tracks.append(_Track(int(found.class_ids[position]), box, index, index))
                continue
            num_flickers += index - track.last > 1
            track.box_xyxy, track.last = box, index
    end = len(frames) - flicker_frames
    return Steadiness(
        num_frames=len(frames),
        num_objects=len(tracks),
        num_flickers=num_flickers,
        num_new=sum(track.first > 0 for track in tracks),
        num_lost=sum(track.last < end for track in tracks),
    )


def _match(tracks: Sequence[_Track], found: Detections) -> dict[int, _Track]:
    """Give each box the track of its class that it overlaps most, the best pairs first."""
    if not tracks or not len(found):
        return {}
    overlaps = iou_matrix(found.boxes_xyxy, np.stack([track.box_xyxy for track in tracks]))
    classes = np.array([track.class_id for track in tracks])
    overlaps = np.where(found.class_ids[:, None] == classes[None], overlaps, 0)
    owners: dict[int, _Track] = {}
    while overlaps.max() >= _MIN_IOU:
        position, number = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        owners[int(position)] = tracks[int(number)]
        overlaps[position], overlaps[:, number] = 0, 0
    return owners
