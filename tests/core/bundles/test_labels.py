"""What a list of labels may hold."""

import pytest

from ssd_detector.bundles.labels import find_label_faults


@pytest.mark.parametrize(
    ('labels', 'fault'),
    [
        (['a', ''], 'an empty label; each class needs a name'),
        (['a', ' '], 'an empty label; each class needs a name'),
        (['a', 'b\nc'], "'b\\nc': more than one line; a label is one"),
        (['a', 'b\u2028c'], "'b\\u2028c': more than one line; a label is one"),
        ([' a'], "' a': blanks around a label; remove them"),
        (['a', 'b', 'a'], 'a given more than once; labels are unique'),
        (['background'], 'background is class 0 and is not listed'),
    ],
)
def test_what_a_file_of_labels_could_not_hold_is_named(labels, fault):
    assert list(find_label_faults(labels)) == [fault]


def test_blanks_inside_and_letters_of_any_script_are_fine():
    assert not list(find_label_faults(['traffic cone', 'вода', '人', "l'eau", 'a,b']))
