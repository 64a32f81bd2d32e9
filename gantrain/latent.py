"""Paths in latent space."""

from __future__ import annotations

import numpy as np


def slerp(start, end, count):
    """Spherical interpolation (White 2016): directions turn evenly, lengths change linearly.

        slerp(a, b; t) = |.|(t) * [sin((1 - t) w) a^ + sin(t w) b^] / sin w,  w = angle(a, b)

    Args:
        start, end: float [N, D].
        count: points per path, both ends included.

    Returns:
        float32 [N * count, D], path after path.
    """
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    length_a, length_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    a, b = a / length_a, b / length_b
    angle = np.arccos(np.clip(np.sum(a * b, axis=1, keepdims=True), -1.0, 1.0))
    t = np.linspace(0.0, 1.0, count)[None, :, None]
    angle = angle[:, :, None]
    # For parallel directions sin(w) is zero and the path is the straight line.
    straight = np.sin(angle) < 1e-6
    safe = np.where(straight, 1.0, np.sin(angle))
    one = np.where(straight, 1.0 - t, np.sin((1.0 - t) * angle) / safe)
    two = np.where(straight, t, np.sin(t * angle) / safe)
    lengths = (1.0 - t) * length_a[:, None] + t * length_b[:, None]
    points = (one * a[:, None] + two * b[:, None]) * lengths
    return points.reshape(-1, a.shape[1]).astype(np.float32)
