"""Held-out examples of a run that shows and measures them: its sample grid, its scores."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gantrain import images
from gantrain.data.pairs import examples, pair_count
from gantrain.measures.pixels import mean_scores
from gantrain.runs.build import OpenRun
from gantrain.runs.callbacks import Kept
from gantrain.trainer import Shows, able

# Examples that a grid shows, and that scores are means over.
SHOWN, MEASURED = 8, 40


class HeldOut:
    """The first examples of the test part, float32 [-1, 1], read once.

    Args:
        run: `gantrain.runs.build.OpenRun` of a trainer that `gantrain.trainer.Shows`.
    """

    def __init__(self, run: OpenRun):
        self.run, self.shows = run, able(run.trainer, Shows)

    def examples(self, count: int) -> list:
        """One tensor per domain; of a paired set pairs, with [n, T, H, W, C] for T targets."""
        return [p[:count] for p in self._examples]

    @cached_property
    def _examples(self):
        domains = self.run.test_domains()
        most = pair_count(domains) or min(d.size for d in domains)
        return [images.to_float(p) for p in examples(domains, range(min(MEASURED, most)))]

    def picture(self) -> np.ndarray:
        """uint8 [H, W, 3]: the trainer's gallery, an example a column."""
        rows = self.run.compiled(self.shows.gallery)(*self.examples(SHOWN))
        return images.grid([np.asarray(row) for row in rows], SHOWN)

    def kept(self) -> Kept | None:
        """By what the trainer keeps its best state, where it does."""
        if not self.shows.patience:
            return None
        name, better, measurements = self.shows.patience
        logged = f"held_out/{name}"
        return Kept(logged, lambda line: line.get(logged), better, measurements)

    def scores(self) -> dict[str, float]:
        """{"held_out/name": float}, means of what the trainer measures."""
        parts = self.examples(MEASURED)
        each = ([p[i : i + 1] for p in parts] for i in range(len(parts[0])))
        program = self.run.compiled(self.shows.measure)
        return {f"held_out/{name}": v for name, v in mean_scores(program, each).items()}
