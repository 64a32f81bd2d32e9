"""What gan, cogan and scogan have in common: networks, noise, samples; each shows its own step."""

from __future__ import annotations

import tensorflow as tf

from gantrain import latent, nets
from gantrain.game import Average, Play, pairs
from gantrain.measures.adaptation import of_classifiers
from gantrain.nets import GameNets, PairOptions, Width
from gantrain.optimizers import GameAdam, Regularisation
from gantrain.terms import chosen
from gantrain.terms.adversarial import Adversarial, AdversarialOptions
from gantrain.terms.labels import LabelHeads, LabelOptions
from gantrain.trainer import Adapts, Generates, Scores, Trainer, check_number


class FromNoise(Trainer, Generates):
    """A generator and a discriminator per domain; all generators share one z.

    Attributes:
        G, D: generators and discriminators, one per domain.
        adversarial: the game between them.
    """

    options = (Width, AdversarialOptions, GameNets, PairOptions, GameAdam, Regularisation)

    def __init__(self, config, domains, alone=False):
        check_number(config, domains, self.takes)
        n, g = config.of(PairOptions), config.of(GameNets)
        self.latent, self.names = n, [d.name for d in domains]
        self.per_step = config.of(AdversarialOptions).n_critic
        self.G, self.D = nets.build_pair(
            n.net, len(domains), domains[0].shape, noise_dim=latent.size(n),
            width=config.of(Width).width, shared_layers=n.shared_layers,
            d_shared_layers=n.d_shared_layers, d_norm=g.d_norm, spectral_norm=g.spectral_norm,
            weight_init=g.weight_init, alone=alone, seed=config.run.seed)
        if n.same_init:
            for other in self.G[1:]:
                other.set_weights(self.G[0].get_weights())
        self.adversarial = Adversarial(config, dict(zip(self.names, self.D, strict=True)))
        ema = config.of(GameAdam).ema
        self.averages = [Average(self.G, ema)] if ema else []

    def play(self, batch, draw, update):
        """x_i ~ p_data_i and z ~ p_z of one update, and what the generators make of z."""
        z = self.noise(draw)
        return Play([domain.images[update] for domain in batch],
                    [None if domain.labels is None else domain.labels[update] for domain in batch],
                    z, [nets.generate(g, z, training=True) for g in self.G], draw, update)

    def noise(self, draw):
        return latent.prior(self.latent, draw)

    def report(self):
        """Mean distance between the weights of two generators, as in thesis figure 4.1."""
        if len(self.G) < 2:
            return {}
        distances = [tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(a - b)) for a, b in zip(
            one.trainable_variables, other.trainable_variables, strict=True)]))
            for one, other in pairs(self.G)]
        return {"generators/weight_distance": tf.reduce_mean(tf.stack(distances))}

    def generators(self):
        return self.averaged(self.G)

    def samples(self, z):
        return [nets.generate(g, z, training=False).image for g in self.generators()]

    def models(self):
        return ({f"generator_{n}": nets.image_model(g)
                 for n, g in zip(self.names, self.generators(), strict=True)}
                | {f"discriminator_{n}": d for n, d in zip(self.names, self.D, strict=True)})


class Coupled(FromNoise, Adapts, Scores):
    """Two or more domains, whose discriminators may learn labels along with the game.

    Attributes:
        labels: the heads of classes (`gantrain.terms.labels.LabelHeads`), none or one.
    """

    takes = (2, None)
    terms = {"label_loss": LabelHeads}

    def __init__(self, config, domains, consulted):
        super().__init__(config, domains, alone=config.on(LabelOptions))
        self.alone = consulted.get("source_only")
        self.labels = chosen(Coupled.terms, config, domains,
                             {**consulted, "discriminators": self.D})

    def score(self, test):
        """How well each domain's classifier does on its test part, and one of the source alone."""
        return of_classifiers(self.classifiers(), test(), self.source, self.alone) if (
            self.labels) else {}

    @property
    def source(self):
        return self.labels[0].source if self.labels else None

    def classifiers(self):
        return self.labels[0].classifiers if self.labels else []

    def models(self):
        return super().models() | (self.labels[0].models() if self.labels else {})
