"""What names of files tell of those that are not predicted: why, and what to do."""

from pathlib import Path

from ssd_detector.images.folder import ARCHIVE_SUFFIXES, FOREIGN_SUFFIXES, VIDEO_SUFFIXES
from ssd_training.prediction.frame_sources import LeftOut, Unreadable

_RECORDING_SUFFIXES = ('.mcap', '.db3', '.bag')
# A picture that moves: read as a video.
_MOVING_SUFFIX = '.gif'


def find_fault(path: Path) -> str | None:
    """
    Tell why a file is not predicted, wherever it lies.

    :param path: of a file that has not the name of a picture
    :return: what it is and what to do; None where its name tells nothing against it
    """
    suffix = path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES and suffix != _MOVING_SUFFIX:
        return f'{path.suffix} is not read; make it JPEG'
    if suffix in ARCHIVE_SUFFIXES:
        return 'is an archive; unpack it and give the folder'
    if suffix in _RECORDING_SUFFIXES:
        return 'is a recording of ROS; python -m ssd_detector_ros.extract makes pictures of it'
    return None


def judge_in_folder(path: Path, name: str) -> Unreadable | LeftOut | None:
    """
    Tell what becomes of a file in a folder of pictures.

    :param path: of a file that has not the name of a picture
    :param name: of the result
    :return: a picture counts as unreadable, a video, a recording and an archive as left out;
        None for what is no matter of prediction, such as labels
    """
    suffix = path.suffix.lower()
    if suffix == _MOVING_SUFFIX:
        fault = f'{path.suffix} is not read in a folder; give it alone, or make it JPEG'
        return Unreadable(name, f'{name}: {fault}')
    if suffix in VIDEO_SUFFIXES:
        return LeftOut.of(name, 'is a video; give it alone')
    found = find_fault(path)
    if found is None:
        return None
    if suffix in FOREIGN_SUFFIXES:
        return Unreadable(name, f'{name}: {found}')
    return LeftOut.of(name, found)
