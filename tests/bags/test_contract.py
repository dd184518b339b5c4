"""check_detector: a good detector passes, and each way of being bad fails the line of its name."""

import json

import numpy as np
import pytest

from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Box, encode, Stamp
from ssd_detector_ros.bag_evaluation.making.making import START_NS
from ssd_detector_ros.bag_evaluation.reading.message_types import COMPRESSED_IMAGE, DETECTIONS
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.check_detector import main

PERIOD_NS = 100_000_000
TOPIC = '/detector/detections'
SIZE_WH = (640, 480)
BOXES = ((100.0, 50.0, 300.0, 200.0), (400.0, 300.0, 600.0, 470.0))
IMAGE_RGB = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
IMAGE_PNG = encode(IMAGE_RGB, 'png')


class Good:
    """Answers every image as it should; what is broken overrides."""

    class_ids = ('dog', 'cat')
    scores = (0.9, 0.5)
    has_labels = True

    def delay_ms(self, index):
        return 20.0

    def boxes(self, index):
        """Give the boxes of a frame; every third has none."""
        return [] if index % 3 == 2 else [*BOXES]

    def stamp(self, index, stamp):
        return stamp

    def answers(self, index):
        """Tell how many messages a frame gets."""
        return 1

    def message(self, writer, boxes, stamp):
        found = [
            Box(class_id, score, box)
            for class_id, score, box in zip(self.class_ids, self.scores, boxes, strict=False)
        ]
        header = writer.header(stamp)
        return writer.types.types[DETECTIONS](
            header=header, detections=[writer._to_detection(box, header) for box in found]
        )


class Restamped(Good):
    def stamp(self, index, stamp):
        return Stamp(stamp.time_ns + 3_000_000, stamp.frame_id)


class NoFrameId(Good):
    def stamp(self, index, stamp):
        return Stamp(stamp.time_ns, '')


class ForgetsHeadersOfDetections(Good):
    def message(self, writer, boxes, stamp):
        message = super().message(writer, boxes, stamp)
        for detection in message.detections:
            detection.header = writer.header(Stamp(0, ''))
        return message


class SilentWhenEmpty(Good):
    def answers(self, index):
        return int(bool(self.boxes(index)))


class AnswersTwice(Good):
    def answers(self, index):
        return 2


class NetworkPixels(Good):
    side_px = 300.0

    def boxes(self, index):
        share = self.side_px / np.tile(SIZE_WH, 2)
        scaled = [np.array(box) * share for box in super().boxes(index)]
        # A box at the edge of the image ends at the edge of the network's input.
        return [[*box[:2], self.side_px, box[3]] for box in scaled]


class NetworkPixelsOfTheRelease(NetworkPixels):
    side_px = 384.0


class Shares(Good):
    def boxes(self, index):
        return [np.array(box) / np.tile(SIZE_WH, 2) for box in super().boxes(index)]


class Outside(Good):
    def boxes(self, index):
        return [[*box[:2], box[2] + 100, box[3]] for box in super().boxes(index)]


class Inverted(Good):
    def boxes(self, index):
        return [[box[2], box[1], box[0], box[3]] for box in super().boxes(index)]


class RawByte(Good):
    class_ids = ('\x01', '\x02')


class EmptyClass(Good):
    class_ids = ('', '')


class UnknownClass(Good):
    class_ids = ('dog', 'zebra')


class Percent(Good):
    scores = (90.0, 50.0)


class NoLabels(Good):
    has_labels = False


class Late(Good):
    def delay_ms(self, index):
        return 1500.0


class EverLater(Good):
    def delay_ms(self, index):
        return 100.0 * index


def write(path, detector):
    with BagWriter(path) as writer:
        if detector.has_labels:
            writer.write_labels('/detector/label_info', ['dog', 'cat'], Stamp(START_NS))
        for index in range(15):
            stamp = Stamp(START_NS + index * PERIOD_NS)
            image = writer.types.types[COMPRESSED_IMAGE](
                header=writer.header(stamp), format='png', data=IMAGE_PNG
            )
            writer.write('/image/compressed', COMPRESSED_IMAGE, stamp.time_ns, image)
            for _ in range(detector.answers(index)):
                boxes = [tuple(map(float, box)) for box in detector.boxes(index)]
                message = detector.message(writer, boxes, detector.stamp(index, stamp))
                time_ns = stamp.time_ns + round(detector.delay_ms(index) * 1e6)
                writer.write(TOPIC, DETECTIONS, time_ns, message)
    return path


