"""
Curves of runs that are elsewhere: `python -m ssd_training.curves s3://bucket/runs`.

Copies the event files of all runs there every minute, and runs TensorBoard on the copies.

Exit codes: 0 good; 1 failed: the store can not be reached at the start, TensorBoard ended; 2 wrong
usage; 130 (SIGINT) and 143 (SIGTERM) stopped.
"""

import argparse
from collections.abc import Mapping, Sequence
import logging
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_training.command_line import positive, run_command
from ssd_training.errors import RunError

if TYPE_CHECKING:
    from ssd_training.runs.event_copies import EventCopies

# That a TensorBoard that does not end at once gets.
_PATIENCE_S = 5.0

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Show curves until a signal comes.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage, 128 + n after signal n
    """
    arguments = _parse(argv, os.environ)
    return run_command(lambda: _run(arguments))


def _parse(argv: Sequence[str] | None, environment: Mapping[str, str]) -> argparse.Namespace:
    parser = Parser(
        prog='python -m ssd_training.curves',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'source',
        nargs='?',
        default=_source_in(environment),
        help='where run.upload_to put the runs (default: $S3_BUCKET/$S3_PREFIX, else '
        '$CHECKPOINT_BUCKET)',
    )
    parser.add_argument(
        '--local_dir',
        type=Path,
        default=Path(environment.get('LOCAL_DIR') or 'curves'),
        help='folder of the copies (default: $LOCAL_DIR, else curves)',
    )
    parser.add_argument(
        '--interval_s',
        type=positive,
        default=environment.get('SYNC_INTERVAL') or '60',
        help='seconds from one look to the next (default: $SYNC_INTERVAL, else 60)',
    )
    parser.add_argument('--host', default='127.0.0.1', help='address of TensorBoard')
    parser.add_argument('--port', type=int, default=6006, help='port of TensorBoard')
    parser.add_argument('--once', action='store_true', help='copy once, without TensorBoard')
    arguments = parser.parse_args(argv)
    if not arguments.source:
        parser.error('source: none is given; name it, such as s3://bucket/runs, or set S3_BUCKET')
    return arguments


def _source_in(environment: Mapping[str, str]) -> str | None:
    if bucket := environment.get('S3_BUCKET'):
        return f'{bucket}/{environment.get("S3_PREFIX") or ""}'.rstrip('/')
    return environment.get('CHECKPOINT_BUCKET') or None


def _run(arguments: argparse.Namespace) -> int | None:
    # s3fs takes a second; --help must not wait for it.
    from ssd_training.runs.event_copies import EventCopies

    copies = EventCopies(arguments.source, arguments.local_dir)
    # A wrong bucket is an error here; what fails later may work a minute after.
    _show(copies.update(), arguments)
    if arguments.once:
        return None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    command = [sys.executable, '-m', 'tensorboard.main', '--logdir', str(arguments.local_dir)]
    command += ['--host', arguments.host, '--port', str(arguments.port)]
    with subprocess.Popen(command) as server:
        try:
            _follow(copies, server, arguments)
        finally:
            _stop(server)
    raise RunError([f'TensorBoard ended with exit code {server.returncode}; its lines are above'])


def _follow(
    copies: 'EventCopies', server: subprocess.Popen[bytes], arguments: argparse.Namespace
) -> None:
    while True:
        try:
            server.wait(arguments.interval_s)
            return
        except subprocess.TimeoutExpired:
            pass
        try:
            _show(copies.update(), arguments)
        except RunError as error:
            logger.warning('%s; trying again in %d s', error, arguments.interval_s)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()


def _show(changed: list[str], arguments: argparse.Namespace) -> None:
    if changed:
        logger.info('%s: %d event files are new or grew', arguments.source, len(changed))


if __name__ == '__main__':
    sys.exit(main())
