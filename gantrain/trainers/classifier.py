"""Classifier of labelled domains: what the semantic loss and joint coherence consult."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from gantrain import nets
from gantrain.errors import UserError
from gantrain.game import Player, Trainer, watch
from gantrain.images import to_float
from gantrain.penalties import attack, classifier_view
from gantrain.trainers.gan import adam


class Classifier(Trainer):
    """Supervised classifier on one domain or on a mixture (thesis section 5.2, tables B.1, B.2).

    for t = 1, 2, ..., steps do
        x_i, y_i ~ p_data_i for every domain i               labelled batches
        x_i <- view(x_i), one step up the loss               noise, shifts, attack: if asked for
        C <- descend  mean_i cross_entropy(y_i, C(x_i))

    Classes give a softmax cross-entropy, several attributes a sigmoid cross-entropy each.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: list of labelled `gantrain.data.domain.Domain` with the same classes.
        frozen: not used.
    """

    averages = ()

    def __init__(self, config, domains, frozen):
        unlabelled = [d.name for d in domains if d.labels is None]
        if unlabelled:
            raise UserError(f"--dataset {config.data.dataset}: domain {unlabelled[0]} has no "
                            f"labels to train a classifier on; choose labelled --domains")
        self.config, self.names = config, [d.name for d in domains]
        self.multi_label = domains[0].multi_label
        self.view = classifier_view(config.coupling)
        n = config.nets
        self.C = nets.build_classifier(n.classifier_net, domains[0].shape, len(domains[0].classes),
                                       width=n.width, seed=config.run.seed)
        rate = config.optimisation.c_lr
        self.players = {"classifier": Player(
            "classifier", [self.C], adam(rate, 0.9, 0.999, config, config.run.steps),
            weight_decay=config.optimisation.weight_decay)}

    def train_step(self, batch, draw):
        return self.players["classifier"].descend(lambda: self.objective(batch, draw))

    def objective(self, batch, draw):
        terms = {}
        for name, domain in zip(self.names, batch, strict=True):
            x = self.attacked(self.view(domain.images[0], draw), domain.labels[0], draw)
            logits = tf.cast(self.C(x, training=True), tf.float32)
            terms[f"cross_entropy/{name}"] = 1.0 / len(batch), tf.reduce_mean(
                cross_entropy(domain.labels[0], logits, self.multi_label))
            terms[f"accuracy/{name}"] = watch(tf.reduce_mean(tf.cast(
                correct(domain.labels[0], logits, self.multi_label), tf.float32)))
        return terms

    def attacked(self, x, labels, draw):
        """The images after one adversarial step, whose length rises over the first half."""
        length = self.config.coupling.classifier_attack
        if not length:
            return x

        def loss(images):
            logits = tf.cast(self.C(images, training=True), tf.float32)
            return tf.reduce_sum(cross_entropy(labels, logits, self.multi_label))

        rise = tf.minimum(2.0 * tf.cast(draw.step, tf.float32) / self.config.run.steps, 1.0)
        return attack(loss, x, length * rise)

    def models(self):
        return {"classifier": self.C}

    def score(self, domains):
        """Test accuracy by domain; for attributes the mean over them."""
        return {f"accuracy/{d.name}": accuracy(self.C, d) for d in domains}


def cross_entropy(labels, logits, multi_label):
    """Cross-entropy per image, [B], from int32 classes [B] or 0/1 attributes [B, A].

    Classes may be those of pixels, [B, H, W], too. Not by TensorFlow's fused kernel, which
    `--deterministic` replaces by another one: judges are the same with and without it.
    """
    if multi_label:
        labels = tf.cast(labels, tf.float32)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), axis=-1)
    chosen = tf.one_hot(labels, logits.shape[-1])
    return -tf.reduce_sum(chosen * tf.nn.log_softmax(logits), axis=-1)


def correct(labels, logits, multi_label):
    """Whether each prediction [B] (or each attribute [B, A]) equals its label."""
    if multi_label:
        return tf.equal(logits > 0.0, labels > 0)
    return tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.cast(labels, tf.int32))


def logits_of(classifier, images, batch_size=250):
    """Logits of many images, float32 [N, C]; images are integers or [-1, 1], in memory."""
    made = []
    for start in range(0, len(images), batch_size):
        part = images[start:start + batch_size]
        part = to_float(part) if part.dtype.kind == "u" else part
        made.append(classifier(part, training=False).numpy())
    return np.concatenate(made).astype(np.float32)


def accuracy(classifier, domain):
    """Share of a labelled domain's images (or attributes) that are predicted right."""
    logits = logits_of(classifier, domain.in_memory().images)
    return float(np.mean(correct(domain.labels, logits, domain.multi_label)))
