"""A clock that waits for what it measures."""

from __future__ import annotations

import time
from collections.abc import Callable

from gantrain.deferred import tf


def seconds(run: Callable) -> float:
    """Wall time of one call, its results on the host."""
    began = time.perf_counter()
    for value in tf.nest.flatten(run()):
        value.numpy()
    return time.perf_counter() - began
