"""Two results side by side: what differs, and whether it means anything."""

from dataclasses import asdict, dataclass
from typing import Any

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.bootstrap import compare, PairedBootstrap
from ssd_detector.evaluation.matching import Matching
from ssd_detector.report.result import Result
from ssd_detector.report.text import format_count, format_percent, format_points


@dataclass(frozen=True, eq=False)
class Side:
    """
    One of the two.

    :param name: for people
    :param result: what was found
    :param matching: what it was counted from
    """

    name: str
    result: Result
    matching: Matching


@dataclass(frozen=True)
class Change:
    """
    One figure in both; None where there is nothing to measure.

    :param name: of the class, error or size
    :param first: of A
    :param second: of B
    """

    name: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """B less A."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first


@dataclass(frozen=True, eq=False)
class ResultComparison:
    """
    B against A.

    :param first: A
    :param second: B
    :param at_iou: paired bootstrap of mAP at the IoU of the results
    :param at_75: likewise at IoU 0.75
    """

    first: Side
    second: Side
    at_iou: PairedBootstrap
    at_75: PairedBootstrap

    @property
    def by_class(self) -> list[Change]:
        """AP of each class."""
        pairs = zip(self.first.result.by_class, self.second.result.by_class, strict=True)
        return [Change(a.label, a.ap, b.ap) for a, b in pairs]

    @property
    def by_size(self) -> list[Change]:
        """AP of each size of objects."""
        pairs = zip(self.first.result.by_size, self.second.result.by_size, strict=True)
        return [Change(a.size, a.ap, b.ap) for a, b in pairs]

    @property
    def errors(self) -> list[Change]:
        """AP lost to each kind of errors."""
        pairs = zip(self.first.result.errors, self.second.result.errors, strict=True)
        return [Change(a.kind, a.ap_lost, b.ap_lost) for a, b in pairs]

    @property
    def settings(self) -> list[tuple[str, str, str]]:
        """What differs in settings, versions and data: name, of A, of B."""
        trees = [
            {
                **{f'eval.{key}': value for key, value in side.result.origin.settings.items()},
                **side.result.origin.versions,
                'data': side.result.origin.data.sha256[:12],
            }
            for side in (self.first, self.second)
        ]
        names = sorted(trees[0].keys() | trees[1].keys())
        rows = [(name, *(str(tree.get(name, '–')) for tree in trees)) for name in names]
        return [(name, a, b) for name, a, b in rows if a != b]

    @property
    def verdict(self) -> str:
        """Say in words which is better, or that it can not be told."""
        bootstrap = self.at_iou
        num_images = format_count(len(self.first.matching.image_ids))
        interval = f'{format_points(bootstrap.low)} to {format_points(bootstrap.high)}'
        confidence = f'{100 * bootstrap.confidence:.0f} %'
        points = f'{format_points(bootstrap.difference)} points of mAP'
        if bootstrap.first == bootstrap.second and bootstrap.low == bootstrap.high == 0:
            return f'A and B find the same on these {num_images} images, to the last detection.'
        if bootstrap.verdict == 'can not be told apart':
            return (
                f'A and B can not be told apart on these {num_images} images: B has '
                f'{points}, and the {confidence} interval, '
                f'{interval}, holds 0.'
            )
        return (
            f'B is {bootstrap.verdict} than A: {points}, '
            f'{confidence} interval {interval}, over resamples of the {num_images} images.'
        )


def compare_results(first: Side, second: Side) -> ResultComparison:
    """
    Compare two results on the same images.

    :param first: A
    :param second: B
    :raises EvaluationError: when they were not scored on the same, or not in the same way
    """
    keys = ('iou_threshold', 'interpolation')
    settings = [side.result.origin.settings for side in (first, second)]
    findings = [
        f'{key}: {settings[0].get(key)} in {first.name}, {settings[1].get(key)} in {second.name}; '
        f'score both in one way'
        for key in keys
        if settings[0].get(key) != settings[1].get(key)
    ]
    if findings:
        raise EvaluationError(findings)

    def bootstrap(iou_threshold: float) -> PairedBootstrap:
        return compare(
            first.matching,
            second.matching,
            iou_threshold=iou_threshold,
            interpolation='area' if settings[0].get('interpolation') == 'area' else '11point',
        )

    return ResultComparison(first, second, bootstrap(first.result.iou_threshold), bootstrap(0.75))


def to_tree(comparison: ResultComparison) -> dict[str, Any]:
    """
    Write a comparison as plain values: comparison.json.

    :param comparison: from compare_results
    :return: shares, not points; None where there is nothing to measure
    """

    def changes(rows: list[Change]) -> list[dict[str, Any]]:
        return [asdict(row) | {'difference': row.difference} for row in rows]

    return {
        'verdict': comparison.verdict,
        'first': comparison.first.name,
        'second': comparison.second.name,
        'mean_ap': _bootstrap_tree(comparison.at_iou),
        'mean_ap_75': _bootstrap_tree(comparison.at_75),
        'by_class': changes(comparison.by_class),
        'by_size': changes(comparison.by_size),
        'errors': changes(comparison.errors),
        'schema_version': 1,
    }


def format_comparison(comparison: ResultComparison) -> str:
    """
    Write a comparison for a terminal.

    :param comparison: from compare_results
    :return: lines
    """
    lines = [f'A  {comparison.first.name}', f'B  {comparison.second.name}', '']
    lines.append(f'{"":<16}{"A":>9}{"B":>9}{"B - A":>9}   95 % interval, points')
    iou = f'mAP at {comparison.first.result.iou_threshold:g}'
    for name, bootstrap in ((iou, comparison.at_iou), ('mAP at 0.75', comparison.at_75)):
        interval = f'{format_points(bootstrap.low)} to {format_points(bootstrap.high)}'
        lines.append(_line(Change(name, bootstrap.first, bootstrap.second)) + f'   {interval}')
    lines.append('')
    lines += [_line(change) for change in comparison.by_class]
    return '\n'.join([*lines, '', comparison.verdict])


def _line(change: Change) -> str:
    values = (
        format_percent(change.first),
        format_percent(change.second),
        format_points(change.difference),
    )
    return f'{change.name:<16}' + ''.join(f'{value:>9}' for value in values)


def _bootstrap_tree(bootstrap: PairedBootstrap) -> dict[str, Any]:
    return asdict(bootstrap) | {'difference': bootstrap.difference, 'verdict': bootstrap.verdict}
