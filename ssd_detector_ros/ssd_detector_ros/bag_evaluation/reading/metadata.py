"""Reads metadata.yaml of a recording, of every version, and finds the files that it names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import re
from typing import Any

import yaml

from ssd_detector.files import FileError, read_file
from ssd_detector.yaml_tree import MAX_YAML_BYTES, parse_yaml
from ssd_detector_ros.bag_evaluation.errors import BagError

METADATA = 'metadata.yaml'
SUFFIXES = ('.db3', '.mcap')
COMPRESSED = '.zstd'


@dataclass(frozen=True)
class Files:
    """
    The files of a recording.

    :param found: in the order in which they were recorded
    :param missing: those that metadata.yaml names besides
    :param num_promised: messages in all, as metadata.yaml says; None where nothing says it
    :param serializations: topic -> serialization, as metadata.yaml says
    """

    found: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    num_promised: int | None = None
    serializations: Mapping[str, str] = field(default_factory=dict)


def find_files(path: Path) -> Files:
    """
    Find what a path on the command line stands for.

    :param path: folder of a recording, with or without metadata.yaml, or one file of it
    :return: its files
    :raises BagError: when it is no recording
    """
    if not path.exists():
        raise BagError([f'{path}: no such file or folder; give the folder of a recording'])
    if path.is_file():
        _refuse_others(path)
        return Files((path,))
    metadata = path / METADATA
    if metadata.is_file():
        return _read_metadata(metadata)
    found = tuple(sorted((file for file in path.iterdir() if is_storage(file)), key=_natural))
    if not found:
        raise BagError(
            [
                f'{path}: holds neither {METADATA} nor *.db3 or *.mcap; give the folder that '
                f'ros2 bag record made'
            ]
        )
    return Files(found)


def is_storage(path: Path) -> bool:
    """
    Tell a file of a recording by its name.

    :param path: any
    :return: whether it is one, compressed or not
    """
    name = path.name.removesuffix(COMPRESSED)
    return path.is_file() and name.endswith(SUFFIXES)


def _refuse_others(path: Path) -> None:
    if is_storage(path):
        return
    with path.open('rb') as file:
        is_ros_1 = file.read(13).startswith(b'#ROSBAG V')
    if is_ros_1:
        raise BagError([f'{path}: a ROS 1 bag; convert it first: rosbags-convert --src {path}'])
    raise BagError([f'{path}: expected a folder, *.db3 or *.mcap (each also with {COMPRESSED})'])


def _read_metadata(path: Path) -> Files:
    try:
        content = read_file(path, limit_bytes=MAX_YAML_BYTES)
        tree = parse_yaml(content.decode('utf-8'))
        information: Mapping[str, Any] = tree['rosbag2_bagfile_information']
        names = [str(name) for name in information['relative_file_paths']]
    except (OSError, FileError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        reason = ' '.join(str(error).split())[:200]
        raise BagError(
            [
                f'{path}: can not be read as the metadata of a recording ({reason}); remove the '
                f'file to read the *.db3 or *.mcap beside it'
            ]
        ) from error
    found, missing = [], []
    for name in names:
        # Old versions put the name of the folder before it. What leads out of the folder is a
        # name like any other: a stranger's recording could name any of yours.
        places = [path.parent / name] if _is_below(name) else []
        places.append(path.parent / Path(name).name)
        there = next((place for place in places if os.path.isfile(place)), None)
        if there is None:
            missing.append(name)
        else:
            found.append(there)
    if not found:
        raise BagError(
            [
                f'{path}: none of the {len(names)} files that it names is there '
                f'({", ".join(names[:3])}); copy them beside it'
            ]
        )
    promised = information.get('message_count')
    return Files(
        tuple(found),
        tuple(missing),
        promised if isinstance(promised, int) else None,
        dict(_list_serializations(information)),
    )


def _is_below(name: str) -> bool:
    return not Path(name).is_absolute() and '..' not in Path(name).parts


def _list_serializations(information: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entries = information.get('topics_with_message_count')
    for entry in entries if isinstance(entries, list) else ():
        topic = entry.get('topic_metadata') if isinstance(entry, dict) else None
        if isinstance(topic, dict) and topic.get('name') and topic.get('serialization_format'):
            yield str(topic['name']), str(topic['serialization_format'])


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort _2 before _10."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
