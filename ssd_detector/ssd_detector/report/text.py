"""Numbers as people read them; a missing one is a dash."""

NOTHING = '–'


def format_percent(share: float | None) -> str:
    """
    Write a share as percent.

    :param share: usually in [0, 1]; None when there is none
    :return: with one decimal
    """
    return NOTHING if share is None else f'{100 * share:.1f} %'


def format_points(difference: float | None) -> str:
    """
    Write a difference of shares in points.

    :param difference: None when there is none
    :return: with sign and two decimals
    """
    if difference is None:
        return NOTHING
    points = round(100 * difference, 2)
    return f'{points:+.2f}'.replace('-', '\N{MINUS SIGN}') if points else '±0.00'


def format_number(value: float | None, digits: int = 2) -> str:
    """
    Write a number.

    :param value: None when there is none
    :param digits: after the point
    :return: text
    """
    return NOTHING if value is None else f'{value:.{digits}f}'


def format_count(value: int) -> str:
    """
    Write a count with thin spaces between thousands.

    :param value: any
    :return: text
    """
    return f'{value:,}'.replace(',', '\N{NARROW NO-BREAK SPACE}')


def plural(count: int, noun: str) -> str:
    """
    Write a count of things.

    :param count: of them
    :param noun: one of them; the plural ends with s
    :return: text without a line break inside
    """
    return f'{format_count(count)}\N{NO-BREAK SPACE}{noun}{"" if count == 1 else "s"}'
