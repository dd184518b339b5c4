"""Where the frames of a replay went: the node's own counts against what was heard."""

from collections.abc import Mapping
from dataclasses import dataclass

ON_THE_WAY = 'lost on the way to the node'
BACK = 'answers lost on the way back'


@dataclass(frozen=True)
class NodeCounts:
    """
    What the node says of itself, since some moment.

    :param received: images that arrived
    :param processed: images that were answered
    :param drops: reason -> images
    """

    received: int
    processed: int
    drops: Mapping[str, int]

    def since(self, before: 'NodeCounts') -> 'NodeCounts':
        """
        Leave out what was before.

        :param before: counts of an earlier moment
        :return: what came between
        """
        drops = {
            reason: count - before.drops.get(reason, 0) for reason, count in self.drops.items()
        }
        return NodeCounts(
            self.received - before.received,
            self.processed - before.processed,
            {reason: count for reason, count in drops.items() if count},
        )

    @property
    def is_settled(self) -> bool:
        """Whether no frame is at work: each was answered or dropped."""
        return self.received == self.processed + sum(self.drops.values())


@dataclass(frozen=True)
class Sums:
    """
    Where the frames went.

    :param played: published
    :param answered: whose answer was heard
    :param drops: reason -> frames; those of the node, and those lost on either way
    :param agree: whether every frame that was not answered has a reason, by the node's counts
    """

    played: int
    answered: int
    drops: Mapping[str, int]
    agree: bool


def add_up(played: int, answered: int, counts: NodeCounts | None) -> Sums:
    """
    Account for every frame.

    :param played: frames published
    :param answered: frames whose answer was heard
    :param counts: of the node, of the same time; None where it tells nothing
    :return: see Sums
    """
    if counts is None:
        unanswered = played - answered
        return Sums(played, answered, {'unanswered': unanswered} if unanswered else {}, False)
    lost = {ON_THE_WAY: played - counts.received, BACK: counts.processed - answered}
    drops = {**counts.drops, **{reason: count for reason, count in lost.items() if count}}
    agree = (
        counts.is_settled
        and all(count >= 0 for count in drops.values())
        and played - answered == sum(drops.values())
    )
    return Sums(played, answered, drops, agree)
