"""Pixel scores: how near are images to those that they ought to be equal to?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gantrain.data.pairs import examples, pair_count
from gantrain.deferred import tf
from gantrain.images import to_float
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.trainer import Shows, able

# Pixels and standard deviation of SSIM's window, and its constants; smaller images have no SSIM.
SSIM_WINDOW, SSIM_DEVIATION, SSIM_K = 11, 1.5, (0.01, 0.03)
LEAST_ERROR = 1e-10  # mean squared error of intensities in [0, 1] that counts as none: 100 dB


def pixel_scores(made: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
    """How near images are to their targets, as means over the images.

        l1   = mean |x - y|, in units of [-1, 1]
        psnr = -10 log10 max(mean (a - b)^2, 1e-10), in dB, at most 100
        ssim = `structural_similarity` of a and b

    with intensities a = (x + 1) / 2 and b alike, whose peak is 1.

    Args:
        made: float32 [N, H, W, C] in [-1, 1].
        target: the same shape, or [N, T, H, W, C]: of several targets the one nearest in l1.

    Returns:
        {"l1", "psnr", "ssim"}, float32 scalars; no "ssim" for images below 11 pixels.
    """
    made = tf.cast(made, tf.float32)
    target = nearest(made, tf.cast(target, tf.float32))
    a, b = (made + 1.0) / 2.0, (target + 1.0) / 2.0
    error = tf.maximum(tf.reduce_mean(tf.square(a - b), axis=[1, 2, 3]), LEAST_ERROR)
    scores = {
        "l1": tf.reduce_mean(tf.abs(made - target)),
        "psnr": tf.reduce_mean(-10.0 * tf.math.log(error) / np.float32(np.log(10.0))),
    }
    if min(made.shape[1:3]) >= SSIM_WINDOW:
        scores["ssim"] = tf.reduce_mean(structural_similarity(a, b))
    return scores


def structural_similarity(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """SSIM of intensities from 0 to 1 (Wang et al. 2004, equation 13).

        (2 m_a m_b + C1) (2 s_ab + C2) / ((m_a^2 + m_b^2 + C1) (s_a^2 + s_b^2 + C2))

    m, s^2 and s_ab are means, variances and covariance under a Gaussian window of 11 pixels and
    deviation 1.5, C1 = 0.01^2, C2 = 0.03^2; the mean is over the places where the window lies
    inside the image, and over the channels. In [-1, 1], where a product of means may be negative,
    it has no meaning.

    Args:
        a, b: float [N, H, W, C] in [0, 1]; H and W are 11 or more.

    Returns:
        float32 [N].
    """
    # In double precision: a variance is a small difference of squares, and C2 is smaller still.
    a, b = tf.cast(a, tf.float64), tf.cast(b, tf.float64)
    reach = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (reach / SSIM_DEVIATION) ** 2)
    kernel = np.broadcast_to(
        (weights / weights.sum())[:, None, None, None], (SSIM_WINDOW, 1, a.shape[-1], 1)
    )

    def mean(values):
        for axis in (kernel, kernel.swapaxes(0, 1)):
            values = tf.nn.depthwise_conv2d(values, axis, (1, 1, 1, 1), "VALID")
        return values

    c1, c2 = (k**2 for k in SSIM_K)
    m_a, m_b = mean(a), mean(b)
    variances = mean(a * a) + mean(b * b) - m_a**2 - m_b**2
    covariance = mean(a * b) - m_a * m_b
    ssim = (
        (2 * m_a * m_b + c1) * (2 * covariance + c2) / ((m_a**2 + m_b**2 + c1) * (variances + c2))
    )
    return tf.cast(tf.reduce_mean(ssim, axis=[1, 2, 3]), tf.float32)


def nearest(made: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Of several targets [N, T, H, W, C] the one nearest in l1, [N, H, W, C]."""
    if target.shape.rank == 4:
        return target
    best = tf.argmin(distances(made, target), axis=1)
    return tf.gather(target, best, axis=1, batch_dims=1)


def distances(made: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """mean |y_t - y^| of every image and target, [N, T]."""
    return tf.reduce_mean(tf.abs(target - made[:, None]), axis=[2, 3, 4])


def mean_scores(scores: Callable, parts: Iterable[Sequence]) -> dict[str, float]:
    """Means of what a trainer measures, one example at a time: memory stays flat.

    Args:
        scores: one tensor per domain, float32 [1, ...] in [-1, 1] -> {name: scalar}.
        parts: iterable of [one tensor per domain].
    """
    found = [scores(*part) for part in parts]
    return {name: float(np.mean([s[name] for s in found])) for name in found[0]}


def measure(e: Streams) -> dict[str, float]:
    """What the trainer measures on test examples: L1, PSNR and SSIM of pairs, cycle, PatchNCE."""
    count = min(e.num, pair_count(e.test) or min(d.size for d in e.test))
    parts = ([to_float(p) for p in examples(e.test, [n])] for n in range(count))
    e.counts["pixels"] = count
    program = e.once("pixels", lambda: e.compile(able(e.trainer, Shows).measure))
    return {f"pixels/{k}": v for k, v in mean_scores(program, parts).items()}


def unfit(e: Streams) -> str:
    """Why a run has no pixel scores, or ""."""
    return "" if not e.from_noise else "pixel scores need the run of a translation"


METRIC = Metric(
    "L1, PSNR and SSIM of test pairs, or of the cycle without pairs",
    measure,
    unfit,
    ("pixels/l1", min),
)
