"""Coherence: do the images of one latent vector show the same thing in every domain?

A collapsed pair of generators scores 100 % joint coherence. It is therefore never reported alone:
the entropy of each domain's class histogram, the classifiers' confidence and a binomial interval
stand beside it, and the ceiling: what the same judges give for real images of equal labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gantrain.deferred import keras
from gantrain.errors import UserError
from gantrain.measures.metric import Metric
from gantrain.measures.shares import normalised_entropy, wilson
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import logits_of

SURE = 0.9  # probability of its own choice from which on a judge is sure of it


class Readings(NamedTuple):
    """What the judges of a domain read in its images.

    Attributes:
        chosen: int [J, N, A], a class (A = 1) or attributes that are 0 or 1.
        sure: bool [J, N, A], whether the probability of that is at least `SURE`.
        probability: float [J, N, A], of what was chosen.
    """

    chosen: np.ndarray
    sure: np.ndarray
    probability: np.ndarray


def readings(logits: np.ndarray, multi_label: bool) -> Readings:
    """The readings of logits [J, N, C], of J judges; a column of attributes is one of its own."""
    if multi_label:
        chosen, probability = (logits > 0).astype(int), 1.0 / (1.0 + np.exp(-np.abs(logits)))
    else:
        chosen = logits.argmax(-1)[..., None]
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        probability = 1.0 / odds.sum(-1, keepdims=True)
    return Readings(chosen, probability >= SURE, probability)


def joint_coherence(
    logits: Sequence[np.ndarray],
    names: Sequence[str],
    judges: Sequence[str],
    multi_label: bool = False,
) -> dict[str, float]:
    """Share of samples in which the judges of all domains read the same label.

        coherence_j = 1/N sum_n [argmax C_1j(G_1(z_n)) = ... = argmax C_kj(G_k(z_n))]
        coherence = 1/J sum_j coherence_j

    with C_ij the j-th evaluation classifier of domain i. For several attributes: the mean share of
    attributes on which all domains agree. The classifiers must not be the one that a semantic loss
    was trained against.

    Args:
        logits: one float array [J, N, C] per domain, same z in the same row.
        names: of the domains.
        judges: names of the J judges, the same in every domain.
        multi_label: True if a column is an attribute of its own.

    Returns:
        Floats: `coherence`, its 95 % Wilson interval (`coherence_low`, `coherence_high`),
        `unanimous` (all judges of all domains read one label), `sure` (all of them give their own
        choice a probability of at least `SURE`), `coherence_by/<judge>`, and as means over the
        judges `chance` (agreement of independent draws from the histograms) and for every domain
        `entropy/<name>` (of the class histogram, 1 is uniform; for attributes the mean entropy of
        an attribute in bits) and `confidence/<name>` (mean probability of the chosen label).

    Raises:
        UserError: the domains differ in their number of labels.
    """
    logits = of_same_labels(logits, names)
    values = 2 if multi_label else logits[0].shape[-1]
    read = [readings(v, multi_label) for v in logits]
    chosen = np.stack([r.chosen for r in read])
    agree = np.all(chosen == chosen[0], axis=0)
    share = agree.mean(axis=(1, 2))
    # The judges look at the same samples: they are no further trials.
    low, high = wilson(share.mean() * agree[0].size, agree[0].size)
    histograms = [np.stack([histogram(v, values) for v in r.chosen]) for r in read]
    result = {
        "coherence": float(share.mean()),
        "coherence_low": low,
        "coherence_high": high,
        "unanimous": float(np.mean(np.all(chosen == chosen[0, 0], axis=(0, 1)))),
        "sure": float(np.mean(np.all([r.sure for r in read], axis=(0, 1)))),
        "chance": float(np.prod(histograms, axis=0).sum(-1).mean()),
    }
    result |= {f"coherence_by/{j}": float(v) for j, v in zip(judges, share, strict=True)}
    for name, r, shares in zip(names, read, histograms, strict=True):
        result[f"entropy/{name}"] = float(np.mean(normalised_entropy(shares)))
        result[f"confidence/{name}"] = float(r.probability.mean())
    return result


def ceiling(
    logits: Sequence[np.ndarray], labels: Sequence[np.ndarray], multi_label: bool = False
) -> dict[str, float]:
    """`coherence`, `unanimous` and `sure` of real images that are paired by their true labels.

        ceiling_j = sum_y w_y sum_l prod_i q_ij(l | y)

    with q_ij(l | y) the share of the images of domain i and true label y in which judge j reads l,
    and w_y the mean over the domains of y's share. So it is the mean over all pairs that there are,
    and no draw. For attributes: the mean over them of the same with y that attribute's value. A
    value that a domain lacks is in no pair; of an attribute that the domains have no value of in
    common, all images are paired, since no generator could do better with it.

    Args:
        logits: one float array [J, N_i, C] per domain.
        labels: one int array [N_i], or [N_i, C] of attributes, per domain.
        multi_label: True if a column is an attribute of its own.

    Returns:
        Floats `ceiling`, `ceiling_unanimous`, `ceiling_sure`; none of domains without a class in
        common.
    """
    read = [readings(np.asarray(v, np.float64), multi_label) for v in logits]
    true = [np.asarray(v, int).reshape(len(v), -1) for v in labels]
    values = 2 if multi_label else max(v.shape[-1] for v in logits)
    found = []
    for a in range(true[0].shape[1]):
        column = [t[:, a] for t in true]
        shares = np.stack([histogram(t[:, None], values)[0] for t in column])
        common = np.flatnonzero(shares.all(axis=0))
        if not len(common):
            if not multi_label:
                return {}
            column, common, shares = [0 * t for t in column], np.array([0]), np.ones((1, 1))
        weights = shares[:, common].mean(0)
        pairs = [
            _of_equal_labels(
                [r.chosen[:, t == y, a] for r, t in zip(read, column, strict=True)],
                [r.sure[:, t == y, a] for r, t in zip(read, column, strict=True)],
                values,
            )
            for y in common
        ]
        found.append(np.average(pairs, axis=0, weights=weights))
    return {
        name: float(v)
        for name, v in zip(
            ("ceiling", "ceiling_unanimous", "ceiling_sure"), np.mean(found, axis=0), strict=True
        )
    }


def _of_equal_labels(chosen, sure, values):
    """Of all tuples of an image of each domain: shares that agree, agree by all judges, are sure.

    Args:
        chosen, sure: one array [J, n_i] per domain.
        values: number of labels.
    """
    read = [c[..., None] == np.arange(values) for c in chosen]
    one, all_ = (
        np.prod([v.mean(-2) for v in part], axis=0).sum(-1)
        for part in (read, [v.all(0) for v in read])
    )
    return one.mean(), all_, np.prod([s.all(0).mean() for s in sure])


def of_same_labels(logits: Sequence[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """The logits in double precision; refused where the labels cannot be the same ones."""
    logits = [np.asarray(v, np.float64) for v in logits]
    counts = [v.shape[-1] for v in logits]
    if len(set(counts)) > 1:
        raise UserError(
            "coherence needs the same labels in every domain, and there are "
            + ", ".join(f"{c} of {n}" for c, n in zip(counts, names, strict=True))
        )
    return logits


def histogram(labels: np.ndarray, values: int) -> np.ndarray:
    """Frequencies [A, values] of labels [N, A]."""
    return np.mean(labels[..., None] == np.arange(values), axis=0)


def of_panel(panel: Sequence[keras.Model], images: np.ndarray) -> np.ndarray:
    """Logits of the judges of a domain, float32 [J, N, C]."""
    return np.stack([logits_of(judge, np.asarray(images)) for judge in panel])


def of_generated(e: Streams) -> list[np.ndarray]:
    """Logits [J, N, C] of every domain's judges for the samples of a run."""
    panels = e.judges().values()
    found = [[of_panel(p, x) for p, x in zip(panels, made, strict=True)] for made in e.generated()]
    return [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]


