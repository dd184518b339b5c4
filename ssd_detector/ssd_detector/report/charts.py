"""From values to places in an SVG drawing; what is drawn there stands in the templates."""

from collections.abc import Sequence
from dataclasses import dataclass
import math


@dataclass(frozen=True)
class Plot:
    """
    A rectangle in a drawing that shows a range of values.

    :param left: px in the drawing's own units, as all places
    :param top: px
    :param width: px
    :param height: px
    :param x_range: values at the left and the right edge
    :param y_range: values at the bottom and the top edge
    """

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The bottom edge; SVG counts downwards."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """
        Place a value across.

        :param value: any
        :return: px
        """
        low, high = self.x_range
        return round(self.left + self.width * (value - low) / (high - low), 2)

    def y(self, value: float) -> float:
        """
        Place a value upwards.

        :param value: any
        :return: px
        """
        low, high = self.y_range
        return round(self.bottom - self.height * (value - low) / (high - low), 2)

    def line(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """
        Lay a line through points.

        :param xs: values across
        :param ys: values upwards
        :return: points of an SVG polyline
        """
        return ' '.join(f'{self.x(x):g},{self.y(y):g}' for x, y in zip(xs, ys, strict=True))

    def area(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """
        Enclose what lies below a line.

        :param xs: values across; at least one
        :param ys: values upwards
        :return: points of an SVG polygon
        """
        floor = self.y_range[0]
        return self.line([xs[0], *xs, xs[-1]], [floor, *ys, floor])


def round_up(value: float) -> float:
    """
    Find where an axis ends well.

    :param value: the largest one shown, positive
    :return: 1, 2 or 5 times a power of ten, not below the value
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value)
