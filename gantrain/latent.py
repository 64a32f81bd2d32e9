"""The prior of the latent vector, and paths in latent space."""

from __future__ import annotations

import numpy as np

from gantrain.deferred import tf
from gantrain.nets import NoiseNets
from gantrain.noise import Draw

CATEGORY = 2.0  # length of the one-hot block, comparable with the noise beside it
NORMAL_BOUND = 3.0  # 99.7 % of the draws of a standard normal lie within


def size(options: NoiseNets) -> int:
    """Size of z. Args: `gantrain.nets.NoiseNets`."""
    return options.noise_categories + options.noise_dim


def prior(options: NoiseNets, draw: Draw) -> tf.Tensor:
    """z ~ p_z: noise, behind a one-hot category if there are any (Chen et al. 2016, InfoGAN).

    Args:
        options: `gantrain.nets.NoiseNets`.
        draw: `gantrain.game.Draw`.

    Returns:
        float32 [B, noise_categories + noise_dim].
    """
    noise = (
        draw.normal(options.noise_dim)
        if options.noise_type == "normal"
        else draw.uniform(options.noise_dim, low=-1.0, high=1.0)
    )
    if not options.noise_categories:
        return noise
    category = tf.cast(draw.uniform(high=float(options.noise_categories)), tf.int32)
    return tf.concat([CATEGORY * tf.one_hot(category, options.noise_categories), noise], axis=1)


def every_category(options: NoiseNets, draw: Draw) -> tf.Tensor:
    """Draws from the prior with all categories equally often, each with the same noise.

    Args:
        options: `gantrain.nets.NoiseNets`.
        draw: `gantrain.game.Draw` of B images.

    Returns:
        float32 [C, B, noise_categories + noise_dim], C the number of categories or 1 without any.
    """
    _, noise = split(options, prior(options, draw))
    if not options.noise_categories:
        return noise[None]
    blocks = CATEGORY * tf.eye(options.noise_categories)
    return tf.stack(
        [
            tf.concat([tf.repeat(block[None], len(noise), axis=0), noise], axis=1)
            for block in tf.unstack(blocks)
        ]
    )


def split(options: NoiseNets, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """z [..., size of z] as (one-hot category [..., noise_categories], noise)."""
    return z[..., : options.noise_categories], z[..., options.noise_categories :]


def inside(options: NoiseNets, noise: tf.Tensor) -> tf.Tensor:
    """Noise moved into the support of its prior, coordinate by coordinate.

    A normal has no bounds, so coordinates are kept where nearly all draws lie: a generator was
    never trained on others.
    """
    bound = NORMAL_BOUND if options.noise_type == "normal" else 1.0
    return tf.clip_by_value(noise, -bound, bound)


def nearest(options: NoiseNets, z: tf.Tensor) -> tf.Tensor:
    """The point of the prior's support next to any z: the largest category, and `inside`.

    Args:
        options: `gantrain.nets.NoiseNets`.
        z: float32 [B, noise_categories + noise_dim], such as an encoder gives.
    """
    category, noise = split(options, z)
    if options.noise_categories:
        category = CATEGORY * tf.one_hot(tf.argmax(category, axis=-1), options.noise_categories)
    return tf.concat([category, inside(options, noise)], axis=-1)


def slerp(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Spherical interpolation (White 2016): directions turn evenly, lengths change linearly.

        slerp(a, b; t) = |.|(t) * [sin((1 - t) w) a^ + sin(t w) b^] / sin w,  w = angle(a, b)

    Args:
        start, end: float [N, D].
        count: points per path, both ends included.

    Returns:
        float32 [N * count, D], path after path.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length_a, length_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    a, b = a / length_a, b / length_b
    angle = np.arccos(np.clip(np.sum(a * b, axis=1, keepdims=True), -1.0, 1.0))
    t = np.linspace(0.0, 1.0, count)[None, :, None]
    angle = angle[:, :, None]
    # For parallel directions sin(w) is zero and the path is the straight line.
    straight = np.sin(angle) < 1e-6
    safe = np.where(straight, 1.0, np.sin(angle))
    one = np.where(straight, 1.0 - t, np.sin((1.0 - t) * angle) / safe)
    two = np.where(straight, t, np.sin(t * angle) / safe)
    lengths = (1.0 - t) * length_a[:, None] + t * length_b[:, None]
    points = (one * a[:, None] + two * b[:, None]) * lengths
    return points.reshape(-1, a.shape[1]).astype(np.float32)
