"""The architectures of coupled GANs, as tables: one generator and one discriminator each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gantrain.errors import UserError
from gantrain.nets.blocks import CHANNELS, Row


@dataclass(frozen=True)
class GANTable:
    """The tables of a generator and of its discriminator.

    Args:
        summary: one line for the list of architectures.
        generator: rows from the noise to the image.
        discriminator: rows from the image to the logit.
        image_size: side of the images; 0 for points; None for any power of two from 16 on, in
            which case the two tables shown are those of 32 pixels and `at` makes the others.
        shared: weight rows that a CoGAN shares in the source: the generator's first, the
            discriminator's last.
        noise_dim: size of the latent vector in the source.
        at: makes the two for another image size, where `image_size` is None.
    """

    summary: str
    generator: tuple[Row, ...]
    discriminator: tuple[Row, ...]
    image_size: int | None
    shared: tuple[int, int]
    noise_dim: int = 100
    at: Callable[[int], GANTable] | None = None


TOY = GANTable(
    summary="points in the plane (thesis table 2.1)",
    generator=(
        Row("dense", 128, activation="tanh"),
        Row("dense", 128, activation="tanh"),
        Row("dense", 128, activation="tanh"),
        Row("dense", CHANNELS),
    ),
    discriminator=(
        Row("dense", 128, activation="tanh"),
        Row("dense", 128, activation="tanh"),
        Row("dense", 128, activation="tanh"),
        Row("dense", 1),
    ),
    image_size=0,
    shared=(0, 0),
)

# Deviation: table 3.1 lists a 4x4 transposed convolution after the dense layer and ends in
# normalised PReLU; listings 6.3 and 6.4 are the network, without the first and with tanh.
COGAN32 = GANTable(
    summary="32 pixels, CoGAN's digit networks (thesis tables 3.1 and 3.2)",
    generator=(
        Row("dense", 1024, 4, norm="batch", activation="prelu"),
        Row("convt", 512, 3, 2, norm="batch", activation="prelu"),
        Row("convt", 256, 3, 2, norm="batch", activation="prelu"),
        Row("convt", 128, 3, 2, norm="batch", activation="prelu"),
        Row("convt", CHANNELS, 6, activation="tanh"),
    ),
    discriminator=(
        Row("conv", 20, 5),
        Row("pool", kernel=2, stride=2),
        Row("conv", 50, 5),
        Row("pool", kernel=2, stride=2),
        Row("flatten"),
        Row("dense", 500, activation="prelu"),
        Row("dropout", 0.5),
        Row("dense", 1),
    ),
    image_size=32,
    shared=(4, 3),
)

# Deviation, in A.1 to A.4: the dense row is normalised and activated, as in listing 6.3 and in
# CoGAN's definition, where the tables leave it linear in front of another linear row; the image
# is not normalised before its tanh (listing 6.4), and not before the discriminator either: real
# and generated images are judged in separate batches, so that norm would hide their contrast, and
# CoGAN's definition has none.
COGAN128 = GANTable(
    summary="128 pixels, CoGAN's face networks (thesis tables A.1 and A.2)",
    generator=(
        Row("dense", 1024, 4, norm="batch", activation="prelu"),
        Row("convt", 512, 4, 2, norm="batch", activation="prelu"),
        Row("convt", 256, 4, 2, norm="batch", activation="prelu"),
        Row("convt", 128, 4, 2, norm="batch", activation="prelu"),
        Row("convt", 64, 4, 2, norm="batch", activation="prelu"),
        Row("convt", 32, 4, 2, norm="batch", activation="prelu"),
        Row("convt", CHANNELS, 3, activation="tanh"),
    ),
    discriminator=(
        Row("conv", 32, 5, 2, norm="batch", activation="prelu"),
        Row("conv", 64, 5, 2, norm="batch", activation="prelu"),
        Row("conv", 128, 5, 2, norm="batch", activation="prelu"),
        Row("dropout", 0.1),
        Row("conv", 256, 3, 2, norm="batch", activation="prelu"),
        Row("dropout", 0.3),
        Row("conv", 512, 3, 2, norm="batch", activation="prelu"),
        Row("dropout", 0.3),
        Row("conv", 1024, 3, 2, norm="batch", activation="prelu"),
        Row("dropout", 0.5),
        Row("flatten"),
        Row("dense", 2048, norm="batch", activation="prelu"),
        Row("dropout", 0.5),
        Row("dense", 1),
    ),
    image_size=128,
    shared=(5, 7),
)

COGAN256 = GANTable(
    summary="256 pixels, one up-sampling row more (thesis tables A.3 and A.4)",
    generator=(
        Row("dense", 2048, 4, norm="batch", activation="prelu"),
        Row("convt", 1024, 4, 2, norm="batch", activation="prelu"),
        *COGAN128.generator[1:],
    ),
    discriminator=COGAN128.discriminator,
    image_size=256,
    shared=(6, 7),
)


def residual_gan(size: int) -> GANTable:
    """Residual networks with resize-convolutions for images of `size` pixels.

    The blocks and the generator's widths follow Miyato et al. 2018 (table 4, at 32 pixels); the
    discriminator carries no norm, as the gradient penalty asks, and sees the batch's variety
    (Karras et al. 2018, section 3).

    Deviation: the image is widened by one convolution before the first block, and a flattened map
    is read instead of its sum. Above 32 pixels the channels halve as the side doubles, which
    keeps the work per block constant.

    Args:
        size: side of the image, a power of two from 16 on.
    """
    blocks = int(math.log2(size)) - 2
    sides = [8 * 2**i for i in range(blocks)]
    ups = [Row("res_up", 256 * 32 // max(side, 32), 3, 2, "batch", "relu") for side in sides]
    widths = [128 * 32 // max(side, 32) for side in reversed(sides)]
    downs = [Row("res_down", width, 3, 2, activation="leaky_relu_0.2") for width in widths]
    return GANTable(
        summary="any power of two, residual networks with resize-convolutions",
        generator=(
            Row("dense", 256, 4),
            *ups,
            Row("norm", norm="batch", activation="relu"),
            Row("conv", CHANNELS, 3, activation="tanh"),
        ),
        discriminator=(
            Row("conv", widths[0] // 2, 3),
            *downs,
            Row("norm", activation="leaky_relu_0.2"),
            Row("minibatch_std"),
            Row("flatten"),
            Row("dense", 1),
        ),
        image_size=None,
        shared=(blocks, blocks),
        at=residual_gan,
    )


def compact_gan(size: int) -> GANTable:
    """Small strided networks without dense hidden rows, for machines without an accelerator.

    DCGAN's shape (Radford et al. 2016) with kernels that the stride divides, which leave no
    checkerboard (Odena et al. 2016); the discriminator carries no norm and sees the batch's variety
    (Karras et al. 2018, section 3). At 32 pixels an update costs a hundredth of `cogan32`'s.

    Args:
        size: side of the image, a power of two from 16 on.
    """
    halvings = int(math.log2(size)) - 2
    sizes = [max(128 >> i, 16) for i in range(halvings)]
    return GANTable(
        summary="any power of two, small strided networks for machines without a GPU",
        generator=(
            Row("dense", sizes[0], 4, norm="batch", activation="relu"),
            *[Row("convt", s, 4, 2, norm="batch", activation="relu") for s in sizes[1:]],
            Row("convt", CHANNELS, 4, 2, activation="tanh"),
        ),
        discriminator=(
            *[Row("conv", s, 4, 2, activation="leaky_relu_0.2") for s in reversed(sizes)],
            Row("minibatch_std"),
            Row("conv", sizes[0], 3, activation="leaky_relu_0.2"),
            Row("flatten"),
            Row("dense", 1),
        ),
        image_size=None,
        shared=(halvings - 1, halvings),
        at=compact_gan,
    )


NETS: dict[str, GANTable] = {
    "toy": TOY,
    "cogan32": COGAN32,
    "cogan128": COGAN128,
    "cogan256": COGAN256,
    "residual": residual_gan(32),
    "compact": compact_gan(32),
}


def gan_at(name: str, size: int) -> GANTable:
    """The tables of an architecture for one image size.

    Args:
        name: a key of `NETS`.
        size: side of the images; 0 for points.

    Raises:
        UserError: there is no such architecture, or it has no such size.
    """
    if name not in NETS:
        raise UserError(f"network {name!r} is unknown: choose one of {sorted(NETS)}")
    gan = NETS[name]
    has = f"this data has {f'{size} pixels a side' if size else 'points'}"
    if gan.at is not None:
        if size < 16 or size & (size - 1):
            raise UserError(
                f"network {name!r} needs --image_size to be a power of two from 16 on; {has}"
            )
        return gan.at(size)
    if size != gan.image_size:
        needed = f"--image_size {gan.image_size}" if gan.image_size else "points, not images"
        raise UserError(f"network {name!r} needs {needed}; {has}")
    return gan
