"""LPIPS of generated images of each domain against real ones of every other."""

from __future__ import annotations

import itertools

from gantrain.measures.lpips import mean_distances, unfit
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams


def measure(e: Streams) -> dict[str, float]:
    """The cross distances of thesis tables 3.3 to 3.8."""
    return mean_distances(
        e,
        (
            (f"generated_{one}~real_{other}", e.of_domain(i), e.real(j))
            for (i, one), (j, other) in itertools.permutations(enumerate(e.names), 2)
        ),
    )


METRIC = Metric(
    "generated images of a domain against real ones of another",
    measure,
    unfit,
    ("lpips", min),
    asked=True,
    weights="lpips",
)
