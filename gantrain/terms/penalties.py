"""Discriminator penalties: how discriminators are kept smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gantrain.deferred import keras, tf
from gantrain.noise import Draw
from gantrain.terms.gradients import EPSILON, input_gradient, squared_norm


def gradient_penalty(
    discriminator: keras.Model, real: tf.Tensor, fake: tf.Tensor, draw: Draw
) -> tf.Tensor:
    """E[(||dD(x^)/dx^||_2 - 1)^2], x^ = a x + (1 - a) G(z), a ~ U[0, 1] (thesis eq. 2.1).

    Args:
        discriminator: images -> logits.
        real, fake: float32 [B, H, W, C] or [B, 2].
        draw: `gantrain.game.Draw`, for one a per image.
    """
    alpha = draw.uniform(*[1] * (real.shape.rank - 1))
    mixed = alpha * real + (1.0 - alpha) * fake
    norm = tf.sqrt(squared_norm(input_gradient(discriminator, mixed)) + EPSILON)
    return tf.reduce_mean(tf.square(norm - 1.0))


def r1(discriminator: keras.Model, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
    """1/2 E[||dD(x)/dx||_2^2] on real images (Mescheder et al. 2018, eq. 9)."""
    return 0.5 * tf.reduce_mean(squared_norm(input_gradient(discriminator, real)))


@dataclass(frozen=True)
class DiscriminatorPenalty:
    """How discriminators are kept smooth.

    Attributes:
        summary: one line for `gantrain list`.
        weight: default of `--penalty_weight`; for `clip` the bound.
        term: (discriminator, real, fake, draw) -> scalar, or None.
        clips: True if the weights are clipped after every update.
    """

    summary: str
    weight: float = 1.0
    term: Callable | None = None
    clips: bool = False


DISCRIMINATOR_PENALTIES = {
    "none": DiscriminatorPenalty("no penalty"),
    "gp": DiscriminatorPenalty(
        "gradient norm 1 between real and fake (WGAN-GP)", 10.0, gradient_penalty
    ),
    "r1": DiscriminatorPenalty("gradient norm 0 on real images", 5.0, r1),
    "clip": DiscriminatorPenalty("weights in [-w, w] after every update (WGAN)", 0.01, clips=True),
}
