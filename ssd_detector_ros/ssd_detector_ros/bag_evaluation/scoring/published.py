"""Mode score: what any node published and a recorder kept."""

from collections import Counter
from dataclasses import dataclass, field
import time

import numpy as np

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray, read_box_arrays
from ssd_detector_ros.bag_evaluation.reading.message_types import DETECTIONS
from ssd_detector_ros.bag_evaluation.reading.naming import find_topic
from ssd_detector_ros.bag_evaluation.scoring.detecting import list_frames, Sequence
from ssd_detector_ros.bag_evaluation.scoring.labels import ClassReader
from ssd_detector_ros.bag_evaluation.scoring.latency import summarize
from ssd_detector_ros.bag_evaluation.scoring.offline import describe_settings
from ssd_detector_ros.bag_evaluation.scoring.opening import (
    add_truths,
    finish_counts,
    open_recordings,
    Opened,
)
from ssd_detector_ros.bag_evaluation.scoring.options import Options
from ssd_detector_ros.bag_evaluation.scoring.recorded import Answers, take_answers
from ssd_detector_ros.bag_evaluation.scoring.scoring import (
    Evaluation,
    require_coco,
    score_accuracy,
    score_lateness,
)
from ssd_detector_ros.bag_evaluation.scoring.streaming import Output, pair_outputs
from ssd_detector_ros.bag_evaluation.scoring.truths import read_label_names

# Beyond this, stamps and the recorder's times are of two clocks.
_LONGEST_WAY_NS = 10 * 10**9


@dataclass(frozen=True)
class Publisher:
    """
    Whose detections are scored.

    :param topic: of Detection2DArray
    :param labels: names of the classes 1, 2, ...; empty takes those of the ground truth
    :param class_map: name or number of the publisher -> label
    """

    topic: str
    labels: tuple[str, ...] = ()
    class_map: dict[str, str] = field(default_factory=dict)


def evaluate_published(options: Options, publisher: Publisher) -> Evaluation:
    """
    Score recorded detections against the ground truth of the same recordings.

    :param options: what to score
    :param publisher: whose detections
    :return: what was found
    :raises BagError: when a recording can't be used
    """
    start_s = time.monotonic()
    opened = open_recordings(options)
    if any(bag.truth for bag in opened):
        require_coco()
    arrays = [_read(bag, publisher.topic) for bag in opened]
    labels = publisher.labels or _find_labels(opened, arrays, publisher)
    evaluation = Evaluation(
        mode='score',
        source={'title': publisher.topic, 'detections': publisher.topic},
        settings=leave_thresholds_out(describe_settings(options)),
        sequences=[],
        labels=labels,
    )
    unknown: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    answers = []
    for bag, own in zip(opened, arrays, strict=True):
        sequence = list_frames(bag.name, bag.reader)
        classes = ClassReader(labels, _names(bag, publisher), unknown)
        found = take_answers(sequence, own, classes, tolerance_ns=options.tolerance_ns)
        counts.update(found.counts)
        counts['answers to no frame'] += found.num_unmatched
        evaluation.sequences.append(sequence)
        answers.append(found)
    evaluation.counts |= {name: count for name, count in counts.items() if count}
    finish_counts(evaluation, opened)
    _note_unknown(evaluation, unknown)
    add_truths(evaluation, opened, options)
    add_arrivals(evaluation, answers)
    evaluation.wall_s = time.monotonic() - start_s
    return evaluation


def add_arrivals(evaluation: Evaluation, answers: list[Answers]) -> None:
    """
    Score accuracy and lateness of answers that were recorded with their times.

    :param evaluation: with frames, detections and ground truth; the figures are filled
    :param answers: of each recording
    """
    age_ms = []
    paired = []
    for sequence, found in zip(evaluation.sequences, answers, strict=True):
        frames = sequence.frames
        shift_ns = _clock_shift_ns(evaluation, sequence)
        outputs = []
        for frame in sorted(found.arrivals_ns):
            arrival_ns = found.arrivals_ns[frame]
            evaluation.answer_times_ms.append(
                found.answer_ms.get(frame, (arrival_ns - frames[frame].time_ns) / 1e6)
            )
            age_ms.append((arrival_ns - shift_ns - frames[frame].stamp_ns) / 1e6)
            outputs.append(Output(frame, arrival_ns - shift_ns))
        paired.append(pair_outputs([frame.stamp_ns for frame in frames], outputs))
    evaluation.answer_ms = summarize(evaluation.answer_times_ms)
    evaluation.age_ms = summarize(age_ms)
    if evaluation.ground_truths:
        score_accuracy(evaluation)
        evaluation.streaming_of = 'when the answers arrived'
        score_lateness(evaluation, paired)


