"""Runs the detector over a recording, frame by frame, as the node would; one frame in memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
import time

from ssd_detector import Detections, Detector, ImageError
from ssd_detector.postprocess import Thresholds
from ssd_detector_ros.bag_evaluation.reading.image_reading import Frame, ImageReader

STAGES = ('decode', 'preprocess', 'infer', 'postprocess')
# Those that ssd_training.evaluate scores with: the section `eval` of its configuration.
EVALUATION_THRESHOLDS = Thresholds(
    score_threshold=0.01, nms_iou_threshold=0.45, max_detections=200, per_class_top_k=400
)


@dataclass(frozen=True)
class FrameInfo:
    """
    A frame without its pixels.

    :param image_id: its name in the results
    :param stamp_ns: of its header
    :param time_ns: when it was recorded
    :param frame_id: of its header
    :param size_wh: px
    """

    image_id: str
    stamp_ns: int
    time_ns: int
    frame_id: str
    size_wh: tuple[int, int]


@dataclass(eq=False)
class Sequence:
    """
    The frames of one recording, and what was found in them.

    :param name: of the recording
    :param frames: by rising stamp
    :param detections: image id -> detections; frames that nobody answered are missing
    :param stage_ms: stage -> time of each frame; empty where the detector ran elsewhere
    :param excluded: why images of the topic are no frames, with their number
    :param notes: what else is odd, one sentence each
    """

    name: str
    frames: list[FrameInfo] = field(default_factory=list)
    detections: dict[str, Detections] = field(default_factory=dict)
    stage_ms: dict[str, list[float]] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def detect_frames(
    name: str,
    reader: ImageReader,
    detector: Detector,
    thresholds: Thresholds,
    *,
    on_frame: Callable[[int], None] = lambda done: None,
) -> Sequence:
    """
    Detect in every frame.

    :param name: of the recording
    :param reader: its images
    :param detector: what finds
    :param thresholds: what is kept; times are those of the detector's own
    :param on_frame: told how many frames are done
    :return: the sequence
    """
    sequence = Sequence(name, stage_ms={stage: [] for stage in STAGES})
    for done, frame in enumerate(reader.frames(), start=1):
        clock = time.perf_counter
        laps_s = [clock()]
        try:
            image_rgb = reader.to_rgb(frame)
        except ImageError as error:
            _exclude(sequence, frame, error)
            continue
        laps_s.append(clock())
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        model_input = detector.preprocess(image_rgb)
        laps_s.append(clock())
        boxes, scores = detector.infer(model_input)
        laps_s.append(clock())
        # What is timed is what is deployed: the low scores of a curve take longer.
        detector.postprocess(boxes, scores, size_wh)
        laps_s.append(clock())
        add_frame(sequence, frame, size_wh)
        sequence.detections[frame.image_id] = detector.postprocess(
            boxes, scores, size_wh, thresholds=thresholds
        )
        for index, stage in enumerate(STAGES):
            sequence.stage_ms[stage].append(1e3 * (laps_s[index + 1] - laps_s[index]))
        on_frame(done)
    finish(sequence, reader)
    return sequence


def list_frames(name: str, reader: ImageReader) -> Sequence:
    """
    Go over the frames without detecting; each is decoded for its size.

    :param name: of the recording
    :param reader: its images
    :return: a sequence without detections
    """
    sequence = Sequence(name)
    for frame in reader.frames():
        try:
            image_rgb = reader.to_rgb(frame)
        except ImageError as error:
            _exclude(sequence, frame, error)
            continue
        add_frame(sequence, frame, (image_rgb.shape[1], image_rgb.shape[0]))
    finish(sequence, reader)
    return sequence


def add_frame(sequence: Sequence, frame: Frame, size_wh: tuple[int, int]) -> None:
    """
    Note a frame.

    :param sequence: is added to
    :param frame: of the recording
    :param size_wh: px
    """
    sequence.frames.append(
        FrameInfo(frame.image_id, frame.stamp_ns, frame.time_ns, frame.frame_id, size_wh)
    )


def finish(sequence: Sequence, reader: ImageReader) -> None:
    """
    Put the frames in the order of their stamps, and take over what the reader counted.

    :param sequence: is changed
    :param reader: after its last frame
    """
    order = sorted(range(len(sequence.frames)), key=lambda i: sequence.frames[i].stamp_ns)
    sequence.frames = [sequence.frames[index] for index in order]
    for stage, times_ms in sequence.stage_ms.items():
        sequence.stage_ms[stage] = [times_ms[index] for index in order]
    sequence.excluded.update(reader.excluded)
    sizes = [frame.size_wh for frame in sequence.frames]
    changed = [index for index in range(1, len(sizes)) if sizes[index] != sizes[index - 1]]
    if changed:
        (old_w, old_h), (new_w, new_h) = sizes[changed[0] - 1], sizes[changed[0]]
        sequence.notes.append(
            f'{sequence.name}: the images change their size {len(changed)} times, first from '
            f'{old_w}x{old_h} to {new_w}x{new_h} px at {sequence.frames[changed[0]].image_id}'
        )
    if reader.num_backwards:
        sequence.notes.append(
            f'{sequence.name}: {reader.num_backwards} stamps go back in time; the frames are '
            f'scored in the order of their stamps'
        )
    if sequence.excluded['stamp 0, again'] > len(sequence.frames):
        sequence.notes.append(
            f'{sequence.name}: most images have stamp 0, so that nothing tells them apart; set '
            f'the stamp in the camera driver'
        )


def _exclude(sequence: Sequence, frame: Frame, error: ImageError) -> None:
    reason = str(error).split(';')[0]
    if reason not in sequence.excluded:
        sequence.notes.append(f'{sequence.name}: {frame.image_id}: {error}')
    sequence.excluded[reason] += 1
