"""Schedules of learning rates, as Keras takes them."""

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
