"""
Text on images, in any script.

OpenCV 5 draws every script itself. OpenCV 4, which distributions have, draws `?` for each letter
beyond ASCII: there Pillow draws, with a font of the system that has the letters. Without either
the letters are spelled in ASCII.
"""

from functools import lru_cache
from importlib.util import find_spec
from typing import Any
import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
_OPENCV_DRAWS_ALL = int(cv2.__version__.partition('.')[0]) >= 5
# Of Ubuntu's and Debian's fonts-dejavu-core, -noto-core, -noto-cjk, -wqy-microhei, -freefont-ttf;
# Pillow looks for them where the system has its fonts.
_FONTS = (
    'DejaVuSans.ttf',
    'NotoSans-Regular.ttf',
    'NotoSansCJK-Regular.ttc',
    'wqy-microhei.ttc',
    'FreeSans.ttf',
)
# Makes capitals as high as OpenCV's are at scale 1.
_SIZE_PX = 30
# No font has a letter there: what is drawn for it is drawn for every letter that is missing.
_NO_LETTER = '\U0010ffff'


def measure_text(text: str, *, scale: float, thickness: int) -> tuple[int, int, int]:
    """
    Measure a text.

    :param text: one line
    :param scale: as of cv2.putText
    :param thickness: of the strokes, px
    :return: width, height above the base line, depth below it, px
    """
    if (font := _font_for(text, scale)) is not None:
        ascent, descent = font.getmetrics()
        return int(font.getbbox(text)[2]), int(ascent), int(descent)
    (width, height), depth = cv2.getTextSize(_drawable(text), _HERSHEY, scale, thickness)
    return width, height, depth


def put_text(
    canvas: NDArray[np.uint8],
    text: str,
    origin_xy: tuple[int, int],
    *,
    color_rgb: tuple[int, int, int],
    scale: float,
    thickness: int,
) -> None:
    """
    Draw a text.

    :param canvas: (H, W, 3) uint8, RGB; is drawn on
    :param text: one line
    :param origin_xy: left end of the base line, px
    :param color_rgb: of the letters
    :param scale: as of cv2.putText
    :param thickness: of the strokes, px
    """
    font = _font_for(text, scale)
    if font is None:
        drawable = _drawable(text)
        cv2.putText(
            canvas, drawable, origin_xy, _HERSHEY, scale, color_rgb, thickness, cv2.LINE_AA
        )
        return
    width, ascent, depth = measure_text(text, scale=scale, thickness=thickness)
    left, top = origin_xy[0], origin_xy[1] - ascent
    shares = _draw_mask(font, text, (width, ascent + depth))[max(-top, 0) :, max(-left, 0) :]
    area = canvas[max(top, 0) : top + ascent + depth, max(left, 0) : left + width]
    shares = shares[: area.shape[0], : area.shape[1], None]
    area[...] = np.rint(area * (1 - shares) + np.array(color_rgb) * shares).astype(np.uint8)


def _drawable(text: str) -> str:
    """Spell in ASCII what OpenCV would not draw: accents go, other letters become numbers."""
    if _OPENCV_DRAWS_ALL or text.isascii():
        return text
    letters = unicodedata.normalize('NFKD', text)
    plain = ''.join(letter for letter in letters if not unicodedata.combining(letter))
    return plain.encode('ascii', 'backslashreplace').decode()


def _font_for(text: str, scale: float) -> Any:
    """Find a font of Pillow's; None where OpenCV draws, or nothing has the letters."""
    if _OPENCV_DRAWS_ALL or text.isascii():
        return None
    letters = ''.join(sorted(letter for letter in set(text) if not letter.isascii()))
    return _find_font(letters, max(round(_SIZE_PX * scale), 8))


@lru_cache(maxsize=64)
def _find_font(letters: str, size_px: int) -> Any:
    fonts = (_load_font(name, size_px) for name in (*_FONTS, ''))
    return next((font for font in fonts if font is not None and _has(font, letters)), None)


@lru_cache(maxsize=64)
def _load_font(name: str, size_px: int) -> Any:
    """Load a font of the system, or Pillow's own; None where it is not."""
    if find_spec('PIL') is None:
        return None
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size_px) if name else ImageFont.load_default(size_px)
    # Before Pillow 10.1 its own font has one size and few letters.
    except (OSError, TypeError):
        return None


def _has(font: Any, letters: str) -> bool:
    missing = bytes(font.getmask(_NO_LETTER))
    return all(bytes(font.getmask(letter)) != missing for letter in letters)


def _draw_mask(font: Any, text: str, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Draw a text alone: the share of each pixel that it covers."""
    from PIL import Image, ImageDraw

    mask = Image.new('L', size_wh)
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font)
    return np.asarray(mask, np.float32) / np.float32(255)
