"""Mixing: images of two examples at once, which a classifier reads each by its share.

Every function takes images float32 [B, H, W, C], the others that they are mixed with, and a
`gantrain.noise.Draw`, and returns the mixed images and the share [B] that is left of the first.

Deviation: one share per image, not per batch, and half of the images stay as they are: a short
training never sees a whole image otherwise.
"""

from __future__ import annotations

from gantrain.deferred import tf
from gantrain.noise import Draw


def none(images: tf.Tensor, others: tf.Tensor, draw: Draw) -> tuple[tf.Tensor, tf.Tensor]:
    """The images as they are."""
    return images, tf.ones(draw.local)


def mixup(images: tf.Tensor, others: tf.Tensor, draw: Draw) -> tuple[tf.Tensor, tf.Tensor]:
    """s x + (1 - s) x', s uniform on [0, 1) (Zhang et al. 2018, alpha = 1)."""
    part = _part(draw)[:, None, None]
    return images + part * (others - images), 1.0 - part[:, 0, 0, 0]


def cutmix(images: tf.Tensor, others: tf.Tensor, draw: Draw) -> tuple[tf.Tensor, tf.Tensor]:
    """A rectangle of the other image, of the image's proportions (Yun et al. 2019, alpha = 1).

    Its area is uniform on [0, 1) of the image's and its middle anywhere, so that it may be cut by
    the edge; the share is that of the pixels that are left.
    """
    side, inside = tf.sqrt(_part(draw)), tf.constant(True)
    for axis in (1, 2):
        size = images.shape[axis]
        middle = draw.uniform(1) * size
        near = tf.abs(tf.range(size, dtype=tf.float32)[None] + 0.5 - middle) < side * size / 2
        inside &= tf.expand_dims(near, 3 - axis)
    share = 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=(1, 2))
    return tf.where(inside[..., None], others, images), share


def _part(draw):
    """Share [B, 1] of the other image: uniform on [0, 1) in half of the images, 0 in the rest."""
    return tf.maximum(draw.uniform(1, low=-1.0, high=1.0), 0.0)


MIXINGS = {"none": none, "mixup": mixup, "cutmix": cutmix}
