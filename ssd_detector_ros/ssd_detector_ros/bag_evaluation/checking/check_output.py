"""The lines of the contract on a terminal, and as files."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ssd_detector.report.page import make_environment
from ssd_detector_ros.bag_evaluation.checking.contract import Line
from ssd_detector_ros.bag_evaluation.checking.observation import Observation
from ssd_detector_ros.bag_evaluation.pages.result_files import (
    make_folder,
    PAGE,
    RESULT,
    write_json,
)

_VERDICTS = {True: 'pass', False: 'FAIL', None: '-'}


def format_lines(lines: Sequence[Line]) -> str:
    """
    Write the lines for a terminal.

    :param lines: of the contract
    :return: text
    """
    rows = [f'{_VERDICTS[line.is_kept]:<5}{line.name:<12}{line.why}' for line in lines]
    failed = [line.name for line in lines if line.is_kept is False]
    verdict = f'broken: {", ".join(failed)}' if failed else 'it is kept'
    return '\n'.join([*rows, '', f'the contract: {verdict}'])


def write_check(lines: Sequence[Line], seen: Observation, folder: Path, *, title: str) -> None:
    """
    Write result.json and report.html.

    :param lines: of the contract
    :param seen: what they come from
    :param folder: is made when missing
    :param title: of what was checked
    """
    make_folder(folder)
    tree = {
        'schema_version': 1,
        'mode': 'check',
        'source': {'title': title},
        'is_kept': all(line.is_kept is not False for line in lines),
        'images': len(seen.images),
        'answers': len(seen.arrays),
        'lines': [asdict(line) for line in lines],
    }
    write_json(tree, folder / RESULT)
    environment = make_environment('ssd_detector_ros.bag_evaluation')
    page = environment.get_template('bag_check.html.jinja').render(
        title=title, lines=lines, num_images=len(seen.images), num_arrays=len(seen.arrays)
    )
    (folder / PAGE).write_text(page, encoding='utf-8')
