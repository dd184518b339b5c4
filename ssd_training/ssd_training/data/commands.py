"""What `python -m ssd_training.data` does, and how it says it."""

from collections.abc import Iterator
import io
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ssd_training.data.annotations.identity import check_disjoint
from ssd_training.data.checking.check import CheckResult
from ssd_training.data.checking.statistics import describe_split, SIZE_EDGES_PX
from ssd_training.data.datasets import keep_readable, read_split, shards_root
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import DataSettings
from ssd_training.experiments.schema import ExperimentConfig


def describe(config: ExperimentConfig) -> dict[str, Any]:
    """
    Count what is in an experiment's data, and match it with its priors.

    :param config: the experiment
    :return: split -> see describe_split
    """
    # Keras, which takes seconds.
    from ssd_training.targets.priors import generate_priors

    priors_cxcywh = generate_priors(config.priors, config.input_size)
    return {
        split: describe_split(
            read_split(config.data, split),
            labels=config.data.labels,
            priors_cxcywh=priors_cxcywh,
            input_size_px=config.input_size[0],
            iou_threshold_pos=config.matcher.iou_threshold_pos,
        )
        for split in config.data.splits
    }


def write_preview(config: ExperimentConfig, path: Path, num_images: int) -> None:
    """
    Draw the first samples of an experiment's training.

    :param config: the experiment
    :param path: of the PNG
    :param num_images: samples
    :raises DataError: when it can not be written
    """
    from ssd_training.data.checking.preview import draw_preview

    sheet_rgb = draw_preview(
        read_split(config.data, config.data.train_split),
        config.augmentation,
        labels=config.data.labels,
        size_px=config.input_size[0],
        num_images=num_images,
        seed=config.train.seed,
        skips_unreadable=config.data.unreadable_images == 'skip',
    )
    _, encoded = cv2.imencode('.png', cv2.cvtColor(sheet_rgb, cv2.COLOR_RGB2BGR))
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise DataError([f'{path}: can not be written ({error.strerror})']) from error


def write_tfrecords(settings: DataSettings, *, overwrite: bool) -> Iterator[Path]:
    """
    Write all splits as shards.

    :param settings: the section `data`
    :param overwrite: replace shards that are there
    :return: the folders
    :raises DataError: when the data are wrong or shards are there already
    """
    from ssd_training.data.sources.shard_writing import write_shards
    from ssd_training.data.sources.shards import shard_folder

    if settings.tfrecords.enabled:
        raise DataError(
            ['data.tfrecords.enabled: is true, so that shards are read; give false to write them']
        )
    records = {split: read_split(settings, split) for split in settings.splits}
    check_disjoint(*records.values())
    skips_unreadable = settings.unreadable_images == 'skip'
    for split in settings.splits:
        folder = shard_folder(shards_root(settings), split)
        readable = keep_readable(records[split], skips_unreadable=skips_unreadable)
        write_shards(readable, folder, labels=settings.labels, overwrite=overwrite)
        yield folder


def format_check(result: CheckResult) -> str:
    """
    Show findings as a table.

    :param result: from check_data
    :return: lines of text
    """
    table = Table('split', 'finding', 'count', 'verdict', 'for example')
    for split, kind, count, is_allowed, first in result.rows():
        verdict = 'allowed' if is_allowed else 'wrong'
        table.add_row(split, kind, str(count), verdict, Text(str(first)))
    images = ', '.join(f'{split} {count}' for split, count in result.num_images.items())
    verdict = 'nothing is wrong' if result.is_good else 'see "wrong" above; --json lists all'
    parts: list[RenderableType] = [table] if table.row_count else []
    return _render(*parts, f'images: {images}; {verdict}')


def format_stats(splits: dict[str, Any]) -> str:
    """
    Show statistics as tables.

    :param splits: from describe
    :return: lines of text
    """
    parts: list[RenderableType] = []
    for split, stats in splits.items():
        quantiles = ', '.join(f'{q}: {side}' for q, side in stats['side_px_quantiles'].items())
        parts += [
            f'{split}: {stats["images"]} images ({stats["images_without_objects"]} without '
            f'objects), {stats["objects"]} objects ({stats["difficult"]} difficult)',
            f'side, px of the input, quantiles {quantiles}',
            _class_table(stats['classes']),
            _recall_table(stats['prior_recall']),
        ]
    return _render(*parts)


def _class_table(classes: dict[str, Any]) -> Table:
    table = Table('class', 'images', 'objects', 'difficult')
    for label, counts in classes.items():
        numbers = (counts['images'], counts['objects'], counts['difficult'])
        table.add_row(label, *map(str, numbers))
    return table


def _recall_table(rows: list[dict[str, Any]]) -> Table:
    columns = ('side, px', 'objects', 'mean best IoU', 'prior recall', 'with forced priors')
    table = Table(*columns, title='not difficult objects that the priors match')
    for row in rows:
        table.add_row(
            _size_name(*row['side_px']),
            str(row['objects']),
            *(
                '-' if row[key] is None else f'{row[key]:.3f}'
                for key in ('mean_best_iou', 'reach_threshold', 'with_forced_priors')
            ),
        )
    return table


def _size_name(low_px: int, high_px: int) -> str:
    if high_px < SIZE_EDGES_PX[-1]:
        return f'{low_px} to {high_px}'
    return f'{low_px} and more' if low_px else 'all'


def _render(*parts: RenderableType) -> str:
    # Plain text of one width, whatever the terminal.
    console = Console(file=io.StringIO(), width=118, highlight=False)
    for part in parts:
        console.print(part)
    return str(console.file.getvalue()).rstrip()  # type: ignore[attr-defined]
