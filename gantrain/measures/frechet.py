"""Frechet and kernel distances, precision and recall, between features of real and made images.

All four depend on the network that makes the features, on how it resizes images and on their
number: these belong beside every value. Two of them depend on the number systematically:

- The Frechet distance is biased upwards, by about c / N with a c that depends on the generator
  (Chong and Forsyth 2020). Compare values of equal N only; below some 10,000 images an Inception
  value is far above the published one. It is not extrapolated to infinite N here: that takes a
  straight line through 1 / N, which nothing guarantees of a small sample.
- Precision and recall fall or rise with the density of the samples: give both sides equal numbers.

The kernel distance has no such bias and is the one to trust with few images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from gantrain.errors import UserError

SUBSETS, SUBSET = 100, 1_000  # Binkowski et al. 2018
NEIGHBOURS = 3  # Kynkaanniemi et al. 2019
MANIFOLD = 10_000  # images of each kind; the time goes with the square

_ROWS = 4_096  # features that are held in double precision at a time
_ENTRIES = 2**22  # of a table of distances: 32 MiB


def collect(features: Callable, stream: Iterable[np.ndarray]) -> np.ndarray:
    """Features of all images of a stream.

    Args:
        features: batch [b, H, W, C] float32 in [-1, 1] -> [b, D].
        stream: iterable of such batches; b may differ. It is read once and not kept.

    Returns:
        float32 [N, D].

    Raises:
        UserError: there are no images, or a feature is not a finite number.
    """
    parts = [np.asarray(features(batch), np.float32) for batch in stream]
    if not parts:
        raise UserError("there are no images to measure; give a larger --num")
    made = np.concatenate(parts)
    if not np.isfinite(made).all():
        raise UserError(
            "features of the images are not finite: the generator makes values that "
            "are no numbers; evaluate an earlier checkpoint"
        )
    return made


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to two sets of features (Heusel et al. 2017).

        |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))

    With centred features X / sqrt(N_x - 1) = A and B alike, S_x = A'A and S_y = B'B, the trace of
    the root is the sum of the singular values of A B'. A set with fewer images than features is
    measured so: exactly, where covariances are singular, and in N x N instead of D x D numbers.

    Deviation: the published code takes a matrix root of the product, adds 1e-6 to singular
    covariances and drops what is imaginary of the root.

    Args:
        x, y: float [N, D]; N may differ, and be smaller than D.

    Returns:
        A float, not negative.

    Raises:
        UserError: a set has less than two images.
    """
    if min(len(x), len(y)) >= x.shape[1]:
        return frechet_from_moments(*moments(x), *moments(y))
    (m_x, a), (m_y, b) = _centred(x), _centred(y)
    # A B' = A R'Q' has the singular values of A R', which never is larger than D.
    a, b = (np.linalg.qr(v, mode="r") if len(v) > v.shape[1] else v for v in (a, b))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return _distance(m_x - m_y, np.sum(a * a), np.sum(b * b), root)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D] (of N - 1) of features [N, D], in float64.

    Raises:
        UserError: there are less than two images.
    """
    mean = _mean(x)
    covariance = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), _ROWS):
        rows = x[start : start + _ROWS] - mean
        covariance += rows.T @ rows
    return mean, covariance / (len(x) - 1)


def frechet_from_moments(
    m_x: np.ndarray, s_x: np.ndarray, m_y: np.ndarray, s_y: np.ndarray
) -> float:
    """`frechet_distance` of two Gaussians, given by mean [D] and covariance [D, D], in float64.

    tr (S_x S_y)^(1/2) is the sum of the singular values of S_x^(1/2) S_y^(1/2): no root is taken of
    a product, whose small eigenvalues rounding turns negative.
    """
    m_x, s_x, m_y, s_y = (np.asarray(v, np.float64) for v in (m_x, s_x, m_y, s_y))
    root = np.linalg.svd(_root(s_x) @ _root(s_y), compute_uv=False).sum()
    return _distance(m_x - m_y, np.trace(s_x), np.trace(s_y), root)


def _root(covariance):
    """The symmetric root of a covariance; eigenvalues below 0 are rounding and count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _distance(shift, trace_x, trace_y, root):
    return float(max(0.0, shift @ shift + trace_x + trace_y - 2.0 * root))


def _mean(x):
    if len(x) < 2:
        raise UserError(
            "a distance of distributions needs two images of each kind or more; give "
            "more images or a larger --num"
        )
    return np.mean(x, axis=0, dtype=np.float64)


def _centred(x):
    mean = _mean(x)
    return mean, (x - mean) / np.sqrt(len(x) - 1)


