"""SL: a classifier sees the same class in every domain (thesis eq. 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gantrain.consulted import classifier, own_classifier
from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.game import Play, Terms
from gantrain.options import Options, option, unknown
from gantrain.terms import Term
from gantrain.terms.gradients import EPSILON
from gantrain.terms.labels import LabelOptions, source_of
from gantrain.terms.view import ClassifierOptions, ClassifierSteps, classifier_view


@dataclass(frozen=True)
class Labels:
    """What the labels of the domains are like.

    Attributes:
        multi_label: True if a logit is an attribute of its own, not one of several classes.
        prior: float32 [C], share of every class (or of every attribute) in the data.
    """

    multi_label: bool
    prior: tf.Tensor

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(logits) if self.multi_label else tf.nn.softmax(logits)

    def cross_entropy(self, target: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Per image, in nats, of target probabilities held constant; summed over attributes."""
        target = tf.stop_gradient(target)
        if self.multi_label:
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
            return tf.reduce_sum(each, axis=-1)
        return tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=logits)

    def divergence(self, p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        """KL(p || q) over the last axis, in nats; summed over attributes."""

        def kl(p, q):
            return tf.reduce_sum(p * (tf.math.log(p + EPSILON) - tf.math.log(q + EPSILON)), -1)

        return kl(p, q) + kl(1.0 - p, 1.0 - q) if self.multi_label else kl(p, q)


def squared(logits: Sequence[tf.Tensor], labels: Labels, z: tf.Tensor) -> tf.Tensor:
    """1/2 sum_c (p_1c - p_2c)^2, p the class probabilities (thesis eq. 4.2).

    Its gradient vanishes where both predictions are confident, also where they disagree.
    """

    def distance(one, other):
        difference = labels.probabilities(one) - labels.probabilities(other)
        return 0.5 * tf.reduce_sum(tf.square(difference), axis=-1)

    return _over_pairs(distance, logits)


def cross_entropy(logits: Sequence[tf.Tensor], labels: Labels, z: tf.Tensor) -> tf.Tensor:
    """1/2 (CE(p, q) + CE(q, p)), the target of each side held constant.

    The gradient with respect to a logit is q - p: it does not vanish while two confident
    predictions differ.
    """

    def distance(one, other):
        return 0.5 * (
            labels.cross_entropy(labels.probabilities(other), one)
            + labels.cross_entropy(labels.probabilities(one), other)
        )

    return _over_pairs(distance, logits)


def jensen_shannon(logits: Sequence[tf.Tensor], labels: Labels, z: tf.Tensor) -> tf.Tensor:
    """JSD(p || q) = 1/2 KL(p || m) + 1/2 KL(q || m), m = (p + q) / 2, in nats."""

    def distance(one, other):
        p, q = labels.probabilities(one), labels.probabilities(other)
        middle = (p + q) / 2.0
        return 0.5 * (labels.divergence(p, middle) + labels.divergence(q, middle))

    return _over_pairs(distance, logits)


def agreement(logits: Sequence[tf.Tensor], labels: Labels, z: tf.Tensor) -> tf.Tensor:
    """Every domain descends to the sharpened consensus of all, while classes stay in use.

        1/k sum_i E_z[CE(t, p_i)] + 1/k sum_i KL(E_z[p_i] || prior),
        t = softmax(2 / k sum_i log p_i), held constant.

    For equal predictions, a uniform prior and t not sharpened it is the conditional minus the
    marginal entropy of the class up to a constant, so a lower value is more mutual information of z
    and the class (Bridle et al. 1991; Krause et al. 2010). The first weak preference of some z for
    a class is amplified in all domains at once; the second term forbids the collapse that agrees on
    one class.
    """
    k = len(logits)
    consensus = labels.probabilities(
        2.0 / k * tf.add_n([v if labels.multi_label else tf.nn.log_softmax(v) for v in logits])
    )
    return (
        _toward(consensus, logits, labels)
        + tf.add_n(
            [
                labels.divergence(tf.reduce_mean(labels.probabilities(v), axis=0), labels.prior)
                for v in logits
            ]
        )
        / k
    )


def anchored(logits: Sequence[tf.Tensor], labels: Labels, z: tf.Tensor) -> tf.Tensor:
    """1/k sum_i E_z[CE(c(z), p_i)], c(z) the largest of the first C latent coordinates.

    The latent vector itself names the class, so the class histogram is uniform by construction and
    no consensus has to be found. Attributes: coordinate a above zero asks for attribute a.
    """
    head = z[:, : logits[0].shape[-1]]
    target = (
        tf.cast(head > 0.0, tf.float32)
        if labels.multi_label
        else tf.one_hot(tf.argmax(head, axis=-1), head.shape[-1])
    )
    return _toward(target, logits, labels)


def _toward(target, logits, labels):
    return tf.add_n([tf.reduce_mean(labels.cross_entropy(target, v)) for v in logits]) / len(logits)


def _over_pairs(distance, logits):
    """Mean over images and pairs of domains."""
    return tf.reduce_mean(
        tf.stack([tf.reduce_mean(distance(a, b)) for a, b in combinations(logits, 2)])
    )


SEMANTIC_FORMS = {
    "squared": squared,
    "cross_entropy": cross_entropy,
    "jensen_shannon": jensen_shannon,
    "agreement": agreement,
    "anchored": anchored,
}


@dataclass(frozen=True)
class SemanticOptions(Options):
    """SL, the semantic loss."""

    switch = "semantic_loss"

    semantic_loss: float = option(
        0.0,
        "SL, eq. 4.2: a classifier sees the same class in every domain",
        low=0.0,
        const=10.0,
        short="SL",
    )
    semantic_form: str = option(
        "squared", "how two predictions are compared", choices=lambda: SEMANTIC_FORMS
    )
    semantic_attributes: str | None = option(
        None,
        "attributes that are asked to agree, comma separated; a first - asks all but these, as "
        "-Smiling where the domains differ in the smile; default all",
        needs=("semantic_loss",),
    )
    classifier: str | None = option(
        None,
        "trained classifier (.keras or a run directory) for the semantic loss; "
        "default: train one and keep it",
    )

    def check(self, config: Config) -> None:
        if self.classifier and config.on(LabelOptions):
            raise UserError(
                "--classifier may know labels of a target, which --label_loss leaves "
                "out; drop it, and one of the source alone is trained"
            )


class SemanticLoss(Term):
    """SL: a classifier C sees the same class in the images of one z (thesis eq. 4.2).

        L_sem = form(C(G_1(z)), ..., C(G_k(z)))

    The images are seen as the classifier saw them in its training, noise and shifts included: a
    change too small to survive them is no way to please it. `consulted["classifier"]` maps images
    in [-1, 1] to logits and is frozen here; a list has one for every domain.
    """

    options = SemanticOptions
    also = (ClassifierOptions, ClassifierSteps)
    logs = ("semantic",)

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> dict:
        """`--classifier`, or one of the mixed domains; with `--label_loss` the run's own heads."""
        if config.on(LabelOptions):
            return {}
        unlabelled = [d.name for d in domains if d.labels is None]
        if unlabelled:
            raise UserError(
                f"--semantic_loss needs class labels, and domain {unlabelled[0]} of --dataset "
                f"{config.data.dataset} has none; use --feature_loss, --cycle_loss or "
                f"--perceptual_loss"
            )
        # Before a classifier is trained for it.
        asked(config.of(SemanticOptions).semantic_attributes, domains)
        given = config.of(SemanticOptions).classifier
        if given:
            return {"classifier": classifier(domains, {}, given=given)}
        return {
            "classifier": own_classifier(
                config,
                domains,
                steps=config.of(ClassifierSteps).classifier_steps,
                **asdict(config.of(ClassifierOptions)),
            )
        }

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        o = config.of(SemanticOptions)
        self.weight, self.form = o.semantic_loss, SEMANTIC_FORMS[o.semantic_form]
        self.view = classifier_view(config.of(ClassifierOptions))
        self.classifier = consulted.get("classifier")
        if self.classifier is not None and o.classifier:
            _check_classifier(self.classifier, o.classifier, domains[0])
        # How often a class occurs in a target of an adaptation is known from its labels alone.
        adapts = config.on(LabelOptions)
        self.columns = asked(o.semantic_attributes, domains)
        self.labels = labels_of([domains[source_of(config, domains)]] if adapts else domains)
        if self.columns:
            self.labels = Labels(True, tf.gather(self.labels.prior, self.columns))

    def __call__(self, play: Play) -> Terms:
        each = (
            self.classifier
            if isinstance(self.classifier, list)
            else ([self.classifier] * len(play.fake))
        )
        logits = [
            tf.cast(c(self.view(x, play.draw), training=False), tf.float32)
            for c, x in zip(each, play.fake, strict=True)
        ]
        if self.columns:
            logits = [tf.gather(v, self.columns, axis=1) for v in logits]
        return {"semantic": (self.weight, self.form(logits, self.labels, play.z))}


def asked(attributes: str | None, domains: Sequence[Domain]) -> list[int]:
    """Places of the attributes that `--semantic_attributes` asks to agree; empty: all labels.

    Raises:
        UserError: the labels are classes, of which one cannot be left out, or have no such name.
    """
    names = list(domains[0].classes)
    if attributes is None:
        return []
    if not domains[0].multi_label:
        raise UserError(
            "--semantic_attributes chooses among attributes, and the labels of domain "
            f"{domains[0].name} are classes; drop it"
        )
    chosen = attributes.removeprefix("-").split(",")
    for name in chosen:
        if name not in names:
            raise UserError(unknown("--semantic_attributes", name, names))
    kept = [i for i, name in enumerate(names) if (name in chosen) != attributes.startswith("-")]
    if not kept:
        raise UserError(f"--semantic_attributes {attributes}: leaves no attribute to agree on")
    return kept


def _check_classifier(model, given, domain):
    wanted, classes = domain.shape, len(domain.classes)
    if tuple(model.input_shape[1:]) != wanted or model.output_shape[-1] != classes:
        raise UserError(
            f"--classifier {given}: takes {model.input_shape[1:]} and gives "
            f"{model.output_shape[-1]} classes, but the data has {wanted} and {classes}"
        )


def labels_of(domains: Sequence[Domain]) -> Labels:
    """`Labels` of labelled domains: the mean share of every class or attribute."""
    shares = [
        np.mean(d.labels, 0)
        if d.multi_label
        else np.bincount(d.labels, minlength=len(d.classes)) / d.size
        for d in domains
    ]
    return Labels(domains[0].multi_label, tf.constant(np.mean(shares, 0), tf.float32))
