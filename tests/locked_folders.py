"""A folder that may not be read, for tests that may run as root, who may read everything."""

import errno
import os


def lock(monkeypatch, name: str) -> None:
    """
    Refuse to list folders of a name.

    :param monkeypatch: of pytest
    :param name: of the folders, without what is above
    """
    scan = os.scandir

    def refuse(path):
        if os.path.basename(path) == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, 'scandir', refuse)
