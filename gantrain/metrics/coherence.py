"""Coherence: do the images of one latent vector show the same thing in every domain?

A collapsed pair of generators scores 100 % joint coherence. It is therefore never reported alone:
the entropy of each domain's class histogram, the classifiers' confidence and a binomial interval
stand beside it. Cross coherence starts from real images; the quality of their reconstruction
stands beside it, since what the source's own generator cannot show no other can translate.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from gantrain.errors import UserError

Z95 = 1.959963984540054


def joint_coherence(logits, names, multi_label=False):
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
    logits = _of_same_labels(logits, names)
    labels = [_labels(v, multi_label) for v in logits]
    agree = np.all([v == labels[0] for v in labels[1:]], axis=0)
    low, high = wilson(agree.sum(), agree.size)
    histograms = [_histograms(v, w.shape[1], multi_label) for v, w in zip(labels, logits,
                                                                           strict=True)]
    result = {"coherence": float(agree.mean()), "coherence_low": low, "coherence_high": high,
              "chance": float(np.prod(histograms, axis=0).sum(-1).mean())}
    for name, v, histogram in zip(names, logits, histograms, strict=True):
        result[f"entropy/{name}"] = float(np.mean(normalised_entropy(histogram)))
        result[f"confidence/{name}"] = float(np.mean(_confidence(v, multi_label)))
    return result


def cross_coherence(labels, logits, errors, names, source, multi_label=False):
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
    labels, logits = np.asarray(labels, int), _of_same_labels(logits, names)
    predicted = [_labels(v, multi_label) for v in logits]
    wanted = _histograms(labels, np.shape(logits[0])[1], multi_label)
    result = {}
    for j, (name, own) in enumerate(zip(names, predicted, strict=True)):
        if j == source:
            continue
        kept, way = own == labels, f"{names[source]}2{name}"
        low, high = wilson(kept.sum(), kept.size)
        got = _histograms(own, np.shape(logits[j])[1], multi_label)
        result |= {f"cross/{way}": float(kept.mean()), f"cross_low/{way}": low,
                   f"cross_high/{way}": high,
                   f"cross_chance/{way}": float((wanted * got).sum(-1).mean())}
    kept = predicted[source] == labels
    return result | {f"reconstructed/{names[source]}": float(kept.mean()),
                     f"inversion_error/{names[source]}": float(np.mean(errors))}


def _of_same_labels(logits, names):
    """The logits in double precision; refused where the labels cannot be the same ones."""
    logits = [np.asarray(v, np.float64) for v in logits]
    counts = [v.shape[1] for v in logits]
    if len(set(counts)) > 1:
        raise UserError("coherence needs the same labels in every domain, and there are "
                        + ", ".join(f"{c} of {n}" for c, n in zip(counts, names, strict=True)))
    return logits


def _labels(logits, multi_label):
    """Predicted classes [N], or attributes [N, C] that are 0 or 1."""
    logits = np.asarray(logits, np.float64)
    return (logits > 0).astype(int) if multi_label else logits.argmax(1)


def _histograms(labels, classes, multi_label):
    """Class frequencies [rows, values]: one row, or one row of two values per attribute."""
    if multi_label:
        share = labels.mean(0)
        return np.stack([1.0 - share, share], axis=-1)
    return np.bincount(labels, minlength=classes)[None] / len(labels)


def normalised_entropy(histogram):
    """-sum_c p_c log p_c / log C over the last axis: 1 for a uniform histogram, 0 for one class.

    Where there is only one class to choose from it is 0: nothing is uncertain.
    """
    p = np.asarray(histogram, np.float64)
    logs = np.log(p, where=p > 0, out=np.zeros_like(p))
    return -np.sum(p * logs, axis=-1) / math.log(max(p.shape[-1], 2))


def _confidence(logits, multi_label):
    if multi_label:
        return 1.0 / (1.0 + np.exp(-np.abs(logits)))
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return 1.0 / shifted.sum(1)


def wilson(successes, trials):
    """95 % interval of a share (Wilson 1927), valid near 0 and 1 too."""
    share, z2 = successes / trials, Z95**2 / trials
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def pairwise(logits, names):
    """Coherence of each pair of domains, for more than two: {"a~b": share}."""
    labels = [np.asarray(v).argmax(1) for v in logits]
    return {f"{names[i]}~{names[j]}": float(np.mean(labels[i] == labels[j]))
            for i, j in itertools.combinations(range(len(names)), 2)}
