"""Classifier of labelled domains: what the semantic loss and joint coherence consult."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gantrain import nets
from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Terms, watched
from gantrain.nets import Width
from gantrain.nets.classifiers import logits_of
from gantrain.noise import Draw
from gantrain.optimizers import ReaderAdam, Regularisation, reader
from gantrain.terms.gradients import attack
from gantrain.terms.mixing import MIXINGS
from gantrain.terms.view import ClassifierOptions, classifier_view
from gantrain.trainer import Scores, Trainer


class Classifier(Trainer, Scores):
    """Supervised classifier on one domain or on a mixture (thesis section 5.2, tables B.1, B.2).

    for t = 1, 2, ..., steps do
        x_i, y_i ~ p_data_i for every domain i               labelled batches
        x_i <- view(x_i), mixed with others x_i' by a share s    changes and noise: if asked for
        x_i <- x_i, one step up the loss                     attack: if asked for
        C <- descend  mean_i s cross_entropy(y_i, C(x_i)) + (1 - s) cross_entropy(y_i', C(x_i))

    Classes give a softmax cross-entropy, several attributes a sigmoid cross-entropy each.
    """

    examples = (
        "gantrain --gan_type classifier --dataset mnist --steps 2000",
        "gantrain --gan_type classifier --dataset mnist2svhn --classifier_augment shift",
        "gantrain --gan_type classifier --dataset folder:animals --image_size 64 --c_lr 5e-4",
    )
    options = (Width, ClassifierOptions, ReaderAdam, Regularisation)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        unlabelled = [d.name for d in domains if d.labels is None]
        if unlabelled:
            raise UserError(
                f"--dataset {config.data.dataset}: domain {unlabelled[0]} has no "
                f"labels to train a classifier on; choose labelled --domains"
            )
        self.o, self.steps = config.of(ClassifierOptions), config.run.steps
        self.names, self.multi_label = [d.name for d in domains], domains[0].multi_label
        self.view = classifier_view(self.o)
        self.C = nets.build_classifier(
            self.o.classifier_net,
            domains[0].shape,
            len(domains[0].classes),
            width=config.of(Width).width,
            seed=config.run.seed,
        )
        self.players = reader("classifier", self.C, config)

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        return self.players["classifier"].descend(lambda: self.objective(batch, draw))

    def objective(self, batch: Sequence[Batch], draw: Draw) -> Terms:
        terms = {}
        for name, domain in zip(self.names, batch, strict=True):
            x, loss = self.mixed(self.view(domain.images[0], draw), domain.labels[0], draw)
            logits = self.logits(self.attacked(x, loss, draw))
            terms[f"cross_entropy/{name}"] = (1.0 / len(batch), tf.reduce_mean(loss(logits)))
            terms[f"accuracy/{name}"] = watched(
                tf.reduce_mean(
                    tf.cast(correct(domain.labels[0], logits, self.multi_label), tf.float32)
                )
            )
        return terms

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """C(images) in training, float32 [B, C]."""
        return tf.cast(self.C(images, training=True), tf.float32)

    def mixed(self, x: tf.Tensor, labels: tf.Tensor, draw: Draw) -> tuple[tf.Tensor, Callable]:
        """Images, mixed with others of their batch if asked for, and their loss [B] of logits."""

        def loss(logits):
            return cross_entropy(labels, logits, self.multi_label)

        if self.o.classifier_mix == "none":
            return x, loss
        # The same pairs on any number of replicas.
        others, theirs = (draw.mine(tf.reverse(draw.gather(v), [0])) for v in (x, labels))
        x, share = MIXINGS[self.o.classifier_mix](x, others, draw)
        return (
            x,
            lambda logits: (
                share * loss(logits)
                + (1.0 - share) * cross_entropy(theirs, logits, self.multi_label)
            ),
        )

    def attacked(self, x: tf.Tensor, loss: Callable, draw: Draw) -> tf.Tensor:
        """The images after one step up their loss, whose length rises over the first half."""
        length = self.o.classifier_attack
        if not length:
            return x
        rise = tf.minimum(2.0 * tf.cast(draw.step, tf.float32) / self.steps, 1.0)
        return attack(lambda images: tf.reduce_sum(loss(self.logits(images))), x, length * rise)

    def logs(self) -> dict[str, list[str]]:
        return {
            "classifier": [
                f"{term}/{name}" for name in self.names for term in ("cross_entropy", "accuracy")
            ]
        }

    def models(self) -> dict[str, keras.Model]:
        return {"classifier": self.C}

    def score(self, test: Callable[[], list[Domain]]) -> dict:
        """Test accuracy by domain; for attributes the mean over them."""
        return {f"accuracy/{d.name}": accuracy(self.C, d) for d in test()}


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, multi_label: bool) -> tf.Tensor:
    """Cross-entropy per image, [B], from int32 classes [B] or 0/1 attributes [B, A].

    Classes may be those of pixels, [B, H, W], too. Not by TensorFlow's fused kernel, which
    `--deterministic` replaces by another one: judges are the same with and without it.
    """
    if multi_label:
        labels = tf.cast(labels, tf.float32)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), axis=-1)
    chosen = tf.one_hot(labels, logits.shape[-1])
    return -tf.reduce_sum(chosen * tf.nn.log_softmax(logits), axis=-1)


def correct(labels: tf.Tensor, logits: tf.Tensor, multi_label: bool) -> tf.Tensor:
    """Whether each prediction [B] (or each attribute [B, A]) equals its label."""
    if multi_label:
        return tf.equal(logits > 0.0, labels > 0)
    return tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.cast(labels, tf.int32))


def accuracy(classifier: keras.Model, domain: Domain) -> float:
    """Share of a labelled domain's images (or attributes) that are predicted right."""
    logits = logits_of(classifier, domain.in_memory().images)
    return float(np.mean(correct(domain.labels, logits, domain.multi_label)))
