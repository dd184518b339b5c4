"""What lets the command fail although everything ran."""

from collections.abc import Sequence

from ssd_training.evaluation.scoring import Score


def find_failures(scores: Sequence[Score], *, min_map: float | None, max_loss: float) -> list[str]:
    """
    Hold scores against what is asked for.

    :param scores: of stages; absent ones pass
    :param min_map: each stage needs at least so much, or None
    :param max_loss: points of mAP (hundredths) that a stage may lose against the one before
    :return: a sentence for each stage that does not pass
    """
    failures = []
    for score in scores:
        if score.result is None:
            continue
        name, mean_ap = score.stage.name, score.result.mean_ap
        # NaN compares as false to everything.
        if score.loss is not None and not 100 * score.loss <= max_loss:
            failures.append(
                f'{name}: loses {100 * score.loss:.2f} points of mAP against {score.before}; '
                f'{max_loss:g} are allowed'
            )
        if min_map is not None and not (mean_ap is not None and mean_ap >= min_map):
            shown = 'none' if mean_ap is None else f'{mean_ap:.4f}'
            failures.append(f'{name}: mAP {shown}; --min_map {min_map}')
    return failures
