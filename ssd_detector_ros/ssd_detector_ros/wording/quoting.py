"""Texts of messages and requests, fit for one line of a log."""

# The longest encoding of sensor_msgs has 17 letters; a sender may put anything into the field.
_LONGEST = 60


def quoted(text: str) -> str:
    """
    Quote a text that came from elsewhere; line ends and control characters are escaped.

    :param text: of any length
    :return: its beginning in quotes, and how long it is where that is not all
    """
    if len(text) <= _LONGEST:
        return repr(text)
    return f'{text[:_LONGEST]!r}... ({len(text)} characters)'
