"""The HTML page of a comparison, with the frames on which two detectors differ most."""

from collections.abc import Iterator
from pathlib import Path

from ssd_detector import Detections
from ssd_detector.report.page import comparison_values, make_environment
from ssd_detector.report.pictures import encode_picture, Mark, MarkedBox, ReportPicture
from ssd_detector_ros.bag_evaluation.comparing.agreement import FrameAgreement
from ssd_detector_ros.bag_evaluation.comparing.bag_comparison import BagComparison
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.image_reading import ImageReader
from ssd_detector_ros.bag_evaluation.reading.naming import choose_image_topic
from ssd_detector_ros.bag_evaluation.reading.recording import Recording

_NUM_PICTURES = 12


def render_bag_comparison(comparison: BagComparison, image_topic: str | None) -> str:
    """
    Write the page.

    :param comparison: from compare_sides
    :param image_topic: of the pictures; None where there is only one
    :return: HTML; needs no network, nothing beside the file
    """
    labelled = comparison.labelled
    values = {
        'title': 'A against B',
        **(comparison_values(labelled) if labelled else {'comparison': comparison}),
        'bags': comparison,
        'pictures': _make_pictures(comparison, image_topic),
    }
    template = 'bag_comparison' if labelled else 'bag_comparison_plain'
    environment = make_environment('ssd_detector_ros.bag_evaluation')
    return environment.get_template(f'{template}.html.jinja').render(values)


def _make_pictures(comparison: BagComparison, image_topic: str | None) -> list[ReportPicture]:
    """Read the frames that differ most, where their recordings are still there."""
    wanted = {frame.image_id: frame for frame in comparison.worst_frames(_NUM_PICTURES)}
    bags = comparison.first.bags
    pictures: dict[str, ReportPicture] = {}
    for path in bags:
        pictures |= dict(_read_pictures(path, wanted, image_topic, has_prefix=len(bags) > 1))
    return [pictures[name] for name in wanted if name in pictures]


def _read_pictures(
    path: Path,
    wanted: dict[str, FrameAgreement],
    image_topic: str | None,
    *,
    has_prefix: bool,
) -> Iterator[tuple[str, ReportPicture]]:
    try:
        recording = Recording(path)
        topic = choose_image_topic(image_topic, recording.topics)
    except BagError:
        # Moved since: the page has no pictures then, and all its figures.
        return
    reader = ImageReader(recording, topic, f'{recording.name}/' if has_prefix else '')
    for frame in reader.frames():
        if frame.image_id in wanted:
            image_rgb = reader.to_rgb(frame)
            agreement = wanted[frame.image_id]
            yield (
                frame.image_id,
                ReportPicture(
                    image_id=frame.image_id,
                    caption=(
                        f'{int((~agreement.is_common).sum())} only in A, '
                        f'{int((~agreement.is_common_second).sum())} only in B'
                    ),
                    size_wh=(image_rgb.shape[1], image_rgb.shape[0]),
                    data_uri=encode_picture(image_rgb),
                    boxes=tuple(_mark(agreement)),
                ),
            )


def _mark(agreement: FrameAgreement) -> Iterator[MarkedBox]:
    parts: tuple[tuple[Mark, Detections, list[bool]], ...] = (
        ('hit', agreement.first, agreement.is_common.tolist()),
        ('missed', agreement.first, (~agreement.is_common).tolist()),
        ('false', agreement.second, (~agreement.is_common_second).tolist()),
    )
    for mark, found, mask in parts:
        rows = zip(
            found.labels, found.scores.tolist(), found.boxes_xyxy.tolist(), mask, strict=True
        )
        for label, score, (x1, y1, x2, y2), is_shown in rows:
            if is_shown:
                yield MarkedBox(mark, f'{label} {score:.2f}', (x1, y1, x2, y2))
