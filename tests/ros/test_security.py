"""The page on security says what the code does."""

from pathlib import Path

from ssd_detector.bundles import contents, folder
from ssd_detector.files import MAX_LABELS_BYTES, MAX_LIST_BYTES, MAX_SPLIT_BYTES
from ssd_detector.images.claims import (
    Claim,
    largest_file_bytes,
    MAX_IMAGE_PIXELS,
    read_claim,
)
from ssd_detector.regions import MAX_CORNERS, MAX_POLYGONS
from ssd_detector.yaml_tree import MAX_YAML_DEPTH, MAX_YAML_NODES
from ssd_detector_ros import program
from ssd_detector_ros.bag_evaluation.reading.compression import LEFT_FREE_BYTES, MAX_MESSAGE_BYTES
from ssd_detector_ros.bag_evaluation.reading.decoding import MAX_WRITTEN_OUT
from ssd_detector_ros.parameters.declarations import DECLARATIONS
from ssd_detector_ros.parameters.settings import MAX_LABELS
from ssd_detector_ros.parameters.static_settings import LONGEST_TEXT, MAX_CAMERAS
from ssd_detector_ros.requests.services import MOST_REQUESTS
from ssd_training.data.files import MAX_SIDE_PX
from ssd_training.prediction.frame_sources import PART_TIMEOUT_S
from ssd_training.prediction.mjpeg import MAX_PART_BYTES

PAGE = Path(__file__).parents[2] / 'docs/security.md'
MIB = 2**20


def default(name):
    return DECLARATIONS[name].default


def test_the_page_has_the_budgets_of_the_code():
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in PAGE.read_text()
        .partition('\n## Budgets\n')[2]
        .partition('\n## ')[0]
        .splitlines()
        if line.startswith('| ') and '---' not in line
    ]
    said = {what: most for what, most, _ in rows[1:]}
    scans = next(n for n in range(99) if Claim(10_000, 10_000, n + 1).find_excess(10**8))
    file_bytes = largest_file_bytes(10**9) // 10**9
    assert default('max_image_pixels') == MAX_IMAGE_PIXELS
    assert said == {
        'pixels of an image, as its head claims': f'{MAX_IMAGE_PIXELS}',
        "bytes of a picture's file, for each of these pixels": f'{file_bytes}',
        'memory while one is decoded': '12 bytes a pixel',
        'pixels that `check` and `prepare` decode at a time, in all threads': 'those of one image',
        'formats that are decoded': 'JPEG, PNG, BMP, WebP, TIFF, GIF, netpbm',
        'scans of a JPEG of so many pixels': f'{scans}',
        'time to load a bundle': f'{default("load_timeout_s"):g} s',
        'memory to try one that the start did not name': f'{default("load_memory_mb")} MB',
        'a model file': f'{folder.largest_bytes(contents.MODEL) // MIB} MiB',
        '`parity.npz`, packed and unpacked': f'{folder.largest_bytes("parity.npz") // MIB} MiB',
        '`deploy.yaml`, `labels.txt`, `manifest.json`': '1 MiB each',
        'values that a YAML file means, aliases counted out': f'{MAX_YAML_NODES}',
        'levels of a YAML file': f'{MAX_YAML_DEPTH}',
        "side of a model's input": f'{contents.LARGEST_INPUT_PX} px',
        'classes of a model': f'{contents.MOST_CLASSES}',
        'files of a bundle': f'{contents.MOST_FILES}',
        '`ignore_polygons`': f'{MAX_POLYGONS} of {MAX_CORNERS} corners',
        'labels in `class_thresholds`, `allowed_classes`': f'{MAX_LABELS}',
        'cameras of a node': f'{MAX_CAMERAS}',
        'any text of a parameter or request': f'{LONGEST_TEXT} characters',
        'snapshots of one run of a node': f'{default("max_snapshots_mb")} MB',
        'labels of one picture, names of classes': f'{MAX_LABELS_BYTES // MIB} MiB',
        'list of a split': f'{MAX_LIST_BYTES // MIB} MiB',
        'JSON or XML of a whole split': f'{MAX_SPLIT_BYTES // MIB} MiB',
        'message of a recording, or chunk, unpacked': f'{MAX_MESSAGE_BYTES // MIB} MiB',
        'what a recording compressed as a file leaves free on the disk': (
            f'{LEFT_FREE_BYTES // 2**30} GiB at least'
        ),
        'texts and messages in fixed arrays of one message definition': f'{MAX_WRITTEN_OUT}',
        'side of a picture, as its labels claim': f'{MAX_SIDE_PX} px',
        'a part of an MJPEG stream': f'{MAX_PART_BYTES // MIB} MiB, {PART_TIMEOUT_S:g} s',
        'requests of a service that wait': f'{MOST_REQUESTS}',
        'from the first signal to the end': '2 s',
    }
    for name in ('deploy.yaml', 'labels.txt', 'manifest.json'):
        assert folder.largest_bytes(name) == MIB
    assert program.LAST_S < 2
    assert read_claim(b'\xff\x4f\xff\x51' + bytes(99)) is None


def test_the_page_names_what_only_the_start_sets():
    text = PAGE.read_text()
    read_only = {name for name, declaration in DECLARATIONS.items() if declaration.is_read_only}
    assert read_only == {name for name in DECLARATIONS if f' | `{name}`' in text} | {
        'bundle_root',
        'snapshot_root',
    }
    assert all(f'`{name}`' in text for name in read_only)
