"""Unsupervised domain adaptation: how well a target is classified whose labels were never seen.

An accuracy on the target says little alone. Beside it stand its interval, the accuracy of a
classifier of the source alone, that on the source itself, and what a constant guess would get.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gantrain.data.domain import Domain
from gantrain.measures.metric import Metric
from gantrain.measures.shares import normalised_entropy, wilson
from gantrain.measures.streams import Streams
from gantrain.nets.classifiers import logits_of
from gantrain.nets.frozen import weights_hash
from gantrain.terms.labels import LabelOptions
from gantrain.trainer import Adapts, able

# Liu and Tuzel 2016, table 2: means over five trials.
PUBLISHED = {("mnist", "usps"): 0.912, ("usps", "mnist"): 0.891}


def adaptation(
    logits: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    names: Sequence[str],
    source: int = 0,
    source_only: Sequence[np.ndarray] | None = None,
) -> dict[str, float]:
    """Accuracy on the domains whose labels took no part in the training (Liu and Tuzel 2016, 5).

        accuracy = 1/N sum_n [argmax C_target(x_n) = y_n]

    Args:
        logits: one float array [N_i, C] per domain, of its own classifier on its test images.
        labels: one int array [N_i] per domain.
        names: of the domains.
        source: number of the domain whose labels were learned.
        source_only: as `logits`, of a classifier that was trained on the source alone; or None.

    Returns:
        Floats. For every target `adaptation/accuracy/<name>` with its 95 % Wilson interval (`low`,
        `high`), `adaptation/chance/<name>` (the share of its most frequent class: a constant
        guess), `adaptation/entropy/<name>` (of the predicted classes, 1 is uniform), and with
        `source_only` `adaptation/source_only/<name>`, `source_only_low` and `source_only_high`.
        For the source `adaptation/source_accuracy/<name>`.
    """
    result = {}
    for number, (name, given, wanted) in enumerate(zip(names, logits, labels, strict=True)):
        predicted, wanted = np.asarray(given).argmax(1), np.asarray(wanted)
        right = predicted == wanted
        if number == source:
            result[f"adaptation/source_accuracy/{name}"] = float(right.mean())
            continue
        classes = np.asarray(given).shape[1]
        low, high = wilson(right.sum(), right.size)
        result |= {
            f"adaptation/accuracy/{name}": float(right.mean()),
            f"adaptation/low/{name}": low,
            f"adaptation/high/{name}": high,
            f"adaptation/chance/{name}": float(np.bincount(wanted).max() / wanted.size),
            f"adaptation/entropy/{name}": float(
                normalised_entropy(np.bincount(predicted, minlength=classes) / predicted.size)
            ),
        }
        if source_only is not None:
            right = np.asarray(source_only[number]).argmax(1) == wanted
            low, high = wilson(right.sum(), right.size)
            result |= {
                f"adaptation/source_only/{name}": float(right.mean()),
                f"adaptation/source_only_low/{name}": low,
                f"adaptation/source_only_high/{name}": high,
            }
    return result


def of_classifiers(
    classifiers: Sequence[Callable],
    domains: Sequence[Domain],
    source: int,
    source_only: Callable | None = None,
) -> dict[str, float]:
    """`adaptation` of classifiers, one per domain, images in [-1, 1] -> logits, on test domains."""

    def logits(classifiers):
        return [
            logits_of(c, d.in_memory().images) for c, d in zip(classifiers, domains, strict=True)
        ]

    return adaptation(
        logits(classifiers),
        [d.truth() for d in domains],
        [d.name for d in domains],
        source,
        logits([source_only] * len(domains)) if source_only else None,
    )


def protocol(
    names: Sequence[str],
    source: int,
    trained: Sequence[int],
    tested: Sequence[int],
    label_augment: str,
) -> dict:
    """What has to be stored with the numbers of `adaptation`.

    Deviation: Liu and Tuzel 2016 sample 2,000 images of MNIST and 1,800 of USPS for training and
    testing alike, five times; here the whole training parts are trained on and the whole test parts
    measured.

    Args:
        names: of the domains.
        source: number of the labelled one.
        trained, tested: examples of the training and of the test part, per domain.
        label_augment: changes that the labelled images were seen through.

    Returns:
        A dict of strings, numbers and lists.
    """
    targets = [i for i in range(len(names)) if i != source]
    return {
        "protocol": "unsupervised domain adaptation, Liu and Tuzel 2016, section 5, whole parts",
        "source": names[source],
        "labels_used": {names[source]: trained[source]} | {names[i]: 0 for i in targets},
        "images_used": dict(zip(names, trained, strict=True)),
        "split": {
            name: f"test part, {count} images" for name, count in zip(names, tested, strict=True)
        },
        "selection": "the last step; no label of a target is used to choose it",
        "label_augment": label_augment,
        "published": {
            names[i]: PUBLISHED[names[source], names[i]]
            for i in targets
            if (names[source], names[i]) in PUBLISHED
        },
    }


def measure(e: Streams) -> dict[str, float]:
    """Test accuracy of the classifiers whose labels came from one domain, with the protocol."""
    trainer, alone = able(e.trainer, Adapts), e.source_only()
    trained, tested = ([d.size for d in domains] for domains in (e.domains, e.test))
    e.networks["adaptation"] = protocol(
        e.names, trainer.source, trained, tested, e.config.of(LabelOptions).label_augment
    )
    e.networks |= {n: {"sha256": weights_hash(model)} for n, model in alone.items()}
    e.counts["adaptation"] = dict(zip(e.names, tested, strict=True))
    return of_classifiers(trainer.classifiers(), e.test, trainer.source, alone.get("source_only"))


def unfit(e: Streams) -> str:
    """Why a run adapts nothing, or ""."""
    if not isinstance(e.trainer, Adapts) or not e.trainer.classifiers() or not e.labelled:
        return "adaptation needs a run with --label_loss, and test labels in every domain"
    return ""


METRIC = Metric(
    "accuracy on domains whose labels were never used", measure, unfit, ("adaptation/accuracy", max)
)