def check(path, folder, *options):
    code = main([str(path), '--output', str(folder), *options])
    result = json.loads((folder / 'result.json').read_text())
    broken = {line['name'] for line in result['lines'] if line['is_kept'] is False}
    assert code == bool(broken) == (not result['is_kept'])
    return broken, {line['name']: line['why'] for line in result['lines']}


def test_a_good_detector_keeps_every_line(tmp_path, capsys):
    broken, whys = check(write(tmp_path / 'bag', Good()), tmp_path)

    assert broken == set()
    assert whys['one answer'] == '15 of 15 images were answered; 5 of the arrays are empty'
    assert 'the contract: it is kept' in capsys.readouterr().out
    assert 'pass' in (tmp_path / 'report.html').read_text()


@pytest.mark.parametrize(
    ('detector', 'lines', 'why'),
    [
        (Restamped, {'header', 'one answer'}, 'do not stamp anew'),
        (NoFrameId, {'header'}, "frame_id '' where the image has 'camera'"),
        (ForgetsHeadersOfDetections, {'header'}, '20 detections have another header'),
        (SilentWhenEmpty, {'one answer', 'rate'}, 'publish an empty array, too'),
        (AnswersTwice, {'one answer'}, '15 images were answered more than once'),
        (NetworkPixels, {'boxes'}, 'pixels of the network'),
        (NetworkPixelsOfTheRelease, {'boxes'}, 'pixels of the network'),
        (Shares, {'boxes'}, 'shares of the image'),
        (Outside, {'boxes'}, 'leave their image; clip them'),
        (Inverted, {'boxes'}, 'empty, inverted or not finite'),
        (RawByte, {'classes'}, 'is one raw byte'),
        (EmptyClass, {'classes'}, 'class_id is empty'),
        (UnknownClass, {'classes'}, "class_id 'zebra' is neither a label nor a number"),
        (Percent, {'scores'}, 'scores go from 50 to 90'),
        (NoLabels, {'label_info'}, 'no LabelInfo beside the detections'),
        (Late, {'age'}, 'p95: 1500.0 ms; at most 1000 ms'),
        (EverLater, {'age', 'rate'}, 'p95: 1330.0 ms; at most 1000 ms'),
    ],
)
def test_a_detector_that_is_broken_on_purpose_fails_the_right_line(detector, lines, why, tmp_path):
    broken, whys = check(write(tmp_path / 'bag', detector()), tmp_path)

    assert broken == lines
    assert any(why in whys[line] for line in lines)


def test_numbers_that_label_info_knows_are_classes(tmp_path):
    detector = Good()
    detector.class_ids = ('1', '2')

    assert check(write(tmp_path / 'bag', detector), tmp_path)[0] == set()


def test_what_a_detector_draws_and_its_candidates_are_not_taken_for_camera_and_answers(tmp_path):
    path = write(tmp_path / 'bag', Good())
    with BagWriter(tmp_path / 'more') as writer:
        for message in (recording := Recording(path)).messages(set(recording.topics)):
            type_name = recording.topics[message.topic].type_name
            writer.write(message.topic, type_name, message.time_ns, message.data)
        writer.write_image('/detector/overlay', IMAGE_RGB, Stamp(START_NS), 'png')
        writer.write_boxes('/detector/candidates', [], Stamp(START_NS))

    assert check(tmp_path / 'more', tmp_path)[0] == set()


def test_a_recording_without_detections_says_what_it_has(tmp_path, capsys):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_image('/image', IMAGE_RGB, Stamp(START_NS), 'png')

    assert main([str(tmp_path / 'bag')]) == 1
    assert 'no topic of detections: /image/compressed' in capsys.readouterr().err
