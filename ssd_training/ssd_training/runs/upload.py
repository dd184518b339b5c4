"""
A copy of the run folder elsewhere: `run.upload_to`.

A thread sends snapshots while the training goes on, and ends with the last one. It never has more
than one waiting: the newest takes the place of the one before. What fails is said in the log; the
next snapshot brings it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import logging
from pathlib import Path
import threading

from ssd_detector.errors import SsdDetectorError
from ssd_training.errors import InterruptedRun, UploadError
from ssd_training.runs.remote.patience import CalledOff, Patience
from ssd_training.runs.remote.publishing import Publisher
from ssd_training.runs.remote.snapshot import forget_snapshots, Piece, Snapshot, take_snapshot
from ssd_training.runs.remote.store import Store

_START_S = 20.0
_IN_BETWEEN_S = 600.0
_AT_THE_END_S = 600.0
# Of the thirty that a container or cloud gives a process after SIGTERM, saving comes before it.
_AFTER_SIGNAL_S = 20.0
# Of the two minutes between the notice and the end of a spot instance.
_AFTER_NOTICE_S = 60.0
# What is being sent when a signal comes may be nearly there.
_GRACE_S = 3.0
# For the thread to say what is missing, behind its deadline.
_SLACK_S = 3.0

logger = logging.getLogger(__name__)


class Upload:
    """
    Sends a run folder's files to a store, where --resume and --run_from find them.

    :param run: the folder
    :param target: its parent elsewhere, such as s3://bucket/prefix; without a protocol, a bucket
    :param keep: uploads that stay there
    :param every_steps: steps from one upload to the next within an epoch, or None
    :param may_write: is asked before an upload becomes visible; raises an error of ours when this
        machine may not write any more
    :param fencing_token: of the claim under which it writes; a later claim has a larger one
    :raises RunError: when the target needs what is not installed
    """

    def __init__(
        self,
        run: Path,
        target: str,
        *,
        keep: int,
        every_steps: int | None = None,
        may_write: Callable[[], None] | None = None,
        fencing_token: int | None = None,
    ) -> None:
        self._run = run
        self._every_steps = every_steps
        self.address = address_of(run.name, target)
        self._publisher = Publisher(
            Store(self.address), keep=keep, may_write=may_write, fencing_token=fencing_token
        )
        self._changed = threading.Condition()
        # The last one has its deadline already; the others get it when they are begun.
        self._waiting: tuple[Snapshot, Patience | None] | None = None
        self._in_progress: Patience | None = None
        self._last: Patience | None = None
        self._failure: SsdDetectorError | None = None
        self._num_snapshots = 0
        self._thread: threading.Thread | None = None

    def send_start(self) -> None:
        """
        Send what is known at the start, so that a wrong target shows before the training.

        :raises RunError: when the store can not be reached or refuses
        """
        forget_snapshots(self._run)
        pieces = [Piece(path.name, path) for path in sorted(self._run.glob('*.json'))]
        self._publisher.show(pieces, Patience(_START_S))

    def is_due_after(self, step: int) -> bool:
        """
        Tell whether an upload follows a step within an epoch.

        :param step: that is done
        :return: every `run.upload_every_steps`
        """
        return self._every_steps is not None and step % self._every_steps == 0

    def hand_over(self) -> None:
        """Have the run folder sent as it is now, in the background."""
        try:
            self._hand_over(None)
        except UploadError as error:
            logger.error('%s', error)

    def call_off(self) -> None:
        """Give up what is being sent and what waits."""
        with self._changed:
            if self._waiting is not None:
                self._waiting[0].discard()
                self._waiting = None
            if self._in_progress is not None:
                self._in_progress.call_off()

    @contextmanager
    def at_the_end(self) -> Iterator[None]:
        """
        Send everything when the block ends, however it ends, and wait until it is there.

        :return: nothing
        :raises UploadError: when that fails after a block that did not; it says what is missing
        :raises SsdDetectorError: what may_write raises, after such a block
        """
        try:
            yield
        except BaseException as error:
            is_notice = isinstance(error, InterruptedRun) and error.is_preemption
            try:
                self._finish(_AFTER_NOTICE_S if is_notice else _AFTER_SIGNAL_S, grace_s=_GRACE_S)
            except SsdDetectorError as failure:
                logger.error('%s', failure)
            raise
        try:
            self._finish(_AT_THE_END_S, grace_s=_AT_THE_END_S)
        except UploadError as error:
            advice = f'the run is complete: {self._run}; copy it yourself'
            raise UploadError([*error.findings, advice]) from error

    def _finish(self, seconds: float, *, grace_s: float) -> None:
        patience = self._last = Patience(seconds)
        self._hand_over(patience)
        with self._changed:
            self._changed.wait_for(lambda: self._in_progress in (None, patience), grace_s)
            if self._in_progress not in (None, patience):
                self._in_progress.call_off()
            if not self._changed.wait_for(lambda: self._is_idle, patience.remaining_s + _SLACK_S):
                self.call_off()
                raise UploadError([f'{self.address}: is not complete after {seconds:.0f} s'])
            if self._failure is not None:
                raise self._failure

    @property
    def _is_idle(self) -> bool:
        return self._waiting is None and self._in_progress is None

    def _hand_over(self, patience: Patience | None) -> None:
        self._num_snapshots += 1
        snapshot = take_snapshot(self._run, self._num_snapshots)
        with self._changed:
            if self._waiting is not None:
                before = self._waiting[0]
                logger.info(
                    '%s: step %s is not sent: step %s is newer',
                    *(self.address, before.step, snapshot.step),
                )
                before.discard()
            self._waiting = (snapshot, patience)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name='upload')
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._waiting is None:
                    self._thread = None
                    return
                (snapshot, last), self._waiting = self._waiting, None
                self._in_progress = patience = last or Patience(_IN_BETWEEN_S)
                self._changed.notify_all()
            failure = self._send(snapshot, patience)
            snapshot.discard()
            with self._changed:
                self._in_progress, self._failure = None, failure
                self._changed.notify_all()

    def _send(self, snapshot: Snapshot, patience: Patience) -> SsdDetectorError | None:
        try:
            self._publisher.publish(snapshot, patience)
            return None
        except CalledOff as error:
            logger.info('%s', error)
            return error
        except SsdDetectorError as error:
            failure = error
        # A fault of ours must not end a training, nor this thread.
        except Exception as error:  # noqa: BLE001
            failure = UploadError([f'{self.address}: {type(error).__name__}: {error}'])
        if patience is not self._last:
            is_ours = isinstance(failure, UploadError)
            logger.error('%s%s', failure, '; the next upload brings it' if is_ours else '')
        return failure


def address_of(name: str, target: str) -> str:
    """
    Name the copy of a run.

    :param name: of the run folder
    :param target: `run.upload_to`
    :return: its address
    """
    address = target if '://' in target else f's3://{target}'
    return f'{address.rstrip("/")}/{name}'
