"""Opens the recordings of a command: their topics, ground truth, and what is odd about them."""

from collections import Counter
from dataclasses import dataclass

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.naming import choose_ground_truth, choose_image_topic
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic
from ssd_detector_ros.bag_evaluation.scoring.options import Options
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation
from ssd_detector_ros.bag_evaluation.scoring.truths import read_truths


@dataclass(frozen=True, eq=False)
class Opened:
    """
    A recording with the topics that are looked at.

    :param recording: what was opened
    :param name: for people; tells it from the others
    :param images: the topic
    :param truth: the topic, or None
    :param reader: of the images
    """

    recording: Recording
    name: str
    images: Topic
    truth: Topic | None
    reader: ImageReader

    @property
    def num_images(self) -> int:
        """Messages of the topic of images."""
        return self.recording.counts[self.images.name]


def open_recordings(options: Options) -> list[Opened]:
    """
    Open every recording before anything slow begins.

    :param options: of the command
    :return: one each
    :raises BagError: with what can't be read or is not there
    """
    recordings = [Recording(path) for path in options.bags]
    names = Counter(recording.name for recording in recordings)
    opened = []
    for index, recording in enumerate(recordings):
        name = recording.name
        if names[name] > 1:
            name = f'{name}_{index + 1}'
        try:
            images = choose_image_topic(options.image_topic, recording.topics)
            truth = choose_ground_truth(options.ground_truth, recording.topics)
        except BagError as error:
            raise BagError(f'{recording.path}: {text}' for text in error.findings) from error
        prefix = f'{name}/' if len(recordings) > 1 else ''
        reader = ImageReader(recording, images, prefix)
        opened.append(Opened(recording, name, images, truth, reader))
    return opened


def add_truths(evaluation: Evaluation, opened: list[Opened], options: Options) -> None:
    """
    Match the ground truth of each recording to its frames.

    :param evaluation: with frames; ground truths, counts and notes are added
    :param opened: its recordings
    :param options: of the command
    :raises BagError: when no object is of a class that is scored, or nothing matches
    """
    counts: Counter[str] = Counter()
    num_truths = 0
    for sequence, bag in zip(evaluation.sequences, opened, strict=True):
        if bag.truth is None:
            counts['frames without ground truth'] += len(sequence.frames)
            continue
        truths = read_truths(
            bag.recording,
            bag.truth,
            sequence.frames,
            labels=evaluation.labels,
            tolerance_ns=options.tolerance_ns,
        )
        evaluation.ground_truths |= truths.ground_truths
        num_truths += len(truths.ground_truths) + truths.num_unmatched_truths
        counts['frames without ground truth'] += truths.num_unmatched_frames
        counts['ground truths without a frame'] += truths.num_unmatched_truths
        if truths.num_other_classes:
            counts['objects of classes that are not scored'] += truths.num_other_classes
            evaluation.notes.append(
                f'{bag.name}: {truths.num_other_classes} objects are of classes that are not '
                f'scored ({", ".join(truths.other_classes[:8])}); left out'
            )
    if num_truths and not evaluation.ground_truths:
        raise BagError(
            [
                f'none of {num_truths} ground truths has the stamp of a frame, within '
                f'{options.tolerance_ns / 1e6:g} ms; give --stamp_tolerance_ms'
            ]
        )
    evaluation.counts |= {name: count for name, count in counts.items() if count}


def finish_counts(evaluation: Evaluation, opened: list[Opened]) -> None:
    """
    Take over what the recordings and their frames are missing.

    :param evaluation: counts and notes are added
    :param opened: its recordings, read to the end
    :raises BagError: when there is no frame at all
    """
    for sequence, bag in zip(evaluation.sequences, opened, strict=True):
        evaluation.notes[:0] = [*bag.recording.problems, *sequence.notes]
        for reason, count in sequence.excluded.items():
            name = f'images left out: {reason}'
            evaluation.counts[name] = evaluation.counts.get(name, 0) + count
    evaluation.notes[:] = dict.fromkeys(evaluation.notes)
    if not evaluation.frames:
        reasons = ', '.join(f'{count} {reason}' for reason, count in evaluation.counts.items())
        raise BagError(
            [
                *evaluation.notes,
                f'{", ".join(str(bag.recording.path) for bag in opened)}: no frame can be scored '
                f'({reasons or "the topic of images is empty"})',
            ]
        )
