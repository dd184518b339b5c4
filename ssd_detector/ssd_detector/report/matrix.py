"""Places and shades of a confusion matrix in an SVG drawing."""

from collections.abc import Iterator
from dataclasses import dataclass

from ssd_detector.report.result import ConfusionResult

_MARGIN_PX = 92
_EXTENT_PX = 620
# Slanted names of the last columns end there.
_RIGHT_PX = 36
# Less than a fiftieth of the objects of a class is noise; more gets its number.
_MIN_LABELLED_SHARE = 0.02


@dataclass(frozen=True)
class Heading:
    """
    A name at the top and at the left.

    :param name: of the detected class
    :param row_name: of the annotated one
    :param middle: of its column and its row
    """

    name: str
    row_name: str
    middle: float


@dataclass(frozen=True)
class Cell:
    """
    One count that is not 0.

    :param x: left edge
    :param y: upper edge
    :param count: of objects or detections
    :param opacity: by share of the row
    :param is_right: on the diagonal
    :param is_labelled: shows its count
    :param text: all of it in words
    """

    x: float
    y: float
    count: int
    opacity: float
    is_right: bool
    is_labelled: bool
    text: str


class MatrixDrawing:
    """
    A confusion matrix; classes in their order, background last.

    :param confusion: what was counted
    """

    def __init__(self, confusion: ConfusionResult) -> None:
        num_names = len(confusion.names)
        self._confusion = confusion
        self._order = [*range(1, num_names), 0]
        self.start = _MARGIN_PX
        self.cell = round(_EXTENT_PX / num_names, 2)
        self.extent = round(self.cell * num_names, 2)
        self.width = self.start + self.extent + _RIGHT_PX
        self.height = self.start + self.extent + 1

    @property
    def columns(self) -> Iterator[Heading]:
        """The names; background means another thing in a row than in a column."""
        for place, index in enumerate(self._order):
            name = self._confusion.names[index]
            middle = self.start + self.cell * (place + 0.5)
            if index:
                yield Heading(name, name, middle)
            else:
                yield Heading('missed', 'nothing there', middle)

    @property
    def cells(self) -> Iterator[Cell]:
        """The counts that are not 0."""
        for row, true_class in enumerate(self._order):
            counts = self._confusion.counts[true_class]
            total = sum(counts)
            for column, detected_class in enumerate(self._order):
                if counts[detected_class]:
                    yield self._cell(row, column, counts[detected_class], total)

    def _cell(self, row: int, column: int, count: int, total: int) -> Cell:
        true_class, detected_class = self._order[row], self._order[column]
        names = self._confusion.names
        if not true_class:
            text = f'{count} times {names[detected_class]} where there is none'
        else:
            what = f'taken for {names[detected_class]}' if detected_class else 'missed'
            text = f'{names[true_class]}: {count} of {total} {what}'
        share = count / total
        return Cell(
            x=round(self.start + column * self.cell, 2),
            y=round(self.start + row * self.cell, 2),
            count=count,
            # The root makes small shares visible.
            opacity=round(0.85 * share**0.5 if true_class else 0.5 * share**0.5, 3),
            is_right=true_class == detected_class,
            is_labelled=share >= _MIN_LABELLED_SHARE and len(names) <= 25,
            text=text,
        )
