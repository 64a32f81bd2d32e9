"""The toy set of the mode-collapse experiments (thesis section 2.3.2, figure 2.9)."""

from __future__ import annotations

import numpy as np

MODES = 10
COUNT = 5100
RADIUS = 4.0
DEVIATION = 0.15


def centres() -> np.ndarray:
    """The ten modes: float32 [10, 2], on a circle, for the coverage metric."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return (RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32)


def ring(count: int = COUNT, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in ten clusters on a circle.

    Deviation: the thesis gives the number of points and the drawing, no coordinates; here each
    cluster is an isotropic Gaussian of deviation 0.15 around one of ten points of a circle of
    radius 4. On a circle of radius 1 the thesis's learning rate does not separate the modes.

    Args:
      count: number of points; the modes get equal shares.
      seed: integer.

    Returns:
      Points float32 [count, 2] and their modes int32 [count].
    """
    modes = np.arange(count, dtype=np.int32) % MODES
    noise = np.random.default_rng(seed).standard_normal((count, 2))
    return (centres()[modes] + DEVIATION * noise).astype(np.float32), modes
