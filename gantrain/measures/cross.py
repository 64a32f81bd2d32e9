"""Cross coherence: does a real image keep its label on its way through the latent space?

The quality of the reconstruction stands beside it, since what the source's own generator cannot
show no other can translate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantrain.inversion import cross_domain, encoder_of, generators_of
from gantrain.measures.coherence import histograms_of, of_same_labels, predicted, unfit
from gantrain.measures.metric import Metric
from gantrain.measures.shares import wilson
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import logits_of
from gantrain.trainer import Generates, able


def cross_coherence(
    labels: np.ndarray,
    logits: Sequence[np.ndarray],
    errors: np.ndarray,
    names: Sequence[str],
    source: int,
    multi_label: bool = False,
) -> dict[str, float]:
    """Share of real images whose label is kept by the translation through the latent space.

        cross/i2j = 1/N sum_n [argmax C_j(G_j(z_n)) = y_n],  z_n = argmin_z ||G_i(z) - x_n||

    with x_n held-out images of domain i, y_n their labels and C_j the evaluation classifier of
    domain j. For several attributes: the mean share of attributes that are kept.

    Args:
        labels: int [N] classes, or [N, C] attributes that are 0 or 1.
        logits: one float array [N, C] per domain, of G_j(z_n); that of the source domain is of the
            reconstructions G_i(z_n).
        errors: float [N], of the inversion: RMSE in units of [-1, 1].
        names: of the domains.
        source: number of domain i.
        multi_label: True if a column is an attribute of its own.

    Returns:
        Floats. For every other domain j: `cross/<i>2<j>`, its 95 % Wilson interval
        (`cross_low/<i>2<j>`, `cross_high/<i>2<j>`), and `cross_chance/<i>2<j>`, the share that the
        same translations would keep of the labels in random order. Of the source:
        `reconstructed/<i>`, the share of reconstructions that keep the label, and
        `inversion_error/<i>`, the mean error.

    Raises:
        UserError: the domains differ in their number of labels.
    """
    labels, logits = np.asarray(labels, int), of_same_labels(logits, names)
    found = [predicted(v, multi_label) for v in logits]
    wanted = histograms_of(labels, np.shape(logits[0])[1], multi_label)
    result = {}
    for j, (name, own) in enumerate(zip(names, found, strict=True)):
        if j == source:
            continue
        kept, way = own == labels, f"{names[source]}2{name}"
        low, high = wilson(kept.sum(), kept.size)
        got = histograms_of(own, np.shape(logits[j])[1], multi_label)
        result |= {
            f"cross/{way}": float(kept.mean()),
            f"cross_low/{way}": low,
            f"cross_high/{way}": high,
            f"cross_chance/{way}": float((wanted * got).sum(-1).mean()),
        }
    kept = found[source] == labels
    return result | {
        f"reconstructed/{names[source]}": float(kept.mean()),
        f"inversion_error/{names[source]}": float(np.mean(errors)),
    }


def measure(e: Streams) -> dict[str, float]:
    """Test images through the latent space: do they keep their label in the other domain?"""
    classifiers, _ = e.judges()
    trainer, values = able(e.trainer, Generates), {}
    generators, encoder = generators_of(trainer), encoder_of(trainer)
    for source, domain in enumerate(e.test):
        order, stream = e.held_out(source)
        found = [
            (
                [logits_of(c, x) for c, x in zip(classifiers, crossed.images, strict=True)],
                crossed.error,
            )
            for crossed in cross_domain(
                generators, source, stream, trainer.latent, e.compile, encoder=encoder, seed=e.seed
            )
        ]
        logits = [np.concatenate(parts) for parts in zip(*(f[0] for f in found), strict=True)]
        values |= cross_coherence(
            domain.truth()[order],
            logits,
            np.concatenate([f[1] for f in found]),
            e.names,
            source,
            domain.multi_label,
        )
        e.counts[f"cross/{domain.name}"] = len(order)
    return values


METRIC = Metric(
    "test images translated by latent inversion that keep their label",
    measure,
    unfit,
    ("cross", max),
    asked=True,
    judged=True,
)
