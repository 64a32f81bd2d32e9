"""GAN: a generator and a discriminator per domain, in alternating descent (thesis section 2.2)."""

from __future__ import annotations

import keras
import tensorflow as tf

from gantrain import latent, nets
from gantrain.adversarial import Adversarial
from gantrain.errors import UserError
from gantrain.game import Average, Player, Trainer, pairs


class GAN(Trainer):
    """Generative adversarial network (thesis algorithm 1).

    for t = 1, 2, ..., steps do
        for n_critic do
            x ~ p_data, z ~ p_z                              a batch of each
            D <- descend  adv_D(D(x), D(G(z))) + penalty(D)
        z ~ p_z
        G <- descend  adv_G(D(G(z)))

    Written for a list of domains that share one z: `cogan` and `scogan` are this game with k
    domains and a coupling between the generators. The gan itself takes one domain.

    Args:
        config: a resolved `gantrain.config.Config`.
        domains: list of `gantrain.data.domain.Domain`.
        frozen: trained networks that couplings consult, by name (`gantrain.frozen`).
    """

    domains_taken = (1, 1)

    def __init__(self, config, domains, frozen):
        check_number(config, domains, *self.domains_taken)
        n, o, a = config.nets, config.optimisation, config.adversarial
        self.config, self.domains, self.frozen = config, domains, frozen
        self.names = [d.name for d in domains]
        self.per_step = a.n_critic
        self.adversarial = Adversarial(a, self.per_step)
        self.G, self.D = nets.build_pair(
            n.net, len(domains), domains[0].shape, noise_dim=latent.size(n), width=n.width,
            shared_layers=n.shared_layers, d_shared_layers=n.d_shared_layers, d_norm=n.d_norm,
            spectral_norm=n.spectral_norm, weight_init=n.weight_init,
            alone=bool(config.adaptation.label_loss), seed=config.run.seed)
        if n.same_init:
            for other in self.G[1:]:
                other.set_weights(self.G[0].get_weights())
        labelling = self.label_networks()
        self.players = players(config, [*self.G, *self.coupled_networks()],
                               [*self.D, *labelling], self.adversarial.clip)
        self.averages = [Average(self.G, o.ema)] if o.ema else []

    def train_step(self, batch, draw):
        for i in range(self.per_step):
            real = [domain.images[i] for domain in batch]
            z = self.noise(draw)
            fake = [nets.generate(g, z, training=True).image for g in self.G]
            logs = self.players["discriminators"].descend(
                lambda real=real, fake=fake, i=i:
                    self.discriminator_objective(real, fake, draw, i)
                    | self.label_terms(batch, fake, draw, i))
        z = self.noise(draw)
        logs |= self.players["generators"].descend(
            lambda: self.generator_objective(z, real, draw))
        for average in self.averages:
            average.follow(draw.step)
        return logs

    def discriminator_objective(self, real, fake, draw, update):
        """adv_D + penalty per domain."""
        terms = {}
        for name, d, x, y in zip(self.names, self.D, real, fake, strict=True):
            terms |= self.adversarial.discriminator_terms(name, d, x, y, draw, update)
        return terms

    def generator_objective(self, z, real, draw):
        """adv_G per domain."""
        generated = [nets.generate(g, z, training=True) for g in self.G]
        terms = {}
        for name, d, fake in zip(self.names, self.D, generated, strict=True):
            terms |= self.adversarial.generator_terms(name, d, fake.image, draw)
        return terms | self.coupling_terms(generated, z, real, draw)

    def label_networks(self):
        """Networks that learn labels along with the discriminators."""
        return []

    def label_terms(self, batch, fake, draw, update):
        """Terms by which the discriminators learn labels: none here."""
        return {}

    def coupled_networks(self):
        """Networks that a coupling trains along with the generators."""
        return []

    def coupling_terms(self, generated, z, real, draw):
        """Terms that couple the generators: none here."""
        return {}

    def noise(self, draw):
        """z ~ p_z, float32 [B, size of z]."""
        return latent.prior(self.config.nets, draw)

    def report(self):
        """Mean distance between the weights of two generators, as in thesis figure 4.1."""
        if len(self.G) < 2:
            return {}
        distances = [tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(a - b)) for a, b in zip(
            one.trainable_variables, other.trainable_variables, strict=True)]))
            for one, other in pairs(self.G)]
        return {"generators/weight_distance": tf.reduce_mean(tf.stack(distances))}

    def samples(self, z):
        """Images [-1, 1] of latent vectors z, one tensor per domain, by the averaged weights."""
        generators = self.averaged(self.G)
        return [nets.generate(g, z, training=False).image for g in generators]

    def models(self):
        generators = self.averaged(self.G)
        return ({f"generator_{n}": nets.image_model(g)
                 for n, g in zip(self.names, generators, strict=True)}
                | {f"discriminator_{n}": d for n, d in zip(self.names, self.D, strict=True)})


def players(config, generators, discriminators, clip=None):
    """Both sides of the game with an Adam each, by name; without discriminators only one.

    Args:
        config: a resolved `gantrain.config.Config`.
        generators, discriminators: the Keras models of either side.
        clip: bound of the discriminators' weights, or None.
    """
    o, steps = config.optimisation, config.run.steps
    made = {}
    if discriminators:
        updates = steps * config.adversarial.n_critic
        made["discriminators"] = Player(
            "discriminators", discriminators,
            adam(o.d_lr, o.d_beta1, o.d_beta2, config, updates),
            weight_decay=o.weight_decay, clip=clip)
    made["generators"] = Player(
        "generators", generators, adam(o.g_lr, o.g_beta1, o.g_beta2, config, steps),
        weight_decay=o.weight_decay)
    return made


def check_number(config, domains, least, most):
    """Refuses a data set with fewer domains than `least` or more than `most` (None: any)."""
    if least <= len(domains) <= (most or len(domains)):
        return
    names = ", ".join(d.name for d in domains)
    few = {1: "one domain", 2: "two domains"}
    takes = few[most] if most else f"{few[least].split()[0]} or more domains"
    remedy = (f"choose with --domains {','.join(d.name for d in domains[:most])}"
              if len(domains) > least else "take a --dataset that has them")
    raise UserError(f"--gan_type {config.run.gan_type} takes {takes}, and --dataset "
                    f"{config.data.dataset} gives {len(domains)} ({names}); {remedy}")


def adam(rate, beta1, beta2, config, updates):
    """Adam whose learning rate may fall linearly to zero at the end of a run of `updates`.

    Half precision needs a scaled loss; bfloat16 has the range of float32 and needs none.
    """
    share = config.optimisation.lr_decay
    if share:
        rate = LinearDecay(rate, updates, share)
    optimizer = keras.optimizers.Adam(rate, beta_1=beta1, beta_2=beta2)
    if config.runtime.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """lr(t) = lr * min(1, (T - t) / (share * T)), t the optimizer's own, saved, update count.

    Args:
        rate: lr before the decay.
        updates: T, the updates of the whole run.
        share: part of the run, at its end, over which the rate falls to zero.
    """

    def __init__(self, rate, updates, share):
        self.rate, self.updates, self.share = rate, updates, share

    def __call__(self, step):
        left = (self.updates - tf.cast(step, tf.float32)) / (self.share * self.updates)
        return self.rate * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self):
        return {"rate": self.rate, "updates": self.updates, "share": self.share}
