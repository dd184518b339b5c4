"""What extract says of itself: result.json and report.html beside the VOC folders."""

from pathlib import Path

from ssd_detector.report.page import make_environment
from ssd_detector_ros.bag_evaluation.making.extraction import Extracted
from ssd_detector_ros.bag_evaluation.pages.result_files import PAGE, RESULT, write_json
from ssd_detector_ros.bag_evaluation.reading.recording import Recording


def write_extraction(extracted: Extracted, recording: Recording, folder: Path) -> None:
    """
    Write both files.

    :param extracted: what was taken
    :param recording: where from
    :param folder: root of the VOC tree
    """
    tree = {
        'schema_version': 1,
        'mode': 'extract',
        'source': {'title': str(recording.path)},
        'frames': extracted.num_frames,
        'images': extracted.image_ids,
        'objects': extracted.num_objects,
        'counts': dict(sorted(extracted.excluded.items())),
        'notes': list(recording.problems),
    }
    write_json(tree, folder / RESULT)
    environment = make_environment('ssd_detector_ros.bag_evaluation')
    page = environment.get_template('bag_extract.html.jinja').render(title='extract', tree=tree)
    (folder / PAGE).write_text(page, encoding='utf-8')
