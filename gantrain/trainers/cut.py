"""CUT: one-sided translation from unpaired images, by contrast (Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantrain import nets
from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.game import Terms
from gantrain.measures.pixels import pixel_scores
from gantrain.noise import Draw
from gantrain.optimizers import averages, sides
from gantrain.options import Options, option
from gantrain.terms.adversarial import Adversarial, AdversarialOptions
from gantrain.terms.patch_nce import PatchNCE, PatchNCEOptions
from gantrain.trainer import check_number
from gantrain.trainers.from_images import WITH_DISCRIMINATORS, FromImages, unpaired


@dataclass(frozen=True)
class CUTOptions(Options):
    """CUT."""

    lambda_nce: float = option(
        1.0, "weight of PatchNCE; half of it goes to the target domain's, if that is on", above=0.0
    )
    nce_identity: bool = option(
        True, "PatchNCE of G(y) and y too, which keeps G from changing what needs no change"
    )
    flip_equivariance: bool = option(
        False, "half of the images are mirrored for G, and its features mirrored back (FastCUT)"
    )


class CUT(FromImages):
    """Contrastive unpaired translation, one-sided (Park et al. 2020, eqs. 1 to 5).

    for t = 1, 2, ..., steps do
        x ~ p_X, y ~ p_Y                                     unpaired images
        G, H <- descend  adv_G(D(G(x)))
                         + w/2 nce(H(G_enc(G(x))), H(G_enc(x)))
                         + w/2 nce(H(G_enc(G(y))), H(G_enc(y)))
        for n_critic do
            D <- descend  1/2 adv_D(D(y), D(G(x))) + penalty(D)

    G_enc are the layers of G's first half: pixels, the first two downsamplings, the first and fifth
    residual block (of a U-Net: pixels and downsamplings). H is an MLP for each of them, which
    descends G's objective: one Adam moves both as two of equal rates would. FastCUT is
    `--lambda_nce 10 --no-nce_identity --flip_equivariance --lr_decay 0.25` over half the epochs:
    without the target domain's term PatchNCE has all of w, and G sees half of the x mirrored.

    Deviation: G moves before D, so that one pass through G serves both updates of an iteration; G
    is CycleGAN's, without the antialiasing of the authors' code.
    """

    examples = (
        "gantrain --preset quick_cut",
        "gantrain --gan_type cut --dataset horse2zebra --image_size 128 --upsample resize",
        "gantrain --gan_type cut --dataset folder:photos,drawings --image_size 128 --lambda_nce 10 "
        "--no-nce_identity --flip_equivariance",
    )
    options = (*FromImages.options, *WITH_DISCRIMINATORS, PatchNCEOptions, CUTOptions)
    # One encoder reads the images of both domains.
    same_channels = True

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Park et al. 2020, section 4 and appendix C: as CycleGAN."""
        return super().paper(flat) | unpaired(flat)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains)
        check_number(config, domains, self.takes)
        self.o, self.per_step = config.of(CUTOptions), config.of(AdversarialOptions).n_critic
        x, y = (d.shape for d in domains)
        self.aligned = all(d.targets == 1 for d in domains)
        self.G, self.D = self.translator(x, y), self.discriminator(y[0], y[-1])
        self.whole, self.encoder = nets.with_features(self.G)
        self.adversarial, self.nce = (
            Adversarial(config, {"D": self.D}),
            PatchNCE(config, self.encoder),
        )
        self.players = sides(
            config, [self.G, self.nce.H], [self.D], self.per_step, self.adversarial.clip
        )
        self.averages = averages(config, [self.G])

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        real = [[domain.images[i] for domain in batch] for i in range(self.per_step)]
        logs, fake = self.players["generators"].descend_keeping(
            lambda: self.generator_objective(real[0][0], real[0][1], draw)
        )
        for i, (x, y) in enumerate(real):
            fake = self.G(x, training=True) if i else fake
            logs |= self.players["discriminators"].descend(
                lambda y=y, fake=fake, i=i: self.discriminator_objective(y, fake, draw, i)
            )
        self.follow(draw)
        return logs

    def generator_objective(self, x: tf.Tensor, y: tf.Tensor, draw: Draw) -> tuple[Terms, Any]:
        """adv_G + PatchNCE; and what G made of x."""
        weight = self.o.lambda_nce / (2 if self.o.nce_identity else 1)
        fake, nce = self.contrasted(x, draw)
        terms = self.adversarial.generator_terms(
            "D", self.D, fake, draw, self.adversarial.loss.published
        )
        terms["nce"] = weight, nce
        if self.o.nce_identity:
            terms["nce_identity"] = weight, self.contrasted(y, draw)[1]
        return terms, fake

    def contrasted(self, images: tf.Tensor, draw: Draw) -> tuple[tf.Tensor, tf.Tensor]:
        """G of images, mirrored or not, and its PatchNCE."""
        if not self.o.flip_equivariance:
            made, *source = self.whole(images, training=True)
            return made, self.nce(self.encoder(made, training=True), source, draw)
        turned = draw.uniform(1, 1, 1) < 0.5
        made, source = (
            self.G(mirrored(images, turned), training=True),
            self.encoder(images, training=True),
        )
        back = [mirrored(f, turned) for f in self.encoder(made, training=True)]
        return made, self.nce(back, source, draw)

    def discriminator_objective(
        self, y: tf.Tensor, fake: tf.Tensor, draw: Draw, update: int
    ) -> Terms:
        """Half of adv_D, and the penalty."""
        weight = self.adversarial.loss.published / 2
        return self.adversarial.discriminator_terms(
            "D", self.D, y, fake, draw, update, weight=weight
        )

    def logs(self) -> dict[str, list[str]]:
        logs, nce = self.adversarial.logs(), ["nce"] + ["nce_identity"] * self.o.nce_identity
        return logs | {"generators": logs["generators"] + nce}

    def described(self) -> str:
        return self.described_by(self.G)

    def translators(self) -> dict[str, Callable]:
        return {self.way: self.applied(self.averaged([self.G])[0])}

    def gallery(self, x: tf.Tensor, y: tf.Tensor) -> list:
        """Rows of a sample grid: x, G(x), y, and G(y) where PatchNCE holds it to y."""
        (translate,) = self.translators().values()
        return [x, translate(x), y, *([translate(y)] if self.o.nce_identity else [])]

    def measure(self, x: tf.Tensor, y: tf.Tensor) -> dict:
        """PatchNCE of held-out images; of a paired set also the pixel scores of the outputs."""
        (translate,) = self.translators().values()
        made = translate(x)
        draw = Draw(self.config.run.seed, tf.constant(-1, tf.int64), x.shape[0])
        scores = {"nce": self.nce(self.encoder(made), self.encoder(x), draw)}
        return scores | (pixel_scores(made, y) if self.aligned else {})

    def models(self) -> dict[str, keras.Model]:
        (generator,) = self.averaged([self.G])
        return {
            "generator": self.as_used(generator),
            "discriminator": self.D,
            "projection": self.nce.H,
        }


def mirrored(maps: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
    """Maps [B, h, w, C], those of `which` (bool [B, 1, 1, 1]) with left and right exchanged."""
    return tf.where(which, maps[:, :, ::-1], maps)
