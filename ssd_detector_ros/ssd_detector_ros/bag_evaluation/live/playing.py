"""Plays a recording to a node, and gathers what comes back and what the node counts."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
import struct
import time

from ssd_detector_ros.bag_evaluation.commands import OnFrame
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.live.listener import Listener, listening
from ssd_detector_ros.bag_evaluation.live.node_process import (
    NAMESPACE,
    NODE,
    prepare_transport,
    running_node,
)
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray
from ssd_detector_ros.bag_evaluation.reading.message_types import IMAGE
from ssd_detector_ros.bag_evaluation.scoring.opening import Opened
from ssd_detector_ros.bag_evaluation.scoring.sums import NodeCounts

_START_S = 60.0
_SETTLE_S = 10.0
# Before the first frame, so that it finds everybody ready.
_LEAD_S = 0.2
_STAMP = struct.Struct('<iI')
_STAMP_OFFSET = 4


@dataclass(frozen=True)
class Replay:
    """
    How a recording is played.

    :param parameters: of the node that is started
    :param labels: of its classes 1, 2, ...
    :param node: name of a node that runs already; None starts one
    :param detections: topic of its answers; None takes NODE/detections
    :param play_topic: where images go; None takes the recorded topic for a running node
    :param rate: factor of the speed
    :param loops: how often
    :param has_clock: whether /clock is published; a node that is started then uses it
    """

    parameters: Mapping[str, str | float | int | bool]
    labels: tuple[str, ...]
    node: str | None = None
    detections: str | None = None
    play_topic: str | None = None
    rate: float = 1.0
    loops: int = 1
    has_clock: bool = False


@dataclass(frozen=True, eq=False)
class Connection:
    """
    A node that listens and answers.

    :param listener: plays and hears
    :param check: raises when the node has ended
    """

    listener: Listener
    check: Callable[[], None]


@contextmanager
def connect(how: Replay, bag: Opened) -> Iterator[Connection]:
    """
    Start the node where none runs, and find it.

    :param how: see Replay
    :param bag: the recording that is played
    :return: the connection
    :raises BagError: when no node comes
    """
    prepare_transport()
    is_raw = bag.images.type_name == IMAGE
    node = how.node or NODE
    own_topic = f'{NAMESPACE}/image' if how.node is None else bag.images.name
    base = (how.play_topic or own_topic).removesuffix('/compressed')
    parameters = {
        **how.parameters,
        'image_topic': base,
        'image_transport': 'raw' if is_raw else 'compressed',
        'use_sim_time': how.has_clock,
    }
    process = running_node(parameters) if how.node is None else nullcontext()
    with (
        process as started,
        listening(
            image_topic=base if is_raw else f'{base}/compressed',
            image_type=bag.images.type_name,
            detections=how.detections or f'{node}/detections',
            statistics=f'{node}/statistics',
            has_clock=how.has_clock,
        ) as listener,
    ):
        check = started.check if started is not None else _no_check
        listener.wait_for_node(_START_S, check)
        yield Connection(listener, check)


@dataclass(eq=False)
class Run:
    """
    What came of one playing.

    :param num_played: frames
    :param arrays: answers; time_ns is that of the recorder's clock, as in the recording
    :param answer_ms: stamp -> from publication to answer
    :param start_s: when the first frame was due, by time.monotonic
    :param first_ns: when it had been recorded
    :param counts: of the node; None where it tells nothing
    """

    num_played: int
    arrays: list[BoxArray]
    answer_ms: dict[int, float]
    start_s: float
    first_ns: int
    counts: NodeCounts | None


def play(connection: Connection, bag: Opened, how: Replay, *, on_frame: OnFrame) -> Run:
    """
    Play all images of a recording, and wait until each was answered or dropped.

    :param connection: to the node
    :param bag: the recording
    :param how: see Replay
    :param on_frame: told the frames played and those in all
    :return: what came of it
    """
    listener = connection.listener
    before = _hear_counts(connection)
    listener.forget()
    published_s: dict[int, float] = {}
    start_s, first_ns = time.monotonic() + _LEAD_S, None
    for frame in bag.reader.frames():
        connection.check()
        first_ns = frame.time_ns if first_ns is None else first_ns
        due_s = start_s + (frame.time_ns - first_ns) / 1e9 / how.rate
        clock_ns = frame.time_ns if how.has_clock else None
        published_s[frame.stamp_ns] = listener.play(
            frame.message.data, due_s=due_s, clock_ns=clock_ns
        )
        on_frame(len(published_s), bag.num_images)
    counts = _settle(connection, before, len(published_s))
    arrays = listener.answers
    answer_ms = {
        array.stamp_ns: array.time_ns / 1e6 - 1e3 * published_s[array.stamp_ns]
        for array in arrays
        if array.stamp_ns in published_s
    }
    return Run(len(published_s), arrays, answer_ms, start_s, first_ns or 0, counts)


def _hear_counts(connection: Connection) -> NodeCounts | None:
    """Wait for what the node said last; it speaks once a second."""
    listener = connection.listener
    listener.forget()
    listener.wait(lambda: bool(listener.counts), 3.0, connection.check)
    heard = listener.counts
    return heard[-1] if heard else None


def _settle(
    connection: Connection, before: NodeCounts | None, num_played: int
) -> NodeCounts | None:
    """Wait until every frame was answered or counted as dropped, or nothing comes any more."""
    listener = connection.listener
    if before is None:
        listener.wait(lambda: len(listener.stamps_ns) >= num_played, 2.0, connection.check)
        return None
    num_heard = len(listener.counts)

    def is_settled() -> bool:
        heard = listener.counts
        # The second one after the last frame: the first may have been on its way.
        if len(heard) < num_heard + 2:
            return False
        now = heard[-1].since(before)
        return now.is_settled and len(listener.stamps_ns) >= now.processed

    listener.wait(is_settled, _SETTLE_S, connection.check)
    heard = listener.counts
    return heard[-1].since(before) if heard else None


def _no_check() -> None:
    """Nobody was started who could end."""


def restamp(serialized: bytes, stamp_ns: int) -> bytes:
    """
    Give a message another stamp, without reading the rest.

    :param serialized: little-endian CDR of a message that begins with a header
    :param stamp_ns: new
    :return: the message
    :raises BagError: when it is of another byte order
    """
    if serialized[:2] != b'\x00\x01':
        raise BagError(['a message of another byte order can not be played at another rate'])
    written = bytearray(serialized)
    _STAMP.pack_into(written, _STAMP_OFFSET, *divmod(stamp_ns, 10**9))
    return bytes(written)
