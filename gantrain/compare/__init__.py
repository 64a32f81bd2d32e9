"""Two folders of images: how far apart they are as sets, and pair by pair where names agree.

The measures, the networks and what is stored are those of `gantrain.measures`, without a run: the
first folder is the reference (the real images, the targets), the second what is judged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from gantrain.compare.comparison import Comparison
from gantrain.compare.metrics import COMPARISONS
from gantrain.compare.sets import save_features as save
from gantrain.errors import UserError
from gantrain.files import finite
from gantrain.runtime import environment


def compare(
    reference: str | PathLike,
    images: str | PathLike,
    metrics: Sequence[str] | None = None,
    save_features: str | PathLike | None = None,
    command: str | None = None,
    **options: Any,
) -> dict:
    """Measures two folders.

    Args:
        reference, images: see `Comparison`.
        metrics: keys of COMPARISONS; None is every one that can be measured.
        save_features: .npz file for the features of the reference, which may then take its place.
        command: the command line, to be stored.
        options: further arguments of `Comparison`.

    Returns:
        A dict that JSON can hold: `values`, what they depend on, `notes`, why metrics were
        `left_out`, and the messages of files that were `skipped`.

    Raises:
        UserError: a folder, a file of weights or a metric that was asked for cannot be used, or
            nothing can be measured.
    """
    if save_features and Path(save_features).suffix != ".npz":
        raise UserError(f"--save_features {save_features}: give a name that ends in .npz")
    c = Comparison(reference, images, **options)
    # Weights are downloaded only for a metric that was asked for by name.
    c.offline = c.offline or not metrics
    values, left_out, fitting = {}, {}, []

    def leave_out(name, reason):
        if metrics:
            raise UserError(f"--metrics {name}: {reason}")
        left_out[name] = str(reason)

    for name in metrics or COMPARISONS:
        entry = COMPARISONS[name]
        try:
            if lacks := entry.lacks(c):
                raise UserError(lacks)
        except UserError as error:
            leave_out(name, error)
            continue
        if entry.network:
            getattr(c, entry.network)
        fitting.append(name)
    for name in fitting:
        try:
            values |= COMPARISONS[name].measure(c)
        except UserError as error:
            leave_out(name, error)
    if not values:
        raise UserError(
            "nothing can be measured: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        )
    depends = {
        "reference": c.sets[0].described(),
        "images": c.sets[1].described(),
        "num": c.num,
        "seed": c.seed,
        "image_size": c.image_size,
        "levels": c.sets[0].levels,
        "command": command,
        "environment": environment(c.runtime.device),
        "networks": c.networks,
    }
    if save_features:
        save(save_features, c.features, depends)
    return finite(
        depends
        | {
            "metrics": [n for n in fitting if n not in left_out],
            "counts": c.counts,
            "values": values,
            "notes": c.notes,
            "left_out": left_out,
            "skipped": list(c.skipped),
        }
    )
