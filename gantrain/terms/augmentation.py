"""Differentiable augmentation (Zhao et al. 2020).

The discriminator sees real and fake images through the same random changes, and the generator's
gradient passes through them.

Every function takes images float32 [B, H, W, C] in [-1, 1] and a `gantrain.game.Draw`, draws one
change per image, and returns images of the same shape.
"""

from __future__ import annotations

from gantrain.deferred import tf
from gantrain.noise import Draw


def translation(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Shift by up to 1/8 of the size in each direction; what comes in is zero (mid-gray)."""
    for axis in (1, 2):
        # One line of zeros on either side, for every index beyond the edge.
        padded = tf.pad(images, [[int(a == axis)] * 2 for a in range(4)])
        images = _gather(padded, _shift(draw, images.shape[axis], 8) + 1, axis)
    return images


def shift(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Shift by up to 1/16 of the size in each direction; the edge is repeated."""
    for axis in (1, 2):
        images = _gather(images, _shift(draw, images.shape[axis], 16), axis)
    return images


def _shift(draw, size, part):
    """Indices [B, size] of a line of pixels moved by up to size / part."""
    reach = size // part
    offset = tf.cast(tf.floor(draw.uniform(1, low=-reach, high=reach + 1)), tf.int32)
    return tf.range(size)[None] + offset


def _gather(images, indices, axis):
    indices = tf.clip_by_value(indices, 0, images.shape[axis] - 1)
    return tf.gather(images, indices, axis=axis, batch_dims=1)


def cutout(images: tf.Tensor, draw: Draw) -> tf.Tensor:
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


def color(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Brightness +-0.5, saturation times [0, 2], contrast times [0.5, 1.5]."""
    images += draw.uniform(1, 1, 1, low=-0.5, high=0.5)
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    images = gray + (images - gray) * draw.uniform(1, 1, 1, low=0.0, high=2.0)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * draw.uniform(1, 1, 1, low=0.5, high=1.5)


def zoom(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Larger by up to 1/0.8 or smaller by up to 1.45, and 15 % narrower to 20 % wider than that.

    Bilinear; where an image becomes smaller its edge is repeated.
    """
    rows = draw.uniform(1, low=0.8, high=1.45)
    columns = rows * draw.uniform(1, low=0.85, high=1.2)
    for axis, factor in ((1, rows), (2, columns)):
        size = images.shape[axis]
        middle = (size - 1) / 2
        place = (tf.range(size, dtype=tf.float32)[None] - middle) * factor + middle
        place = tf.clip_by_value(place, 0.0, size - 1.0)
        before = tf.floor(place)
        share = tf.expand_dims((place - before)[:, :, None], 3 - axis)
        before = tf.cast(before, tf.int32)
        images = (1.0 - share) * _gather(images, before, axis) + share * _gather(
            images, before + 1, axis
        )
    return images


def neighbours(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Other images of the batch stand to the left and right, as the digits of a house number do.

    Meant for bright ink on dark paper: where two meet, the brighter pixel is seen. Each neighbour
    is 17/32 to 40/32 of the width away, so that some are out of sight.
    """
    # The same pairs on any number of replicas.
    others = draw.mine(tf.reverse(draw.gather(images), [0]))
    width = images.shape[2]
    for side in (1, -1):
        offset = draw.uniform(1, low=17 / 32 * width, high=40 / 32 * width)
        indices = tf.range(width)[None] - side * tf.cast(offset, tf.int32)
        seen = ((indices >= 0) & (indices < width))[:, None, :, None]
        images = tf.where(seen, tf.maximum(images, _gather(others, indices, 2)), images)
    return images


def recolour(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Another ink on another paper: x -> p + (i - p) (x + 1) / 2, colours p and i drawn at random.

    Their gray levels differ by 0.4 to 1.6, in either direction, and every channel of both by up to
    0.3 from them: what a gray image shows stays, its colours and the sign of its contrast do not.
    """
    channels = images.shape[3]
    paper = draw.uniform(1, 1, 1, low=-1.0, high=1.0)
    # Around the circle that [-1, 1] closes to: both stay inside, however near the end one is.
    ink = tf.math.floormod(paper + 1.0 + draw.uniform(1, 1, 1, low=0.4, high=1.6), 2.0) - 1.0
    paper += draw.uniform(1, 1, channels, low=-0.3, high=0.3)
    ink += draw.uniform(1, 1, channels, low=-0.3, high=0.3)
    return paper + (ink - paper) * (images + 1.0) / 2.0


def blur(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Between sharp and blurred: (1 - a) x + a B(x), a uniform on [0, 1) for every image.

    B is the binomial filter [1, 4, 6, 4, 1] / 16 along both sides, of deviation 1 pixel; the edge
    is repeated.
    """
    blurred = images
    for axis in (1, 2):
        size = images.shape[axis]
        places = tf.range(size)
        blurred = tf.add_n(
            [
                weight
                / 16
                * tf.gather(blurred, tf.clip_by_value(places + k, 0, size - 1), axis=axis)
                for k, weight in zip(range(-2, 3), (1.0, 4.0, 6.0, 4.0, 1.0), strict=True)
            ]
        )
    return images + draw.uniform(1, 1, 1) * (blurred - images)


# Zhong et al. 2017, section 4: share of the area, height to width.
ERASED_AREA, ERASED_ASPECT = (0.02, 0.4), (0.3, 1 / 0.3)


def erase(images: tf.Tensor, probability: float, draw: Draw) -> tf.Tensor:
    """Random erasing: a rectangle of an image becomes noise (Zhong et al. 2017, algorithm 1).

    Area 2 to 40 % of the image, height to width 0.3 to 1/0.3, any place; every pixel of it uniform
    noise.

    Deviation: a rectangle longer than the image is cut to it, where the algorithm draws again.

    Args:
        images: float32 [B, H, W, C] in [-1, 1].
        probability: of an image to be changed; 0 draws nothing.
        draw: `gantrain.game.Draw`.

    Returns:
        float32 [B, H, W, C].
    """
    if not probability:
        return images
    height, width = images.shape[1:3]
    chosen = draw.uniform(1) < probability
    area = height * width * draw.uniform(1, low=ERASED_AREA[0], high=ERASED_AREA[1])
    aspect = draw.uniform(1, low=ERASED_ASPECT[0], high=ERASED_ASPECT[1])
    rows = _interval(draw, height, tf.sqrt(area * aspect))[:, :, None, None]
    columns = _interval(draw, width, tf.sqrt(area / aspect))[:, None, :, None]
    noise = draw.uniform(*images.shape[1:], low=-1.0, high=1.0)
    return tf.where(rows & columns & chosen[:, :, None, None], noise, images)


def _interval(draw, size, length):
    """bool [B, size]: true inside a random interval of `length` [B, 1] pixels, at most `size`."""
    length = tf.clip_by_value(tf.round(length), 1.0, float(size))
    first = tf.floor(draw.uniform(1) * (size - length + 1.0))
    place = tf.range(size, dtype=tf.float32)[None]
    return (place >= first) & (place < first + length)


def none(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """The images as they are."""
    return images


AUGMENTATIONS = {
    "none": none,
    "translation": translation,
    "shift": shift,
    "cutout": cutout,
    "color": color,
    "zoom": zoom,
    "neighbours": neighbours,
    "recolour": recolour,
    "blur": blur,
}


def augment(images: tf.Tensor, names: str, draw: Draw) -> tf.Tensor:
    """Applies the named augmentations in order. Args: names, comma separated."""
    for name in names.split(","):
        images = AUGMENTATIONS[name](images, draw)
    return images
