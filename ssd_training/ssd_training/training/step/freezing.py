"""What of the network trains, step by step: the section `backbone`, then `train.unfreeze`."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import keras

from ssd_detector.errors import ConfigError
from ssd_training.experiments.training_schema import UnfreezeSettings
from ssd_training.model.backbone import block_of, BLOCKS, num_frozen_blocks


@dataclass(frozen=True)
class Phase:
    """
    Steps in which the same layers train.

    :param first_step: number of the first one, from 0
    :param frozen_layers: names
    :param freeze_bn: whether the statistics of every BatchNorm stay
    """

    first_step: int
    frozen_layers: Set[str]
    freeze_bn: bool

    def enter(self, model: keras.Model) -> None:
        """
        Let a network's layers train, or not; a compiled step does not notice.

        :param model: from build_ssd
        """
        for layer in model.layers:
            trains = layer.name not in self.frozen_layers
            # Assigning would reach what is frozen inside of a layer.
            if layer.trainable != trains:
                layer.trainable = trains


def plan_phases(
    model: keras.Model,
    changes: Sequence[UnfreezeSettings],
    *,
    freeze_bn: bool,
    steps_per_epoch: int,
) -> tuple[Phase, ...]:
    """
    List the phases of a training.

    :param model: from build_ssd, frozen as the training starts
    :param changes: the section `train.unfreeze`
    :param freeze_bn: of the first phase: `backbone.freeze_bn`
    :param steps_per_epoch: batches
    :return: at least one
    :raises ConfigError: when a block is unknown, or one that trained is to be frozen
    """
    frozen = {layer.name for layer in model.layers if not layer.trainable}
    phases = [Phase(0, frozen, freeze_bn)]
    for index, change in enumerate(changes):
        key = f'train.unfreeze.{index}.freeze_until'
        blocks = BLOCKS[: num_frozen_blocks(key, change.freeze_until)]
        frozen = {layer.name for layer in model.layers if block_of(layer.name) in blocks}
        if not frozen <= phases[-1].frozen_layers:
            raise ConfigError(
                [
                    f'{key}: {change.freeze_until} would freeze blocks that train until then; '
                    f'name a block before, or null'
                ]
            )
        phases.append(Phase((change.epoch - 1) * steps_per_epoch, frozen, change.freeze_bn))
    return tuple(phases)
