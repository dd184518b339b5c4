"""Slow, obviously right conversions of camera encodings, pixel by pixel, in plain Python."""

import numpy as np
from numpy.typing import NDArray


def scale_samples(samples: NDArray[np.integer], bits: int) -> NDArray[np.uint8]:
    """
    Scale 0..2^bits - 1 to 0..255, to the nearest; more is 255.

    :param samples: of any shape
    :param bits: of a sample; 2^bits - 1 is odd, so no value lies half way
    :return: of the same shape
    """
    highest = 2**bits - 1
    clipped = np.minimum(samples.astype(np.int64), highest)
    return ((2 * 255 * clipped + highest) // (2 * highest)).astype(np.uint8)


def yuv_to_rgb(y: int, u: int, v: int) -> tuple[float, float, float]:
    """
    Convert one sample (ITU-R BT.601, limited range).

    :param y: 0..255, as u and v
    :return: red, green, blue in 0..255, not rounded
    """
    luma = 1.164383 * max(y - 16, 0)
    red = luma + 1.596027 * (v - 128)
    green = luma - 0.391762 * (u - 128) - 0.812968 * (v - 128)
    blue = luma + 2.017232 * (u - 128)
    return tuple(min(max(value, 0.0), 255.0) for value in (red, green, blue))


def packed_422_to_rgb(rows: NDArray[np.uint8], order: str) -> NDArray[np.float64]:
    """
    Convert images of four bytes for two pixels.

    :param rows: (H, 2 W) uint8
    :param order: of the bytes, such as `uyvy`
    :return: (H, W, 3)
    """
    height, width = rows.shape[0], rows.shape[1] // 2
    first_y, second_y = (i for i, letter in enumerate(order) if letter == 'y')
    image_rgb = np.zeros((height, width, 3))
    for row in range(height):
        for pair in range(width // 2):
            group = [int(value) for value in rows[row, 4 * pair : 4 * pair + 4]]
            u, v = group[order.index('u')], group[order.index('v')]
            image_rgb[row, 2 * pair] = yuv_to_rgb(group[first_y], u, v)
            image_rgb[row, 2 * pair + 1] = yuv_to_rgb(group[second_y], u, v)
    return image_rgb


def semi_planar_420_to_rgb(rows: NDArray[np.uint8], order: str) -> NDArray[np.float64]:
    """
    Convert images with a plane of luma and, below it, one of chroma at half the size.

    :param rows: (1.5 H, W) uint8
    :param order: `uv` for NV12, `vu` for NV21
    :return: (H, W, 3)
    """
    height, width = rows.shape[0] * 2 // 3, rows.shape[1]
    image_rgb = np.zeros((height, width, 3))
    for row in range(height):
        for column in range(width):
            chroma = rows[height + row // 2, column // 2 * 2 : column // 2 * 2 + 2]
            u, v = int(chroma[order.index('u')]), int(chroma[order.index('v')])
            image_rgb[row, column] = yuv_to_rgb(int(rows[row, column]), u, v)
    return image_rgb


def bayer_to_rgb(mosaic: NDArray[np.uint8], pattern: str) -> NDArray[np.uint8]:
    """
    Give each pixel the mean of the nearest samples of each colour (bilinear).

    :param mosaic: (H, W) uint8, mirrored beyond its edges
    :param pattern: colours of the first two pixels of the first two rows, such as `rggb`
    :return: (H, W, 3) uint8
    """
    height, width = mosaic.shape
    padded = np.pad(mosaic.astype(int), 1, mode='reflect')
    image_rgb = np.zeros((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            for channel, color in enumerate('rgb'):
                image_rgb[row, column, channel] = _nearest_mean(
                    padded, row, column, pattern=pattern, color=color
                )
    return image_rgb


def _nearest_mean(
    padded: NDArray[np.integer], row: int, column: int, *, pattern: str, color: str
) -> int:
    rings = (((0, 0),), ((-1, 0), (1, 0), (0, -1), (0, 1)), ((-1, -1), (-1, 1), (1, -1), (1, 1)))
    for ring in rings:
        values = [
            padded[row + 1 + dy, column + 1 + dx]
            for dy, dx in ring
            if pattern[(row + dy) % 2 * 2 + (column + dx) % 2] == color
        ]
        if values:
            return (int(sum(values)) + len(values) // 2) // len(values)
    raise AssertionError(f'pattern {pattern} has no {color}')
