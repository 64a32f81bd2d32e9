"""What a metric says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gantrain.measures.streams import Streams


@dataclass(frozen=True)
class Metric:
    """One entry of `gantrain.measures.METRICS`.

    Attributes:
        summary: one line.
        measure: `gantrain.measures.streams.Streams` -> {"name/domain": float}.
        unfit: Streams -> why the run cannot be measured so, or "".
        best: (value, or prefix of values that are averaged; max or min): what `--keep_best` keeps.
        asked: True if it takes minutes or a download, and is measured only when it is named.
        judged: True if it consults the evaluation classifiers.
        weights: the field of `gantrain.measures.streams.Weights` whose file it reads, or None.
    """

    summary: str
    measure: Callable[[Streams], dict[str, float]]
    unfit: Callable[[Streams], str]
    best: tuple[str, Callable]
    asked: bool = False
    judged: bool = False
    weights: str | None = None

    def score(self, values: dict) -> float | None:
        """The one number that `--keep_best` compares, from measured values; None without them."""
        name, _ = self.best
        found = [v for k, v in values.items() if k == name or k.startswith(name + "/")]
        return float(np.mean(found)) if found else None
