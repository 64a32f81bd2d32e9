"""Differentiable augmentation (Zhao et al. 2020): the discriminator sees real and fake images
through the same random changes, and the generator's gradient passes through them.

Every function takes images float32 [B, H, W, C] in [-1, 1] and a `gantrain.game.Draw`, draws one
change per image, and returns images of the same shape.
"""

from __future__ import annotations

import tensorflow as tf


def translation(images, draw):
    """Shift by up to 1/8 of the size in each direction; what comes in is zero (mid-gray)."""
    height, width = images.shape[1:3]
    rows = _shift(draw, height)
    columns = _shift(draw, width)
    images = tf.gather(_pad(images, 1), rows, axis=1, batch_dims=1)
    return tf.gather(_pad(images, 2), columns, axis=2, batch_dims=1)


def _shift(draw, size):
    """Row indices [B, size] into an image padded by one row on either side."""
    reach = size // 8
    shift = tf.cast(tf.floor(draw.uniform(1, low=-reach, high=reach + 1)), tf.int32)
    return tf.clip_by_value(tf.range(size)[None] + shift + 1, 0, size + 1)


def _pad(images, axis):
    return tf.pad(images, [[int(a == axis), int(a == axis)] for a in range(4)])


def cutout(images, draw):
    """A square of half the size, at a random place, becomes zero (mid-gray)."""
    height, width = images.shape[1:3]
    rows = _outside(draw, height)[:, :, None, None]
    columns = _outside(draw, width)[:, None, :, None]
    return images * tf.maximum(rows, columns)


def _outside(draw, size):
    """float32 [B, size]: zero inside a random interval of half the size."""
    centre = draw.uniform(1, low=0.0, high=float(size))
    distance = tf.abs(tf.range(size, dtype=tf.float32)[None] + 0.5 - centre)
    return tf.cast(distance > size / 4, tf.float32)


def color(images, draw):
    """Brightness +-0.5, saturation times [0, 2], contrast times [0.5, 1.5]."""
    images += draw.uniform(1, 1, 1, low=-0.5, high=0.5)
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    images = gray + (images - gray) * draw.uniform(1, 1, 1, low=0.0, high=2.0)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * draw.uniform(1, 1, 1, low=0.5, high=1.5)


def none(images, draw):
    """The images as they are."""
    return images


AUGMENTATIONS = {"none": none, "translation": translation, "cutout": cutout, "color": color}


def augment(images, names, draw):
    """Applies the named augmentations in order. Args: names, comma separated."""
    for name in names.split(","):
        images = AUGMENTATIONS[name](images, draw)
    return images
