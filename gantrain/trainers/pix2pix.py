"""Pix2Pix: a conditional GAN from image pairs (Isola et al. 2017)."""

from __future__ import annotations

import tensorflow as tf

from gantrain import nets
from gantrain.adversarial import Adversarial
from gantrain.augment import erase
from gantrain.data.pairs import require_pairs
from gantrain.game import Average, Trainer
from gantrain.metrics.pixels import distances, pixel_scores
from gantrain.trainers.gan import check_number, players


class Pix2Pix(Trainer):
    """Conditional GAN with an L1 loss (Isola et al. 2017, eqs. 1 to 4), for one or more targets.

    for t = 1, 2, ..., steps do
        x, y_1 ... y_m ~ p_data                              an input and its targets
        G <- descend  adv_G(D(x, G(x))) + w_L1 min_j |y_j - G(x)|_1
        for n_critic do
            D <- descend  1/2 mean_j adv_D(D(x, y_j), D(x, G(x))) + penalty(D)

    Dropout in G is the noise. D sees x beside the output unless `--no-conditional`; without the
    adversarial term there is no D, without the L1 term only the game. With several targets (the
    honours project's five sketches of a photo) each is real, and L1 goes to the nearest.

    Deviation: G moves before D, so that one pass through G serves both updates of an iteration.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: input and target, two paired `gantrain.data.domain.Domain`.
        frozen: not used.
    """

    domains_taken, paired, same_channels = (2, 2), True, False

    def __init__(self, config, domains, frozen):
        check_number(config, domains, *self.domains_taken)
        require_pairs(domains, config.data.dataset)
        t, n, self.config = config.translation, config.nets, config
        source, target = (d.shape for d in domains)
        self.per_step = config.adversarial.n_critic
        self.G = nets.build_translator(
            t.generator, source[0], source[-1], target[-1], width=n.width, norm=t.norm,
            upsample=t.upsample, dropout=t.dropout, weight_init=n.weight_init,
            seed=config.run.seed)
        self.adversarial, self.D = Adversarial(config.adversarial, self.per_step), None
        if t.adversarial_weight:
            channels = target[-1] + (source[-1] if t.conditional else 0)
            self.D = nets.build_patch_discriminator(
                t.patch, channels, size=source[0], width=n.width, norm=n.d_norm or t.norm,
                spectral_norm=n.spectral_norm, weight_init=n.weight_init, seed=config.run.seed)
        self.players = players(config, [self.G], [self.D] if self.D else [],
                               self.adversarial.clip)
        self.averages = [Average([self.G], config.optimisation.ema)] if (
            config.optimisation.ema) else []

    def train_step(self, batch, draw):
        pairs = [self.pair(batch, i, draw) for i in range(self.per_step)]
        made = []
        logs = self.players["generators"].descend(
            lambda: self.generator_objective(*pairs[0], draw, made))
        for i, (x, y) in enumerate(pairs if self.D else []):
            fake = made[0] if i == 0 else self.G(x, training=True)
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i))
        for average in self.averages:
            average.follow(draw.step)
        return logs

    def pair(self, batch, number, draw):
        """x [B, H, W, C] and its targets [B, T, H, W, C] of one update."""
        x, y = (domain.images[number] for domain in batch)
        return erase(x, self.config.translation.random_erasing, draw), (
            y if y.shape.rank == 5 else y[:, None])

    def generator_objective(self, x, y, draw, made):
        """adv_G + L1; what G made of x is left in `made` for the discriminator."""
        t, terms, fake = self.config.translation, {}, self.G(x, training=True)
        made.append(tf.stop_gradient(fake))
        if self.D:
            weight = t.adversarial_weight * self.adversarial.loss.published
            terms = self.adversarial.generator_terms("D", self.D, self.seen(x, fake), draw, weight)
        l1 = tf.reduce_mean(tf.reduce_min(distances(fake, y), axis=1))
        return terms | {"l1": (t.l1_loss, l1)}

    def discriminator_objective(self, x, y, fake, draw, update):
        """Half of adv_D, the mean over the targets, + penalty."""
        count = y.shape[1]
        real = self.seen(tf.repeat(x, count, axis=0), tf.concat(tf.unstack(y), axis=0))
        fake = tf.repeat(self.seen(x, fake), count, axis=0)
        return self.adversarial.discriminator_terms(
            "D", self.D, real, fake, draw.times(count), update,
            weight=self.adversarial.loss.published / 2)

    def seen(self, x, y):
        """What D sees of a pair: both images as one, or the second alone."""
        return tf.concat([x, y], axis=-1) if self.config.translation.conditional else y

    def described(self):
        c = self.config
        return nets.described(self.G, c.translation, c.data.image_size, self.D is not None)

    # --- use ----------------------------------------------------------------------------------

    def translators(self):
        """{direction: images -> images} of the trained networks, in the run's test mode."""
        generator = self.averaged([self.G])[0]
        return {self.config.translation.direction: nets.applied(
            generator, self.config.translation.test_mode, self.config.run.seed)}

    def gallery(self, x, y):
        """Rows of a sample grid: inputs, outputs, (first) targets."""
        (translate,) = self.translators().values()
        return [x, translate(x), y if y.shape.rank == 4 else y[:, 0]]

    def measure(self, x, y):
        """Pixel scores of held-out pairs."""
        (translate,) = self.translators().values()
        return pixel_scores(translate(x), y)

    def models(self):
        generator = self.averaged([self.G])[0]
        return {"generator": generator} | ({"discriminator": self.D} if self.D else {})
