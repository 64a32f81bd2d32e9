"""Which GPUs this process uses, and how much of their memory: decided before anything computes.

Whatever first uses a GPU, a network that is read from a file or a reader of TensorFlow Datasets,
decides for the whole process. So what a command line asks for is noted here before TensorFlow is
there, and applied as soon as it is loaded (`gantrain.deferred.load`).
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple

from gantrain.deferred import tf, when_loaded
from gantrain.errors import UserError


class Wish(NamedTuple):
    """What was asked for.

    Attributes:
        gpus: numbers as of `--gpus`, or None for the first `replicas`.
        replicas: that share a batch, at most; 0 is all.
        memory_mb: of each GPU; 0 lets it grow as needed.
    """

    gpus: str | None = None
    replicas: int = 0
    memory_mb: int = 0


_wish = Wish()


def ask(gpus: str | None = None, replicas: int = 0, memory_mb: int = 0) -> None:
    """Notes what is wanted; what is left open stays as it was asked for before.

    Args:
        gpus, replicas, memory_mb: see `Wish`.

    Raises:
        UserError: there are no such GPUs, or they are in use otherwise already.
    """
    before = _wish
    begin(gpus or before.gpus, replicas or before.replicas, memory_mb or before.memory_mb)


def begin(gpus: str | None = None, replicas: int = 0, memory_mb: int = 0) -> None:
    """As `ask`, but forgets what an earlier program of this process asked for."""
    global _wish
    _wish = Wish(gpus, replicas, memory_mb)
    if "tensorflow" in sys.modules:
        apply()


def apply() -> None:
    """Hides the GPUs that are not used, and limits the memory of the others. Raises as `ask`."""
    used = _chosen(tf.config.list_physical_devices("GPU"))
    limit = [tf.config.LogicalDeviceConfiguration(memory_limit=_wish.memory_mb)]
    try:
        tf.config.set_visible_devices(used, "GPU")
        for gpu in used:
            if _wish.memory_mb:
                tf.config.set_logical_device_configuration(gpu, limit)
            else:
                tf.config.experimental.set_memory_growth(gpu, True)
    except (RuntimeError, ValueError) as error:
        late = "this process has used its GPUs already"
        if _wish.gpus or _wish.memory_mb:
            raise UserError(
                f"--gpus, --gpu_mem_mb: {late} ({error}); start a new process for that"
            ) from None
        # A notebook that computed something first.
        warnings.warn(
            f"{late}: their memory and number stay as they are, and may be all of it; start a "
            f"new process and call gantrain first",
            RuntimeWarning,
            stacklevel=3,
        )


when_loaded(apply)


def _chosen(gpus: list) -> list:
    if _wish.gpus is None:
        return gpus[: _wish.replicas or None]
    if _wish.gpus == "none":
        return []
    try:
        numbers = [int(word) for word in _wish.gpus.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise UserError(f"--gpus {_wish.gpus}: give numbers such as 0,3, each once, or none")
    if max(numbers) >= len(gpus):
        there = f"there are {len(gpus)}, from 0 on" if gpus else "there is no GPU"
        raise UserError(f"--gpus {_wish.gpus}: {there}; choose others or drop it")
    return [gpus[number] for number in numbers][: _wish.replicas or None]


def visible(kind: str = "GPU") -> list[Any]:
    """The physical devices of a kind that this process uses."""
    return tf.config.get_visible_devices(kind)


def told() -> list[str]:
    """Lines about the GPUs of a run: what it uses and what it leaves alone."""
    gpus, used = tf.config.list_physical_devices("GPU"), visible()
    if not gpus:
        return []
    memory = f"{_wish.memory_mb:,} MB of each" if _wish.memory_mb else "memory as needed"
    left = _numbers(gpus, [gpu for gpu in gpus if gpu not in used])
    return [
        (f"uses GPU {_numbers(gpus, used)}, {memory}" if used else "uses no GPU")
        + (f"; leaves alone GPU {left}" if left else "")
    ]


def _numbers(gpus: list, some: list) -> str:
    return ", ".join(str(gpus.index(gpu)) for gpu in some)
