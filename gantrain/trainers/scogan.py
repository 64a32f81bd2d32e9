"""SCoGAN: one GAN per domain, coupled by terms of the generators' loss (thesis chapter 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantrain.core import Config, Data
from gantrain.data.batches import Batch
from gantrain.data.datasets import find
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.game import Play, Terms
from gantrain.noise import Draw
from gantrain.optimizers import sides
from gantrain.options import Options, option
from gantrain.terms import chosen, logged, total, trained
from gantrain.terms.feature import FeatureRegulariser
from gantrain.terms.latent_cycle import LatentCycle
from gantrain.terms.perceptual import PerceptualLoss
from gantrain.terms.semantic import SemanticLoss
from gantrain.trainers.from_noise import Coupled

# By the option whose weight switches the coupling on.
COUPLINGS = {
    "feature_loss": FeatureRegulariser,
    "semantic_loss": SemanticLoss,
    "cycle_loss": LatentCycle,
    "perceptual_loss": PerceptualLoss,
}


@dataclass(frozen=True)
class CouplingOptions(Options):
    """Couplings of generators. A weight is the switch: absence means off."""

    coupling_ramp: int = option(
        0, "steps over which the coupling weights rise from zero", low=0, needs=lambda: COUPLINGS
    )


class SCoGAN(Coupled):
    """Soft-coupled GAN (thesis eqs. 4.1 to 4.5): CoGAN whose generators are coupled by penalties.

    for t = 1, 2, ..., steps do
        for n_critic do
            x_i ~ p_data_i for every domain i, z ~ p_z       unpaired batches, one z
            D <- descend  sum_i adv_D(D_i(x_i), D_i(G_i(z))) + penalty(D_i)
                          + w_y label(C_s) + w_t sum_i transfer(C_s, C_i) + w_u sum_i self(C_i)
        z ~ p_z
        G, F <- descend  sum_i adv_G(D_i(G_i(z)))
                         + w_FR feature(G_1 ... G_k) + w_SL semantic(G_1 ... G_k)
                         + w_CC latent_cycle(G_1 ... G_k, F) + w_PL perceptual(G_1 ... G_k, x)

    A coupling whose weight is zero is absent. F is the encoder of latent cycle consistency. The
    terms of labels are those of CoGAN, whose heads are then what the semantic loss consults.
    """

    examples = (
        "gantrain --preset quick",
        "gantrain --gan_type scogan --dataset mnist2svhn --semantic_loss --feature_loss",
        "gantrain --dataset folder:photos,drawings --perceptual_loss --image_size 128",
    )
    options = (*Coupled.options, CouplingOptions)
    # The semantic loss first, as the thesis names its models: SLFR, SLCC.
    terms = ({"semantic_loss": SemanticLoss}, COUPLINGS, *Coupled.terms)

    @classmethod
    def usual(cls, typed: dict) -> str | None:
        """What a semantic loss couples in best, where no part of another game is given."""
        apart = ("loss", "d_penalty", "net", "semantic_form", "label_loss")
        plain = typed.get("semantic_loss") and not any(name in typed for name in apart)
        # Of attributes two domains may never agree on the one that parts them.
        attributes = "celeba" in find(typed.get("dataset", Data.dataset)).sources
        return "coupled" if plain and not attributes else None

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Section 5.1: WGAN-GP."""
        return {"loss": "wasserstein"}

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains, consulted)
        if self.labels:
            consulted = {**consulted, "classifier": self.labels[0].classifiers}
        self.couplings = chosen(COUPLINGS, config, domains, consulted)
        self.ramp = config.of(CouplingOptions).coupling_ramp if self.couplings else 0
        self.players = sides(
            config,
            self.G + trained(self.couplings),
            self.D + trained(self.labels),
            self.per_step,
            self.adversarial.clip,
        )

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        for i in range(self.per_step):
            play = self.play(batch, draw, i)
            logs = self.players["discriminators"].descend(
                lambda play=play: (
                    self.adversarial.of_discriminators(play) | total(self.labels, play)
                )
            )
        logs |= self.players["generators"].descend(lambda: self.coupled(self.play(batch, draw, i)))
        self.follow(draw)
        return logs

    def coupled(self, play: Play) -> Terms:
        """adv_G and the couplings, whose weights may rise from zero over the first steps."""
        rise = tf.minimum(tf.cast(play.draw.step, tf.float32) / self.ramp, 1.0) if self.ramp else 1
        return self.adversarial.of_generators(play) | {
            name: (rise * weight, value)
            for name, (weight, value) in total(self.couplings, play).items()
        }

    def logs(self) -> dict[str, list[str]]:
        logs = super().logs()
        return logs | {"generators": logs["generators"] + logged(self.couplings)}

    def encoder(self) -> keras.Model | None:
        return next((c.encoder for c in self.couplings if isinstance(c, LatentCycle)), None)

    def models(self) -> dict[str, keras.Model]:
        return super().models() | {net.name: net for net in trained(self.couplings)}
