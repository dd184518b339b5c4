"""Files of strangers: what is no regular file, too large or elsewhere is not read."""

import os
from pathlib import Path
import socket

import pytest

from ssd_detector.files import FileError, is_folder, read_file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'folder').mkdir()
    return (tmp_path / 'folder').resolve()


def test_a_file_of_the_limit_is_read(folder):
    (folder / 'a').write_bytes(b'1234')
    assert read_file(folder / 'a', limit_bytes=4, homes=[folder]) == b'1234'


def test_a_file_beyond_the_limit_is_not_read(folder):
    (folder / 'a').touch()
    os.truncate(folder / 'a', 20 * 2**30)
    with pytest.raises(FileError, match='has 21474836480 bytes; expected at most 4'):
        read_file(folder / 'a', limit_bytes=4)


def test_a_file_that_says_nothing_of_its_size_is_limited_as_well():
    with pytest.raises(FileError, match='grew to more than 4 bytes'):
        read_file('/proc/self/maps', limit_bytes=4)


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    # A name of a socket is at most 107 letters long.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f'/proc/self/fd/{folder}/{path.name}')
    os.close(folder)


@pytest.mark.parametrize(
    ('make', 'kind'),
    [
        (make_pipe, 'a pipe'),
        (make_socket, 'a socket'),
        (lambda path: path.mkdir(), 'a folder'),
        (lambda path: path.symlink_to('/dev/zero'), 'a device'),
    ],
    ids=['pipe', 'socket', 'folder', 'device'],
)
def test_what_is_no_regular_file_is_named_and_never_waited_for(make, kind, folder):
    make(folder / 'a')
    with pytest.raises(FileError, match=f'a: is {kind}; expected a regular file'):
        read_file(folder / 'a', limit_bytes=4)


def test_a_link_inside_is_followed_and_one_that_leads_out_is_not(folder):
    (folder / 'deep').mkdir()
    (folder / 'deep/a').write_bytes(b'in')
    (folder.parent / 'secret').write_bytes(b'out')
    (folder / 'inside').symlink_to('deep/a')
    (folder / 'outside').symlink_to('../secret')
    assert read_file(folder / 'inside', limit_bytes=4, homes=[folder]) == b'in'
    assert read_file(folder / 'outside', limit_bytes=4) == b'out'
    with pytest.raises(FileError, match='outside: is a link that leads out of'):
        read_file(folder / 'outside', limit_bytes=4, homes=[folder])


def test_what_is_not_there_or_can_not_be_is_an_error(folder):
    with pytest.raises(FileNotFoundError):
        read_file(folder / 'a', limit_bytes=4)
    with pytest.raises(FileError, match='no file can have this name'):
        read_file(folder / 'a\0b', limit_bytes=4)


def test_a_folder_is_told_from_what_may_not_be_known(tmp_path, monkeypatch):
    """Path.is_dir does so only before Python 3.14."""
    (tmp_path / 'file').touch()
    monkeypatch.setattr(Path, 'is_dir', lambda _path: pytest.fail('it swallows refusals'))

    assert is_folder(tmp_path)
    assert not any(map(is_folder, (tmp_path / 'file', tmp_path / 'nothing', Path('a\0b'))))
    assert not is_folder(tmp_path / 'file' / 'below')
    with pytest.raises(OSError, match='File name too long'):
        is_folder(tmp_path / ('x' * 300))
