"""
How long the core takes on one 640x480 frame: preprocess, inference, postprocess, on one thread.

The stages run in turn within one loop, so that other load on the machine meets all of them alike.
"""

import argparse
from pathlib import Path
import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detector

RELEASED_BUNDLE = Path(__file__).parents[2] / 'ssd_detector_ros' / 'models' / 'mobilenetv2_ssd_voc'
STAGES = ('preprocess', 'inference', 'postprocess')


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--bundle', type=Path, default=RELEASED_BUNDLE)
    parser.add_argument('--image', type=Path, help='a photograph; astronaut when not given')
    parser.add_argument('--frames', type=int, default=300)
    arguments = parser.parse_args(argv)
    # OpenCV's own threads would make the figure one of more than one core.
    cv2.setNumThreads(1)
    detector = Detector.from_bundle(arguments.bundle, num_threads=1)
    image_rgb = load_frame(arguments.image)
    latencies_ms = measure(detector, image_rgb, num_frames=arguments.frames)
    p50_ms = np.median(latencies_ms, axis=1)
    p99_ms = np.percentile(latencies_ms, 99, axis=1)
    print(f'640x480, 1 thread, {arguments.frames} frames, {len(detector(image_rgb))} detections')
    for stage, p50, p99 in zip(STAGES, p50_ms, p99_ms, strict=True):
        print(f'{stage:<12} p50 {p50:7.3f} ms   p99 {p99:7.3f} ms')
    own_ms = p50_ms[0] + p50_ms[2]
    print(f'pre + post   p50 {own_ms:7.3f} ms   {own_ms / p50_ms[1]:.3f} of the inference')
    return 0


def load_frame(path: Path | None) -> NDArray[np.uint8]:
    """
    Load a photograph at the size of a common camera.

    :param path: any image file; None takes scikit-image's astronaut
    :return: (480, 640, 3) uint8 RGB
    :raises FileNotFoundError: when it is no image
    """
    if path is None:
        import skimage

        path = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
    image_bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image_bgr is None:
        raise FileNotFoundError(f'{path}: is no image that OpenCV reads')
    resized_bgr = cv2.resize(image_bgr, (640, 480))
    return cv2.cvtColor(resized_bgr, cv2.COLOR_BGR2RGB)


def measure(
    detector: Detector, image_rgb: NDArray[np.uint8], *, num_frames: int
) -> NDArray[np.float64]:
    """
    Time the three stages.

    :param detector: loaded
    :param image_rgb: (H, W, 3) uint8
    :param num_frames: counted frames, after a warm-up of 20
    :return: (3, num_frames) float64, ms
    """
    rows = []
    size_wh = (image_rgb.shape[1], image_rgb.shape[0])
    for _ in range(20 + num_frames):
        marks_ns = [time.perf_counter_ns()]
        tensor = detector.preprocess(image_rgb)
        marks_ns.append(time.perf_counter_ns())
        boxes, scores = detector.infer(tensor)
        marks_ns.append(time.perf_counter_ns())
        detector.postprocess(boxes, scores, size_wh)
        marks_ns.append(time.perf_counter_ns())
        rows.append(np.diff(marks_ns) / 1e6)
    return np.array(rows[20:]).T


if __name__ == '__main__':
    sys.exit(main())
