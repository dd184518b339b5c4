"""extract, and the recording for Foxglove: what goes in comes out."""

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.making.sources import open_source
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.evaluate_bag import main as evaluate
from ssd_detector_ros.extract import main
from tests.bags.scenery import colored_scene, write_colored
from tests.bags.test_published import TOPIC, write_published
from tests.tiny_bundle import write_tiny_bundle


def extract(bag, folder, *options):
    assert main([str(bag), '--output', str(folder), *map(str, options)]) == 0
    return json.loads((folder / 'result.json').read_text())


def test_frames_and_objects_come_back_as_a_voc_folder(tmp_path):
    scenes = [colored_scene(0), colored_scene(1, difficult=True)]
    make_recording(scenes, tmp_path / 'bag', Layout())

    result = extract(tmp_path / 'bag', tmp_path / 'voc', '--format', 'png')

    assert (result['frames'], result['objects']) == (2, 2)
    again = list(open_source(tmp_path / 'voc', split='extracted', images=None))
    for scene, other in zip(scenes, again, strict=True):
        np.testing.assert_array_equal(other.load(), scene.load())
        np.testing.assert_array_equal(other.objects.boxes_xyxy, scene.objects.boxes_xyxy)
        assert other.objects.labels == scene.objects.labels
        assert other.objects.is_difficult.tolist() == scene.objects.is_difficult.tolist()
    assert '2 objects' in (tmp_path / 'voc/report.html').read_text().replace('\xa0', ' ')


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ([], [0, 1, 2, 3, 4, 5]),
        (['--every', 2], [0, 2, 4]),
        (['--min_gap_s', 0.25], [0, 3]),
        (['--limit', 2], [0, 1]),
        (['--min_change', 0.1], [0, 3, 5]),
    ],
)
def test_a_rule_chooses_frames(options, expected, tmp_path):
    bag = write_colored(tmp_path / 'bag', [0, 0, 0, 1, 1, 2])
    everything = extract(bag, tmp_path / 'all')['images']

    images = extract(bag, tmp_path / 'some', *options)['images']

    assert images == [everything[index] for index in expected]
    written = {path.stem for path in (tmp_path / 'some/JPEGImages').iterdir()}
    assert written == set(images)


def test_uncertain_detections_make_frames_worth_labelling(tmp_path):
    bag = write_published(tmp_path / 'bag')

    found = extract(bag, tmp_path / 'a', '--detections', TOPIC, '--uncertain', 0.8, 1)
    none = extract(bag, tmp_path / 'b', '--detections', TOPIC, '--uncertain', 0.2, 0.5)

    assert (len(found['images']), len(none['images'])) == (12, 0)
    name = found['images'][0]
    tree = ElementTree.parse(tmp_path / f'a/Annotations/{name}.xml')
    assert [node.text for node in tree.iter('name')] == ['red']


def test_uncertain_without_detections_is_refused(tmp_path, capsys):
    arguments = [str(tmp_path), '--output', str(tmp_path / 'out'), '--uncertain', '0', '1']

    assert main(arguments) == 2
    assert '--uncertain needs scores' in capsys.readouterr().err


def test_the_recording_for_foxglove_holds_images_boxes_and_their_drawings(tmp_path):
    bundle = write_tiny_bundle(tmp_path / 'tiny')
    bag = write_colored(tmp_path / 'bag')

    arguments = [str(bag), '--bundle', str(bundle), '--output', str(tmp_path / 'out')]
    assert evaluate([*arguments, '--annotated']) == 0

    recording = Recording(tmp_path / 'out/annotated')
    assert recording.counts == {
        '/label_info': 1,
        '/image/compressed': 6,
        '/detections': 6,
        '/detections/annotations': 6,
        '/ground_truth': 6,
        '/ground_truth/annotations': 6,
    }
    topic = recording.topics['/detections/annotations']
    assert topic.type_name == 'foxglove_msgs/msg/ImageAnnotations' and topic.definition
    drawn = Decoder(topic).read(next(recording.messages({topic.name})))
    (points,), (text,) = drawn.points, drawn.texts
    assert [(point.x, point.y) for point in points.points] == [
        (8, 12),
        (32, 12),
        (32, 36),
        (8, 36),
    ]
    assert text.text == 'red 1.00'
    image = Decoder(recording.topics['/image/compressed']).read(
        next(recording.messages({'/image/compressed'}))
    )
    assert image.header.stamp == points.timestamp
    assert cv2.imdecode(np.asarray(image.data), cv2.IMREAD_COLOR).shape == (48, 64, 3)


def test_annotated_without_output_is_refused(tmp_path, capsys):
    assert evaluate([str(Path(tmp_path)), '--annotated']) == 2
    assert '--annotated needs a folder' in capsys.readouterr().err
