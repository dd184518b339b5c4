"""Class heads of a detector with other labels: which rows are copied, and which start anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

_BACKGROUND = 0
_SHOWN = 5


@dataclass(frozen=True)
class ClassRows:
    """
    Where the rows of the class heads come from; row 0 is the background.

    :param sources: for each row wanted, the row of the other detector, or None to start anew
    :param num_found: rows of the other detector, the background included
    :param copied: the labels whose rows are copied
    :param are_labels_known: of the other detector
    """

    sources: tuple[int | None, ...]
    num_found: int
    copied: tuple[str, ...]
    are_labels_known: bool

    @property
    def are_equal(self) -> bool:
        """Whether the heads can be copied as they are."""
        return self.sources == tuple(range(self.num_found))

    def take(self, found: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
        """
        Take the rows from a kernel or bias.

        :param found: (..., priors * num_found), prior by prior
        :param fresh: (..., priors * rows wanted), of the network as it starts without
        :return: of the shape of fresh
        """
        num_wanted = len(self.sources)
        given = found.reshape(*found.shape[:-1], -1, self.num_found)
        taken = fresh.reshape(*fresh.shape[:-1], -1, num_wanted).copy()
        for row, source in enumerate(self.sources):
            if source is not None:
                taken[..., row] = given[..., source]
        return taken.reshape(fresh.shape)

    def __str__(self) -> str:
        num_found, num_wanted = self.num_found - 1, len(self.sources) - 1
        if len(self.copied) == num_found == num_wanted:
            return f'class heads: the rows of all {num_wanted} labels are copied, in another order'
        copied = f'the background and {len(self.copied)} of {num_wanted} labels, by name'
        if self.copied:
            rest = ' ...' if len(self.copied) > _SHOWN else ''
            copied += f' ({", ".join(self.copied[:_SHOWN])}{rest})'
        elif not self.are_labels_known:
            copied = 'the background; its labels are not known'
        return (
            f'class heads start anew: {num_found} -> {num_wanted} classes; rows copied: {copied}'
        )


def match_rows(
    found_labels: Sequence[str] | None, num_found: int, labels: Sequence[str]
) -> ClassRows:
    """
    Find the rows of equal labels.

    :param found_labels: of the other detector, without background; None when they are not known
    :param num_found: its rows, the background included
    :param labels: wanted, without background
    :return: by name; without names the rows as they are, or none where their number differs
    """
    if found_labels is None:
        num_wanted = len(labels) + 1
        same = tuple(range(num_found))
        anew = (_BACKGROUND, *[None] * (num_wanted - 1))
        sources = same if num_found == num_wanted else anew
        return ClassRows(sources, num_found, (), are_labels_known=False)
    row_of = {label: row for row, label in enumerate(found_labels, start=1)}
    copied = tuple(label for label in labels if label in row_of)
    sources = (_BACKGROUND, *(row_of.get(label) for label in labels))
    return ClassRows(sources, num_found, copied, are_labels_known=True)
