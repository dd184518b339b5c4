"""
How many images a second the input pipeline of training makes, with full augmentation.

Photographs of scikit-image as JPEG of 500x375 px, as VOC's are; no training runs beside.
"""

import argparse
import os
from pathlib import Path
import sys
import tempfile
import time

import cv2
import numpy as np

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.images.cache import cache_images
from ssd_training.data.images.records import ImageFile, Record
from ssd_training.experiments.data_schema import AugmentationSettings
from ssd_training.experiments.merge import load_experiment
from ssd_training.train import CONFIG_ROOT

PHOTOGRAPHS = ('astronaut', 'coffee', 'chelsea', 'rocket')
SIZE_WH = (500, 375)
COPIES = 16


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0 good, 1 slower than --at_least
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--batches', type=int, default=60)
    parser.add_argument('--at_least', type=float, default=0.0, help='images/s without a cache')
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        records = write_photographs(Path(folder))
        rates = {
            'full augmentation': measure(records, arguments.batches),
            'full augmentation, data.cache=memory': measure(
                cache_images(records, 'memory'), arguments.batches
            ),
            'and mosaic, probability 0.5': measure(
                records, arguments.batches, 'augmentation.mosaic.probability=0.5'
            ),
        }
    cores = len(os.sched_getaffinity(0))
    print(f'JPEG {SIZE_WH[0]}x{SIZE_WH[1]} to 300x300, batch 16, {cores} cores')
    for name, rate in rates.items():
        print(f'{name:<38} {rate:6.0f} images/s')
    return 0 if rates['full augmentation'] >= arguments.at_least else 1


def write_photographs(folder: Path) -> list[Record]:
    """
    Write JPEG files that all have one object in the middle.

    :param folder: where
    :return: their records
    """
    import skimage.data

    records = []
    box = np.array([[100, 75, 400, 300]], np.float32)
    truths = GroundTruths(box, np.array([1]), np.array([False]))
    for number, name in enumerate(PHOTOGRAPHS * COPIES):
        image_rgb = cv2.resize(getattr(skimage.data, name)(), SIZE_WH)
        path = folder / f'{number}.jpg'
        quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), quality)
        records.append(Record(path.stem, ImageFile(path), SIZE_WH, truths))
    return records


def load_augmentation(*overrides: str) -> AugmentationSettings:
    """
    Load the augmentation of the baseline experiment, where every change is on but mosaic.

    :param overrides: `key.path=value`
    :return: the section
    """
    path = Path('experiments/exp001_baseline.yaml')
    config, _ = load_experiment(path, CONFIG_ROOT, overrides=overrides, environment={})
    return config.augmentation


def measure(records: list[Record], num_batches: int, *overrides: str) -> float:
    """
    Time batches.

    :param records: what is read
    :param num_batches: counted ones, after a warm-up
    :param overrides: of the augmentation
    :return: images/s
    """
    warmup, batch_size = 12, 16
    steps_per_epoch = len(records) // batch_size
    batches = iter(
        training_batches(
            records,
            load_augmentation(*overrides),
            size_hw=(300, 300),
            batch_size=batch_size,
            epochs=(warmup + num_batches) // steps_per_epoch + 2,
            seed=0,
        )
    )
    for _ in range(warmup):
        next(batches)
    start_s = time.perf_counter()
    for _ in range(num_batches):
        next(batches)
    return num_batches * batch_size / (time.perf_counter() - start_s)


if __name__ == '__main__':
    sys.exit(main())
