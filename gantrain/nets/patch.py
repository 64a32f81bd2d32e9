"""The discriminators of image-to-image translation, as tables, named by their receptive field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gantrain.errors import UserError
from gantrain.nets.blocks import Row


@dataclass(frozen=True)
class Patch:
    """The table of a discriminator that judges patches of an image.

    Args:
        summary: one line for the list of architectures.
        rows: makes the table from the side of the images.
    """

    summary: str
    rows: Callable[[int], tuple[Row, ...]]


def _sizes(halvings: int) -> list[int]:
    return [min(64 << i, 512) for i in range(halvings)]


def _halving(sizes: list[int]) -> list[Row]:
    """C64-C128-...: the first row carries no norm."""
    return [
        Row("conv", size, 4, 2, "batch" if i else "none", "leaky_relu_0.2", "one")
        for i, size in enumerate(sizes)
    ]


def patch_rows(halvings: int) -> tuple[Row, ...]:
    """PatchGAN, C64-C128-C256-C512 for a patch of 70 (Isola et al. 2017, section 6.1.2).

    Args:
        halvings: number of rows of stride 2; two rows of stride 1 follow, the second the logits.
    """
    *sizes, last = _sizes(halvings + 1)
    return (
        *_halving(sizes),
        Row("conv", last, 4, 1, "batch", "leaky_relu_0.2", "one"),
        Row("conv", 1, 4, 1, pad="one"),
    )


PIXEL = (
    Row("conv", 64, 1, activation="leaky_relu_0.2"),
    Row("conv", 128, 1, norm="batch", activation="leaky_relu_0.2"),
    Row("conv", 1, 1),
)
"""PixelGAN, C64-C128 with kernels of one pixel (Isola et al. 2017, section 6.1.2)."""


def global_rows(size: int) -> tuple[Row, ...]:
    """One logit for the whole image: rows of stride 2 down to 4 pixels or less, then all of them.

    DCGAN's discriminator (Radford et al. 2016) with the sizes of `patch_rows`.

    Args:
        size: side of the images.
    """
    halvings = max(0, (size - 1).bit_length() - 2)
    return (*_halving(_sizes(halvings)), Row("conv", 1, size >> halvings, 1, pad="valid"))


def receptive_field(rows: tuple[Row, ...]) -> int:
    """Side of the square of pixels that one logit depends on, from kernels and strides.

    r = 1 behind the last row, and r := (r - 1) stride + kernel in front of each row.

    Args:
        rows: a table of `conv` rows.
    """
    field = 1
    for row in reversed(rows):
        field = (field - 1) * row.stride + row.kernel
    return field


def logits_side(rows: tuple[Row, ...], size: int) -> int:
    """Side of the map of logits for images of `size` pixels; below 1 if none is left.

    Args:
        rows: a table of `conv` rows.
        size: side of the images.
    """
    around = {"same": lambda kernel: kernel - 1, "one": lambda kernel: 2, "valid": lambda kernel: 0}
    for row in rows:
        size = (size + around[row.pad](row.kernel) - row.kernel) // row.stride + 1
    return size


def patch_at(patch: str, size: int) -> tuple[Row, ...]:
    """The table of a discriminator for one image size.

    Args:
        patch: a key of `PATCHES`.
        size: side of the images.

    Raises:
        UserError: there is no such discriminator, or the images are too small for it.
    """
    if patch not in PATCHES:
        raise UserError(f"--patch {patch!r} is unknown: choose one of {list(PATCHES)}")
    rows = PATCHES[patch].rows(size)
    if logits_side(rows, size) < 1:
        least = next(s for s in range(size, 1 << 16) if logits_side(rows, s) > 0)
        raise UserError(
            f"--patch {patch} needs --image_size {least} or more, and this data has {size} pixels "
            "a side: choose a smaller --patch"
        )
    return rows


def largest_patch(size: int | None, most: int = 70) -> str:
    """The key of the largest receptive field up to `most` that an image of `size` pixels holds.

    Points have no size, and their trainer refuses them by what it takes.
    """
    held = most if size is None else min(size, most)
    return str(max(int(key) for key in PATCHES if key.isdigit() and int(key) <= held))


def _patch(summary: str, rows: tuple[Row, ...]) -> Patch:
    return Patch(summary, lambda size: rows)


PATCHES: dict[str, Patch] = {
    "1": _patch("every pixel by itself (PixelGAN)", PIXEL),
    "16": _patch("patches of 16 pixels", patch_rows(1)),
    "34": _patch("patches of 34 pixels, half of 70 for images of 128", patch_rows(2)),
    "70": _patch("patches of 70 pixels, the default of pix2pix and CycleGAN", patch_rows(3)),
    "142": _patch("patches of 142 pixels", patch_rows(4)),
    "286": _patch("patches of 286 pixels, ImageGAN at 256", patch_rows(5)),
    "global": Patch("one judgement of the whole image", global_rows),
}
"""The discriminators. Trained weights at width 1 on 3 channels, `global` for 256 pixels:

    1     8,833    34    663,361    142   6,960,961    global  11,156,289
    16  136,513    70  2,765,633    286  11,156,289
"""
