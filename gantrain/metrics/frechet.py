"""Distances between two sets of images by the features of a network: Frechet, kernel, coverage.

The number depends on the network, on how images were resized for it, and on how many there are: a
Frechet distance of few images is biased upwards, so only equal counts compare. None of these values
is "FID" unless the features are those of the Inception graph of 2015.
"""

from __future__ import annotations

import numpy as np

CHUNK = 1_000  # rows of a distance matrix at a time


def collect(features, stream):
    """Features of a stream of images: float32 [N, D].

    Args:
        features: callable, float32 [b, H, W, C] in [-1, 1] -> [b, D].
        stream: iterable of such batches, read once.
    """
    return np.concatenate([np.asarray(features(batch), np.float32) for batch in stream])


def scores(real, fake, seed=0):
    """All measures of this module.

    Args:
        real, fake: float [N, D] and [M, D], at least two rows each.
        seed: of the subsets of the kernel distance.

    Returns:
        Floats `frechet`, `kernel`, `kernel_std`, `precision`, `recall`.
    """
    mean, spread = kernel_distance(real, fake, seed=seed)
    precision, recall = precision_recall(real, fake)
    return {"frechet": frechet_distance(real, fake), "kernel": mean, "kernel_std": spread,
            "precision": precision, "recall": recall}


def frechet_distance(x, y):
    """Frechet distance of the Gaussians that fit two sets of features (Heusel et al. 2017, eq. 6).

        |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x^(1/2) S_y S_x^(1/2))^(1/2))

    With centred features A = (x - m_x)^T / sqrt(N - 1) and B alike the last trace is the sum of the
    singular values of A^T B (the nuclear norm), so that no root of a singular covariance is taken:
    exact for fewer images than features, never complex, never negative beyond rounding.

    Args:
        x, y: float [N, D] and [M, D], N and M at least 2.

    Returns:
        A float, at least 0.
    """
    (m_x, a), (m_y, b) = _centred(x), _centred(y)
    total = np.sum((m_x - m_y)**2) + np.sum(a**2) + np.sum(b**2) - 2 * _nuclear(a, b)
    return float(max(total, 0.0))


def _centred(x):
    x = np.asarray(x, np.float64)
    if len(x) < 2:
        raise ValueError("a covariance needs two images or more")
    mean = x.mean(0)
    return mean, (x - mean) / np.sqrt(len(x) - 1)


def _nuclear(a, b):
    """Sum of the singular values of a b^T, from the smaller of the two Gram matrices' sides."""
    # With QR factors a = (q r)^T the singular values are those of r_a r_b^T: at most D x D.
    a, b = (np.linalg.qr(v, mode="r") if len(v) > v.shape[1] else v for v in (a, b))
    return np.linalg.svd(a @ b.T, compute_uv=False).sum()


def kernel_distance(x, y, subsets=100, size=1_000, seed=0):
    """Kernel inception distance's estimator on any features (Binkowski et al. 2018, section 4).

    The unbiased squared maximum mean discrepancy under k(a, b) = (a.b / D + 1)^3:

        1/(n(n-1)) sum_(i != j) [k(x_i, x_j) + k(y_i, y_j)] - 2/n^2 sum_ij k(x_i, y_j)

    Unbiased means that it may be negative where the distributions agree.

    Args:
        x, y: float [N, D] and [M, D], at least two rows each.
        subsets: draws without replacement whose mean and deviation are given.
        size: rows of a draw, at most N and M.
        seed: of the draws.

    Returns:
        (mean, standard deviation over the draws). Where a draw takes everything there is only one.
    """
    rng = np.random.default_rng(seed)
    n = min(size, len(x), len(y))
    if n < 2:
        raise ValueError("a kernel distance needs two images or more")
    if n == len(x) == len(y):
        subsets = 1
    values = [_mmd2(*(v[rng.choice(len(v), n, replace=False)] for v in (x, y)))
              for _ in range(subsets)]
    return float(np.mean(values)), float(np.std(values))


def _mmd2(x, y):
    x, y, n = np.asarray(x, np.float64), np.asarray(y, np.float64), len(x)
    within = sum(np.sum(k) - np.trace(k) for k in (_cubic(x, x), _cubic(y, y)))
    return within / (n * (n - 1)) - 2 * np.mean(_cubic(x, y))


def _cubic(x, y):
    return (x @ y.T / x.shape[1] + 1.0)**3


def precision_recall(real, fake, k=3):
    """Improved precision and recall (Kynkaanniemi et al. 2019, equations 1 to 3).

    Precision is the share of generated images that lie within the distance of some real image to
    its k-th neighbour among the real ones; recall exchanges the roles. A collapsed generator may
    have precision 1 and has recall near 0.

    Args:
        real, fake: float [N, D] and [M, D], more than k rows each.
        k: neighbours that span the manifold.

    Returns:
        (precision, recall), shares.
    """
    return _covered(fake, real, k), _covered(real, fake, k)


def _covered(points, manifold, k):
    """Share of points inside the union of the manifold's k-neighbour balls."""
    points, manifold = np.asarray(points, np.float64), np.asarray(manifold, np.float64)
    k = min(k, len(manifold) - 1)
    # Column 0 of the sorted row is the point itself.
    radii = np.concatenate([np.partition(_distances(part, manifold), k, axis=1)[:, k]
                            for part in _parts(manifold)])
    inside = [(_distances(part, manifold) <= radii).any(1) for part in _parts(points)]
    return float(np.concatenate(inside).mean())


def _parts(x):
    return (x[i:i + CHUNK] for i in range(0, len(x), CHUNK))


def _distances(x, y):
    """Squared distances [n, m]; the direct difference of a point to itself is exactly zero."""
    d = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    # Rounding leaves about 1e-16 of the squared lengths where points are equal.
    scale = 1e-12 * ((x**2).sum(1)[:, None] + (y**2).sum(1))
    return np.where(d < scale, 0.0, d)
