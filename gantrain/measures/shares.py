"""Shares and histograms: the interval of the one, the entropy of the other."""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.959963984540054


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), valid near 0 and 1 too."""
    share, z2 = successes / trials, Z95**2 / trials
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def normalised_entropy(histogram: np.ndarray) -> np.ndarray:
    """-sum_c p_c log p_c / log C over the last axis: 1 for a uniform histogram, 0 for one class.

    Where there is only one class to choose from it is 0: nothing is uncertain.
    """
    p = np.asarray(histogram, np.float64)
    logs = np.log(p, where=p > 0, out=np.zeros_like(p))
    return -np.sum(p * logs, axis=-1) / math.log(max(p.shape[-1], 2))
