"""Which class a class_id of a message means: a label, a number, or a name of somebody else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ssd_detector.bundles.labels import find_label_faults
from ssd_detector.files import FileError, MAX_LABELS_BYTES, read_file
from ssd_detector.yaml_tree import MAX_YAML_BYTES, parse_yaml
from ssd_detector_ros.bag_evaluation.errors import BagError


@dataclass(eq=False)
class ClassReader:
    """
    Turns class_id of messages into classes.

    :param labels: names of the classes 1, 2, ... that are scored
    :param names: what other texts mean: numbers by LabelInfo, names by a class map
    :param unknown: texts that mean none of the classes, with how often they came
    """

    labels: Sequence[str]
    names: Mapping[str, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._class_ids = {label: number for number, label in enumerate(self.labels, start=1)}

    def read(self, class_id: str) -> int | None:
        """
        Read a class_id.

        :param class_id: of a message
        :return: number of the class, from 1; None for none of them, which is counted
        """
        label = self.names.get(class_id, class_id)
        number = self._class_ids.get(label)
        if number is None:
            self.unknown[class_id] += 1
        return number


def read_labels(path: Path) -> tuple[str, ...]:
    """
    Read a list of labels.

    :param path: file with one a line, in the order of classes 1, 2, ...
    :return: the labels
    :raises BagError: when it can't be read, or holds what no list may hold
    """
    try:
        lines = read_file(path, limit_bytes=MAX_LABELS_BYTES).decode('utf-8').splitlines()
    except (OSError, FileError, ValueError) as error:
        raise BagError(
            [f'{path}: can not be read ({error}); expected one label a line']
        ) from error
    labels = tuple(line.strip() for line in lines if line.strip())
    if faults := list(find_label_faults(labels)):
        raise BagError([f'{path}: {fault}' for fault in faults])
    if not labels:
        raise BagError([f'{path}: holds no label; expected one a line'])
    return labels


def read_class_map(path: Path) -> dict[str, str]:
    """
    Read what the names of another detector mean.

    :param path: YAML file of lines `their name or number: our label`
    :return: their name -> our label
    :raises BagError: when it can't be read or is no such file
    """
    try:
        tree = parse_yaml(read_file(path, limit_bytes=MAX_YAML_BYTES).decode('utf-8'))
    except (OSError, FileError, ValueError, yaml.YAMLError) as error:
        raise BagError([f'{path}: can not be read as YAML ({error})']) from error
    if not isinstance(tree, dict) or not tree:
        raise BagError([f'{path}: expected lines such as `0: person` or `car: vehicle`'])
    return {str(theirs): str(ours) for theirs, ours in tree.items()}
