"""Unsupervised domain adaptation: a head of classes on the discriminators' trunks.

The labels of one domain, the source, are learned beside the game. Those of the others are never
looked at: whatever a target's classifier knows, it has from layers that it shares with the source's
or from generated pairs.
"""

from __future__ import annotations

import tensorflow as tf

from gantrain import nets
from gantrain.augment import augment
from gantrain.errors import UserError
from gantrain.game import watch


def source_of(config, domains):
    """Number of the labelled domain: `--source`, else the first.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: list of `gantrain.data.domain.Domain`.

    Raises:
        UserError: there is no such domain, or it has no classes to learn.
    """
    names, name = [d.name for d in domains], config.adaptation.source
    if name is not None and name not in names:
        raise UserError(f"--source {name}: --dataset {config.data.dataset} has {', '.join(names)}")
    number = names.index(name) if name else 0
    domain = domains[number]
    if domain.labels is None or domain.multi_label:
        has = "several attributes per image" if domain.multi_label else "no labels"
        raise UserError(f"--label_loss needs one class per image, and domain {domain.name} of "
                        f"--dataset {config.data.dataset} has {has}; choose another --source")
    return number


class LabelHeads:
    """One softmax layer on the last hidden layer of every discriminator (CoGAN, section 5).

        label    = E[CE(y, C_s(view(x_s)))],                 x_s, y a labelled batch of the source
        transfer = E[m(z) CE(c(z), C_i(view(G_i(z))))],      c(z) = argmax C_s(G_s(z)),
                                                             m(z) = [max C_s(G_s(z)) > confidence]

    The head is one layer, and with `--d_shared_layers` the layers below it are too: that is how Liu
    and Tuzel 2016 carry the source's labels to the target. The transfer is an addition: images that
    the generators make of one z show the same class as far as they are coupled, so the class that
    the source's classifier is sure of labels the target's image. c and m are held constant.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: list of `gantrain.data.domain.Domain`; only the source's classes are read.
        discriminators: one per domain, from `gantrain.nets.build_pair`.

    Attributes:
        source: number of the labelled domain.
        classifiers: one per domain, images [-1, 1] -> logits, on the discriminators' own layers.
    """

    def __init__(self, config, domains, discriminators):
        self.options, self.names = config.adaptation, [d.name for d in domains]
        self.source = source_of(config, domains)
        self.classifiers = nets.build_heads(
            discriminators, len(domains[self.source].classes),
            weight_init=config.nets.weight_init, seed=config.run.seed)

    def terms(self, images, labels, fake, draw):
        """What the discriminators' player descends beside the game.

        Args:
            images: float32 [B, H, W, C] in [-1, 1], of the source.
            labels: int32 [B], theirs.
            fake: the generated images of one z, per domain.
            draw: `gantrain.game.Draw`.
        """
        o, draw = self.options, draw.aside()
        classify = self.classifiers[self.source]
        logits = classify(augment(images, o.label_augment, draw), training=True)
        name = self.names[self.source]
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels)
        terms = {f"label/{name}": (o.label_loss, tf.reduce_mean(_cross_entropy(labels, logits))),
                 f"label_accuracy/{name}": watch(tf.reduce_mean(tf.cast(right, tf.float32)))}
        return terms | (self.transfer(fake, draw) if o.label_transfer else {})

    def transfer(self, fake, draw):
        """The source's class of each generated image, asked of the targets' images of the same z."""
        o, terms = self.options, {}
        sure = tf.nn.softmax(self.classifiers[self.source](fake[self.source], training=False))
        classes = tf.argmax(sure, axis=-1, output_type=tf.int32)
        mask = tf.cast(tf.reduce_max(sure, axis=-1) > o.label_confidence, tf.float32)
        classes, mask = tf.stop_gradient(classes), tf.stop_gradient(mask)
        for number, (name, images) in enumerate(zip(self.names, fake, strict=True)):
            if number != self.source:
                seen = augment(images, o.label_augment, draw)
                each = _cross_entropy(classes, self.classifiers[number](seen, training=True))
                terms[f"label_transfer/{name}"] = o.label_transfer, tf.reduce_mean(mask * each)
                terms[f"label_sure/{name}"] = watch(tf.reduce_mean(mask))
        return terms

    def models(self):
        """The classifiers by file name."""
        return {f"classifier_{name}": c
                for name, c in zip(self.names, self.classifiers, strict=True)}


def _cross_entropy(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
