"""Unsupervised domain adaptation: a head of classes on the discriminators' trunks.

The labels of one domain, the source, are learned beside the game. Those of the others are never
looked at: whatever a target's classifier knows, it has from layers that it shares with the source's
or from generated pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantrain import nets
from gantrain.consulted import own_classifier
from gantrain.core import Config
from gantrain.data.datasets import find
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Play, Terms, watched
from gantrain.noise import Draw
from gantrain.options import Options, option
from gantrain.terms import Term
from gantrain.terms.augmentation import AUGMENTATIONS, augment
from gantrain.terms.view import ClassifierSteps


@dataclass(frozen=True)
class LabelOptions(Options):
    """Unsupervised domain adaptation: the labels of one domain, applied to all."""

    switch = "label_loss"

    label_loss: float = option(
        0.0,
        "weight of the source's classification by a softmax head on the discriminators' last "
        "hidden layer; labels of other domains are never used",
        low=0.0,
        const=1.0,
        short="UDA",
    )
    source: str | None = option(None, "domain whose labels --label_loss learns; default the first")
    label_transfer: float = option(
        0.0,
        "weight of the source's class of a generated image, asked of the image that another "
        "domain's generator makes of the same z",
        low=0.0,
        const=1.0,
    )
    label_self: float = option(
        0.0,
        "weight of the other domains' classifiers: of the source's images and, by the classes "
        "that they are sure of themselves, of their own",
        low=0.0,
        const=1.0,
    )
    label_confidence: float = option(
        0.9,
        "probability from which a predicted class counts as known, in --label_transfer and "
        "--label_self",
        low=0.0,
        high=1.0,
        needs=("label_transfer", "label_self"),
    )
    label_augment: str = option(
        "none",
        "augmentation of the source's images when labels are learned, comma separated",
        choices=lambda: AUGMENTATIONS,
        several=True,
    )
    target_augment: str = option(
        "none",
        "the same of the other domains' images, real and generated",
        choices=lambda: AUGMENTATIONS,
        several=True,
        needs=("label_transfer", "label_self"),
    )


def source_of(config: Config, domains: Sequence[Domain]) -> int:
    """Number of the labelled domain: `--source`, else the first.

    Args:
        config: a resolved `gantrain.core.Config`.
        domains: list of `gantrain.data.domain.Domain`.

    Raises:
        UserError: there is no such domain, or it has no classes to learn.
    """
    names, name = [d.name for d in domains], config.of(LabelOptions).source
    if name is not None and name not in names:
        raise UserError(f"--source {name}: --dataset {config.data.dataset} has {', '.join(names)}")
    number = names.index(name) if name else 0
    domain = domains[number]
    if domain.labels is None or domain.multi_label:
        has = "several attributes per image" if domain.multi_label else "no labels"
        raise UserError(
            f"--label_loss needs one class per image, and domain {domain.name} of "
            f"--dataset {config.data.dataset} has {has}; choose another --source"
        )
    return number


class LabelHeads(Term):
    """One softmax layer on the last hidden layer of every discriminator (CoGAN, section 5).

        label    = E[CE(y, C_s(view(x_s)))]                   x_s, y a labelled batch of the source
        transfer = E[m CE(c, C_i(view(G_i(z))))]              c, m from C_s(G_s(z))
        self     = E[CE(y, C_i(view(x_s)))] + E[m CE(c, C_i(view(x_i)))]      c, m from C_i(x_i)

    with c = argmax p and m = [max p > confidence] of the prediction p, held constant.

    The head is one layer, and with `--d_shared_layers` the layers below it are too: that is how Liu
    and Tuzel 2016 carry the source's labels to the target. Deviation: the other two terms are not
    theirs, and are off by default. Images that the generators make of one z show the same class as
    far as they are coupled, so what the source's classifier is sure of labels the target's image;
    and a target's classifier may start from the source's images, seen through `--label_augment`,
    and go on from what it is sure of in its own (Lee 2013; Sohn et al. 2020, eq. 4).

    Args:
        config: a resolved `gantrain.core.Config`.
        domains: list of `gantrain.data.domain.Domain`; only the source's classes are read.
        consulted: {"discriminators": one per domain, from `gantrain.nets.build_gan`}.

    Attributes:
        source: number of the labelled domain.
        classifiers: one per domain, images [-1, 1] -> logits, on the discriminators' own layers.
    """

    options = LabelOptions
    also = (ClassifierSteps,)

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> dict:
        """The same trunk, head and augmentation on the source alone: what has to be beaten.

        A trunk without a table has none. No other labels than the source's are handed to it.
        """
        name = config.data.dataset
        if find(name).prune_domain is not None:
            raise UserError(
                f"--dataset {name} is pruned by the labels of all domains, and "
                f"--label_loss uses one domain's; take {name.removesuffix('_prune')}"
            )
        source, trunk = source_of(config, domains), f"{config.of(nets.NoiseNets).net}_trunk"
        if trunk not in nets.CLASSIFIERS:
            return {}
        return {
            "source_only": own_classifier(
                config,
                [domains[source]],
                steps=config.of(ClassifierSteps).classifier_steps,
                classifier_net=trunk,
                classifier_augment=config.of(LabelOptions).label_augment,
            )
        }

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        self.o, self.names = config.of(LabelOptions), [d.name for d in domains]
        self.source = source_of(config, domains)
        self.classifiers = self.trained = nets.build_heads(
            consulted["discriminators"],
            len(domains[self.source].classes),
            weight_init=config.of(nets.WeightInit).weight_init,
            seed=config.run.seed,
        )

    @property
    def logs(self) -> list[str]:
        """The source's terms, and those of the other domains that the options switch on."""
        others = [name for i, name in enumerate(self.names) if i != self.source]
        chosen = ["label_transfer", "sure_fake"] if self.o.label_transfer else []
        chosen += ["label", "label_self", "sure_real"] if self.o.label_self else []
        source = self.names[self.source]
        return [f"label/{source}", f"label_accuracy/{source}"] + [
            f"{term}/{name}" for name in others for term in chosen
        ]

    def __call__(self, play: Play) -> Terms:
        """What the discriminators' player descends beside the game.

        Of the labels only the source's are read, int32 [B].
        """
        o, draw = self.o, play.draw.aside()
        real, fake, labels = play.real, play.fake, play.labels[self.source]
        view = augment(real[self.source], o.label_augment, draw)
        logits = self.classifiers[self.source](view, training=True)
        name = self.names[self.source]
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        terms = {
            f"label/{name}": (o.label_loss, tf.reduce_mean(_cross_entropy(labels, logits))),
            f"label_accuracy/{name}": watched(tf.reduce_mean(tf.cast(right, tf.float32))),
        }
        for i, name in enumerate(self.names):
            if i == self.source:
                continue
            if o.label_transfer:
                value, sure = self.taught(fake[self.source], self.source, fake[i], i, draw)
                terms |= {
                    f"label_transfer/{name}": (o.label_transfer, value),
                    f"sure_fake/{name}": watched(sure),
                }
            if o.label_self:
                logits = self.classifiers[i](view, training=True)
                value, sure = self.taught(real[i], i, real[i], i, draw)
                terms |= {
                    f"label/{name}": (o.label_self, tf.reduce_mean(_cross_entropy(labels, logits))),
                    f"label_self/{name}": (o.label_self, value),
                    f"sure_real/{name}": watched(sure),
                }
        return terms

    def taught(
        self, images: tf.Tensor, teacher: int, others: tf.Tensor, student: int, draw: Draw
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """E[m CE(c, C_student(view(others)))] with c and m from C_teacher(images); and E[m].

        Args:
            images, others: float32 [B, H, W, C], row by row of the same class.
            teacher, student: numbers of domains.
        """
        p = tf.stop_gradient(
            tf.nn.softmax(tf.cast(self.classifiers[teacher](images, training=False), tf.float32))
        )
        known = tf.cast(tf.reduce_max(p, axis=-1) > self.o.label_confidence, tf.float32)
        view = augment(others, self.o.target_augment, draw)
        each = _cross_entropy(
            tf.argmax(p, axis=-1, output_type=tf.int32),
            self.classifiers[student](view, training=True),
        )
        return tf.reduce_mean(known * each), tf.reduce_mean(known)

    def models(self) -> dict[str, keras.Model]:
        """The classifiers by file name."""
        return {
            f"classifier_{name}": c for name, c in zip(self.names, self.classifiers, strict=True)
        }


def _cross_entropy(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
