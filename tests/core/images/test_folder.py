"""Folders of pictures, as phones, Macs and cameras leave them."""

import pytest

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.folder import (
    ARCHIVE_SUFFIXES,
    FOREIGN_SUFFIXES,
    VIDEO_SUFFIXES,
    walk_folder,
)
from tests.locked_folders import lock


def names(paths, root):
    return [str(path.relative_to(root)) for path in paths]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / '.pictures'
    for name in ('__MACOSX', 'below', '.thumbnails', 'z.jpg'):
        (root / name).mkdir(parents=True)
    for name in ('a.JPG', '._a.JPG', '.DS_Store', 'Thumbs.db', 'below/b.png', 'z.jpg/c.tif'):
        (root / name).touch()
    for name in ('__MACOSX/a.jpg', '.thumbnails/a.jpg'):
        (root / name).touch()
    return root


def test_what_systems_leave_and_folders_named_as_pictures_are_no_pictures(folder):
    assert names(walk_folder(folder).images, folder) == ['a.JPG', 'below/b.png', 'z.jpg/c.tif']


def test_links_to_folders_are_told_and_not_followed(folder, tmp_path):
    (folder / 'elsewhere').symlink_to(tmp_path)

    found = walk_folder(folder)

    assert names(found.linked, folder) == ['elsewhere'] and len(found.images) == 3


def test_a_folder_that_may_not_be_read_is_told_with_the_reason(folder, monkeypatch):
    lock(monkeypatch, 'below')

    found = walk_folder(folder)

    assert names(found.images, folder) == ['a.JPG', 'z.jpg/c.tif']
    assert found.describe_refused() == [f'{folder}/below: can not be read (Permission denied)']


def test_a_name_tells_one_thing():
    kinds = (*IMAGE_SUFFIXES, *FOREIGN_SUFFIXES, *VIDEO_SUFFIXES, *ARCHIVE_SUFFIXES)

    assert len(kinds) == len({*kinds})
