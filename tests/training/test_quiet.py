"""TensorFlow's log lines: away, unless somebody asks for them."""

from ssd_training.quiet import quiet_tensorflow


def test_tensorflow_logs_nothing_unless_a_level_was_chosen():
    nothing, chosen = {}, {'TF_CPP_MIN_LOG_LEVEL': '0'}

    quiet_tensorflow(nothing)
    quiet_tensorflow(chosen)

    assert (nothing, chosen) == ({'TF_CPP_MIN_LOG_LEVEL': '3'}, {'TF_CPP_MIN_LOG_LEVEL': '0'})
