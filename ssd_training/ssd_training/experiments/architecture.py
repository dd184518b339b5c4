"""What decides the network, and so whether a checkpoint fits."""

from collections.abc import Iterator, Mapping
import dataclasses
from dataclasses import dataclass
from typing import Any

from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.experiments.model_schema import BackboneSettings, HeadsSettings, PriorsSettings
from ssd_training.experiments.training_schema import QuantizationSettings

# What these keys of the sections say concerns training, not the network's variables.
_OF_TRAINING = {
    'weights',
    'bn_momentum',
    'freeze_until',
    'freeze_bn',
    'grad_scale',
    'pretrained',
    'freeze',
}
_NOTHING = '(nothing)'


@dataclass(frozen=True)
class Architecture:
    """
    The sections that shape the network and the meaning of its outputs.

    :param input_size: height and width of the model's input, px
    :param labels: names of the classes 1, 2, ...
    :param activation: of the class logits: softmax or sigmoid
    :param quantization: None is a network of floats
    """

    input_size: tuple[int, int]
    labels: tuple[str, ...]
    backbone: BackboneSettings
    heads: HeadsSettings
    priors: PriorsSettings
    activation: ScoreActivation
    quantization: QuantizationSettings | None

    @property
    def num_classes(self) -> int:
        """The classes with the background: columns of the scores."""
        return len(self.labels) + 1


def describe_architecture(architecture: Architecture) -> dict[str, Any]:
    """
    List the keys that shape the network and the meaning of its outputs.

    :param architecture: of an experiment
    :return: key path -> value, as JSON has it; lists stay whole
    """
    backbone = dataclasses.asdict(architecture.backbone)
    priors = dataclasses.asdict(architecture.priors)
    # Checkpoints from before this key existed are of the same networks.
    if architecture.priors.is_laid_out_at(architecture.input_size[0]):
        del priors['laid_out_at_px']
    tree = {
        'input_size': list(architecture.input_size),
        'backbone': {key: backbone[key] for key in backbone.keys() - _OF_TRAINING},
        'heads': dataclasses.asdict(architecture.heads),
        'priors': priors,
        'data': {'labels': list(architecture.labels)},
    }
    if architecture.quantization is not None:
        tree['quantization'] = dataclasses.asdict(architecture.quantization)
    return flatten(tree)


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """
    Turn nested mappings into key paths.

    :param tree: of a configuration
    :return: key path -> value; tuples have become lists, as in JSON
    """
    return dict(_walk(tree, ''))


def list_misfits(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """
    Compare two flat mappings.

    :param found: key path -> value of the checkpoint
    :param wanted: key path -> value of this experiment
    :return: a sentence for each key that differs
    """
    return [
        f'{key}: is {found.get(key, _NOTHING)}, this experiment has {wanted.get(key, _NOTHING)}'
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key, _NOTHING) != wanted.get(key, _NOTHING)
    ]


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, f'{path}.{key}' if path else str(key))
    else:
        yield path, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
