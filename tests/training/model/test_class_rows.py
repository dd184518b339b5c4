"""Class heads of a detector with other labels: the rows that are copied, and what is said."""

import numpy as np
import pytest

from ssd_training.model.class_rows import match_rows


def rows_of(labels, num_priors=2):
    """Give biases that say their prior and label."""
    names = ['background', *labels]
    return np.array([f'{prior} {name}' for prior in range(num_priors) for name in names])


def take(found, wanted, known=True):
    rows = match_rows(found if known else None, len(found) + 1, wanted)
    fresh = np.array([f'new {name}' for name in rows_of(wanted)], dtype='<U20')
    return list(rows.take(rows_of(found).astype('<U20'), fresh)), str(rows)


def test_rows_follow_their_labels_for_each_prior_and_others_start_anew():
    taken, text = take(['cat', 'dog', 'car'], ['ball', 'dog', 'cat'])

    assert taken == [
        *('0 background', 'new 0 ball', '0 dog', '0 cat'),
        *('1 background', 'new 1 ball', '1 dog', '1 cat'),
    ]
    assert text == (
        'class heads start anew: 3 -> 3 classes; rows copied: the background and 2 of 3 labels, '
        'by name (dog, cat)'
    )


def test_the_same_labels_in_another_order_keep_their_rows():
    taken, text = take(['cat', 'dog'], ['dog', 'cat'])

    assert taken[:3] == ['0 background', '0 dog', '0 cat']
    assert text == 'class heads: the rows of all 2 labels are copied, in another order'


@pytest.mark.parametrize(
    ('wanted', 'taken'),
    [
        (['a', 'b'], ['0 background', '0 x', '0 y', '1 background', '1 x', '1 y']),
        (['a'], ['0 background', 'new 0 a', '1 background', 'new 1 a']),
    ],
)
def test_unknown_labels_are_copied_as_they_are_or_not_at_all(wanted, taken):
    assert take(['x', 'y'], wanted, known=False)[0] == taken


def test_what_is_copied_is_counted_and_its_absence_explained():
    assert take(['cat'], ['ball', 'cone'])[1] == (
        'class heads start anew: 1 -> 2 classes; rows copied: the background and 0 of 2 labels, '
        'by name'
    )
    assert take(['x'], ['ball', 'cone'], known=False)[1] == (
        'class heads start anew: 1 -> 2 classes; rows copied: the background; its labels are not '
        'known'
    )
    many = [f'label {number}' for number in range(9)]
    assert take(many, many[:7])[1].endswith(
        '7 of 7 labels, by name (label 0, label 1, label 2, label 3, label 4 ...)'
    )
