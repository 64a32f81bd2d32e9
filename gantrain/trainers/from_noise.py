"""What gan, cogan and scogan have in common: networks, noise, samples; each shows its own step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

from gantrain import latent, nets
from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.game import Play
from gantrain.measures.adaptation import of_classifiers
from gantrain.nets import DiscriminatorNets, NoiseNets, Sharing, WeightInit, Width
from gantrain.noise import Draw
from gantrain.optimizers import DiscriminatorAdam, GeneratorAdam, Regularisation, averages
from gantrain.options import Options
from gantrain.terms import chosen, logged
from gantrain.terms.adversarial import Adversarial, AdversarialOptions
from gantrain.terms.labels import LabelHeads, LabelOptions
from gantrain.trainer import Adapts, Generates, Scores, Trainer, check_number

# By the option whose weight switches them on: what discriminators learn beside the game.
HEADS = {"label_loss": LabelHeads}


class FromNoise(Trainer, Generates):
    """A generator and a discriminator per domain; all generators share one z.

    Attributes:
        G, D: generators and discriminators, one per domain.
        adversarial: the game between them.
    """

    options: ClassVar[tuple[type[Options], ...]] = (
        Width,
        WeightInit,
        AdversarialOptions,
        DiscriminatorNets,
        NoiseNets,
        GeneratorAdam,
        DiscriminatorAdam,
        Regularisation,
    )

    def __init__(
        self, config: Config, domains: Sequence[Domain], same_init: bool = False, **of_the_nets: Any
    ):
        check_number(config, domains, self.takes)
        n, d = config.of(NoiseNets), config.of(DiscriminatorNets)
        self.latent, self.names = n, [d.name for d in domains]
        self.per_step = config.of(AdversarialOptions).n_critic
        self.G, self.D = nets.build_gan(
            n.net,
            len(domains),
            domains[0].shape,
            noise_dim=latent.size(n),
            width=config.of(Width).width,
            d_norm=d.d_norm,
            spectral_norm=d.spectral_norm,
            weight_init=config.of(WeightInit).weight_init,
            seed=config.run.seed,
            **of_the_nets,
        )
        if same_init:
            for other in self.G[1:]:
                other.set_weights(self.G[0].get_weights())
        self.adversarial = Adversarial(config, dict(zip(self.names, self.D, strict=True)))
        self.averages = averages(config, self.G)

    def play(self, batch: Sequence[Batch], draw: Draw, update: int) -> Play:
        """x_i ~ p_data_i and z ~ p_z of one update, and what the generators make of z."""
        z = self.noise(draw)
        return Play(
            [domain.images[update] for domain in batch],
            [None if domain.labels is None else domain.labels[update] for domain in batch],
            z,
            [nets.generate(g, z, training=True) for g in self.G],
            draw,
            update,
        )

    def noise(self, draw: Draw) -> tf.Tensor:
        return latent.prior(self.latent, draw)

    def report(self) -> dict:
        """Mean distance between the weights of two generators, as in thesis figure 4.1."""
        if len(self.G) < 2:
            return {}
        distances = [
            tf.sqrt(
                tf.add_n(
                    [
                        tf.reduce_sum(tf.square(a - b))
                        for a, b in zip(
                            one.trainable_variables, other.trainable_variables, strict=True
                        )
                    ]
                )
            )
            for one, other in combinations(self.G, 2)
        ]
        return {"generators/weight_distance": tf.reduce_mean(tf.stack(distances))}

    def logs(self) -> dict[str, list[str]]:
        return self.adversarial.logs()

    def generators(self) -> list[keras.Model]:
        return self.averaged(self.G)

    def samples(self, z: tf.Tensor) -> list:
        return [nets.generate(g, z, training=False).image for g in self.generators()]

    def models(self) -> dict[str, keras.Model]:
        return {
            f"generator_{n}": nets.image_model(g)
            for n, g in zip(self.names, self.generators(), strict=True)
        } | {f"discriminator_{n}": d for n, d in zip(self.names, self.D, strict=True)}


class Coupled(FromNoise, Adapts, Scores):
    """Two or more domains, whose discriminators may learn labels along with the game.

    Attributes:
        labels: the heads of classes (`gantrain.terms.labels.LabelHeads`), none or one.
    """

    takes = (2, None)
    options = (*FromNoise.options, Sharing)
    terms: ClassVar[Sequence[Mapping[str, Any]]] = (HEADS,)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        o = config.of(Sharing)
        super().__init__(
            config,
            domains,
            o.same_init,
            shared_layers=o.shared_layers,
            d_shared_layers=o.d_shared_layers,
            alone=config.on(LabelOptions),
        )
        self.alone = consulted.get("source_only")
        self.labels: list[LabelHeads] = chosen(
            HEADS, config, domains, {**consulted, "discriminators": self.D}
        )

    def logs(self) -> dict[str, list[str]]:
        logs = super().logs()
        return logs | {"discriminators": logs["discriminators"] + logged(self.labels)}

    def score(self, test: Callable[[], list[Domain]]) -> dict:
        """How well each domain's classifier does on its test part, and one of the source alone."""
        return (
            of_classifiers(self.classifiers(), test(), self.source, self.alone)
            if self.labels
            else {}
        )

    @property
    def source(self) -> int:
        return self.labels[0].source

    def classifiers(self) -> list:
        return self.labels[0].classifiers if self.labels else []

    def models(self) -> dict[str, keras.Model]:
        return super().models() | (self.labels[0].models() if self.labels else {})
