"""TensorFlow's own log lines stay away from stderr, unless somebody asks for them."""

from collections.abc import MutableMapping
import os

_LEVEL = 'TF_CPP_MIN_LOG_LEVEL'
# Its errors come as exceptions, too; what it logs as one is a GPU library that is not there.
_FATAL_ALONE = '3'


def quiet_tensorflow(environment: MutableMapping[str, str] = os.environ) -> None:
    """
    Let TensorFlow log nothing but what ends the process; before it is imported.

    :param environment: of the process; a level that stands there stays
    """
    environment.setdefault(_LEVEL, _FATAL_ALONE)
