"""Divergences between distributions on the line: figures 2.7, 2.8 and 2.12, appendix C."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy  # whose parts are loaded when they are first used

POINTS = 20_001  # of the common grid
SAMPLES = 100_000  # per distribution (listing C, line 11)


def kullback_leibler(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p || q) = sum_i p_i log(p_i / q_i) of two histograms, in nats; both are normalised.

    Infinite where q is zero and p is not.
    """
    return float(scipy.stats.entropy(np.asarray(p, np.float64), np.asarray(q, np.float64)))


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """JSD(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m), m = (p + q) / 2, in nats; at most log 2.

    Args:
        p, q: float [N], densities or counts on the same grid; both are normalised.
    """
    p, q = (np.asarray(v, np.float64) / np.sum(v) for v in (p, q))
    # Half of the smallest number is zero, and a divergence from zero infinite.
    m = np.maximum((p + q) / 2, np.finfo(np.float64).tiny)
    return 0.5 * kullback_leibler(p, m) + 0.5 * kullback_leibler(q, m)


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """First Wasserstein distance of two samples on the line, by SciPy."""
    return float(scipy.stats.wasserstein_distance(x, y))


def mixture(grid: np.ndarray, means: Iterable[float], deviation: float) -> np.ndarray:
    """Density of an even mixture of Gaussians on a grid."""
    return np.mean([scipy.stats.norm.pdf(grid, m, deviation) for m in means], axis=0)


def shifted(
    shifts: Iterable[float] = range(21), deviation: float = 0.1
) -> tuple[list[float], list[float]]:
    """JSD of N(0, deviation) and N(shift, deviation) on one grid (thesis figure 2.7).

    It stops growing, at log 2, once the distributions no longer overlap: nothing to descend.

    Deviation: listing C gives each distribution a grid of its own and evaluates the standard normal
    on it, so that its divergence is that of two grids; the text compares shifted densities. The
    text says a deviation of 0.1, the listing 1.

    Args:
        shifts: means of the second distribution.
        deviation: of both.

    Returns:
        (list of shifts, list of JSD in nats).
    """
    shifts = list(shifts)
    grid = np.linspace(min(shifts) - 6 * deviation, max(shifts) + 6 * deviation, POINTS)
    p = scipy.stats.norm.pdf(grid, 0.0, deviation)
    return shifts, [jensen_shannon(p, scipy.stats.norm.pdf(grid, s, deviation)) for s in shifts]


def transported(
    shifts: Iterable[float] = range(21),
    deviation: float = 1.0,
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[list[float], list[float]]:
    """Wasserstein distance of samples of N(0, deviation) and N(shift, deviation) (figure 2.12).

    It goes on growing with the shift where the JSD is flat.

    Returns:
        (list of shifts, list of distances).
    """
    rng, shifts = np.random.default_rng(seed), list(shifts)
    p = rng.normal(0.0, deviation, samples)
    return shifts, [wasserstein(p, rng.normal(s, deviation, samples)) for s in shifts]


def fitted(
    means: Sequence[float] = (-2.0, 2.0), deviation: float = 0.5, forward: bool = True
) -> tuple[float, float]:
    """The Gaussian q nearest to a mixture p by KL(p || q) or KL(q || p) (thesis figure 2.8).

    KL(p || q) covers all modes; KL(q || p), the term in the generator's update, takes one and drops
    the others.

    Args:
        means: of the mixture p.
        deviation: of its modes.
        forward: True minimises KL(p || q), False KL(q || p).

    Returns:
        (mean, deviation) of q.
    """
    width = 8 * np.hypot(deviation, np.max(np.abs(means)))
    grid = np.linspace(-width, width, 4_001)
    p = mixture(grid, means, deviation) + 1e-300

    def loss(parameters):
        q = scipy.stats.norm.pdf(grid, parameters[0], np.exp(parameters[1])) + 1e-300
        return kullback_leibler(p, q) if forward else kullback_leibler(q, p)

    # From a mode's side: in the middle KL(q || p) has a saddle that no descent would leave.
    found = scipy.optimize.minimize(
        loss,
        (0.3 * max(means), np.log(deviation)),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-10},
    )
    return float(found.x[0]), float(np.exp(found.x[1]))
