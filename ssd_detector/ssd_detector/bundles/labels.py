"""What a list of labels may hold: one rule for training, export and the bundle on the robot."""

from collections import Counter
from collections.abc import Iterator, Sequence
import re

from ssd_detector.printable import quoted

BACKGROUND = 'background'
_LONGEST = 255
# Of 10,000 that are wrong a few are enough to see how.
_MOST_SHOWN = 20
# Control characters, line ends, marks that turn the direction of writing, lone surrogates, what
# XML can not hold. Joiners stay: scripts need them.
_UNFIT = re.compile(
    '[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]'
)


def find_label_faults(labels: Sequence[str]) -> Iterator[str]:
    """
    Say what labels.txt, one label a line, could not hold.

    :param labels: names of the classes 1, 2, ...
    :return: a finding each, without the place
    """
    if any(not label.strip() for label in labels):
        yield 'an empty label; each class needs a name'
    lines = [label for label in labels if len(label.splitlines()) > 1]
    blanks = [label for label in labels if label.strip() and label != label.strip()]
    one_line = set(labels) - set(lines)
    unseen = [label for label in labels if label in one_line and _UNFIT.search(label)]
    long = [label for label in labels if len(label) > _LONGEST]
    for named, fault in (
        (lines, 'more than one line; a label is one'),
        (blanks, 'blanks around a label; remove them'),
        (unseen, 'characters that can not be seen; remove them'),
        (long, f'longer than {_LONGEST} characters; shorten it'),
    ):
        if named:
            yield f'{_list([quoted(label) for label in named])}: {fault}'
    if twice := sorted(label for label, count in Counter(labels).items() if count > 1):
        yield f'{_list(twice)} given more than once; labels are unique'
    if BACKGROUND in labels:
        yield f'{BACKGROUND} is class 0 and is not listed'


def _list(named: Sequence[str]) -> str:
    more = f' and {len(named) - _MOST_SHOWN} more' if len(named) > _MOST_SHOWN else ''
    return ', '.join(named[:_MOST_SHOWN]) + more
