"""Mode replay: a recording in time through DDS into the live node, and what comes back."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
import struct
import time

from ssd_detector_ros.bag_evaluation.box_reading import BoxArray
from ssd_detector_ros.bag_evaluation.commands import OnFrame
from ssd_detector_ros.bag_evaluation.detecting import list_frames, Sequence
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.labels import ClassReader
from ssd_detector_ros.bag_evaluation.live.listener import Listener, listening
from ssd_detector_ros.bag_evaluation.live.node_process import (
    NAMESPACE,
    NODE,
    prepare_transport,
    running_node,
)
from ssd_detector_ros.bag_evaluation.message_types import IMAGE
from ssd_detector_ros.bag_evaluation.offline import describe_settings
from ssd_detector_ros.bag_evaluation.opening import (
    add_truths,
    finish_counts,
    open_recordings,
    Opened,
)
from ssd_detector_ros.bag_evaluation.options import Options
from ssd_detector_ros.bag_evaluation.published import add_arrivals
from ssd_detector_ros.bag_evaluation.recorded import Answers, take_answers
from ssd_detector_ros.bag_evaluation.scoring import Evaluation, require_coco
from ssd_detector_ros.bag_evaluation.sums import add_up, NodeCounts, Sums

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


def evaluate_replay(
    options: Options, how: Replay, *, on_frame: OnFrame = lambda done: None
) -> Evaluation:
    """
    Play recordings to a node, and score what arrives when it arrives.

    :param options: what to score
    :param how: see Replay
    :param on_frame: told how many frames were played
    :return: what was found
    :raises BagError: when a recording can't be used, or no node answers
    """
    start_s = time.monotonic()
    opened = open_recordings(options) * how.loops
    if any(one.truth for one in opened):
        require_coco()
    evaluation = Evaluation(
        mode='replay',
        source={'title': how.node or NODE, **{k: str(v) for k, v in how.parameters.items()}},
        settings={**describe_settings(options), 'rate': how.rate, 'loops': how.loops},
        sequences=[_list(one, loop) for loop, one in enumerate(opened)],
        labels=how.labels,
    )
    counts: Counter[str] = Counter()
    answers: list[Answers] = []
    with connect(how, opened[0]) as connection:
        sums = []
        for loop, (one, sequence) in enumerate(zip(opened, evaluation.sequences, strict=True)):
            run = _play(connection, one, how, loop=loop, on_frame=on_frame)
            classes = ClassReader(how.labels)
            _restore_clock(run, sequence, how)
            found = take_answers(sequence, run.arrays, classes, tolerance_ns=0)
            found.answer_ms = {
                frame: run.answer_ms[sequence.frames[frame].stamp_ns]
                for frame in found.arrivals_ns
            }
            counts.update(found.counts)
            counts['answers to no frame'] += found.num_unmatched
            counts['answers of unknown classes'] += classes.unknown.total()
            answers.append(found)
            sums.append(add_up(run.num_played, len(found.arrivals_ns), run.counts))
    evaluation.counts |= {name: count for name, count in counts.items() if count}
    finish_counts(evaluation, opened)
    add_truths(evaluation, opened, options)
    add_arrivals(evaluation, answers)
    evaluation.replay = describe_sums(sums, evaluation)
    evaluation.wall_s = time.monotonic() - start_s
    return evaluation


@contextmanager
def connect(how: Replay, one: Opened) -> Iterator[Connection]:
    """
    Start the node where none runs, and find it.

    :param how: see Replay
    :param one: the recording that is played
    :return: the connection
    :raises BagError: when no node comes
    """
    prepare_transport()
    is_raw = one.images.type_name == IMAGE
    node = how.node or NODE
    own_topic = f'{NAMESPACE}/image' if how.node is None else one.images.name
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
            image_type=one.images.type_name,
            detections=how.detections or f'{node}/detections',
            statistics=f'{node}/statistics',
            has_clock=how.has_clock,
        ) as listener,
    ):
        check = started.check if started is not None else _no_check
        listener.wait_for_node(_START_S, check)
        yield Connection(listener, check)


@dataclass(eq=False)
class _Run:
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


def _play(
    connection: Connection, one: Opened, how: Replay, *, loop: int, on_frame: OnFrame
) -> _Run:
    listener = connection.listener
    before = _hear_counts(connection)
    listener.forget()
    published_s: dict[int, float] = {}
    start_s, first_ns = time.monotonic() + _LEAD_S, None
    for frame in one.reader.frames():
        connection.check()
        first_ns = frame.time_ns if first_ns is None else first_ns
        due_s = start_s + (frame.time_ns - first_ns) / 1e9 / how.rate
        clock_ns = frame.time_ns if how.has_clock else None
        published_s[frame.stamp_ns] = listener.play(
            frame.message.data, due_s=due_s, clock_ns=clock_ns
        )
        on_frame(len(published_s))
    counts = _settle(connection, before, len(published_s))
    arrays = listener.answers
    answer_ms = {
        array.stamp_ns: array.time_ns / 1e6 - 1e3 * published_s[array.stamp_ns]
        for array in arrays
        if array.stamp_ns in published_s
    }
    return _Run(len(published_s), arrays, answer_ms, start_s, first_ns or 0, counts)


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
        listener.wait(lambda: len(listener.answers) >= num_played, 2.0, connection.check)
        return None
    num_heard = len(listener.counts)

    def is_settled() -> bool:
        heard = listener.counts
        # The second one after the last frame: the first may have been on its way.
        if len(heard) < num_heard + 2:
            return False
        now = heard[-1].since(before)
        return now.is_settled and len(listener.answers) >= now.processed

    listener.wait(is_settled, _SETTLE_S, connection.check)
    heard = listener.counts
    return heard[-1].since(before) if heard else None


def _restore_clock(run: _Run, sequence: Sequence, how: Replay) -> None:
    """Move arrivals to the clock of the recording, which ran at the rate of the playback."""
    run.arrays = [
        replace(
            array,
            time_ns=run.first_ns + round((array.time_ns - 1e9 * run.start_s) * how.rate),
        )
        for array in run.arrays
    ]


def _list(one: Opened, index: int) -> Sequence:
    sequence = list_frames(one.name, one.reader)
    if index == 0:
        return sequence
    prefix = f'loop {index + 1}/'
    sequence.frames = [
        replace(frame, image_id=f'{prefix}{frame.image_id}') for frame in sequence.frames
    ]
    return sequence


def describe_sums(sums: list[Sums], evaluation: Evaluation) -> dict[str, object]:
    """
    Write down where the frames went.

    :param sums: of each playing
    :param evaluation: with frames
    :return: plain values
    """
    drops: Counter[str] = Counter()
    for one in sums:
        drops.update(one.drops)
    answered = sum(one.answered for one in sums)
    seconds = sum(
        (sequence.frames[-1].time_ns - sequence.frames[0].time_ns) / 1e9
        for sequence in evaluation.sequences
        if len(sequence.frames) > 1
    )
    rate = float(evaluation.settings['rate'])
    return {
        'frames_played': sum(one.played for one in sums),
        'frames_answered': answered,
        **{f'dropped: {reason}': count for reason, count in sorted(drops.items())},
        'sums_agree': 'yes' if all(one.agree for one in sums) else 'no',
        'throughput_hz': round(answered / seconds * rate, 2) if seconds else 0.0,
    }


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
