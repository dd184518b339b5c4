"""Scores as lines of a terminal, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ssd_detector.report.result import Result
from ssd_detector.report.text import format_number, format_percent
from ssd_training.evaluation.scoring import Score


def to_tree(scores: Sequence[Score], num_images: int) -> dict[str, Any]:
    """
    Give scores as plain values.

    :param scores: of stages
    :param num_images: that they were scored on
    :return: metrics are those of metrics.json, or None of an absent stage
    """
    return {
        'num_images': num_images,
        'stages': [
            {
                'stage': score.stage.name,
                'absent': score.reason or None,
                'before': score.before,
                'loss': score.loss,
                'metrics': asdict(score.result) if score.result else None,
            }
            for score in scores
        ],
    }


def format_stages(scores: Sequence[Score], num_images: int) -> str:
    """
    Write one line a stage.

    :param scores: of stages
    :param num_images: that they were scored on
    :return: lines
    """
    head = f'{"stage":<12}{"mAP":>8}{"at 0.75":>9}{"COCO":>8}{"loss":>9}  against     '
    return '\n'.join(
        [f'{head} inference, {num_images} images', *(_format_stage(score) for score in scores)]
    )


def format_result(result: Result) -> str:
    """
    Write classes, errors and speed of one model.

    :param result: what was found
    :return: lines
    """
    return '\n'.join([*_list_classes(result), '', *_list_errors(result), *_list_speed(result)])


def _format_stage(score: Score) -> str:
    result = score.result
    if result is None:
        return f'{score.stage.name:<12}{"absent":>8}  {score.reason}'
    values = (result.mean_ap, result.mean_ap_75, result.coco['ap'])
    columns = ''.join(
        f'{format_number(v, 4):>{w}}' for v, w in zip(values, (8, 9, 8), strict=True)
    )
    loss = '–' if score.loss is None else f'{score.loss:+.4f}'
    time_ms = result.origin.speed_ms.get('inference')
    time = '–' if time_ms is None else f'{time_ms:.1f} ms'
    return f'{score.stage.name:<12}{columns}{loss:>9}  {score.before or "–":<12} {time}'


def _list_classes(result: Result) -> Iterator[str]:
    columns = ('objects', 'AP', 'AP 0.75', 'COCO AP', 'threshold', 'precision', 'recall', 'F1')
    width = max(map(len, ('class', *result.labels))) + 1
    yield f'{"class":<{width}}' + ''.join(f'{column:>10}' for column in columns)
    for class_result in result.by_class:
        best = class_result.best
        values = [
            str(class_result.num_objects),
            *(
                format_number(value, 4)
                for value in (class_result.ap, class_result.ap_75, class_result.ap_coco)
            ),
            *(
                format_number(value)
                for value in (
                    (best.score_threshold, best.precision, best.recall, best.f1)
                    if best
                    else (None,) * 4
                )
            ),
        ]
        yield f'{class_result.label:<{width}}' + ''.join(f'{value:>10}' for value in values)
    if result.best is not None:
        yield (
            f'all classes: best F1 {result.best.f1:.2f} at score {result.best.score_threshold:.2f}'
            f' (precision {result.best.precision:.2f}, recall {result.best.recall:.2f})'
        )


def _list_errors(result: Result) -> Iterator[str]:
    errors = ', '.join(
        f'{error.kind} {"–" if error.ap_lost is None else format_number(100 * error.ap_lost, 1)}'
        for error in result.errors
    )
    yield f'points of mAP lost to errors: {errors}'
    sizes = ', '.join(f'{found.size} {format_percent(found.ap)}' for found in result.by_size)
    yield f'AP by size of the object: {sizes}'


def _list_speed(result: Result) -> Iterator[str]:
    if result.origin.speed_ms:
        steps = ', '.join(f'{name} {ms:.1f}' for name, ms in result.origin.speed_ms.items())
        yield f'ms an image, side by side: {steps}; {result.origin.wall_s:.1f} s in all'
