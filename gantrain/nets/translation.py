"""The generators of image-to-image translation, as tables: an image in, one of its size out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gantrain.errors import UserError
from gantrain.nets.blocks import CHANNELS, Row

FEWEST_HALVINGS = 3
"""Of a U-Net: with fewer it would be a stack of two convolutions."""


@dataclass(frozen=True)
class TranslatorTable:
    """The table of a generator from images to images.

    Args:
        summary: one line for the list of architectures.
        halvings: how often the network halves an image; None for as often as the image's side can
            be halved, at least `FEWEST_HALVINGS` times.
        rows: makes the table from the number of halvings, a key of `UPSAMPLES` and a dropout rate.
    """

    summary: str
    halvings: int | None
    rows: Callable[[int, str, float], tuple[Row, ...]]


UPSAMPLES: dict[str, tuple[str, int]] = {
    "transpose": ("convt", 0),
    "resize": ("up", 3),
    "subpixel": ("subpixel", 3),
}
"""How a map is doubled: the kind of row, and its kernel where it is not the network's own.

A resize-convolution (Odena et al. 2016) cannot make a checkerboard, and multiplies as often as a
transposed convolution with a 4x4 kernel. A sub-pixel convolution (Shi et al. 2016) starts without a
checkerboard, and multiplies 2.25 times as often.
"""

# The nodes of the level below that a node of a U-Net reads, from the node's own place along its
# level: the first is the encoder's, the last is the one that it doubles.
SKIPS: dict[str, Callable[[int], list[int]]] = {
    "none": lambda place: [place - 1],
    "long": lambda place: sorted({0, place - 1}),
    "nested": lambda place: list(range(place)),
}


def _up(upsample: str, size: int | None, kernel: int, **options) -> Row:
    kind, own = UPSAMPLES[upsample]
    return Row(kind, size, own or kernel, 2, **options)


def unet_rows(halvings: int, upsample: str, dropout: float, skips: str) -> tuple[Row, ...]:
    """The U-Net of pix2pix, C64-C128-C256-C512-... (Isola et al. 2017, section 6.1.1).

    Node "i_0" is the encoder's map after i halvings; node "i_j" doubles what it reads of nodes
    "i+1_0" to "i+1_(j-1)". The U-Net has the nodes with i + j = halvings, and each reads the first
    and the last of these. U-Net++ has all nodes, and each reads all (Zhou et al. 2018, equation 1).

    The skips carry the encoder's leaky activations, as the paper's text has it; the authors' code
    rectifies them once more.

    Deviation, in U-Net++: one row is a node's convolution and its up-sampling in one, as in
    pix2pix, where its paper has two convolutions and an up-sampling; and there are as many levels
    as in the U-Net it is compared with, where its paper has five. No deep supervision.

    Args:
        halvings: number of rows down, and of levels up.
        upsample: a key of `UPSAMPLES`.
        dropout: rate of the three innermost levels up (CD512), of fewer in a shallow network.
        skips: a key of `SKIPS`.
    """
    sizes = [min(64 << i, 512) for i in range(halvings)]
    noisy = halvings - max(1, min(3, halvings - 3))
    rows = []
    for i, size in enumerate(sizes, 1):
        # The innermost map is one pixel, of which a norm would leave nothing.
        norm = "none" if i in (1, halvings) else "batch"
        rows.append(Row("conv", size, 4, 2, norm, "leaky_relu_0.2", name=f"{i}_0"))
    for j in range(1, halvings + 1):
        for i in range(1, halvings - j + 1):
            if skips == "nested" or i + j == halvings:
                rows.append(
                    _up(
                        upsample,
                        sizes[i - 1],
                        4,
                        norm="batch",
                        activation="relu",
                        dropout=dropout if i >= noisy else 0.0,
                        name=f"{i}_{j}",
                        of=tuple(f"{i + 1}_{k}" for k in SKIPS[skips](j)),
                    )
                )
    of = tuple(f"1_{k}" for k in SKIPS[skips](halvings))
    return (*rows, _up(upsample, CHANNELS, 4, activation="tanh", of=of))


def resnet_rows(blocks: int, upsample: str, dropout: float) -> tuple[Row, ...]:
    """The ResNet of CycleGAN, c7s1-64, d128, d256, R256, ..., u128, u64, c7s1-3.

    Zhu et al. 2017, section 7.2, after Johnson et al. 2016, with its reflection padding.

    Args:
        blocks: number of residual blocks.
        upsample: a key of `UPSAMPLES`.
        dropout: rate between the two convolutions of every block, 0 in the paper.
    """
    return (
        Row("conv", 64, 7, 1, "instance", "relu", pad="reflect"),
        Row("conv", 128, 3, 2, "instance", "relu"),
        Row("conv", 256, 3, 2, "instance", "relu"),
        *[Row("res", 256, 3, 1, "instance", "relu", "reflect", dropout)] * blocks,
        _up(upsample, 128, 3, norm="instance", activation="relu"),
        _up(upsample, 64, 3, norm="instance", activation="relu"),
        Row("conv", CHANNELS, 7, activation="tanh", pad="reflect"),
    )


def _unet(summary: str, skips: str) -> TranslatorTable:
    return TranslatorTable(
        summary, None, lambda halvings, up, dropout: unet_rows(halvings, up, dropout, skips)
    )


def _resnet(summary: str, blocks: int) -> TranslatorTable:
    return TranslatorTable(
        summary, 2, lambda halvings, up, dropout: resnet_rows(blocks, up, dropout)
    )


def halvings_of(name: str, size: int) -> int:
    """How often a generator halves images.

    Args:
        name: a key of `TRANSLATORS`.
        size: side of the images that the network is made for.

    Raises:
        UserError: there is no such generator, or none of it for this size.
    """
    if name not in TRANSLATORS:
        raise UserError(f"network {name!r} is unknown: choose one of {sorted(TRANSLATORS)}")
    halvings = TRANSLATORS[name].halvings
    divisor = 2 ** (halvings or FEWEST_HALVINGS)
    if size < divisor or size % divisor:
        near = max(divisor, size - size % divisor)
        raise UserError(
            f"network {name!r} needs --image_size to be a multiple of {divisor}, such as {near}; "
            f"this data has {size} pixels a side"
        )
    return halvings or (size & -size).bit_length() - 1


def multiple(name: str, size: int) -> int:
    """The number that both sides of every image given to a generator are multiples of.

    Args:
        name: a key of `TRANSLATORS`.
        size: side of the images that the network was made for.

    Raises:
        UserError: there is no such generator, or none of it for this size.
    """
    return 2 ** halvings_of(name, size)


TRANSLATORS: dict[str, TranslatorTable] = {
    "unet": _unet("U-Net, down to one pixel, with skip connections (pix2pix)", "long"),
    "unet_noskip": _unet("the U-Net without its skip connections", "none"),
    "unetpp": _unet("U-Net++: the U-Net with nested dense skips, three times the work", "nested"),
    "resnet6": _resnet("ResNet with 6 blocks (CycleGAN, for images of 128 pixels)", 6),
    "resnet9": _resnet("ResNet with 9 blocks (CycleGAN, for images of 256 pixels)", 9),
}
"""The generators. Trained weights at width 1 from 3 channels to 3, the U-Nets for 256 pixels:

    unet          54,414,531    resnet6   7,841,411
    unet_noskip   39,076,035    resnet9  11,383,427
    unetpp       149,601,475
"""
