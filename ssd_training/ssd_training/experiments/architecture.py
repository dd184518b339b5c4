"""What decides whether a checkpoint fits: the keys of the architecture, and nothing else."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from ssd_training.experiments.schema import ExperimentConfig

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


def describe_architecture(config: ExperimentConfig) -> dict[str, Any]:
    """
    List the keys that shape the network and the meaning of its outputs.

    :param config: the experiment
    :return: key path -> value, as JSON has it; lists stay whole
    """
    backbone = dataclasses.asdict(config.backbone)
    tree = {
        'input_size': list(config.input_size),
        'backbone': {key: backbone[key] for key in backbone.keys() - _OF_TRAINING},
        'heads': dataclasses.asdict(config.heads),
        'priors': dataclasses.asdict(config.priors),
        'data': {'labels': list(config.data.labels)},
    }
    if config.quantization is not None:
        tree['quantization'] = dataclasses.asdict(config.quantization)
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
