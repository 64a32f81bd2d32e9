"""CycleGAN: translation in both directions from unpaired images (Zhu et al. 2017)."""

from __future__ import annotations

import tensorflow as tf

from gantrain import nets
from gantrain.adversarial import Adversarial
from gantrain.errors import UserError
from gantrain.game import Average, Trainer
from gantrain.metrics.pixels import pixel_scores
from gantrain.pool import ImagePool
from gantrain.trainers.gan import check_number, players


class CycleGAN(Trainer):
    """Cycle-consistent GAN (Zhu et al. 2017, eqs. 1 to 3 and section 5.2).

    for t = 1, 2, ..., steps do
        x ~ p_X, y ~ p_Y                                     unpaired images
        G, F <- descend  adv_G(D_Y(G(x))) + adv_G(D_X(F(y)))
                         + w (|F(G(x)) - x|_1 + |G(F(y)) - y|_1)
                         + w w_id (|G(y) - y|_1 + |F(x) - x|_1)
        for n_critic do
            D_Y, D_X <- descend  1/2 adv_D(D_Y(y), D_Y(pool(G(x)))) + penalty(D_Y)
                                 + 1/2 adv_D(D_X(x), D_X(pool(F(y)))) + penalty(D_X)

    A pool keeps generated images of the past. `--discriminators one` is the course project's
    simplification: D_X and its terms are absent, and F learns by the cycle alone.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: X and Y, two `gantrain.data.domain.Domain`; pairs are not heeded.
        frozen: not used.
    """

    domains_taken, same_channels = (2, 2), False

    def __init__(self, config, domains, frozen):
        check_number(config, domains, *self.domains_taken)
        t, n, self.config = config.translation, config.nets, config
        (name_x, name_y), (x, y) = [d.name for d in domains], [d.shape for d in domains]
        if t.lambda_identity and x[-1] != y[-1]:
            raise UserError(f"--lambda_identity compares G(y) with y, and the domains have {x[-1]} "
                            f"and {y[-1]} channels; set it to 0")
        self.per_step = config.adversarial.n_critic
        self.adversarial = Adversarial(config.adversarial, self.per_step)
        self.names = name_x, name_y
        self.aligned = all(d.rows is not None and d.rows.shape[1] == 1 for d in domains)
        self.G, self.F = (nets.build_translator(
            t.generator, x[0], source[-1], target[-1], width=n.width, norm=t.norm,
            upsample=t.upsample, dropout=t.dropout, weight_init=n.weight_init,
            seed=config.run.seed, number=i) for i, (source, target) in enumerate([(x, y), (y, x)]))
        # Per judged domain, by name, from the translator's side: Y first.
        judged = {name_y: y} if t.discriminators == "one" else {name_y: y, name_x: x}
        self.D = {name: nets.build_patch_discriminator(
            t.patch, shape[-1], size=shape[0], width=n.width, norm=n.d_norm or t.norm,
            spectral_norm=n.spectral_norm, weight_init=n.weight_init, seed=config.run.seed,
            number=i) for i, (name, shape) in enumerate(judged.items())}
        self.pool = {name: ImagePool(t.pool_size, shape) for name, shape in judged.items()}
        self.pools = list(self.pool.values())
        self.players = players(config, [self.G, self.F], list(self.D.values()),
                               self.adversarial.clip)
        o = config.optimisation
        self.averages = [Average([self.G, self.F], o.ema)] if o.ema else []

    def train_step(self, batch, draw):
        real = [[domain.images[i] for domain in batch] for i in range(self.per_step)]
        made = []
        logs = self.players["generators"].descend(
            lambda: self.generator_objective(*real[0], draw, made))
        for i, (x, y) in enumerate(real):
            fake = made[0] if i == 0 else self.translated(x, y)
            fake = {name: pool.exchange(fake[name], draw) for name, pool in self.pool.items()}
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i))
        for average in self.averages:
            average.follow(draw.step)
        return logs

    def translated(self, x, y):
        """{domain: images made for it}."""
        name_x, name_y = self.names
        return {name_y: self.G(x, training=True), name_x: self.F(y, training=True)}

    def generator_objective(self, x, y, draw, made):
        """adv_G + cycle + identity; what G and F made is left in `made` for the discriminators."""
        t, (name_x, name_y), terms = self.config.translation, self.names, {}
        fake = self.translated(x, y)
        made.append({name: tf.stop_gradient(images) for name, images in fake.items()})
        for name, d in self.D.items():
            terms |= self.adversarial.generator_terms(name, d, fake[name], draw,
                                                      self.adversarial.loss.published)
        cycled = {name_x: self.F(fake[name_y], training=True),
                  name_y: self.G(fake[name_x], training=True)}
        for name, real in ((name_x, x), (name_y, y)):
            terms[f"cycle/{name}"] = t.lambda_cycle, _l1(real, cycled[name])
        if t.lambda_identity:
            weight = t.lambda_cycle * t.lambda_identity
            terms[f"identity/{name_y}"] = weight, _l1(y, self.G(y, training=True))
            terms[f"identity/{name_x}"] = weight, _l1(x, self.F(x, training=True))
        return terms

    def discriminator_objective(self, x, y, fake, draw, update):
        """Half of adv_D + penalty per judged domain."""
        real, terms = dict(zip(self.names, (x, y), strict=True)), {}
        for name, d in self.D.items():
            terms |= self.adversarial.discriminator_terms(
                name, d, real[name], fake[name], draw, update,
                weight=self.adversarial.loss.published / 2)
        return terms

    def described(self):
        return nets.described(self.G, self.config.translation, self.config.data.image_size)

    # --- use ----------------------------------------------------------------------------------

    def translators(self):
        """{direction: images -> images} of the trained networks, in the run's test mode."""
        t = self.config.translation
        networks = self.averaged([self.G, self.F])
        directions = ("a2b", "b2a") if t.direction == "a2b" else ("b2a", "a2b")
        return {direction: nets.applied(net, t.test_mode, self.config.run.seed)
                for direction, net in zip(directions, networks, strict=True)}

    def gallery(self, x, y):
        """Rows of a sample grid, for X and for Y: images, translated, cycled, and, where the
        channels allow it, through the other network, which ought to leave them as they are."""
        g, f = self.translators().values()
        rows = []
        for images, there, back in ((x, g, f), (y, f, g)):
            made = there(images)
            rows += [images, made, back(made)]
            if self.config.translation.lambda_identity:
                rows.append(back(images))
        return rows

    def measure(self, x, y):
        """Cycle L1 of held-out images; of a paired set also the pixel scores of the outputs."""
        g, f = self.translators().values()
        scores = {}
        for name, images, other, there, back in (
                (self.names[0], x, y, g, f), (self.names[1], y, x, f, g)):
            made = there(images)
            scores[f"cycle_l1/{name}"] = _l1(images, back(made))
            if self.aligned:
                scores |= {f"{k}/from_{name}": v for k, v in pixel_scores(made, other).items()}
        return scores

    def models(self):
        networks = self.averaged([self.G, self.F])
        return ({f"generator_{direction}": net for direction, net in zip(
            self.translators(), networks, strict=True)}
            | {f"discriminator_{name}": d for name, d in self.D.items()})


def _l1(real, made):
    return tf.reduce_mean(tf.abs(tf.cast(real, tf.float32) - tf.cast(made, tf.float32)))
