"""What trainers from images have in common: options of their papers, networks, directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from gantrain import nets
from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.deferred import keras, tf
from gantrain.nets import (
    Direction,
    DiscriminatorNets,
    ImageLayers,
    PatchNets,
    TranslatorNets,
    WeightInit,
    Width,
)
from gantrain.optimizers import DiscriminatorAdam, GeneratorAdam, Regularisation
from gantrain.options import Options
from gantrain.terms.adversarial import AdversarialOptions
from gantrain.trainer import Trainer, Translates

# What is read where there are discriminators.
WITH_DISCRIMINATORS = (AdversarialOptions, DiscriminatorNets, PatchNets, DiscriminatorAdam)


class FromImages(Trainer, Translates):
    """Generators from images to images and patch discriminators."""

    options: ClassVar[tuple[type[Options], ...]] = (
        Width,
        WeightInit,
        Direction,
        TranslatorNets,
        ImageLayers,
        GeneratorAdam,
        Regularisation,
    )
    takes, same_channels = (2, 2), False

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Isola et al. 2017, section 6.1; Zhu et al. 2017, section 7.2."""
        return {"batch_size": 1, "weight_init": "normal"} | pictures(flat)

    def __init__(self, config: Config, domains: Sequence[Domain]):
        # `way` is the direction from the first domain to the second.
        self.config, self.way = config, config.of(Direction).direction
        self.side = domains[0].shape[0]

    def translator(
        self, source: tuple[int, ...], target: tuple[int, ...], number: int = 0
    ) -> keras.Model:
        """A generator from images of one shape [H, W, C] to those of another."""
        o, layers = self.config.of(TranslatorNets), self.config.of(ImageLayers)
        return nets.build_translator(
            o.generator,
            source[0],
            source[-1],
            target[-1],
            width=self.config.of(Width).width,
            norm=layers.norm,
            upsample=o.upsample,
            dropout=layers.dropout,
            weight_init=self.config.of(WeightInit).weight_init,
            seed=self.config.run.seed,
            number=number,
        )

    def discriminator(self, side: int, channels: int, number: int = 0) -> keras.Model:
        """A patch discriminator."""
        d = self.config.of(DiscriminatorNets)
        return nets.build_patch_discriminator(
            self.config.of(PatchNets).patch,
            channels,
            size=side,
            width=self.config.of(Width).width,
            norm=d.d_norm or self.config.of(ImageLayers).norm,
            spectral_norm=d.spectral_norm,
            weight_init=self.config.of(WeightInit).weight_init,
            seed=self.config.run.seed,
            number=number,
        )

    def described_by(self, generator: keras.Model, adversarial: bool = True) -> str:
        """The networks in one line."""
        return nets.described(
            self.config.of(TranslatorNets).generator,
            generator,
            self.config.of(PatchNets).patch if adversarial else None,
            self.side,
        )

    def applied(self, network: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
        """images -> images of a trained network, in the run's test mode."""
        return nets.applied(network, self.config.of(TranslatorNets).test_mode, self.config.run.seed)

    def as_used(self, network: keras.Model) -> keras.Model:
        """A trained network that does in every call what it does in the run's test mode."""
        training = self.config.of(TranslatorNets).test_mode == "training"
        return nets.portable(network, training, self.config.run.seed, self.side)


def unpaired(flat: dict) -> dict:
    """Zhu et al. 2017, sections 4 and 7: least squares, instance norm, residual generators."""
    large = flat["image_size"] and flat["image_size"] >= 256
    return {
        "loss": "least_squares",
        "norm": "instance",
        "generator": "resnet9" if large else "resnet6",
    }


def pictures(flat: dict) -> dict:
    """Mirrored and cropped pictures, 286 for 256, and a rate that falls over the second half."""
    size = flat["image_size"]
    cropped = size and flat["fit"] != "none"
    return {
        "flip": True,
        "lr_decay": 0.5,
        "load_size": round(size * 143 / 128) if cropped else None,
    }
