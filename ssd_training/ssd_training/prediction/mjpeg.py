"""MJPEG over HTTP, as network cameras send it: parts of limited size, each a JPEG."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPException, HTTPResponse
import time
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    build_opener,
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
)

from ssd_training.errors import DataError

# Cameras send some MiB; FFmpeg would take 2 GiB.
MAX_PART_BYTES = 64 * 2**20
_MAX_HEAD_BYTES = 2**16
_BLOCK_BYTES = 2**16
# RFC 2046, 5.1.1: what parts begin with, and the line end before it.
_DASHES = b'\r\n--'


class Source(Protocol):
    """Gives bytes as they arrive."""

    def read1(self, num_bytes: int = -1) -> bytes:
        """
        Wait for some bytes.

        :param num_bytes: at most
        :return: at least one; none at the end
        """


@contextmanager
def open_stream(url: str, *, timeout_s: float) -> Iterator[tuple[HTTPResponse, bytes] | None]:
    """
    Ask an address for a stream.

    :param url: http or https, with user and password in it where they are needed
    :param timeout_s: of each wait for the server
    :return: the stream and the boundary of its parts; None when nothing answers, or it is no
        MJPEG over HTTP
    """
    parts = urlsplit(url)
    passwords = HTTPPasswordMgrWithDefaultRealm()
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition('@')[2]))
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or '')
        passwords.add_password(None, plain, user, password)
    opener = build_opener(HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords))
    try:
        response = opener.open(plain, timeout=timeout_s)
    except (OSError, HTTPException, ValueError):
        yield None
        return
    with response:
        boundary = _find_boundary(response.headers)
        yield (response, boundary) if boundary else None


def _find_boundary(headers: Message) -> bytes:
    if headers.get_content_type() != 'multipart/x-mixed-replace':
        return b''
    # Some cameras write the dashes before it, too.
    return str(headers.get_param('boundary', '')).lstrip('-').encode('latin-1', 'replace')


def read_parts(source: Source, boundary: bytes, *, timeout_s: float) -> Iterator[bytes]:
    """
    Read the parts of a stream.

    :param source: of the bytes
    :param boundary: between parts, without the dashes before it
    :param timeout_s: for one part
    :return: the content of each
    :raises DataError: when a part is too large or takes too long
    """
    reader = _Reader(source, timeout_s)
    # The first part needs no line end before it.
    reader.buffer += b'\r\n'
    delimiter = _DASHES + boundary
    while reader.find(delimiter, MAX_PART_BYTES) is not None:
        head = reader.find(b'\r\n\r\n', _MAX_HEAD_BYTES)
        if head is None:
            return
        length = _find_length(head)
        if length is None:
            content = reader.find(delimiter, MAX_PART_BYTES, keeps=True)
        else:
            content = reader.take(length)
        if content is None:
            return
        yield content
        reader.restart()


def _find_length(head: bytes) -> int | None:
    for line in head.split(b'\r\n'):
        name, _, value = line.partition(b':')
        if name.strip().lower() == b'content-length' and value.strip().isdigit():
            # More digits than any limit has.
            return int(value.strip()[:18])
    return None


class _Reader:
    """
    Finds what is looked for in bytes that arrive.

    :param source: of the bytes
    :param timeout_s: from one restart to the next
    """

    def __init__(self, source: Source, timeout_s: float) -> None:
        self.buffer = bytearray()
        self._source = source
        self._timeout_s = timeout_s
        self.restart()

    def restart(self) -> None:
        """Begin to measure the time of a part."""
        self._end_s = time.monotonic() + self._timeout_s

    def find(self, wanted: bytes, limit_bytes: int, *, keeps: bool = False) -> bytes | None:
        """
        Take the bytes up to some others.

        :param wanted: where to stop
        :param limit_bytes: that may stand before
        :param keeps: leave what was wanted where it is; otherwise it is taken as well
        :return: what stands before; None when the stream ends
        :raises DataError: when there is more, or it takes too long
        """
        start = 0
        while (at := self.buffer.find(wanted, start)) < 0:
            start = max(0, len(self.buffer) - len(wanted) + 1)
            if len(self.buffer) > limit_bytes:
                _refuse(f'has more than {limit_bytes} bytes')
            if not self._receive():
                return None
        return self._cut(at, at if keeps else at + len(wanted))

    def take(self, num_bytes: int) -> bytes | None:
        """
        Take some bytes.

        :param num_bytes: how many
        :return: the bytes; None when the stream ends before
        :raises DataError: when these are more than a part may have, or it takes too long
        """
        if num_bytes > MAX_PART_BYTES:
            _refuse(f'claims {num_bytes} bytes; expected at most {MAX_PART_BYTES}')
        while len(self.buffer) < num_bytes:
            if not self._receive():
                return None
        return self._cut(num_bytes, num_bytes)

    def _cut(self, end: int, behind: int) -> bytes:
        content = bytes(self.buffer[:end])
        del self.buffer[:behind]
        return content

    def _receive(self) -> bool:
        if time.monotonic() > self._end_s:
            _refuse(f'takes more than {self._timeout_s:g} s')
        try:
            block = self._source.read1(_BLOCK_BYTES)
        except (OSError, HTTPException, ValueError):
            # The connection is gone, or what arrives is no HTTP any more.
            block = b''
        self.buffer += block
        return bool(block)


def _refuse(fault: str) -> None:
    raise DataError([f'a part of the stream {fault}'])
