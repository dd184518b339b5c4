"""The ledger for people: the reference's table, with who works and the age of leases."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
import math

from rich.text import Text

from ssd_training.ledger.stores.entry import Entry, Status, to_row

_COLORS = {
    Status.RUNNING: 'cyan',
    Status.SUCCESS: 'green',
    Status.FAILED: 'red',
}
# Name and width: the reference's, and what is new behind them.
_COLUMNS = (
    ('ID', 10),
    ('FINGERPRINT', 14),
    ('STATUS', 10),
    ('PRIORITY', 10),
    ('STEPS', 8),
    ('METRIC', 10),
    ('INSTANCE', 10),
    ('WORKER', 10),
    ('LEASE', 8),
    ('COST', 8),
)


def sort_entries(entries: Iterable[Entry]) -> list[Entry]:
    """
    Sort entries as the queue has them.

    :param entries: any
    :return: by priority, then by registration
    """
    return sorted(entries, key=lambda entry: entry.rank)


def format_table(entries: Sequence[Entry], now: datetime) -> str:
    """
    Write entries as lines of text.

    :param entries: in order
    :param now: the time
    :return: a line each, and one more for what there is to say
    """
    rows = [_cells(entry, now) for entry in entries]
    widths = [
        max([width, *(len(row[index]) + 1 for row in rows)])
        for index, (_, width) in enumerate(_COLUMNS)
    ]
    lines = [_format_line([name for name, _ in _COLUMNS], widths)]
    for entry, row in zip(entries, rows, strict=True):
        lines.append(_format_line(row, widths))
        if remark := describe_remark(entry):
            lines.append(f'  {remark}')
    return '\n'.join(lines)


def color_table(entries: Sequence[Entry], now: datetime) -> Text:
    """
    Give the same for a terminal, with states in colours.

    :param entries: in order
    :param now: the time
    :return: for rich; what is too long for the terminal is cut off
    """
    text = Text(format_table(entries, now), no_wrap=True, overflow='ellipsis')
    for status, color in _COLORS.items():
        # Behind a fingerprint: reasons speak of states, too.
        text.highlight_regex(rf'(?<=[0-9a-f]{{12}}  ){status.value}\b', color)
    return text


def to_json(entry: Entry) -> dict[str, object]:
    """
    Give an entry as plain values, without what only the ledger needs.

    :param entry: any
    :return: attribute -> value
    """
    row = to_row(entry)
    return {name: value for name, value in row.items() if name not in ('recipe', 'rank')}


def describe_remark(entry: Entry) -> str:
    """
    Say what a line of the table has no column for.

    :param entry: any
    :return: a failure, or why it does not start; may be empty
    """
    if entry.status is Status.SUCCESS:
        return ''
    remarks = []
    if entry.failure_reason:
        word = 'failure' if entry.status is Status.FAILED else 'before'
        remarks.append(f'{word}: {" ".join(entry.failure_reason.split())}')
    if entry.status is Status.FAILED:
        attempts = min(entry.failed_attempts, entry.max_attempts)
        remarks.append(f'(attempt {attempts} of {entry.max_attempts})')
    if entry.status is not Status.RUNNING and not entry.enabled:
        remarks.append('disabled')
    elif entry.is_blocked:
        remarks.append(f'waits for {", ".join(entry.depends_on)}')
    return ' '.join(remarks)


def _cells(entry: Entry, now: datetime) -> list[str]:
    metric = '-' if entry.best_metric is None else f'{entry.best_metric:.4f}'
    cost = '-' if entry.cost_usd is None else f'{entry.cost_usd:.2f} $'
    return [
        entry.experiment_id,
        entry.fingerprint,
        entry.status.value,
        f'{entry.priority:g}',
        '-' if entry.total_steps is None else str(entry.total_steps),
        metric,
        entry.instance_type or '-',
        # Behind it stand the process and a number that nobody else has.
        (entry.ec2_instance or '-').partition(':')[0],
        _describe_lease(entry, now),
        cost,
    ]


def _describe_lease(entry: Entry, now: datetime) -> str:
    """Say how long ago the last heartbeat was, by the clocks of holder and reader."""
    if entry.status is not Status.RUNNING:
        return '-'
    if entry.lease_expires is None or entry.lease_s is None:
        return 'none'
    begun = datetime.fromisoformat(entry.lease_expires) - timedelta(seconds=entry.lease_s)
    age_s = max(0, math.floor((now - begun).total_seconds()))
    over = ' over' if age_s > entry.lease_s else ''
    return f'{age_s} s{over}'


def _format_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, strict=True)
    return ''.join(cell.ljust(width) for cell, width in pairs).rstrip()
