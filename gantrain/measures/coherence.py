"""Coherence: do the images of one latent vector show the same thing in every domain?

A collapsed pair of generators scores 100 % joint coherence. It is therefore never reported alone:
the entropy of each domain's class histogram, the classifiers' confidence and a binomial interval
stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantrain.errors import UserError
from gantrain.measures.metric import Metric
from gantrain.measures.shares import normalised_entropy, wilson
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import logits_of


def joint_coherence(
    logits: Sequence[np.ndarray], names: Sequence[str], multi_label: bool = False
) -> dict[str, float]:
    """Share of samples that all domains' evaluation classifiers give the same label.

        coherence = 1/N sum_n [argmax C_1(G_1(z_n)) = ... = argmax C_k(G_k(z_n))]

    For several attributes: the mean share of attributes on which all domains agree. The classifiers
    must not be the one that a semantic loss was trained against.

    Args:
        logits: one float array [N, C] per domain, same z in the same row.
        names: of the domains.
        multi_label: True if a column is an attribute of its own.

    Returns:
        Floats: `coherence`, its 95 % Wilson interval (`coherence_low`, `coherence_high`),
        `chance` (agreement of independent draws from the two histograms), and for every domain
        `entropy/<name>` (of the class histogram, 1 is uniform; for attributes the mean entropy of
        an attribute in bits) and `confidence/<name>` (mean probability of the chosen label).

    Raises:
        UserError: the domains differ in their number of labels.
    """
    logits = of_same_labels(logits, names)
    labels = [predicted(v, multi_label) for v in logits]
    agree = np.all([v == labels[0] for v in labels[1:]], axis=0)
    low, high = wilson(agree.sum(), agree.size)
    histograms = [
        histograms_of(v, w.shape[1], multi_label) for v, w in zip(labels, logits, strict=True)
    ]
    result = {
        "coherence": float(agree.mean()),
        "coherence_low": low,
        "coherence_high": high,
        "chance": float(np.prod(histograms, axis=0).sum(-1).mean()),
    }
    for name, v, histogram in zip(names, logits, histograms, strict=True):
        result[f"entropy/{name}"] = float(np.mean(normalised_entropy(histogram)))
        result[f"confidence/{name}"] = float(np.mean(_confidence(v, multi_label)))
    return result


def of_same_labels(logits: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """The logits in double precision; refused where the labels cannot be the same ones."""
    logits = [np.asarray(v, np.float64) for v in logits]
    counts = [v.shape[1] for v in logits]
    if len(set(counts)) > 1:
        raise UserError(
            "coherence needs the same labels in every domain, and there are "
            + ", ".join(f"{c} of {n}" for c, n in zip(counts, names, strict=True))
        )
    return logits


def predicted(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Predicted classes [N], or attributes [N, C] that are 0 or 1."""
    logits = np.asarray(logits, np.float64)
    return (logits > 0).astype(int) if multi_label else logits.argmax(1)


def histograms_of(labels: np.ndarray, classes: int, multi_label: bool) -> np.ndarray:
    """Class frequencies [rows, values]: one row, or one row of two values per attribute."""
    if multi_label:
        share = labels.mean(0)
        return np.stack([1.0 - share, share], axis=-1)
    return np.bincount(labels, minlength=classes)[None] / len(labels)


def _confidence(logits, multi_label):
    if multi_label:
        return 1.0 / (1.0 + np.exp(-np.abs(logits)))
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return 1.0 / shifted.sum(1)


def measure(e: Streams) -> dict[str, float]:
    """Joint coherence, with what has to stand beside it."""
    classifiers, accuracies = e.judges()
    logits = [
        np.concatenate(parts)
        for parts in zip(
            *(
                [logits_of(c, x) for c, x in zip(classifiers, made, strict=True)]
                for made in e.generated()
            ),
            strict=True,
        )
    ]
    result = joint_coherence(logits, e.names, e.domains[0].multi_label)
    e.counts["joint/coherence"] = len(logits[0])
    return {f"joint/{k}": v for k, v in (result | accuracies).items()}


def unfit(e: Streams) -> str:
    """Why a run has no joint or cross coherence, or ""."""
    if len(e.domains) < 2 or not e.labelled or not e.from_noise:
        return "joint coherence needs generators from noise for two or more labelled domains"
    if len({len(d.classes) for d in e.domains}) > 1:
        counts = ", ".join(f"{d.name} {len(d.classes)}" for d in e.domains)
        return f"joint coherence needs domains of the same classes, and these have {counts}"
    return ""


METRIC = Metric(
    "share of samples that all domains' classifiers give the same label",
    measure,
    unfit,
    ("joint/coherence", max),
    judged=True,
)
