"""
The notice of an interruption of an EC2 spot instance, by the metadata service (IMDSv2).

Two minutes after it the machine is gone. It is looked for where the machine says that it is one of
EC2, or where AWS_EC2_METADATA_SERVICE_ENDPOINT names the service; AWS_EC2_METADATA_DISABLED=true
turns it off. These are the variables of the AWS tools.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import http.client
import json
import logging
from pathlib import Path
from textwrap import shorten
import threading
import urllib.error
import urllib.request

from ssd_training.runs.signals import StopRequest

_PERIOD_S = 5.0
_ANSWER_S = 2.0
_SERVICE = 'http://169.254.169.254'
_VENDOR = Path('/sys/devices/virtual/dmi/id/sys_vendor')
_TOKEN = '/latest/api/token'
_NOTICE = '/latest/meta-data/spot/instance-action'
_REBALANCE = '/latest/meta-data/events/recommendations/rebalance'
_TOKEN_LIFE_S = 21600
_LIMIT_BYTES = 4096
_KEYS = ('action', 'time', 'noticeTime')
_SHOWN = 100

logger = logging.getLogger(__name__)


@contextmanager
def watch_spot_notices(stop: StopRequest, environment: Mapping[str, str]) -> Iterator[None]:
    """
    Ask for an end of the training when the cloud takes the machine away, while the block runs.

    :param stop: is asked, as SIGTERM would
    :param environment: of the process
    :return: nothing
    """
    service = _find_service(environment)
    if service is None:
        yield
        return
    ended = threading.Event()
    watch = threading.Thread(
        target=_watch, args=(_Metadata(service), stop, ended), daemon=True, name='spot notice'
    )
    watch.start()
    try:
        yield
    finally:
        ended.set()


def _find_service(environment: Mapping[str, str]) -> str | None:
    if environment.get('AWS_EC2_METADATA_DISABLED', '').lower() == 'true':
        return None
    if named := environment.get('AWS_EC2_METADATA_SERVICE_ENDPOINT'):
        return named.rstrip('/')
    try:
        return _SERVICE if _VENDOR.read_text().strip() == 'Amazon EC2' else None
    except OSError:
        return None


class _Metadata:
    """
    Asks the service; a token goes along, as IMDSv2 wants it.

    :param service: its address
    """

    def __init__(self, service: str) -> None:
        self.service = service
        # Never through a proxy: it would answer for its own machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ''

    def read(self, path: str) -> bytes | None:
        """
        Read an item.

        :param path: of it
        :return: its content; None when there is no such item
        :raises OSError: when the service does not answer
        """
        for is_second in (False, True):
            if not self._token:
                life = {'X-aws-ec2-metadata-token-ttl-seconds': str(_TOKEN_LIFE_S)}
                self._token = self._ask(_TOKEN, life, method='PUT').decode('latin-1')
            try:
                return self._ask(path, {'X-aws-ec2-metadata-token': self._token})
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                if error.code != 401 or is_second:
                    raise
                # It has run out.
                self._token = ''
        return None

    def _ask(self, path: str, headers: Mapping[str, str], *, method: str = 'GET') -> bytes:
        try:
            request = urllib.request.Request(
                self.service + path, headers=dict(headers), method=method
            )
            with self._opener.open(request, timeout=_ANSWER_S) as answer:
                return bytes(answer.read(_LIMIT_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            raise
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f'no address or answer of HTTP: {error}') from error


def _watch(metadata: _Metadata, stop: StopRequest, ended: threading.Event) -> None:
    has_failed = is_recommended = False
    pause_s = 0.0
    while not ended.wait(pause_s):
        pause_s = _PERIOD_S
        try:
            if (notice := metadata.read(_NOTICE)) is not None:
                text = f'spot interruption notice ({_describe(notice)})'
                logger.warning('%s: saving, uploading and ending', text)
                stop.warn(text)
                return
            if not is_recommended and (advice := metadata.read(_REBALANCE)) is not None:
                is_recommended = True
                logger.warning(
                    'rebalance recommendation (%s): this spot instance is likelier than others '
                    'to be interrupted',
                    _describe(advice),
                )
        except OSError as error:
            if not has_failed:
                has_failed = True
                logger.warning(
                    '%s: does not answer (%s): spot notices are not seen; in a container give the '
                    'instance a hop limit of 2',
                    *(metadata.service, error),
                )


def _describe(content: bytes) -> str:
    """Show what the service said: action and time, where it is what AWS documents."""
    text = content.decode('utf-8', 'replace')
    try:
        item = json.loads(text)
        said = ' at '.join(
            str(item[key]) for key in ('action', 'time', 'noticeTime') if key in item
        )
    except (ValueError, TypeError):
        said = ''
    return shorten(''.join(filter(str.isprintable, said or text)), _SHOWN)
