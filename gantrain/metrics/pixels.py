"""Pixel agreement of images that ought to be equal, or to be known maps of each other."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from gantrain.images import to_channels, to_uint8

SSIM_WINDOW = 11  # pixels; smaller images have none


def pixel_scores(made, target):
    """How near images are to their targets, as means over the images.

        l1   = mean |a - b|, in units of [-1, 1]
        psnr = 10 log10(4 / mean (a - b)^2), in dB; the peak is 2
        ssim = structural similarity, Gaussian window of 11 pixels (Wang et al. 2004)

    Args:
        made: float32 [N, H, W, C] in [-1, 1].
        target: the same shape, or [N, T, H, W, C]: of several targets the one nearest in l1.

    Returns:
        {"l1", "psnr", "ssim"}, float32 scalars; no "ssim" for images below 11 pixels.
    """
    made, target = tf.cast(made, tf.float32), nearest(made, tf.cast(target, tf.float32))
    scores = {"l1": tf.reduce_mean(tf.abs(made - target)),
              "psnr": tf.reduce_mean(tf.image.psnr(made, target, 2.0))}
    if min(made.shape[1:3]) >= SSIM_WINDOW:
        scores["ssim"] = tf.reduce_mean(tf.image.ssim(made, target, 2.0))
    return scores


def nearest(made, target):
    """Of several targets [N, T, H, W, C] the one nearest in l1, [N, H, W, C]."""
    if target.shape.rank == 4:
        return target
    best = tf.argmin(distances(made, target), axis=1)
    return tf.gather(target, best, axis=1, batch_dims=1)


def distances(made, target):
    """mean |y_t - y^| of every image and target, [N, T]."""
    return tf.reduce_mean(tf.abs(target - made[:, None]), axis=[2, 3, 4])


def map_agreement(first, second, transform):
    """Share of pixels of domain 2 that equal the known map of domain 1 (CoGAN, section 4).

        agreement = mean_n mean_p [T(x_1)_np > mid-gray  =  x_2,np > mid-gray]

    An outline leaves most pixels dark whatever the digit is, so that unrelated images agree on many
    of them: `chance` is the same share between an image and the map of the next image.

    Args:
        first: stream of images of domain 1: batches [b, H, W, C] float32 in [-1, 1].
        second: stream of images of domain 2, the n-th of the same z as the n-th of `first`; 1 or 3
            channels.
        transform: uint8 [b, H, W, C] -> uint8, one of `gantrain.data.transforms.TRANSFORMS`. It is
            given the luma where one of the domains is gray.

    Returns:
        Floats: `pixel_agreement`, its standard deviation over the images (`pixel_agreement_std`),
        `pixel_agreement_chance`.
    """
    matched, unmatched, opening, held = [], [], None, None
    for x, y in zip(first, second, strict=True):
        x, y = to_uint8(x), to_uint8(y)
        channels = min(x.shape[-1], y.shape[-1])
        mapped = transform(to_channels(x, channels)) > 127
        shown = to_channels(y, channels) > 127
        matched.append(_equal(mapped, shown))
        if held is None:
            opening = mapped[:1]
        else:
            unmatched.append(_equal(mapped[:1], held))
        unmatched.append(_equal(mapped[1:], shown[:-1]))
        held = shown[-1:]
    unmatched.append(_equal(opening, held))
    matched = np.concatenate(matched)
    return {"pixel_agreement": float(matched.mean()), "pixel_agreement_std": float(matched.std()),
            "pixel_agreement_chance": float(np.concatenate(unmatched).mean())}


def _equal(one, other):
    """Share of equal pixels of each image, [b]."""
    return np.mean(one == other, axis=(1, 2, 3))
