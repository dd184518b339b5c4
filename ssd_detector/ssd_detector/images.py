"""Image files: which are read."""

from typing import Final

# OpenCV reads what the content says; these are the names that are looked for.
IMAGE_SUFFIXES: Final = (
    '.jpg',
    '.jpeg',
    '.jpe',
    '.jfif',
    '.png',
    '.bmp',
    '.webp',
    '.tif',
    '.tiff',
)