def of_real(e: Streams) -> dict[str, float]:
    """The ceiling, by at most as many test images of each domain as there are samples."""
    if any(d.labels is None for d in e.test):
        return {}
    panels = e.judges().values()
    logits, labels = [], []
    for i, (panel, domain) in enumerate(zip(panels, e.test, strict=True)):
        order, stream = e.held_out(i)
        logits.append(np.concatenate([of_panel(panel, x) for x in stream], axis=1))
        labels.append(domain.truth()[order])
        e.counts[f"joint/ceiling/{domain.name}"] = len(order)
    return ceiling(logits, labels, e.domains[0].multi_label)


def measure(e: Streams) -> dict[str, float]:
    """Joint coherence, with what has to stand beside it."""
    logits = of_generated(e)
    described = e.networks["evaluation_classifiers"]
    judges = list(described[e.names[0]])
    result = joint_coherence(logits, e.names, judges, e.domains[0].multi_label)
    e.counts["joint/coherence"] = logits[0].shape[1]
    result |= (most := e.once("ceiling", lambda: of_real(e)))
    if most.get("ceiling"):
        # Above 1 where samples are easier to read than real images.
        result["of_ceiling"] = result["coherence"] / most["ceiling"]
    for name, panel in described.items():
        result[f"accuracy/{name}"] = float(np.mean([d["accuracy"] for d in panel.values()]))
    return {f"joint/{k}": v for k, v in result.items()}


def unfit(e: Streams) -> str:
    """Why a run has no joint or cross coherence, or ""."""
    if len(e.domains) < 2 or not e.labelled or not e.from_noise:
        return "joint coherence needs generators from noise for two or more labelled domains"
    if len({len(d.classes) for d in e.domains}) > 1:
        counts = ", ".join(f"{d.name} {len(d.classes)}" for d in e.domains)
        return f"joint coherence needs domains of the same classes, and these have {counts}"
    return ""


METRIC = Metric(
    "share of samples that all domains' judges give the same label, beside that of real images",
    measure,
    unfit,
    ("joint/coherence", max),
    judged=True,
)
