"""The game between generators and discriminators, as terms: what every GAN trainer plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from gantrain.core import Config
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Play, Terms, watched
from gantrain.nets import DiscriminatorNets
from gantrain.noise import Draw
from gantrain.options import Options, option
from gantrain.terms.augmentation import AUGMENTATIONS, augment
from gantrain.terms.losses import LOSSES
from gantrain.terms.penalties import DISCRIMINATOR_PENALTIES


@dataclass(frozen=True)
class AdversarialOptions(Options):
    """The game between generators and discriminators."""

    loss: str = option(
        None, "adversarial loss; default: the trainer's paper's", choices=lambda: LOSSES
    )
    d_penalty: str = option(
        None,
        "discriminator penalty; default gp with wasserstein",
        choices=lambda: DISCRIMINATOR_PENALTIES,
    )
    penalty_weight: float = option(
        None,
        "weight of the penalty (clip: the bound); default gp 10, r1 5, clip 0.01",
        above=0.0,
        needs=("d_penalty",),
    )
    penalty_every: int = option(
        1,
        "apply the penalty on every K-th discriminator update, with K times the weight; it is "
        "logged as zero on the others",
        low=1,
        needs=("d_penalty",),
    )
    n_critic: int = option(
        None,
        "discriminator updates per generator update; default 5 with wasserstein, else 1",
        low=1,
        high=100,
    )
    label_smoothing: float = option(
        0.0, "one-sided: the target of real images is 1 minus this", low=0.0, high=0.5
    )
    augment: str = option(
        "none",
        "differentiable augmentation of all discriminator inputs, comma separated",
        choices=lambda: AUGMENTATIONS,
        several=True,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        loss = flat["loss"] or "non_saturating"
        penalty = flat["d_penalty"] or ("gp" if loss == "wasserstein" else "none")
        return {
            "loss": loss,
            "d_penalty": penalty,
            "penalty_weight": DISCRIMINATOR_PENALTIES[penalty].weight,
            "n_critic": 5 if loss == "wasserstein" else 1,
        }

    def check(self, config: Config) -> None:
        if self.label_smoothing and self.loss in ("wasserstein", "hinge"):
            raise UserError(
                f"--label_smoothing needs a loss with targets; --loss {self.loss} has none"
            )
        if self.d_penalty in ("gp", "r1") and config.of(DiscriminatorNets).d_norm == "batch":
            raise UserError(
                f"--d_norm batch mixes the images of a batch, which --d_penalty "
                f"{self.d_penalty} treats one by one; use --d_norm layer"
            )
        if self.d_penalty in ("none", "clip") and self.penalty_every > 1:
            raise UserError("--penalty_every needs --d_penalty gp or r1")


class Adversarial:
    """Loss, penalty and augmentation of a config, as the terms of either side.

    Args:
        config: a resolved `gantrain.core.Config`.
        discriminators: {name: discriminator}; a list entry of every `Play` belongs to each.

    Attributes:
        loss, penalty: entries of LOSSES and DISCRIMINATOR_PENALTIES.
        clip: bound of the discriminators' weights, or None.
    """

    options: ClassVar[type[Options]] = AdversarialOptions

    def __init__(self, config: Config, discriminators: Mapping[str, keras.Model]):
        self.o, self.D = config.of(AdversarialOptions), discriminators
        if self.o.augment != "none" and any(len(d.input_shape) == 2 for d in self.D.values()):
            raise UserError("--augment changes images, and the domain has points; drop it")
        self.loss = LOSSES[self.o.loss]
        self.penalty = DISCRIMINATOR_PENALTIES[self.o.d_penalty]
        self.clip = self.o.penalty_weight if self.penalty.clips else None

    def logs(self) -> dict[str, list[str]]:
        """{player: names of the terms} of either side."""
        terms = ["adv", "accuracy_real", "accuracy_fake"]
        terms += [self.o.d_penalty] if self.penalty.term else []
        return {
            "discriminators": [f"{term}/{name}" for name in self.D for term in terms],
            "generators": [f"adv/{name}" for name in self.D],
        }

    def of_discriminators(self, play: Play) -> Terms:
        """adv_D + penalty of every domain."""
        return {
            k: v
            for (name, d), real, fake in zip(self.D.items(), play.real, play.fake, strict=True)
            for k, v in self.discriminator_terms(
                name, d, real, fake, play.draw, play.update
            ).items()
        }

    def of_generators(self, play: Play) -> Terms:
        """adv_G of every domain."""
        return {
            k: v
            for (name, d), fake in zip(self.D.items(), play.fake, strict=True)
            for k, v in self.generator_terms(name, d, fake, play.draw).items()
        }

    def discriminator_terms(
        self,
        name: str,
        d: keras.Model,
        real: tf.Tensor,
        fake: tf.Tensor,
        draw: Draw,
        update: int,
        weight: float = 1.0,
    ) -> Terms:
        """adv_D + penalty, and the share of logits that D has right.

        Args:
            name: of the domain, for the terms.
            d: discriminator, images -> logits.
            real, fake: float32 [B, H, W, C], or points [B, 2].
            draw: `gantrain.game.Draw`.
            update: number of this discriminator update within the iteration, from 0.
            weight: of the adversarial term.
        """
        o = self.o
        real, fake = augment(real, o.augment, draw), augment(fake, o.augment, draw)
        on_real, on_fake = d(real, training=True), d(fake, training=True)
        terms = {
            f"adv/{name}": (
                weight,
                self.loss.discriminator(on_real, on_fake, 1.0 - o.label_smoothing),
            )
        }
        penalty = self.penalty.term
        if penalty:
            terms[f"{o.d_penalty}/{name}"] = (
                o.penalty_weight * o.penalty_every,
                self.lazily(penalty, d, real, fake, draw, update),
            )
        middle = boundary(on_real, on_fake)
        terms[f"accuracy_real/{name}"] = watched(_share(on_real > middle))
        terms[f"accuracy_fake/{name}"] = watched(_share(on_fake < middle))
        return terms

    def lazily(
        self,
        penalty: Callable,
        d: keras.Model,
        real: tf.Tensor,
        fake: tf.Tensor,
        draw: Draw,
        update: int,
    ) -> tf.Tensor:
        """A penalty on every K-th discriminator update, zero on the others (StyleGAN2, B)."""
        every = self.o.penalty_every
        if every == 1:
            return penalty(d, real, fake, draw)
        own = draw.aside()
        count = draw.step * self.o.n_critic + update + 1
        return tf.cond(
            count % every == 0, lambda: penalty(d, real, fake, own), lambda: tf.constant(0.0)
        )

    def generator_terms(
        self, name: str, d: keras.Model, fake: tf.Tensor, draw: Draw, weight: float = 1.0
    ) -> Terms:
        """adv_G of generated images; the arguments are those of `discriminator_terms`."""
        fake = augment(fake, self.o.augment, draw)
        return {f"adv/{name}": (weight, self.loss.generator(d(fake, training=True)))}


def boundary(on_real: tf.Tensor, on_fake: tf.Tensor) -> tf.Tensor:
    """The logit between real and fake: the middle of both means.

    A Wasserstein critic has no natural zero, and least squares puts it at one half.
    """
    return (tf.reduce_mean(on_real) + tf.reduce_mean(on_fake)) / 2


def _share(condition):
    return tf.reduce_mean(tf.cast(condition, tf.float32))
