"""A metadata service of EC2 (IMDSv2) on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import threading

_TTL = 'X-aws-ec2-metadata-token-ttl-seconds'
_LATEST = '/latest/meta-data/'


class MetadataService(ThreadingHTTPServer):
    """
    Answers as IMDSv2 does: a token by PUT, items with a valid token, 404 for what is not there.

    :param items: path below /latest/meta-data/ -> content; may change while it runs
    """

    daemon_threads = True

    def __init__(self, items: dict[str, str]) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.items = items
        self.token = 'token-1'
        self.asked: list[tuple[str, int]] = []

    @property
    def address(self) -> str:
        """Give its address."""
        return f'http://127.0.0.1:{self.server_port}'


class _Handler(BaseHTTPRequestHandler):
    server: MetadataService

    def do_PUT(self) -> None:
        is_asked = self.path == '/latest/api/token' and int(self.headers.get(_TTL, 0)) > 0
        self.answer(200 if is_asked else 400, self.server.token if is_asked else '')

    def do_GET(self) -> None:
        if self.headers.get('X-aws-ec2-metadata-token') != self.server.token:
            self.answer(401, '')
            return
        item = self.server.items.get(self.path.removeprefix(_LATEST))
        self.answer(404 if item is None else 200, item or '')

    def answer(self, status: int, text: str) -> None:
        self.server.asked.append((self.path, status))
        body = text.encode()
        self.send_response_only(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def notice(time: str = '2026-09-18T08:22:00Z') -> dict[str, str]:
    """
    Write the notice of an interruption.

    :param time: of the end
    :return: an item
    """
    return {'spot/instance-action': json.dumps({'action': 'terminate', 'time': time})}


@contextmanager
def run_metadata_service(items: dict[str, str]) -> Iterator[MetadataService]:
    """
    Run the service while the block runs.

    :param items: see MetadataService
    :return: the service
    """
    with MetadataService(items) as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
