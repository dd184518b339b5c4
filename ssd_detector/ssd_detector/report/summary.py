"""What a result says, in sentences that lead to the next step."""

from collections.abc import Iterator

from ssd_detector.report.result import ConfusionResult, Result
from ssd_detector.report.text import format_number, format_percent

_NUM_NAMED = 3
_REMEDIES = {
    'classification': 'the right place with the wrong class: look at pairs in the matrix below',
    'localization': 'the right class with a loose box: IoU between 0.1 and the threshold',
    'both': 'wrong class and loose box',
    'duplicate': 'a second box on an object that was found: a lower NMS threshold removes some',
    'background': 'boxes where no object is annotated',
    'missed': 'objects that nothing found: often small, hidden or rare ones',
}


def describe_error(kind: str) -> str:
    """
    Say what a kind of errors is.

    :param kind: of ErrorResult
    :return: a phrase
    """
    return _REMEDIES.get(kind, '')


def summarize(result: Result) -> list[str]:
    """
    Pick out what matters most.

    :param result: what was found
    :return: sentences; fewer when there is less to say
    """
    return [
        *_name_weakest(result),
        *_name_largest_loss(result),
        *_compare_sizes(result),
        *_name_confusions(result.confusion),
        *_recommend_threshold(result),
    ]


def _name_weakest(result: Result) -> Iterator[str]:
    known = sorted(
        (of_class.ap, of_class.label) for of_class in result.by_class if of_class.ap is not None
    )
    if len(known) > 1:
        weakest = ', '.join(f'{label} {format_percent(ap)}' for ap, label in known[:_NUM_NAMED])
        best_ap, best_label = known[-1]
        yield f'Weakest classes: {weakest}; best: {best_label} {format_percent(best_ap)}.'


def _name_largest_loss(result: Result) -> Iterator[str]:
    losses = [(error.ap_lost or 0, error.kind) for error in result.errors]
    lost, kind = max(losses, default=(0, ''))
    if lost > 0:
        yield (
            f'Most AP is lost to {kind} errors ({_REMEDIES.get(kind, kind)}): without them mAP '
            f'would be {format_number(100 * lost, 1)} points higher.'
        )


def _compare_sizes(result: Result) -> Iterator[str]:
    known = [of_size for of_size in result.by_size if of_size.ap is not None]
    if len(known) > 1:
        parts = ', '.join(f'{of_size.size} {format_percent(of_size.ap)}' for of_size in known)
        yield f'AP by size of the object: {parts}.'


def _name_confusions(confusion: ConfusionResult) -> Iterator[str]:
    pairs = sorted(
        (
            (count, confusion.names[true_class], confusion.names[detected_class])
            for true_class, counts in enumerate(confusion.counts)
            for detected_class, count in enumerate(counts)
            if count and true_class and detected_class and true_class != detected_class
        ),
        reverse=True,
    )
    if pairs:
        named = ', '.join(
            f'{true} taken for {taken} ({count})' for count, true, taken in pairs[:_NUM_NAMED]
        )
        yield f'Most often confused: {named}.'


def _recommend_threshold(result: Result) -> Iterator[str]:
    if (best := result.best) is not None:
        yield (
            f'One threshold for all classes: score_threshold {best.score_threshold:.2f} gives the '
            f'best F1, with precision {format_percent(best.precision)} and recall '
            f'{format_percent(best.recall)}.'
        )
