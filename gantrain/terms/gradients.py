"""Gradients with respect to images: the one tape outside `gantrain.game`."""

from __future__ import annotations

from collections.abc import Callable

from gantrain.deferred import keras, tf

EPSILON = 1e-12  # inside every root: a flat discriminator has a gradient of exactly zero


def value_and_gradient(
    function: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """f(x) and df/dx.

    Args:
        function: images -> scalar.
        images: float tensor [B, H, W, C] or [B, 2].

    Returns:
        The scalar, and the gradient as float32 of the shape of `images`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        value = function(images)
    return value, tf.cast(tape.gradient(value, images), tf.float32)


def input_gradient(discriminator: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """dD(x)/dx, float32, shape of `images`, in training mode as the loss sees the network.

    D(x) of a discriminator of patches is the mean of its logits, as in the adversarial losses: else
    the bound on the gradient would tighten with the number of patches.
    """

    def total(x):
        logits = tf.cast(discriminator(x, training=True), tf.float32)
        # Every image has its own, so the gradient of the sum holds each one's gradient.
        return tf.reduce_sum(tf.reduce_mean(logits, axis=list(range(1, logits.shape.rank))))

    return value_and_gradient(total, images)[1]


def squared_norm(gradient: tf.Tensor) -> tf.Tensor:
    """||g||_2^2 of every example, [B]."""
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, gradient.shape.rank)))


def attack(
    loss: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, length: float | tf.Tensor
) -> tf.Tensor:
    """x + length * g / ||g||_2, g = dloss/dx: the fast gradient method (Miyato et al. 2017).

    Args:
        loss: images -> scalar, a sum over images that do not depend on each other.
        images: float32 [B, H, W, C].
        length: L2 length of the step, scalar or [B, 1, 1, 1].

    Returns:
        Images of the same shape, held constant.
    """
    _, gradient = value_and_gradient(loss, images)
    norm = tf.sqrt(squared_norm(gradient) + EPSILON)[:, None, None, None]
    return tf.stop_gradient(images + length * gradient / norm)
