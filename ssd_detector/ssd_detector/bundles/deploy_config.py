"""The schema of a deploy config: what the exporter is given and a bundle keeps as deploy.yaml."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_detector.postprocess import Thresholds

_OPSETS = (13, 18)


@dataclass(frozen=True)
class InputSettings:
    """The section `deploy.input`: what the model takes."""

    __pydantic_config__ = STRICT

    size: tuple[int, int, int]
    format: Literal['NHWC'] = 'NHWC'
    color_space: Literal['RGB'] = 'RGB'

    def __post_init__(self) -> None:
        height, width, channels = self.size
        if height != width or channels != 3 or height < 1:
            raise ConfigError(
                [f'size: {list(self.size)} is no square RGB input; expected [S, S, 3]']
            )


@dataclass(frozen=True)
class RuntimeSettings:
    """
    The section `deploy.runtime`: how the model is exported and run.

    :param precision: of the file that `auto` means; FP16 exists with TensorRT only
    :param batch_size: 1, or `dynamic` for a free first dimension
    :param opset: of ONNX; INT8 with a scale for each channel needs 13, and tf2onnx writes 18
    """

    __pydantic_config__ = STRICT

    precision: Literal['FP32', 'FP16', 'INT8'] = 'FP32'
    batch_size: Literal[1, 'dynamic'] = 1
    opset: int = 17

    def __post_init__(self) -> None:
        if not _OPSETS[0] <= self.opset <= _OPSETS[1]:
            raise ConfigError(
                [
                    f'opset: {self.opset} is outside {_OPSETS[0]} to {_OPSETS[1]}: INT8 with a '
                    f'scale for each channel needs 13, and tf2onnx writes 18 at most'
                ]
            )


@dataclass(frozen=True)
class PredictionSettings:
    """
    The section `deploy.prediction`: what the exporting machine detects in when all is done.

    :param source: a picture, a folder of them, a video, a camera's index, a URL
    :param max_frames: of a video or stream; None takes all
    """

    __pydantic_config__ = STRICT

    source: str
    max_frames: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True)
class BenchmarkSettings:
    """
    The section `deploy.benchmark`: what the exporting machine measures when all is done.

    :param threads: numbers of threads of an inference
    :param batch_sizes: images at once
    :param num_rounds: that count
    """

    __pydantic_config__ = STRICT

    threads: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (1,)
    num_rounds: Annotated[int, Field(ge=1)] = 100


@dataclass(frozen=True)
class DeploySettings:
    """
    The section `deploy`.

    :param prediction: None detects in nothing; not part of a bundle
    :param benchmark: None measures nothing; not part of a bundle
    """

    __pydantic_config__ = STRICT

    input: InputSettings
    post_processing: Thresholds = field(default_factory=Thresholds)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    prediction: PredictionSettings | None = None
    benchmark: BenchmarkSettings | None = None


@dataclass(frozen=True)
class DeployConfig:
    """
    A deploy config: what the exporter is given and the bundle keeps as deploy.yaml.

    :param model_name: the bundle's name
    :param deploy: input, thresholds, runtime
    :param experiment_path: the experiment that trains the model, relative to the config root
    """

    __pydantic_config__ = STRICT

    model_name: str
    deploy: DeploySettings
    experiment_path: str | None = None
