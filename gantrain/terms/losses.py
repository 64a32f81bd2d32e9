"""Adversarial losses, computed from logits.

All of them take `real` and `fake` logits in this order, shape [B, 1], any float dtype; they return
a float32 scalar to be *minimised*. Writing softplus for every log-sigmoid keeps them finite for any
logit, in half precision too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gantrain.deferred import tf


@dataclass(frozen=True)
class Loss:
    """A pair of objectives.

    Attributes:
        summary: one line for `gantrain list`.
        discriminator: (real logits, fake logits, target of real images) -> scalar.
        generator: fake logits -> scalar.
        published: factor between the form in which Pix2Pix and CycleGAN weigh their other terms
            against this loss, and ours.
    """

    summary: str
    discriminator: Callable
    generator: Callable
    published: float = 1.0


def _mean(value):
    return tf.reduce_mean(tf.cast(value, tf.float32))


def _cross_entropy(logits, target):
    """-target * log(sigmoid(l)) - (1 - target) * log(1 - sigmoid(l))."""
    logits = tf.cast(logits, tf.float32)
    return target * tf.nn.softplus(-logits) + (1.0 - target) * tf.nn.softplus(logits)


def bce_discriminator(real: tf.Tensor, fake: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))] (Goodfellow et al. 2014; thesis section 2.2)."""
    return _mean(_cross_entropy(real, target)) + _mean(_cross_entropy(fake, 0.0))


def minimax_generator(fake: tf.Tensor) -> tf.Tensor:
    """E[log(1 - D(G(z)))] (thesis algorithm 1)."""
    return -_mean(_cross_entropy(fake, 0.0))


def non_saturating_generator(fake: tf.Tensor) -> tf.Tensor:
    """-E[log D(G(z))] (thesis section 2.2)."""
    return _mean(_cross_entropy(fake, 1.0))


def least_squares_discriminator(real: tf.Tensor, fake: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """1/2 E[(D(x) - 1)^2] + 1/2 E[D(G(z))^2] (Mao et al. 2017)."""
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    return 0.5 * _mean(tf.square(real - target)) + 0.5 * _mean(tf.square(fake))


def least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """1/2 E[(D(G(z)) - 1)^2] (Mao et al. 2017)."""
    return 0.5 * _mean(tf.square(tf.cast(fake, tf.float32) - 1.0))


def wasserstein_discriminator(real: tf.Tensor, fake: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """E[D(G(z))] - E[D(x)], the negated estimate of the distance (thesis section 2.4.2)."""
    return _mean(fake) - _mean(real)


def wasserstein_generator(fake: tf.Tensor) -> tf.Tensor:
    """-E[D(G(z))] (thesis listing 6.8)."""
    return -_mean(fake)


def hinge_discriminator(real: tf.Tensor, fake: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Lim and Ye 2017)."""
    return _mean(tf.nn.relu(1.0 - tf.cast(real, tf.float32))) + _mean(
        tf.nn.relu(1.0 + tf.cast(fake, tf.float32))
    )


LOSSES = {
    "minimax": Loss(
        "log(1 - D(G(z))), saturates when D is sure", bce_discriminator, minimax_generator
    ),
    "non_saturating": Loss(
        "-log D(G(z)), the loss used in practice", bce_discriminator, non_saturating_generator
    ),
    # CycleGAN (Zhu et al. 2017, section 4) drops the halves of Mao et al.
    "least_squares": Loss(
        "squared distance of logits to 0 and 1",
        least_squares_discriminator,
        least_squares_generator,
        published=2.0,
    ),
    "wasserstein": Loss(
        "difference of mean logits; with gp (WGAN-GP) or clip (WGAN)",
        wasserstein_discriminator,
        wasserstein_generator,
    ),
    "hinge": Loss("margin of one on either side", hinge_discriminator, wasserstein_generator),
}
