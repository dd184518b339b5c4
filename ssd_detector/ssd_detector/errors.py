"""
The errors of the core, and of nobody else.

    SsdDetectorError
    ├── FindingsError          several findings, reported at once
    │   ├── ConfigError        a YAML file, an override, a threshold
    │   ├── BundleError        a bundle folder
    │   └── EvaluationError    detections or ground truths that can't be scored
    ├── ImageError             an image that can't be used
    └── BackendError           a model that can't be loaded or run
"""

from collections.abc import Iterable

from ssd_detector.printable import printable


class SsdDetectorError(Exception):
    """
    Base of every error raised on purpose by this package; ends a command with exit_code.

    :param message: one sentence; what it quotes may come from anywhere, and is made printable here
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class FindingsError(SsdDetectorError):
    """Everything that is wrong with one input, one line a finding."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(map(printable, findings))
        # Their line ends are the only ones: one of a name would begin a finding that nobody made.
        Exception.__init__(self, '\n'.join(self.findings))


class ConfigError(FindingsError, ValueError):
    """
    A configuration (YAML file, command line override, thresholds) that can't be used.

    It is a ValueError so that pydantic takes it from a dataclass that checks itself.
    """

    exit_code = 2


class BundleError(FindingsError):
    """A bundle that can't be used."""


class EvaluationError(FindingsError):
    """Detections or ground truths that can't be scored."""


class ImageError(SsdDetectorError):
    """An image that can't be used."""


class BackendError(SsdDetectorError):
    """A model that can't be loaded or run."""
