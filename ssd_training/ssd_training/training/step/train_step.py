"""One training step, compiled once for each input size and each phase of `train.unfreeze`."""

from collections.abc import Mapping, Sequence
import logging
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssd_training.experiments.training_schema import TrainSettings
from ssd_training.losses.multibox import MultiboxLoss
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.training.step.assignment import assign_all, select, Updates
from ssd_training.training.step.freezing import Phase
from ssd_training.training.step.loss_scale import all_finite, LossScale
from ssd_training.training.step.objective import Objective, sum_over_replicas
from ssd_training.training.step.optimizer import Optimizer
from ssd_training.training.step.schedule import Schedule
from ssd_training.training.step.weight_average import WeightAverage

Tensor = Any
Gradients = list[Tensor | None]

logger = logging.getLogger(__name__)


class TrainStep:
    """
    Forward, loss, backward, update, average; made in the scope of the strategy that runs it.

    :param model: from build_ssd
    :param objectives: of each side of the square that it trains with, px
    :param settings: the section `train`
    :param optimizer: of the model's variables
    :param phases: from plan_phases
    :param schedule: of the learning rate, in steps
    :param average: updated with the weights, or None
    """

    def __init__(
        self,
        model: keras.Model,
        objectives: Mapping[int, Objective],
        settings: TrainSettings,
        *,
        optimizer: Optimizer,
        phases: Sequence[Phase],
        schedule: Schedule,
        average: WeightAverage | None,
        observes_always: bool = False,
    ) -> None:
        self.model = model
        self.sizes_px = tuple(objectives)
        self._settings = settings
        self._optimizer = optimizer
        self._observes_always = observes_always
        self._schedule = schedule
        self._average = average
        self._phases = phases
        amp = settings.amp
        # bfloat16 has the range of float32: nothing to scale.
        needs_scale = amp.layer_policy == 'mixed_float16'
        self._loss_scale = LossScale(amp.loss_scale) if needs_scale else None
        self._step = keras.Variable(0, trainable=False, dtype='int64', name='step')
        self._accumulators = [
            keras.Variable(np.zeros(variable.shape), trainable=False, dtype='float32')
            for variable in self._optimizer.variables
            if settings.grad_accum_steps > 1
        ]
        self._strategy = tf.distribute.get_strategy()
        # How many times steps were compiled; counted in what is traced, whoever compiles it.
        self.num_traces = 0
        self._compiled = {
            (phase, size_px): self._compile(objective, phase)
            for size_px, objective in objectives.items()
            for phase in range(len(phases))
        }
        self._phase = 0
        phases[0].enter(model)

    @property
    def num_steps(self) -> int:
        """How many steps were done."""
        return int(self._step.numpy())

    @property
    def next_size_px(self) -> int:
        """The input size of the step that comes; it follows from seed and step alone."""
        if len(self.sizes_px) == 1:
            return self.sizes_px[0]
        stretch = self.num_steps // self._settings.multi_scale.every_steps
        return int(np.random.default_rng([self._settings.seed, stretch]).choice(self.sizes_px))

    @property
    def state(self) -> dict[str, keras.Variable]:
        """Every variable that a training which goes on from here needs, by a unique name."""
        parts: dict[str, dict[str, keras.Variable]] = {
            'model': {weight.path: weight for weight in self.model.weights},
            'optimizer': self._optimizer.state,
            'accumulators': {
                weight.path: accumulator
                for weight, accumulator in zip(
                    self._optimizer.variables, self._accumulators, strict=False
                )
            },
        }
        if self._average is not None:
            parts['average'] = self._average.state
        if self._loss_scale is not None:
            parts['loss_scale'] = self._loss_scale.state
        named = {f'{part}/{name}': own[name] for part, own in parts.items() for name in own}
        return {'step': self._step, **named}

    def __call__(self, images: Tensor, ground_truths: GroundTruthBatch) -> MultiboxLoss:
        """
        Train on one batch.

        :param images: (B, H, W, 3) float32, in [0, 1], at loading_size_hw; with several replicas
            in this process, as tf.distribute gives them
        :param ground_truths: of the batch
        :return: the loss of the whole batch, of all replicas, before the update
        """
        self._enter_phase()
        return self._compiled[self._phase, self.next_size_px](images, *ground_truths)

    def _enter_phase(self) -> None:
        """Freeze what this step, new or gone on with, has frozen."""
        if len(self._phases) == 1:
            return
        step = self.num_steps
        phase = max(i for i, planned in enumerate(self._phases) if planned.first_step <= step)
        if phase == self._phase:
            return
        self._phase = phase
        self._phases[phase].enter(self.model)
        logger.info(
            'step %d: %d of %d variables train from here on, statistics of BatchNorm %s',
            *(step + 1, len(self.model.trainable_variables), len(self._optimizer.variables)),
            'stay' if self._phases[phase].freeze_bn else 'train, too',
        )

    def updates(self, gradients: Gradients) -> Updates:
        """
        Tell everything that changes after one batch.

        :param gradients: of the loss, float32, one for each weight that trains at some time; None
            where it does not now
        :return: the step and, where this batch completes one, the weights and what follows them
        """
        updates: Updates = [(self._step, self._step + 1)]
        num_accumulated = self._settings.grad_accum_steps
        is_taken: Tensor | bool = True
        if num_accumulated > 1:
            is_taken = tf.equal((self._step + 1) % num_accumulated, 0)
            pairs = list(zip(self._accumulators, gradients, strict=True))
            gradients = [
                None if gradient is None else own + gradient / num_accumulated
                for own, gradient in pairs
            ]
            updates += [
                (own, tf.where(is_taken, tf.zeros_like(total), total))
                for own, total in zip(self._accumulators, gradients, strict=True)
                if total is not None
            ]
        if self._loss_scale is not None:
            is_finite = all_finite([gradient for gradient in gradients if gradient is not None])
            updates += select(is_taken, self._loss_scale.updates(is_finite))
            is_taken = tf.logical_and(is_taken, is_finite)
        changes = self._optimizer.updates(gradients, self._schedule(self._step))
        if self._average is not None:
            new_weights = {id(variable): value for variable, value in changes}
            changes += self._average.updates(new_weights)
        return updates + select(is_taken, changes)

    def _compile(self, objective: Objective, phase: int) -> Any:
        # Ranges of quantization are observed even where BatchNorm is frozen.
        observes = self._observes_always or not self._phases[phase].freeze_bn

        def run(images: Tensor, *ground_truths: Tensor) -> MultiboxLoss:
            self.num_traces += 1
            losses = self._strategy.run(
                self._run, args=(objective, observes, images, GroundTruthBatch(*ground_truths))
            )
            # All replicas give the same ones.
            return MultiboxLoss(
                *(self._strategy.experimental_local_results(value)[0] for value in losses)
            )

        height, width = loading_size_hw(self.sizes_px)
        signature = (
            tf.TensorSpec((None, height, width, 3), tf.float32),
            tf.TensorSpec((None, None, 4), tf.float32),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, None), tf.bool),
        )
        # Several replicas in this process get their parts packed in one value each.
        is_packed = tf.distribute.has_strategy() and (
            len(self._strategy.extended.worker_devices) > 1
        )
        # XLA makes convolutions on CPUs several times slower.
        return tf.function(
            run,
            input_signature=None if is_packed else signature,
            reduce_retracing=is_packed,
            # Nothing here branches on tensors, and AutoGraph doubles the time of tracing.
            autograph=False,
            jit_compile=False,
        )

    def _run(
        self,
        objective: Objective,
        observes: bool,
        images: Tensor,
        ground_truths: GroundTruthBatch,
    ) -> MultiboxLoss:
        trained = [variable for variable in self._optimizer.variables if variable.trainable]
        scale = 1.0 if self._loss_scale is None else self._loss_scale.scale
        with tf.GradientTape() as tape:
            loss = objective(images, ground_truths, observes=observes)
            scaled = loss.total * scale
        gradients = tape.gradient(
            scaled,
            [variable.value for variable in trained],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = sum_over_replicas(gradients)
        if self._loss_scale is not None:
            gradients = [gradient / scale for gradient in gradients]
        by_variable = {id(own): gradient for own, gradient in zip(trained, gradients, strict=True)}
        assign_all(self.updates([by_variable.get(id(own)) for own in self._optimizer.variables]))
        return MultiboxLoss(*sum_over_replicas(list(loss)))


def loading_size_hw(sizes_px: Sequence[int]) -> tuple[int, int]:
    """
    Tell the size of the images that a step takes: the largest one, so that none is enlarged.

    :param sizes_px: sides of the squares that the network trains with
    :return: height and width, px
    """
    return (max(sizes_px),) * 2
