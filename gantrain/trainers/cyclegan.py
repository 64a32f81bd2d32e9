"""CycleGAN: translation in both directions from unpaired images (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Terms
from gantrain.measures.pixels import pixel_scores
from gantrain.noise import Draw
from gantrain.optimizers import averages, sides
from gantrain.options import Options, option
from gantrain.terms.adversarial import Adversarial, AdversarialOptions
from gantrain.terms.pool import ImagePool
from gantrain.trainer import check_number
from gantrain.trainers.from_images import WITH_DISCRIMINATORS, FromImages, unpaired


@dataclass(frozen=True)
class CycleGANOptions(Options):
    """CycleGAN."""

    lambda_cycle: float = option(10.0, "weight of the L1 distance of F(G(x)) to x", low=0.0)
    lambda_identity: float = option(
        0.5,
        "weight of the L1 distance of G(y) to y, in units of lambda_cycle; it keeps colours",
        low=0.0,
    )
    pool_size: int = option(
        50, "generated images that discriminators are shown again (0: none)", low=0, high=10_000
    )
    discriminators: str = option(
        "both", "both, or one: only D_Y judges, F learns by the cycle", choices=("both", "one")
    )

    def check(self, config: Config) -> None:
        # The weight of the identity is in units of the cycle's.
        if self.discriminators == "one" and not self.lambda_cycle:
            raise UserError(
                "--discriminators one and --lambda_cycle 0 leave F nothing to learn from; change "
                "one of them"
            )


class CycleGAN(FromImages):
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
    """

    examples = (
        "gantrain --preset quick_cyclegan",
        "gantrain --gan_type cyclegan --dataset horse2zebra --image_size 128 --upsample resize",
        "gantrain --gan_type cyclegan --dataset folder:summer,winter --lambda_identity 0",
    )
    options = (*FromImages.options, *WITH_DISCRIMINATORS, CycleGANOptions)

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Zhu et al. 2017, sections 4 and 7: least squares, instance norm, residual generators."""
        return super().paper(flat) | unpaired(flat)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains)
        check_number(config, domains, self.takes)
        self.o, self.per_step = config.of(CycleGANOptions), config.of(AdversarialOptions).n_critic
        (name_x, name_y), (x, y) = [d.name for d in domains], [d.shape for d in domains]
        if self.o.lambda_identity and x[-1] != y[-1]:
            raise UserError(
                f"--lambda_identity compares G(y) with y, and the domains have {x[-1]} "
                f"and {y[-1]} channels; set it to 0"
            )
        self.names = name_x, name_y
        self.aligned = all(d.targets == 1 for d in domains)
        self.G, self.F = self.translator(x, y), self.translator(y, x, 1)
        # Of domains that have a discriminator, by name, from the translator's side: Y first.
        shapes = {name_y: y} if self.o.discriminators == "one" else {name_y: y, name_x: x}
        self.D = {
            name: self.discriminator(shape[0], shape[-1], i)
            for i, (name, shape) in enumerate(shapes.items())
        }
        self.pool = {name: ImagePool(self.o.pool_size, shape) for name, shape in shapes.items()}
        self.pools = list(self.pool.values())
        self.adversarial = Adversarial(config, self.D)
        self.players = sides(
            config, [self.G, self.F], list(self.D.values()), self.per_step, self.adversarial.clip
        )
        self.averages = averages(config, [self.G, self.F])

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        real = [[domain.images[i] for domain in batch] for i in range(self.per_step)]
        logs, made = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(real[0][0], real[0][1], draw)
        )
        for i, (x, y) in enumerate(real):
            fake = self.translated(x, y) if i else made
            fake = {name: pool.exchange(fake[name], draw) for name, pool in self.pool.items()}
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i)
            )
        self.follow(draw)
        return logs

    def translated(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        """{domain: images made for it}."""
        name_x, name_y = self.names
        return {name_y: self.G(x, training=True), name_x: self.F(y, training=True)}

    def generator_objective(self, x: tf.Tensor, y: tf.Tensor, draw: Draw) -> tuple[Terms, Any]:
        """adv_G + cycle + identity; and what G and F made."""
        o, (name_x, name_y), terms = self.o, self.names, {}
        fake = self.translated(x, y)
        for name, d in self.D.items():
            terms |= self.adversarial.generator_terms(
                name, d, fake[name], draw, self.adversarial.loss.published
            )
        cycled = {
            name_x: self.F(fake[name_y], training=True),
            name_y: self.G(fake[name_x], training=True),
        }
        for name, real in ((name_x, x), (name_y, y)):
            terms[f"cycle/{name}"] = o.lambda_cycle, _l1(real, cycled[name])
        if o.lambda_identity:
            weight = o.lambda_cycle * o.lambda_identity
            terms[f"identity/{name_y}"] = weight, _l1(y, self.G(y, training=True))
            terms[f"identity/{name_x}"] = weight, _l1(x, self.F(x, training=True))
        return terms, fake

    def discriminator_objective(
        self, x: tf.Tensor, y: tf.Tensor, fake: Mapping[str, tf.Tensor], draw: Draw, update: int
    ) -> Terms:
        """Half of adv_D + penalty of every discriminator."""
        real, terms = dict(zip(self.names, (x, y), strict=True)), {}
        for name, d in self.D.items():
            terms |= self.adversarial.discriminator_terms(
                name,
                d,
                real[name],
                fake[name],
                draw,
                update,
                weight=self.adversarial.loss.published / 2,
            )
        return terms

    def logs(self) -> dict[str, list[str]]:
        logs, l1 = self.adversarial.logs(), ["cycle"] + ["identity"] * bool(self.o.lambda_identity)
        return logs | {
            "generators": logs["generators"]
            + [f"{term}/{name}" for term in l1 for name in self.names]
        }

    def described(self) -> str:
        return self.described_by(self.G)

    def translators(self) -> dict[str, Callable]:
        """Those of the set's first direction first."""
        networks = self.averaged([self.G, self.F])
        ways = ("a2b", "b2a") if self.way == "a2b" else ("b2a", "a2b")
        return {way: self.applied(net) for way, net in zip(ways, networks, strict=True)}

    def gallery(self, x: tf.Tensor, y: tf.Tensor) -> list:
        """Rows of a sample grid, for X and for Y: images, translated, cycled.

        Where the channels allow it also through the other network, which ought to leave them as
        they are.
        """
        g, f = self.translators().values()
        rows = []
        for images, there, back in ((x, g, f), (y, f, g)):
            made = there(images)
            rows += [images, made, back(made)]
            if self.o.lambda_identity:
                rows.append(back(images))
        return rows

    def measure(self, x: tf.Tensor, y: tf.Tensor) -> dict:
        """Cycle L1 of held-out images; of a paired set also the pixel scores of the outputs."""
        g, f = self.translators().values()
        scores = {}
        for name, images, other, there, back in (
            (self.names[0], x, y, g, f),
            (self.names[1], y, x, f, g),
        ):
            made = there(images)
            scores[f"cycle_l1/{name}"] = _l1(images, back(made))
            if self.aligned:
                scores |= {f"{k}/from_{name}": v for k, v in pixel_scores(made, other).items()}
        return scores

    def models(self) -> dict[str, keras.Model]:
        networks = self.averaged([self.G, self.F])
        return {
            f"generator_{direction}": self.as_used(net)
            for direction, net in zip(self.translators(), networks, strict=True)
        } | {f"discriminator_{name}": d for name, d in self.D.items()}


def _l1(real, made):
    return tf.reduce_mean(tf.abs(tf.cast(real, tf.float32) - tf.cast(made, tf.float32)))
