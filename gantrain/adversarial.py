"""The game between one generator and one discriminator, as terms: what every GAN trainer plays."""

from __future__ import annotations

import tensorflow as tf

from gantrain.augment import augment
from gantrain.game import watch
from gantrain.losses import ADVERSARIAL
from gantrain.penalties import DISCRIMINATOR_PENALTIES


class Adversarial:
    """Loss, penalty and augmentation of a config, as the terms of either side.

    Args:
        options: `gantrain.config.Adversarial`, resolved.
        per_step: discriminator updates per iteration (n_critic).

    Attributes:
        loss, penalty: entries of ADVERSARIAL and DISCRIMINATOR_PENALTIES.
        clip: bound of the discriminators' weights, or None.
    """

    def __init__(self, options, per_step):
        self.options, self.per_step = options, per_step
        self.loss = ADVERSARIAL[options.loss]
        self.penalty = DISCRIMINATOR_PENALTIES[options.d_penalty]
        self.clip = options.penalty_weight if self.penalty.clips else None

    def discriminator_terms(self, name, d, real, fake, draw, update, weight=1.0):
        """adv_D + penalty, and the share of logits that D has right.

        Args:
            name: of the domain, for the terms.
            d: discriminator, images -> logits.
            real, fake: float32 [B, H, W, C], or points [B, 2].
            draw: `gantrain.game.Draw`.
            update: number of this discriminator update within the iteration, from 0.
            weight: of the adversarial term.
        """
        o = self.options
        real, fake = augment(real, o.augment, draw), augment(fake, o.augment, draw)
        on_real, on_fake = d(real, training=True), d(fake, training=True)
        terms = {f"adv/{name}": (weight, self.loss.discriminator(on_real, on_fake,
                                                                 1.0 - o.label_smoothing))}
        if self.penalty.term:
            terms[f"{o.d_penalty}/{name}"] = (
                o.penalty_weight * o.penalty_every, self.lazily(d, real, fake, draw, update))
        middle = boundary(on_real, on_fake)
        terms[f"accuracy_real/{name}"] = watch(_share(on_real > middle))
        terms[f"accuracy_fake/{name}"] = watch(_share(on_fake < middle))
        return terms

    def lazily(self, d, real, fake, draw, update):
        """The penalty on every K-th discriminator update, zero on the others (StyleGAN2, B)."""
        every = self.options.penalty_every
        if every == 1:
            return self.penalty.term(d, real, fake, draw)
        own = draw.aside()
        count = draw.step * self.per_step + update + 1
        return tf.cond(count % every == 0, lambda: self.penalty.term(d, real, fake, own),
                       lambda: tf.constant(0.0))

    def generator_terms(self, name, d, fake, draw, weight=1.0):
        """adv_G of generated images; the arguments are those of `discriminator_terms`."""
        fake = augment(fake, self.options.augment, draw)
        return {f"adv/{name}": (weight, self.loss.generator(d(fake, training=True)))}


def boundary(on_real, on_fake):
    """The logit between real and fake: the middle of both means.

    A Wasserstein critic has no natural zero, and least squares puts it at one half.
    """
    return (tf.reduce_mean(on_real) + tf.reduce_mean(on_fake)) / 2


def _share(condition):
    return tf.reduce_mean(tf.cast(condition, tf.float32))