def _read(bag: Opened, topic: str) -> list[BoxArray]:
    try:
        found = find_topic(topic, bag.recording.topics, (DETECTIONS,), option='detections')
    except BagError as error:
        raise BagError(f'{bag.recording.path}: {text}' for text in error.findings) from error
    return list(read_box_arrays(bag.recording, found))


def _names(bag: Opened, publisher: Publisher) -> dict[str, str]:
    """Say what numbers and foreign names mean: by the options first, else by what was recorded."""
    topic = find_topic(publisher.topic, bag.recording.topics, (DETECTIONS,), option='detections')
    names = read_label_names(bag.recording, topic)
    names |= {str(number): label for number, label in enumerate(publisher.labels, start=1)}
    return names | publisher.class_map


def _find_labels(
    opened: list[Opened], arrays: list[list[BoxArray]], publisher: Publisher
) -> tuple[str, ...]:
    """
    Take the publisher's classes where they hold all of the ground truth; else those of the latter.

    Results of one detector so have one class list, whatever a recording shows.
    """
    published: dict[str, None] = {}
    for bag in opened:
        published |= dict.fromkeys(_names(bag, publisher).values())
    labels: dict[str, None] = {}
    for bag in opened:
        if bag.truth is not None:
            names = read_label_names(bag.recording, bag.truth)
            used = {
                names.get(text, text)
                for array in read_box_arrays(bag.recording, bag.truth)
                for text in array.class_ids
                if text
            }
            labels |= dict.fromkeys([*names.values(), *sorted(used)])
    if labels:
        return tuple(published if labels.keys() <= published.keys() else labels)
    for bag, own in zip(opened, arrays, strict=True):
        names = _names(bag, publisher)
        used = {names.get(text, text) for array in own for text in array.class_ids if text}
        labels |= dict.fromkeys([*names.values(), *sorted(used)])
    return tuple(labels)


def _clock_shift_ns(evaluation: Evaluation, sequence: Sequence) -> int:
    """Find by how much the recorder's clock is ahead of the stamps, where they are two clocks."""
    ways_ns = [frame.time_ns - frame.stamp_ns for frame in sequence.frames]
    if not ways_ns or abs(np.median(ways_ns)) <= _LONGEST_WAY_NS:
        return 0
    evaluation.notes.append(
        f'{sequence.name}: stamps and times of recording are {np.median(ways_ns) / 1e9:.0f} s '
        f'apart, so of two clocks; the shortest way of an image to the recorder is taken as none'
    )
    return min(ways_ns)


def leave_thresholds_out(
    settings: dict[str, float | int | str],
) -> dict[str, float | int | str]:
    """
    Say only what was done: boxes that come from elsewhere are scored as they are.

    :param settings: from describe_settings
    :return: without those of the detector
    """
    return {name: value for name, value in settings.items() if not name.startswith('nms.')}


def _note_unknown(evaluation: Evaluation, unknown: Counter[str]) -> None:
    if not unknown:
        return
    listed = ', '.join(f'{text!r:.40}' for text, _ in unknown.most_common(8))
    hint = ''
    if all(len(text) == 1 and not text.isprintable() for text in unknown):
        hint = '; each is one raw byte: the publisher assigned a number to a text'
    sentence = (
        f'detections of classes that are not scored: {listed}{hint}; say what they mean: '
        f'--class_map or --labels'
    )
    num_known = sum(map(len, evaluation.detections.values()))
    if not num_known and evaluation.detections:
        raise BagError([f'all {unknown.total()} {sentence}'])
    evaluation.notes.append(sentence)
