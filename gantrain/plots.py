"""Pictures of a run: loss curves and points in the plane. Figures are closed when written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gantrain.files import replacing


def losses(metrics: Sequence[dict], path: Path) -> None:
    """One panel per term, one curve per player and domain, over the steps.

    Args:
        metrics: list of log lines (`step` and `player/term[/domain]` values).
        path: PNG file.
    """
    from matplotlib.figure import Figure

    panels: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys(key for line in metrics for key in line if "/" in key):
        player, term, *_ = name.split("/")
        panels.setdefault((player, term), []).append(name)
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.4 * rows), layout="constrained")
    for index, ((player, term), names) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        for name in names:
            points = [(line["step"], line[name]) for line in metrics if name in line]
            axes.plot(*zip(*points, strict=True), label=name.split("/")[-1], linewidth=1)
        axes.set_title(f"{player}: {term}", fontsize=9)
        axes.tick_params(labelsize=7)
        if len(names) > 1:
            axes.legend(fontsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def points(domains: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> np.ndarray:
    """Samples in the plane above the real points, which are gray, as uint8 [H, W, 3].

    Args:
        domains: list of arrays [N, 2], one colour each.
        real: list of arrays [N, 2]; they set the scale where there are any but the origin.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    reach = [max(np.abs(values).max() for values in arrays) for arrays in (real, domains)]
    limit = 1.5 * (reach[0] or reach[1])
    figure = Figure(figsize=(4, 4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for values in real:
        axes.scatter(*np.asarray(values).T, s=2, color="0.8")
    for values in domains:
        axes.scatter(*np.asarray(values).T, s=4, alpha=0.5)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
