"""Pix2Pix: a conditional GAN from image pairs (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.data.pairs import require_pairs
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Terms
from gantrain.measures.evaluate import Measuring
from gantrain.measures.pixels import distances, pixel_scores
from gantrain.noise import Draw
from gantrain.optimizers import averages, sides
from gantrain.options import Options, option
from gantrain.terms.adversarial import Adversarial, AdversarialOptions
from gantrain.terms.augmentation import erase
from gantrain.trainer import check_number
from gantrain.trainers.from_images import WITH_DISCRIMINATORS, FromImages


@dataclass(frozen=True)
class ConditionalOptions(Options):
    """The game of Pix2Pix."""

    switch = "adversarial_weight"

    adversarial_weight: float = option(
        1.0, "weight of the adversarial loss (0: none, and no discriminator)", low=0.0
    )
    conditional: bool = option(True, "the discriminator sees the input beside the output")


class ConditionalAdversarial(Adversarial):
    """The game as a term that may be absent, and D with it."""

    options: ClassVar[type[Options]] = ConditionalOptions
    also = WITH_DISCRIMINATORS

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> dict:
        """Nothing: D is trained."""
        return {}


@dataclass(frozen=True)
class Pix2PixOptions(Options):
    """Pix2Pix."""

    l1_loss: float = option(
        100.0, "weight of the L1 distance to the (nearest) target", low=0.0, const=100.0
    )
    random_erasing: float = option(
        0.0,
        "probability that a random rectangle of an input becomes noise (Zhong et al. 2017)",
        low=0.0,
        high=1.0,
        const=0.5,
    )
    early_stopping: int = option(
        0,
        "end the run when the held-out pixel distance has not fallen for this many samplings, "
        "and keep the best weights (0: off)",
        low=0,
    )

    def check(self, config: Config) -> None:
        if not self.l1_loss and not config.on(ConditionalOptions):
            raise UserError(
                "--l1_loss 0 and --adversarial_weight 0 leave nothing to learn from; "
                "give one of them a weight"
            )
        if self.early_stopping and config.of(Measuring).keep_best:
            raise UserError(
                "--keep_best and --early_stopping both choose the state that a run ends with; "
                "give one"
            )


class Pix2Pix(FromImages):
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
    """

    examples = (
        "gantrain --preset quick_pix2pix",
        "gantrain --gan_type pix2pix --dataset pairs:mine --direction b2a --image_size 256",
        "gantrain --gan_type pix2pix --dataset gray2color:photos --early_stopping 10",
    )
    options = (*FromImages.options, Pix2PixOptions)
    terms = ({"adversarial_weight": ConditionalAdversarial},)
    paired = True

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Isola et al. 2017, section 6.1; dropout is the noise of its U-Net."""
        generator = flat["generator"] or "unet"
        return super().paper(flat) | {
            "generator": generator,
            "dropout": 0.5 if generator.startswith("unet") else 0.0,
            "norm": "batch",
            "test_mode": "training",
        }

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains)
        check_number(config, domains, self.takes)
        require_pairs(domains, config.data.dataset)
        self.o, self.game = config.of(Pix2PixOptions), config.of(ConditionalOptions)
        self.patience = ("l1", min, self.o.early_stopping) if self.o.early_stopping else None
        source, target = (d.shape for d in domains)
        self.G, self.D = self.translator(source, target), None
        discriminators, clip = [], None
        if self.game.on:
            self.per_step = config.of(AdversarialOptions).n_critic
            self.D = self.discriminator(source[0], target[-1] + self.game.conditional * source[-1])
            self.adversarial = ConditionalAdversarial(config, {"D": self.D})
            discriminators, clip = [self.D], self.adversarial.clip
        self.players = sides(config, [self.G], discriminators, self.per_step, clip)
        self.averages = averages(config, [self.G])

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        pairs = [self.pair(batch, i, draw) for i in range(self.per_step)]
        logs, fake = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(*pairs[0], draw)
        )
        for i, (x, y) in enumerate(pairs if self.D else []):
            fake = self.G(x, training=True) if i else fake
            logs |= self.players["discriminators"].descend(
                lambda x=x, y=y, fake=fake, i=i: self.discriminator_objective(x, y, fake, draw, i)
            )
        self.follow(draw)
        return logs

    def pair(self, batch: Sequence[Batch], number: int, draw: Draw) -> tuple[tf.Tensor, tf.Tensor]:
        """x [B, H, W, C] and its targets [B, T, H, W, C] of one update."""
        x, y = (domain.images[number] for domain in batch)
        return erase(x, self.o.random_erasing, draw), (y if y.shape.rank == 5 else y[:, None])

    def generator_objective(self, x: tf.Tensor, y: tf.Tensor, draw: Draw) -> tuple[Terms, Any]:
        """adv_G + L1; and what G made of x."""
        terms, fake = {}, self.G(x, training=True)
        if self.D:
            weight = self.game.adversarial_weight * self.adversarial.loss.published
            terms = self.adversarial.generator_terms("D", self.D, self.seen(x, fake), draw, weight)
        l1 = tf.reduce_mean(tf.reduce_min(distances(fake, y), axis=1))
        return terms | {"l1": (self.o.l1_loss, l1)}, fake

    def discriminator_objective(
        self, x: tf.Tensor, y: tf.Tensor, fake: tf.Tensor, draw: Draw, update: int
    ) -> Terms:
        """Half of adv_D, the mean over the targets, + penalty."""
        count = y.shape[1]
        real = self.seen(tf.repeat(x, count, axis=0), tf.concat(tf.unstack(y), axis=0))
        fake = tf.repeat(self.seen(x, fake), count, axis=0)
        return self.adversarial.discriminator_terms(
            "D",
            self.D,
            real,
            fake,
            draw.times(count),
            update,
            weight=self.adversarial.loss.published / 2,
        )

    def seen(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """What D sees of a pair: both images as one, or the second alone."""
        return tf.concat([x, y], axis=-1) if self.game.conditional else y

    def logs(self) -> dict[str, list[str]]:
        logs = self.adversarial.logs() if self.D else {"generators": []}
        return logs | {"generators": [*logs["generators"], "l1"]}

    def described(self) -> str:
        return self.described_by(self.G, self.D is not None)

    def translators(self) -> dict[str, Callable]:
        return {self.way: self.applied(self.averaged([self.G])[0])}

    def gallery(self, x: tf.Tensor, y: tf.Tensor) -> list:
        """Rows of a sample grid: inputs, outputs, (first) targets."""
        (translate,) = self.translators().values()
        return [x, translate(x), y if y.shape.rank == 4 else y[:, 0]]

    def measure(self, x: tf.Tensor, y: tf.Tensor) -> dict:
        """Pixel scores of held-out pairs."""
        (translate,) = self.translators().values()
        return pixel_scores(translate(x), y)

    def models(self) -> dict[str, keras.Model]:
        (generator,) = self.averaged([self.G])
        return {"generator": self.as_used(generator)} | (
            {"discriminator": self.D} if self.D else {}
        )
