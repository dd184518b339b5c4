"""A deployment under way: its folder of intermediate files, and who makes which of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import shutil
from typing import Any

from ssd_detector.bundles.contents import (
    CALIBRATION,
    INT8_CPU,
    INT8_TRT,
    MODEL,
    MODEL_FP16,
    PARITY,
    PRIORS,
)
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_training.errors import ExportError

SAVED_MODEL = 'saved_model'
TRAINED_MODEL = 'source.json'
VALIDATION = 'validation.json'
# What the model card gets besides.
CARD_NOTES = 'card_notes.md'
INT8_FILES = (INT8_CPU, INT8_TRT)
# In the order in which they are made; a step makes those behind its own invalid.
_MADE = (
    *(SAVED_MODEL, PRIORS, TRAINED_MODEL, CARD_NOTES),
    *(MODEL, MODEL_FP16),
    *(PARITY, VALIDATION),
    *(*INT8_FILES, CALIBRATION),
)


@dataclass(frozen=True)
class Build:
    """
    A deployment under way.

    :param deploy: the deploy config
    :param tree: the same as plain values, for the bundle's deploy.yaml
    :param bundle_path: the bundle's folder; intermediate files lie beside it, in <name>_build
    """

    deploy: DeployConfig
    tree: Mapping[str, Any]
    bundle_path: Path

    @property
    def path(self) -> Path:
        """The folder of intermediate files."""
        return self.bundle_path.with_name(f'{self.bundle_path.name}_build')

    def file(self, name: str) -> Path:
        """
        Find an intermediate file that has to be there.

        :param name: of the file
        :return: its path
        :raises ExportError: when its step was not run
        """
        path = self.path / name
        if not path.exists():
            raise ExportError(
                [f'{path}: is not there; run export, then convert, with the same --output_dir']
            )
        return path

    def forget_from(self, name: str) -> None:
        """
        Delete what this step and those after it made.

        :param name: the step's first file
        """
        for old in _MADE[_MADE.index(name) :]:
            path = self.path / old
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
