"""The options of networks, beside the tables that they choose from."""

from __future__ import annotations

from dataclasses import dataclass

from gantrain.nets.gans import NETS, gan_at
from gantrain.nets.patch import PATCHES, largest_patch
from gantrain.nets.translation import TRANSLATORS, UPSAMPLES
from gantrain.options import Options, option


@dataclass(frozen=True)
class Width(Options):
    """Size of networks."""

    width: float = option(1.0, "scale of every layer's size", above=0.0, high=8.0)


@dataclass(frozen=True)
class WeightInit(Options):
    """First weights of networks."""

    weight_init: str = option(
        None,
        "xavier, or normal with standard deviation 0.02; default normal for translation, "
        "else xavier",
        choices=("xavier", "normal"),
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"weight_init": "xavier"}


@dataclass(frozen=True)
class DiscriminatorNets(Options):
    """Discriminators."""

    d_norm: str | None = option(
        None,
        "discriminator normalisation; default: the table's, layer under a gradient penalty",
        choices=("batch", "layer", "none"),
    )
    spectral_norm: bool = option(False, "divide discriminator kernels by their spectral norm")

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"d_norm": "layer" if flat["d_penalty"] in ("gp", "r1") else None}


@dataclass(frozen=True)
class NoiseNets(Options):
    """Networks from noise."""

    net: str = option(
        None, "generator and discriminator tables; default by image size", choices=lambda: NETS
    )
    noise_dim: int = option(None, "size of the latent vector z; default: the table's", low=1)
    noise_type: str = option(
        "uniform",
        "distribution of z: uniform on [-1, 1] or standard normal",
        choices=("uniform", "normal"),
    )
    noise_categories: int = option(
        0,
        "categories of a one-hot block in front of the noise; which category becomes which "
        "class is left to the generators (0: none)",
        low=0,
        high=10_000,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        size = flat["image_size"]
        # The thesis's table for a size, or the residual nets, which have any; points have no size.
        net = flat["net"] or {None: "toy", 32: "cogan32", 128: "cogan128", 256: "cogan256"}.get(
            size, "residual"
        )
        return {"net": net, "noise_dim": gan_at(net, size or 0).noise_dim}


@dataclass(frozen=True)
class Sharing(Options):
    """Layers that networks of several domains share."""

    shared_layers: int = option(
        None,
        "first generator layers that the domains share; default: the table's for cogan, "
        "0 for scogan",
        low=0,
    )
    d_shared_layers: int = option(
        None, "last discriminator layers that the domains share; default as --shared_layers", low=0
    )
    same_init: bool = option(False, "start the generators of all domains from equal weights")

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        # What is shared is the trainer's to say, once the tables are known.
        return {} if flat["net"] is None else {"shared_layers": 0, "d_shared_layers": 0}


@dataclass(frozen=True)
class TranslatorNets(Options):
    """Networks from images."""

    generator: str = option(
        None,
        "generator; default unet for pix2pix, else resnet6, resnet9 from 256 pixels",
        choices=lambda: TRANSLATORS,
    )
    upsample: str = option(
        "transpose",
        "up-sampling: transposed convolution, nearest-neighbour "
        "resize before a convolution, or sub-pixel",
        choices=lambda: UPSAMPLES,
    )
    test_mode: str = option(
        None,
        "how a trained generator runs: training (dropout on, statistics of the image itself, "
        "as pix2pix was published) or inference (neither); default training for pix2pix, else "
        "inference",
        choices=("training", "inference"),
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"test_mode": "inference"}


@dataclass(frozen=True)
class PatchNets(Options):
    """Discriminators of patches."""

    patch: str = option(
        None,
        "receptive field of the discriminator in pixels; default 70, or the largest that the "
        "image holds",
        choices=lambda: PATCHES,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"patch": largest_patch(flat["image_size"])}


@dataclass(frozen=True)
class ImageLayers(Options):
    """Layers of networks from images."""

    norm: str = option(
        None,
        "normalisation of generators and discriminators, or of the segmenter; default "
        "instance for translation without pairs, else batch; discriminators take layer for batch "
        "under a gradient penalty",
        choices=("batch", "instance", "none"),
    )
    dropout: float = option(
        None,
        "rate of the generator's dropout, pix2pix's source of noise, or of the segmenter's; "
        "default 0.5 for a pix2pix U-Net and for segmenter, else 0",
        low=0.0,
        high=0.9,
    )

    @classmethod
    def defaults(cls, flat: dict) -> dict:
        return {"norm": "batch", "dropout": 0.0}


@dataclass(frozen=True)
class Direction(Options):
    """Direction between two domains."""

    direction: str = option(
        "a2b",
        "which domain is the input; for a segmenter, which are the label maps",
        choices=("a2b", "b2a"),
    )
