"""Mode replay: a recording in time through DDS into the live node, and what comes back."""

from collections import Counter
from dataclasses import replace
import time

from ssd_detector_ros.bag_evaluation.commands import OnFrame
from ssd_detector_ros.bag_evaluation.live.node_process import (
    NODE,
)
from ssd_detector_ros.bag_evaluation.live.playing import connect, play, Replay, Run
from ssd_detector_ros.bag_evaluation.scoring.detecting import list_frames, Sequence
from ssd_detector_ros.bag_evaluation.scoring.labels import ClassReader
from ssd_detector_ros.bag_evaluation.scoring.offline import describe_settings
from ssd_detector_ros.bag_evaluation.scoring.opening import (
    add_truths,
    finish_counts,
    open_recordings,
    Opened,
)
from ssd_detector_ros.bag_evaluation.scoring.options import Options
from ssd_detector_ros.bag_evaluation.scoring.published import add_arrivals, leave_thresholds_out
from ssd_detector_ros.bag_evaluation.scoring.recorded import Answers, take_answers
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation, require_coco
from ssd_detector_ros.bag_evaluation.scoring.sums import add_up, Sums


def evaluate_replay(
    options: Options, how: Replay, *, on_frame: OnFrame = lambda done, total: None
) -> Evaluation:
    """
    Play recordings to a node, and score what arrives when it arrives.

    :param options: what to score
    :param how: see Replay
    :param on_frame: told the frames played and those in all, of each recording
    :return: what was found
    :raises BagError: when a recording can't be used, or no node answers
    """
    start_s = time.monotonic()
    opened = open_recordings(options) * how.loops
    if any(bag.truth for bag in opened):
        require_coco()
    settings = leave_thresholds_out(describe_settings(options))
    evaluation = Evaluation(
        mode='replay',
        source={'title': how.node or NODE, **{k: str(v) for k, v in how.parameters.items()}},
        settings={
            **settings,
            'rate': how.rate,
            'loops': how.loops,
        },
        sequences=[_list(bag, loop) for loop, bag in enumerate(opened)],
        labels=how.labels,
    )
    counts: Counter[str] = Counter()
    answers: list[Answers] = []
    with connect(how, opened[0]) as connection:
        sums = []
        for bag, sequence in zip(opened, evaluation.sequences, strict=True):
            run = play(connection, bag, how, on_frame=on_frame)
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


def _restore_clock(run: Run, sequence: Sequence, how: Replay) -> None:
    """Move arrivals to the clock of the recording, which ran at the rate of the playback."""
    run.arrays = [
        replace(
            array,
            time_ns=run.first_ns + round((array.time_ns - 1e9 * run.start_s) * how.rate),
        )
        for array in run.arrays
    ]


def _list(bag: Opened, index: int) -> Sequence:
    sequence = list_frames(bag.name, bag.reader)
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
    for playing in sums:
        drops.update(playing.drops)
    answered = sum(playing.answered for playing in sums)
    seconds = sum(
        (sequence.frames[-1].time_ns - sequence.frames[0].time_ns) / 1e9
        for sequence in evaluation.sequences
        if len(sequence.frames) > 1
    )
    rate = float(evaluation.settings['rate'])
    return {
        'frames_played': sum(playing.played for playing in sums),
        'frames_answered': answered,
        **{f'dropped: {reason}': count for reason, count in sorted(drops.items())},
        'sums_agree': 'yes' if all(playing.agree for playing in sums) else 'no',
        'throughput_hz': round(answered / seconds * rate, 2) if seconds else 0.0,
    }
