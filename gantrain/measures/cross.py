"""Cross coherence: does a real image keep its label on its way through the latent space?

The quality of the reconstruction stands beside it, since what the source's own generator cannot
show no other can translate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantrain.inversion import cross_domain, encoder_of, generators_of
from gantrain.measures.coherence import histogram, of_panel, of_same_labels, readings, unfit
from gantrain.measures.metric import Metric
from gantrain.measures.shares import wilson
from gantrain.measures.streams import Streams
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

    with x_n held-out images of domain i, y_n their labels and C_j an evaluation classifier of
    domain j: the mean over its judges. For several attributes: the mean share of attributes that
    are kept.

    Args:
        labels: int [N] classes, or [N, C] attributes that are 0 or 1.
        logits: one float array [J, N, C] per domain, of G_j(z_n) by J judges; that of the source
            domain is of the reconstructions G_i(z_n).
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
    labels = labels.reshape(len(labels), -1)
    values = 2 if multi_label else logits[0].shape[-1]
    found = [readings(v, multi_label).chosen for v in logits]
    result = {}
    for j, (name, own) in enumerate(zip(names, found, strict=True)):
        if j == source:
            continue
        kept, way = float(np.mean(own == labels)), f"{names[source]}2{name}"
        # The judges look at the same images: they are no further trials.
        low, high = wilson(kept * labels.size, labels.size)
        got = np.mean([histogram(v, values) for v in own], axis=0)
        result |= {
            f"cross/{way}": kept,
            f"cross_low/{way}": low,
            f"cross_high/{way}": high,
            f"cross_chance/{way}": float((histogram(labels, values) * got).sum(-1).mean()),
        }
    kept = found[source] == labels
    return result | {
        f"reconstructed/{names[source]}": float(kept.mean()),
        f"inversion_error/{names[source]}": float(np.mean(errors)),
    }


def measure(e: Streams) -> dict[str, float]:
    """Test images through the latent space: do they keep their label in the other domain?"""
    panels = e.judges().values()
    trainer, values = able(e.trainer, Generates), {}
    generators, encoder = generators_of(trainer), encoder_of(trainer)
    for source, domain in enumerate(e.test):
        order, stream = e.held_out(source)
        found = [
            ([of_panel(p, x) for p, x in zip(panels, crossed.images, strict=True)], crossed.error)
            for crossed in cross_domain(
                generators, source, stream, trainer.latent, e.compile, encoder=encoder, seed=e.seed
            )
        ]
        logits = [
            np.concatenate(parts, axis=1) for parts in zip(*(f[0] for f in found), strict=True)
        ]
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
