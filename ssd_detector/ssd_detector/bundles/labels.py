"""What a list of labels may hold: one rule for training, export and the bundle on the robot."""

from collections.abc import Iterator, Sequence

BACKGROUND = 'background'


def find_label_faults(labels: Sequence[str]) -> Iterator[str]:
    """
    Say what labels.txt, one label a line, could not hold.

    :param labels: names of the classes 1, 2, ...
    :return: a finding each, without the place
    """
    if any(not label.strip() for label in labels):
        yield 'an empty label; each class needs a name'
    lines = [label for label in labels if len(label.splitlines()) > 1]
    if lines:
        yield f'{", ".join(map(repr, lines))}: more than one line; a label is one'
    blanks = [label for label in labels if label.strip() and label != label.strip()]
    if blanks:
        yield f'{", ".join(map(repr, blanks))}: blanks around a label; remove them'
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        yield f'{", ".join(twice)} given more than once; labels are unique'
    if BACKGROUND in labels:
        yield f'{BACKGROUND} is class 0 and is not listed'
