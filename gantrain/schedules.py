"""Adam and its schedule of the learning rate, as Keras takes them."""

from __future__ import annotations

import keras
import tensorflow as tf


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """lr(t) = lr * min(1, (T - t) / (share * T)), t the optimizer's own, saved, update count.

    Args:
        rate: lr before the decay.
        updates: T, the updates of the whole run.
        share: part of the run, at its end, over which the rate falls to zero.
    """

    def __init__(self, rate: float, updates: int, share: float):
        self.rate, self.updates, self.share = rate, updates, share

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        left = (self.updates - tf.cast(step, tf.float32)) / (self.share * self.updates)
        return self.rate * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict:
        return {"rate": self.rate, "updates": self.updates, "share": self.share}


class Adam(keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba 2015) whose update of a weight is one kernel, not twelve passes.

    The same function. Where several replicas share a weight Keras's own operations do it.
    """

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            super().update_step(gradient, variable, learning_rate)
            return
        index, kind = self._get_variable_index(variable), variable.dtype
        step = tf.cast(self.iterations + 1, kind)
        beta1, beta2 = (tf.cast(beta, kind) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta1, step),
            beta2_power=tf.pow(beta2, step),
            lr=tf.cast(learning_rate, kind),
            beta1=beta1,
            beta2=beta2,
            epsilon=tf.cast(self.epsilon, kind),
            grad=tf.cast(gradient, kind),
        )
