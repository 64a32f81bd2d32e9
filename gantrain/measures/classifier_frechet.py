"""Set distances on the evaluation classifiers' features: not FID, but at hand offline."""

from __future__ import annotations

from gantrain.measures import frechet
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import penultimate


def measure(e: Streams) -> dict[str, float]:
    """Frechet and kernel distance, precision, recall of every domain."""
    classifiers, _ = e.judges()
    values = {}
    for (name, (made, real)), classifier in zip(e.sets().items(), classifiers, strict=True):
        values |= frechet.of_streams(
            penultimate(classifier), made, real, "classifier", name, e.seed
        )
    return values


def unfit(e: Streams) -> str:
    """Why a run has no judged images, or ""."""
    if not (e.from_noise and e.labelled and e.of_images):
        return "it needs generators of images from noise for labelled domains"
    return ""


METRIC = Metric(
    "Frechet and kernel distance, precision, recall on evaluation classifiers' features",
    measure,
    unfit,
    ("classifier_frechet", min),
    judged=True,
)
