"""Held-out examples of a run that shows and measures them: its sample grid, its scores."""

from __future__ import annotations

import numpy as np

from gantrain import images
from gantrain.data.pairs import examples, pair_count
from gantrain.measures.pixels import mean_scores
from gantrain.runs.build import OpenRun

# Examples that a grid shows, and that scores are means over.
SHOWN, MEASURED = 8, 40


class HeldOut:
    """The first examples of the test part, float32 [-1, 1], read once.

    Args:
        run: `gantrain.runs.build.OpenRun` of a trainer that is a `gantrain.trainer.Shows`.
    """

    def __init__(self, run: OpenRun):
        self.run, self._examples = run, None

    def examples(self, count: int) -> list:
        """One tensor per domain; of a paired set pairs, with [n, T, H, W, C] for T targets."""
        if self._examples is None:
            domains = self.run.test_domains()
            most = pair_count(domains) or min(d.size for d in domains)
            pixels = examples(domains, range(min(MEASURED, most)))
            self._examples = [images.to_float(p) for p in pixels]
        return [p[:count] for p in self._examples]

    def picture(self) -> np.ndarray:
        """uint8 [H, W, 3]: the trainer's gallery, an example a column."""
        rows = self.run.compiled("gallery")(*self.examples(SHOWN))
        return images.grid([np.asarray(row) for row in rows], SHOWN)

    def best(self) -> tuple | None:
        """What the trainer keeps as its best state: `gantrain.runs.build.Watch.best`."""
        if not self.run.trainer.patience:
            return None
        name, better, measurements = self.run.trainer.patience
        logged = f"held_out/{name}"
        return logged, lambda line: line.get(logged), better, measurements

    def scores(self) -> dict[str, float]:
        """{"held_out/name": float}, means of what the trainer measures."""
        parts = self.examples(MEASURED)
        each = ([p[i : i + 1] for p in parts] for i in range(len(parts[0])))
        return {
            f"held_out/{name}": value
            for name, value in mean_scores(self.run.compiled("measure"), each).items()
        }
