"""An evaluation as lines of a terminal."""

from collections.abc import Iterator, Sequence

from ssd_detector.report.result import Result
from ssd_detector.report.text import format_number, format_percent
from ssd_detector_ros.bag_evaluation.scoring.gates import drop_rate, Gate
from ssd_detector_ros.bag_evaluation.scoring.latency import Latency
from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


def format_evaluation(evaluation: Evaluation, gates: Sequence[Gate]) -> str:
    """
    Write what was found.

    :param evaluation: what was found
    :param gates: from check_gates
    :return: lines
    """
    parts = (
        list(_describe_frames(evaluation)),
        list(_list_accuracy(evaluation)),
        list(_list_times(evaluation)),
        [f'{"pass" if gate.is_passed else "FAIL"}  {gate.text}' for gate in gates],
    )
    return '\n\n'.join('\n'.join(lines) for lines in parts if lines)


def _describe_frames(evaluation: Evaluation) -> Iterator[str]:
    names = ', '.join(sequence.name for sequence in evaluation.sequences)
    rate = drop_rate(evaluation)
    yield (
        f'{names}: {len(evaluation.frames)} frames, {len(evaluation.detections)} answered '
        f'({format_percent(rate)} dropped), {len(evaluation.ground_truths)} with ground truth'
    )
    for name, count in sorted(evaluation.counts.items()):
        yield f'  {count} {name}'
    for note in evaluation.notes:
        yield f'  note: {note}'


def _list_accuracy(evaluation: Evaluation) -> Iterator[str]:
    result = evaluation.result
    if result is None:
        yield 'no ground truth: nothing to score; compare_bags compares detectors without any'
        return
    yield f'mAP at IoU 0.5      {format_number(result.mean_ap, 4)}'
    if len(evaluation.detections) < len(evaluation.frames):
        yield f'  answered frames   {format_number(evaluation.map_answered, 4)}'
    yield f'mAP at IoU 0.75     {format_number(result.mean_ap_75, 4)}'
    yield f'COCO AP             {format_number(result.coco["ap"], 4)}'
    if (score := evaluation.streaming) is not None:
        yield (
            f'streaming AP (sAP)  {format_number(score.sap, 4)}   {format_percent(score.ratio)} '
            f'of {format_number(score.ap, 4)}; {score.num_misses} misses, '
            f'{format_percent(score.predecessor_share)} of the frames with the output of the '
            f'frame before, mean lag {format_number(score.mean_lag_frames)} frames'
        )
        yield f'                    ({evaluation.streaming_of})'
    yield ''
    yield from _list_classes(result)


def _list_classes(result: Result) -> Iterator[str]:
    width = max(map(len, ('class', *result.labels))) + 1
    columns = ('objects', 'AP', 'AP 0.75', 'threshold', 'precision', 'recall')
    yield f'{"class":<{width}}' + ''.join(f'{column:>10}' for column in columns)
    for figures in result.by_class:
        if not figures.num_objects and not figures.num_difficult:
            continue
        best = figures.best
        point = (best.score_threshold, best.precision, best.recall) if best else (None,) * 3
        values = [
            str(figures.num_objects),
            format_number(figures.ap, 4),
            format_number(figures.ap_75, 4),
            *(format_number(value) for value in point),
        ]
        yield f'{figures.label:<{width}}' + ''.join(f'{value:>10}' for value in values)


def _list_times(evaluation: Evaluation) -> Iterator[str]:
    rows: list[tuple[str, Latency]] = list(evaluation.stage_ms.items())
    if evaluation.answer_ms:
        rows.append(('image to answer', evaluation.answer_ms))
    if evaluation.age_ms:
        rows.append(('stamp to answer', evaluation.age_ms))
    if rows:
        columns = ('p50', 'p95', 'p99', 'max', 'jitter')
        yield f'{"ms a frame":<18}' + ''.join(f'{column:>9}' for column in columns)
    for name, latency in rows:
        values = (
            latency.p50_ms,
            latency.p95_ms,
            latency.p99_ms,
            latency.max_ms,
            latency.jitter_ms,
        )
        yield f'{name:<18}' + ''.join(f'{value:>9.2f}' for value in values)
    for name, value in evaluation.replay.items():
        if isinstance(value, str | int | float):
            yield f'{name.replace("_", " "):<34}{value}'
