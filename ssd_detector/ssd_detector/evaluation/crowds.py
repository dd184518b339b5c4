"""Whether an object of a COCO file is a crowd, whatever its writer made of the flag."""

from ssd_detector.printable import shown

# Some tools write numbers as texts, or with a point, or what Python calls them.
_FLAGS = {'0': False, '0.0': False, 'false': False, '1': True, '1.0': True, 'true': True}


def read_crowd(written: object) -> bool:
    """
    Read `iscrowd`.

    :param written: in the file; None where the object has none
    :return: whether the object is a crowd, which is neither hit nor missed
    :raises ValueError: when it is no flag
    """
    if written is None:
        return False
    text = str(written).strip().lower() if isinstance(written, str | int | float) else ''
    if text not in _FLAGS:
        raise ValueError(f'iscrowd: received {shown(written)}; expected 0 or 1')
    return _FLAGS[text]
