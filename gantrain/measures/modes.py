"""Mode coverage: which parts of a distribution a generator reaches at all."""

from __future__ import annotations

import numpy as np

from gantrain.data.ring import DEVIATION, centres
from gantrain.measures.classifier_frechet import unfit as unlabelled
from gantrain.measures.metric import Metric
from gantrain.measures.shares import normalised_entropy
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import logits_of

LEAST = 0.01  # share of the samples that makes a mode count as covered
RADIUS = 3.0  # standard deviations within which a sample belongs to a mode


def ring_coverage(
    points: np.ndarray,
    centres: np.ndarray,
    deviation: float,
    least: float = LEAST,
    radius: float = RADIUS,
) -> dict[str, float]:
    """Modes of a mixture of round Gaussians in the plane that samples reach.

    Args:
        points: float [N, 2].
        centres: float [K, 2].
        deviation: standard deviation of a mode.
        least: share of all samples from which on a mode is covered.
        radius: in deviations, how near a sample has to be.

    Returns:
        Floats: `covered` (modes), `modes` (K), `near` (share of samples in any mode) and `entropy`
        (of the histogram of the samples in modes; 1 is uniform).
    """
    distance = np.linalg.norm(np.asarray(points)[:, None] - np.asarray(centres)[None], axis=-1)
    nearest = distance.argmin(1)
    near = distance.min(1) <= radius * deviation
    counts = np.bincount(nearest[near], minlength=len(centres))
    return {
        "covered": float(np.sum(counts >= least * len(points))),
        "modes": float(len(centres)),
        "near": float(near.mean()),
        "entropy": _entropy(counts),
    }


def label_coverage(
    labels: np.ndarray, data_labels: np.ndarray, classes: int, least: float = LEAST
) -> dict[str, float]:
    """Classes that labelled samples reach, and how far their histogram is from the data's.

    Args:
        labels: int [N], classes that a classifier gives to samples.
        data_labels: int [M], classes of the data.
        classes: number of classes.
        least: share of all samples from which on a class is covered.

    Returns:
        Floats: `covered` (classes), `modes` (all of them), `entropy` (1 is uniform) and `kl`,
        KL(samples || data) of the histograms in nats; without it where a class that is made is not
        in the data, and the divergence infinite.
    """
    counts = np.bincount(labels, minlength=classes)
    p, q = counts / counts.sum(), np.bincount(data_labels, minlength=len(counts)) / len(data_labels)
    used = p > 0
    # JSON has no infinity.
    kl = {} if np.any(q[used] == 0) else {"kl": float(np.sum(p[used] * np.log(p[used] / q[used])))}
    return {
        "covered": float(np.sum(counts >= least * len(labels))),
        "modes": float(classes),
        "entropy": _entropy(counts),
    } | kl


def _entropy(counts):
    return float(normalised_entropy(counts / counts.sum())) if counts.sum() else 0.0


def measure(e: Streams) -> dict[str, float]:
    """Modes that the samples reach, or classes by the first judge of each domain."""
    values = {}
    if e.config.data.dataset == "ring":
        points = np.concatenate(list(e.of_domain(0)))
        found = {e.names[0]: ring_coverage(points, centres(), DEVIATION)}
    else:
        panels = e.judges().values()
        found = {}
        for i, (domain, (judge, *_)) in enumerate(zip(e.domains, panels, strict=True)):
            labels = np.concatenate([logits_of(judge, x).argmax(1) for x in e.of_domain(i)])
            found[domain.name] = label_coverage(labels, domain.truth(), len(domain.classes))
    for name, scores in found.items():
        values |= {f"modes/{k}/{name}": v for k, v in scores.items()}
        e.counts[f"modes/{name}"] = e.num
    return values


def unfit(e: Streams) -> str:
    """Why a run has no modes, or ""."""
    if e.config.data.dataset == "ring" and e.from_noise:
        return ""
    return unlabelled(e) or ("attributes are no modes" if e.domains[0].multi_label else "")


METRIC = Metric(
    "modes or classes that samples reach", measure, unfit, ("modes/covered", max), judged=True
)
