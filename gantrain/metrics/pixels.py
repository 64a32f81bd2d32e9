"""Pixel agreement of images that ought to be equal."""

from __future__ import annotations

import tensorflow as tf

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