def kernel_distance(
    x: np.ndarray, y: np.ndarray, subsets: int = SUBSETS, size: int | None = None, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance KID, unbiased (Binkowski et al. 2018, equation 4).

        k(a, b) = (a'b / D + 1)^3
        MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

    It is an estimate of a square, and may be negative where the distributions are alike.

    Args:
        x, y: float [N, D]; N may differ.
        subsets: random subsets of both, over whose estimates the mean is taken.
        size: images of a subset, at most all. None: 1,000 as published, but at most half of the
            images: subsets that are the whole set are all one, and their spread says nothing.
        seed: of the subsets.

    Returns:
        Mean and standard deviation over the subsets, floats. The deviation is that of an estimate
        from `size` images, not of the mean.

    Raises:
        UserError: a set has less than four images (two, if `size` is given).
    """
    size = subset_size(x, y) if size is None else min(size, len(x), len(y))
    if size < 2:
        raise UserError(
            "a kernel distance needs four images of each kind or more; give a larger --num"
        )
    random = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        a, b = (v[random.choice(len(v), size, replace=False)].astype(np.float64) for v in (x, y))
        values.append(_unbiased(_cubic(a, a)) + _unbiased(_cubic(b, b)) - 2 * _cubic(a, b).mean())
    return float(np.mean(values)), float(np.std(values))


def subset_size(x: np.ndarray, y: np.ndarray) -> int:
    """Images of a subset of `kernel_distance` where none is given."""
    return min(SUBSET, len(x) // 2, len(y) // 2)


def _cubic(a, b):
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def _unbiased(kernel):
    """Mean of a square matrix without its diagonal."""
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def precision_recall(
    real: np.ndarray, fake: np.ndarray, k: int = NEIGHBOURS
) -> tuple[float, float]:
    """Precision and recall by manifolds of nearest neighbours (Kynkaanniemi et al. 2019).

    A set's manifold is the union of a ball around each of its features, that reaches to the k-th
    nearest other feature of the set.

        precision = share of the fake features in the manifold of the real: are they good?
        recall    = share of the real features in the manifold of the fake: is there all?

    Distances are computed in blocks: memory does not grow with the square of N.

    Args:
        real, fake: float [N, D]; N may differ, but the two values then compare unlike densities.
        k: neighbours, below the number of images.

    Returns:
        Precision and recall, floats in [0, 1].

    Raises:
        UserError: a set has k images or less.
    """
    if min(len(real), len(fake)) <= k:
        raise UserError(
            f"precision and recall need {k + 1} images of each kind or more; give a larger --num"
        )
    # Around the origin products cancel least.
    centre = np.mean(real, axis=0, dtype=np.float64)
    real, fake = real - centre, fake - centre
    in_real, in_fake = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    reach_real, reach_fake = _reach(real, k), _reach(fake, k)
    for rows, squares in _squared_distances(real, fake):
        in_real |= (squares <= reach_real[rows, None]).any(0)
        in_fake[rows] = (squares <= reach_fake).any(1)
    return float(in_real.mean()), float(in_fake.mean())


def _reach(x, k):
    """Squared distance of each point to its k-th nearest other point, [N]."""
    reach = np.empty(len(x))
    for rows, squares in _squared_distances(x, x):
        # Not by leaving out the smallest: of two equal points either may come first.
        squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
        reach[rows] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return reach


def _squared_distances(x, y):
    """Blocks (slice of rows of x, squared distances [rows, len(y)])."""
    step = max(1, _ENTRIES // len(y))
    of_y = np.sum(y * y, axis=1)
    for start in range(0, len(x), step):
        part = x[start : start + step]
        squares = np.sum(part * part, axis=1)[:, None] + of_y - 2.0 * (part @ y.T)
        yield slice(start, start + len(part)), np.maximum(squares, 0.0, out=squares)


def distances(
    real: np.ndarray, fake: np.ndarray, network: str, seed: int = 0, most: int = MANIFOLD
) -> dict[str, float]:
    """All measures of this module, under names that say which network's features they compare.

    Only Inception features of the published graph make an "FID": the name of the network is part
    of every name here.

    Args:
        real, fake: float [N, D], in an order that is random.
        network: "classifier", "inception".
        seed: of the subsets of the kernel distance.
        most: images of each kind that precision and recall look at, the first ones.

    Returns:
        Floats: `<network>_frechet`, `<network>_kernel`, `<network>_kernel_std`,
        `<network>_precision`, `<network>_recall`, and the counts: `<network>_real` and
        `<network>_fake` images, `<network>_kernel_images` in a subset,
        `<network>_precision_images` of each kind (the smaller of both sets, at most `most`).
        With two or three images of a kind the Frechet distance alone is defined.

    Raises:
        UserError: there are less than two images of a kind.
    """
    values = {"frechet": frechet_distance(real, fake), "real": len(real), "fake": len(fake)}
    near, size = min(len(real), len(fake), most), subset_size(real, fake)
    if size > 1:
        kernel, spread = kernel_distance(real, fake, seed=seed)
        values |= {"kernel": kernel, "kernel_std": spread, "kernel_images": size}
    if near > NEIGHBOURS:
        precision, recall = precision_recall(real[:near], fake[:near])
        values |= {"precision": precision, "recall": recall, "precision_images": near}
    return {f"{network}_{name}": float(value) for name, value in values.items()}


def of_streams(
    features: Callable,
    made: Iterable[np.ndarray],
    real: Iterable[np.ndarray],
    network: str,
    name: str,
    seed: int,
) -> dict[str, float]:
    """`distances` of two streams of images, as {"value/name"}; one image is no distribution.

    Args:
        features, made, real: of `collect`.
        network, seed: of `distances`.
        name: of the domain.

    Returns:
        Floats; none if there is only one image of a kind.
    """
    fake, true = collect(features, made), collect(features, real)
    if min(len(fake), len(true)) < 2:
        return {}
    return {f"{key}/{name}": value for key, value in distances(true, fake, network, seed).items()}
