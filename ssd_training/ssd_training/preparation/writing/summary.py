"""What `data prepare` found, as tables."""

from collections import Counter
import io
from pathlib import Path
import shlex
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ssd_detector.printable import printable
from ssd_training.preparation.judging.splits import count_learnable
from ssd_training.preparation.layouts.detection import TITLES
from ssd_training.preparation.layouts.listing import EXPERIMENT, FINDINGS
from ssd_training.preparation.preparing import Prepared
from ssd_training.preparation.writing.experiment_files import DEPLOY, model_name

_WIDTH = 118


def as_tree(prepared: Prepared) -> dict[str, Any]:
    """
    Give everything as JSON has it.

    :param prepared: what was found
    :return: the tree
    """
    return {
        'layout': prepared.layout,
        'labels': list(prepared.labels),
        'splits': {
            split: {'images': len(found), 'objects': dict(count_learnable(found))}
            for split, found in prepared.splits.items()
        },
        'notes': list(prepared.notes),
        'findings': [vars(finding) for finding in prepared.findings],
    }


def format_summary(prepared: Prepared, folder: Path) -> str:
    """
    Say what was found, what is odd, and what comes next.

    :param prepared: what was found
    :param folder: that was written
    :return: lines of text
    """
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, soft_wrap=True)
    console.print(f'layout: {TITLES[prepared.layout]}', markup=False)
    console.print(_class_table(prepared))
    for note in prepared.notes:
        console.print(f'note: {printable(note)}', markup=False)
    if prepared.findings:
        console.print(_finding_table(prepared))
        console.print(f'all findings: {folder / FINDINGS}', markup=False)
    console.print(_next_steps(folder), markup=False)
    return str(console.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def _class_table(prepared: Prepared) -> Table:
    splits = list(prepared.splits)
    table = Table('class', *(f'objects in {split}' for split in splits))
    counts = [count_learnable(prepared.splits[split]) for split in splits]
    for label in prepared.labels:
        table.add_row(Text(label), *(str(count[label]) for count in counts))
    table.add_section()
    table.add_row('pictures', *(str(len(prepared.splits[split])) for split in splits))
    empty = (
        sum(not annotation.objects for annotation in prepared.splits[split]) for split in splits
    )
    table.add_row('of them without objects', *map(str, empty))
    return table


def _finding_table(prepared: Prepared) -> Table:
    table = Table('finding', 'count', 'for example')
    kinds = Counter(finding.kind for finding in prepared.findings)
    for kind, count in kinds.most_common():
        first = next(finding for finding in prepared.findings if finding.kind == kind)
        table.add_row(kind, str(count), Text(str(first)))
    return table


def _next_steps(folder: Path) -> str:
    experiment, deploy = (shlex.quote(str(folder / name)) for name in (EXPERIMENT, DEPLOY))
    return '\n'.join(
        (
            'next:',
            f'  python -m ssd_training.data check --experiment_path {experiment}',
            f'  python -m ssd_training.train --experiment_path {experiment}',
            f'  python -m ssd_training.deploy --deploy_config {deploy}',
            f'  ros2 launch ssd_detector_ros detector.launch.py '
            f'bundle:=$PWD/exported_model/{model_name(folder)} image_topic:=/camera/image_raw',
        )
    )
