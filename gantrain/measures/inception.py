"""Set distances on Inception features, with the Keras weights."""

from __future__ import annotations

from gantrain.measures import frechet
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.nets.inception import inception


def measure(e: Streams) -> dict[str, float]:
    """Frechet and kernel distance, precision, recall of every domain."""
    network = e.once("inception", lambda: inception(e.weights.inception, e.config.data.offline))
    e.networks["inception"] = network.description
    compiled = e.once("inception_features", lambda: e.compile(network.features))
    return {
        name: value
        for domain, (made, real) in e.sets().items()
        for name, value in frechet.of_streams(
            compiled, made, real, "inception", domain, e.seed
        ).items()
    }


def unfit(e: Streams) -> str:
    """Why a run has no features of images, or ""."""
    return "" if e.of_images else "it needs images, and the run makes points"


METRIC = Metric(
    "the same on Inception features, with the Keras weights",
    measure,
    unfit,
    ("inception_frechet", min),
    asked=True,
    weights="inception",
)
