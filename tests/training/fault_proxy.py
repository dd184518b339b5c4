"""A server between a client and its store, that breaks a share of the requests."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import itertools
import random
import re
import threading
from urllib.parse import urlsplit

_INTERNAL_ERROR = (
    b'<?xml version="1.0"?><Error><Code>InternalError</Code>'
    b'<Message>We encountered an internal error.</Message></Error>'
)
FAULTS = ('silence', 'error', 'cut upload', 'cut answer', 'slow')
# Not passed on: they belong to one connection.
_HOP = {'connection', 'transfer-encoding', 'keep-alive', 'content-length'}


class FaultProxy(ThreadingHTTPServer):
    """
    Passes requests on to a store.

    :param upstream: address of the store
    :param share: of the requests that are broken
    :param seed: of the choice
    """

    daemon_threads = True

    def __init__(self, upstream: str, share: float, seed: int) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.share = share
        self.seen: Counter[str] = Counter()
        # What every request gets: (status, code of S3), or None.
        self.verdict: tuple[int, str] | None = None
        self.released = threading.Event()
        # What its path matches is the last request that is passed on.
        self.last: re.Pattern[str] | None = None
        self.is_over = threading.Event()
        self._random = random.Random(seed)
        self._faults = itertools.cycle(FAULTS)
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Give its own address."""
        return f'http://127.0.0.1:{self.server_port}'

    def choose(self) -> str:
        """Choose what becomes of a request."""
        with self._lock:
            fault = 'none'
            if self._random.random() < self.share:
                # In turn: what is broken depends on the order of requests, what happens does not.
                fault = next(self._faults)
            self.seen[fault] += 1
            return fault

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients give up on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: FaultProxy

    def do_any(self) -> None:
        fault = self.server.choose()
        if self.server.verdict is not None:
            self.refuse(*self.server.verdict)
        elif fault == 'silence' or self.server.is_over.is_set():
            self.close_connection = True
            self.server.released.wait(60)
        elif fault == 'error':
            self.answer(500, [], _INTERNAL_ERROR)
            self.close_connection = True
        else:
            self.pass_on(fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_any

    def refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.answer(status, [], body.encode())
        self.close_connection = True

    def pass_on(self, fault: str) -> None:
        size = int(self.headers.get('Content-Length', 0))
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                # The base class has answered Expect already.
                if name.lower() not in ('connection', 'expect'):
                    connection.putheader(name, value)
            connection.endheaders()
            if fault == 'cut upload':
                connection.send(self.rfile.read(size // 2))
                self.close_connection = True
                return
            connection.send(self.rfile.read(size))
            if fault == 'slow' and self.server.released.wait(0.3):
                return
            answer = connection.getresponse()
            body = answer.read()
            last = self.server.last
            is_last = last is not None and last.search(self.path)
            if is_last and self.command == 'PUT' and answer.status == 200:
                self.server.is_over.set()
            self.answer(answer.status, answer.getheaders(), body, is_cut=fault == 'cut answer')
        finally:
            connection.close()

    def answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        is_cut: bool = False,
    ) -> None:
        self.send_response_only(status)
        names = {name.lower(): value for name, value in headers}
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = names.get('content-length', '0') if self.command == 'HEAD' else str(len(body))
        self.send_header('Content-Length', length)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def run_proxy(upstream: str, *, share: float, seed: int = 0) -> Iterator[FaultProxy]:
    """
    Run a proxy while the block runs.

    :param upstream: address of the store
    :param share: of the requests that are broken
    :param seed: of the choice
    :return: the proxy
    """
    with FaultProxy(upstream, share, seed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.released.set()
            proxy.shutdown()
            thread.join()
