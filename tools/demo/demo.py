"""
The main job on real photographs: a rosbag2 bag, the node in its own process, detections over DDS.

Prints what arrives on ~/detections, draws it, and exits with 1 when an expected object is missing.
"""

import argparse
from pathlib import Path
import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray
from photographs import load_photographs, read_bag, write_bag
from replay import DemoError, replay, running_node
from vision_msgs.msg import Detection2DArray

from ssd_detector import Detections
from ssd_detector.boxes import cxcywh_to_xyxy, iou_matrix
from ssd_detector.config import load_yaml
from ssd_detector.images.drawing import draw_detections

# A namespace of its own: a detector that runs on this machine already is not disturbed.
NAMESPACE = 'demo'
IMAGE_TOPIC = '/demo/camera/image_raw'
PERIOD_S = 0.2
# Each photograph comes more than once, as a robot's camera would have it.
ROUNDS = 3
MIN_SCORE = 0.5
MIN_IOU = 0.5
EXPECTATIONS = Path(__file__).with_name('expectations.yaml')


def main(argv: list[str] | None = None) -> int:
    """
    Run the demo.

    :param argv: command line, without the program
    :return: 0 when everything expected was found, else 1
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, default=Path('demo_out'), help='folder of results')
    output = parser.parse_args(argv).output
    output.mkdir(parents=True, exist_ok=True)
    photographs = load_photographs()
    name_by_stamp_ns = record(photographs, output / 'bag')
    try:
        answers = detect(output / 'bag', output / 'node.log')
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    found = to_detections({name_by_stamp_ns[stamp]: message for stamp, message in answers.items()})
    draw_all(photographs, found, output)
    print_table(found)
    print(f'Pictures: {output}/*.png\n')
    return judge(found)


def record(photographs: dict[str, NDArray[np.uint8]], bag: Path) -> dict[int, str]:
    """
    Write the photographs as a camera's bag.

    :param photographs: name -> (H, W, 3) uint8 RGB
    :param bag: folder of the bag
    :return: stamp in ns -> name
    """
    start_ns = time.time_ns()
    name_by_stamp_ns = {
        start_ns + round(index * PERIOD_S * 1e9): name
        for index, name in enumerate(list(photographs) * ROUNDS)
    }
    images_rgb = {stamp: photographs[name] for stamp, name in name_by_stamp_ns.items()}
    write_bag(bag, images_rgb, topic=IMAGE_TOPIC)
    print(f'{bag}: {len(images_rgb)} images of {len(photographs)} photographs on {IMAGE_TOPIC}')
    return name_by_stamp_ns


def detect(bag: Path, log: Path) -> dict[int, Detection2DArray]:
    """
    Play the bag into the node.

    :param bag: folder of the bag
    :param log: file that takes the node's output
    :return: stamp in ns -> what arrived on ~/detections
    :raises DemoError: with the node's output, when it does not do its job
    """
    frames = list(read_bag(bag, topic=IMAGE_TOPIC))
    try:
        with running_node(NAMESPACE, IMAGE_TOPIC, log) as process:
            answers = replay(
                frames,
                process,
                topics=(IMAGE_TOPIC, f'/{NAMESPACE}/ssd_detector/detections'),
                period_s=PERIOD_S,
            )
    except DemoError as error:
        raise DemoError(f'{error}; its output ({log}):\n{log.read_text()}') from error
    print(f'{len(answers)} of {len(frames)} images were answered on ~/detections\n')
    return answers


def to_detections(messages: dict[str, Detection2DArray]) -> dict[str, Detections]:
    """
    Turn what arrived over DDS into the core's type, for drawing and comparing.

    :param messages: photograph -> what came on ~/detections
    :return: photograph -> the same boxes; class ids number the labels that were found
    """
    labels_by_name = {
        name: [detection.results[0].hypothesis.class_id for detection in message.detections]
        for name, message in messages.items()
    }
    known = sorted({label for labels in labels_by_name.values() for label in labels})
    found = {}
    for name, labels in labels_by_name.items():
        boxes = [detection.bbox for detection in messages[name].detections]
        centers = [(box.center.position.x, box.center.position.y) for box in boxes]
        sizes_wh = [(box.size_x, box.size_y) for box in boxes]
        boxes_cxcywh = np.hstack([np.reshape(centers, (-1, 2)), np.reshape(sizes_wh, (-1, 2))])
        scores = [detection.results[0].hypothesis.score for detection in messages[name].detections]
        found[name] = Detections(
            boxes_xyxy=cxcywh_to_xyxy(boxes_cxcywh.astype(np.float32)),
            scores=np.array(scores, np.float32),
            class_ids=np.array([known.index(label) + 1 for label in labels], np.int64),
            labels=labels,
        )
    return found


def draw_all(
    photographs: dict[str, NDArray[np.uint8]], found: dict[str, Detections], output: Path
) -> None:
    """
    Write a PNG with boxes for each photograph that was answered.

    :param photographs: name -> (H, W, 3) uint8 RGB
    :param found: name -> detections
    :param output: folder
    """
    for name, detections in found.items():
        drawn_rgb = draw_detections(photographs[name], detections)
        cv2.imwrite(str(output / f'{name}.png'), cv2.cvtColor(drawn_rgb, cv2.COLOR_RGB2BGR))


def print_table(found: dict[str, Detections]) -> None:
    """
    Print a line for each detection.

    :param found: photograph -> detections
    """
    print(f'{"photograph":<18}{"label":<14}{"score":>5}   {"x1":>6}{"y1":>7}{"x2":>7}{"y2":>7}')
    for name, detections in sorted(found.items()):
        rows = zip(detections.labels, detections.scores, detections.boxes_xyxy, strict=True)
        for label, score, box in rows:
            print(f'{name:<18}{label:<14}{score:5.2f}  ' + ''.join(f'{x:7.1f}' for x in box))
        if len(detections) == 0:
            print(f'{name:<18}(nothing)')
    print()


def judge(found: dict[str, Detections]) -> int:
    """
    Compare what was found with what has to be found.

    :param found: photograph -> detections
    :return: the exit code
    """
    missing = 0
    for name, expected in load_yaml(EXPECTATIONS).items():
        detections = found.get(name, Detections.empty())
        truth = np.array([expected['box_xyxy']], np.float32)
        ious = iou_matrix(detections.boxes_xyxy, truth)[:, 0]
        hits = [
            index
            for index, label in enumerate(detections.labels)
            if label == expected['label']
            and detections.scores[index] >= MIN_SCORE
            and ious[index] >= MIN_IOU
        ]
        verdict = f'found, IoU {ious[hits[0]]:.2f}' if hits else 'MISSING'
        print(f'{expected["label"]} in {name}: {verdict}')
        missing += not hits
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
