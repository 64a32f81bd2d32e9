"""Pixel agreement of images that ought to be equal."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from gantrain.images import to_uint8

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


def map_agreement(pairs, transform):
    """Share of pixels of domain 2 that equal the known map of domain 1 (Liu and Tuzel 2016, 5).

    Both images are made black and white at mid-gray. The paper counts its renderings so: .952 for
    edges, .967 for negatives.

    Args:
        pairs: stream of (first, second), float32 [b, H, W, C] in [-1, 1], same z in the same row.
        transform: uint8 [N, H, W, C] -> uint8 [N, H, W, C']; what maps domain 1 to domain 2.

    Returns:
        Floats: `agreement`, `agreement_std` (over images) and `chance`: the agreement with the map
        of the next image, what a pair that knows nothing of each other reaches.
    """
    agree, chance = [], []
    for first, second in pairs:
        wanted = _ink(transform(np.asarray(to_uint8(first))))
        got = _ink(np.asarray(to_uint8(second)))
        agree.append(np.mean(wanted == got, axis=(1, 2)))
        chance.append(np.mean(np.roll(wanted, 1, axis=0) == got, axis=(1, 2)))
    agree, chance = np.concatenate(agree), np.concatenate(chance)
    return {"agreement": float(agree.mean()), "agreement_std": float(agree.std()),
            "chance": float(chance.mean())}


def _ink(pixels):
    """bool [N, H, W]: brighter than mid-gray, by the mean of the channels."""
    return pixels.mean(axis=-1) > 127.5
