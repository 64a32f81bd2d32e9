"""Set distances on the features of each domain's first judge: not FID, but at hand offline."""

from __future__ import annotations

from gantrain.measures import frechet
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import penultimate


def measure(e: Streams) -> dict[str, float]:
    """Frechet and kernel distance, precision, recall of every domain."""
    panels = e.judges().values()
    values = {}
    for (name, (made, real)), (judge, *_) in zip(e.sets().items(), panels, strict=True):
        values |= frechet.of_streams(penultimate(judge), made, real, "classifier", name, e.seed)
    return values


def unfit(e: Streams) -> str:
    """Why a run has no judged images, or ""."""
    if not (e.from_noise and e.labelled and e.of_images):
        return "it needs generators of images from noise for labelled domains"
    return ""


METRIC = Metric(
    "Frechet and kernel distance, precision, recall on the first judge's features",
    measure,
    unfit,
    ("classifier_frechet", min),
    judged=True,
)
