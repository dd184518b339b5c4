"""What watches over a training from outside: whether it may still write, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass


def _nothing() -> None:
    pass


def _nothing_with(_step: int) -> None:
    pass


@dataclass(frozen=True)
class Supervision:
    """
    Where a training asks and tells; without an argument nobody watches.

    :param may_write: asked before every step and every write; raises where another process has
        taken over
    :param on_checkpoint: told the step of each checkpoint that was written
    :param fencing_token: the larger one of two processes that train the same is the right one
    """

    may_write: Callable[[], None] = _nothing
    on_checkpoint: Callable[[int], None] = _nothing_with
    fencing_token: int | None = None


UNWATCHED = Supervision()
