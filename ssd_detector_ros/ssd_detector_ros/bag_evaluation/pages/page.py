"""The HTML page of an evaluation: the core's report, with what a recording adds."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from ssd_detector.report.page import make_environment, report_values
from ssd_detector.report.pictures import mark_worst, ReportPicture
from ssd_detector_ros.bag_evaluation.pages.drawings import draw_histogram, draw_row, Histogram, Row
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.naming import choose_image_topic
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.scoring.detecting import Sequence as FrameSequence
from ssd_detector_ros.bag_evaluation.scoring.gates import drop_rate, Gate
from ssd_detector_ros.bag_evaluation.scoring.latency import Latency
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


def render_page(
    evaluation: Evaluation, gates: Sequence[Gate], pictures: Sequence[ReportPicture]
) -> str:
    """
    Write the page.

    :param evaluation: what was found
    :param gates: from check_gates
    :param pictures: of the worst frames
    :return: HTML; needs no network, nothing beside the file
    """
    times: list[tuple[str, Latency]] = list(evaluation.stage_ms.items())
    for name, latency in (
        ('image to answer', evaluation.answer_ms),
        ('stamp to answer', evaluation.age_ms),
    ):
        if latency is not None:
            times.append((name, latency))
    values = {
        'title': evaluation.source['title'],
        **(report_values(evaluation.result, pictures) if evaluation.result else {}),
        'evaluation': evaluation,
        'streaming': evaluation.streaming,
        'drop_rate': drop_rate(evaluation),
        'gates': gates,
        'times': times,
        'charts_of_times': list(_draw_times(evaluation)),
        'timelines': _draw_timelines(evaluation),
    }
    template = 'bag_report' if evaluation.result else 'bag_plain'
    environment = make_environment('ssd_detector_ros.bag_evaluation')
    return environment.get_template(f'{template}.html.jinja').render(values)


def make_pictures(
    evaluation: Evaluation, bags: Sequence[Path], image_topic: str | None
) -> list[ReportPicture]:
    """
    Read the worst frames once more.

    :param evaluation: what was found
    :param bags: the recordings
    :param image_topic: as given
    :return: the worst first
    """
    if evaluation.analysis is None:
        return []
    wanted = {image.image_id: image for image in evaluation.analysis.worst_images}
    pictures: dict[str, ReportPicture] = {}
    # The loops of a replay, behind the first, have the same pictures.
    for path, sequence in zip(bags, evaluation.sequences, strict=False):
        recording = Recording(path)
        prefix = f'{sequence.name}/' if len(bags) > 1 else ''
        reader = ImageReader(recording, choose_image_topic(image_topic, recording.topics), prefix)
        own = set(wanted) & {frame.image_id for frame in sequence.frames}
        for frame in reader.frames():
            if not own:
                break
            if frame.image_id in own:
                own.remove(frame.image_id)
                pictures[frame.image_id] = mark_worst(
                    wanted[frame.image_id], reader.to_rgb(frame), evaluation.labels
                )
    return [pictures[name] for name in wanted if name in pictures]


def _draw_times(evaluation: Evaluation) -> list[Histogram]:
    title = 'image to answer, ms' if evaluation.answer_times_ms else 'decoding to boxes, ms'
    chart = draw_histogram(list(evaluation.frame_ms.values()), title)
    return [chart] if chart else []


def _draw_timelines(evaluation: Evaluation) -> list[tuple[str, list[Row]]]:
    """Draw each recording over time."""
    # Of the answered frames of all recordings, one after the other.
    left_ms = iter(evaluation.answer_times_ms)
    return [
        (sequence.name, _draw_rows(sequence, list(islice(left_ms, len(sequence.detections)))))
        for sequence in evaluation.sequences
        if sequence.frames
    ]


def _draw_rows(sequence: FrameSequence, answer_times_ms: Sequence[float]) -> list[Row]:
    start_ns = sequence.frames[0].stamp_ns
    times_s = [(frame.stamp_ns - start_ns) / 1e9 for frame in sequence.frames]
    end_s = times_s[-1]
    rows = [draw_row('frames a second', times_s, [1.0] * len(times_s), how='rate', end_s=end_s)]
    answered = [frame.image_id in sequence.detections for frame in sequence.frames]
    if not all(answered):
        dropped = [float(not is_answered) for is_answered in answered]
        rows.append(draw_row('drops a second', times_s, dropped, how='rate', end_s=end_s))
    if answer_times_ms:
        late_s = [time for time, is_answered in zip(times_s, answered, strict=True) if is_answered]
        rows.append(
            draw_row('image to answer, ms', late_s, answer_times_ms, how='mean', end_s=end_s)
        )
    found = [float(len(sequence.detections.get(frame.image_id, ()))) for frame in sequence.frames]
    rows.append(draw_row('boxes a frame', times_s, found, how='mean', end_s=end_s))
    return rows
