"""Where pixels enter and leave: files to uint8, uint8 to [-1, 1] and back, grids, image files.

No other module scales or encodes an image, and `gantrain.decoding` alone decodes one, so the pixel
range is decided here. `decode` and `read_image` give what trains, without transparency;
`read_pixels` and `write_pixels` keep 16 bits and transparency too.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile

from gantrain import decoding
from gantrain.decoding import EXTENSIONS as EXTENSIONS
from gantrain.decoding import header as header
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.files import replacing

# Suffixes that are written, and which of them hold alpha and more than 8 bits.
_WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_OPAQUE, _SIXTEEN_BITS = (".jpg", ".jpeg", ".bmp"), (".png", ".tif", ".tiff")


class Levels(NamedTuple):
    """The value range of a set of deep image files, which becomes [-1, 1]; None means 8 bits.

    Attributes:
      low, high: the values that become -1 and 1, in units of the files.
      kind: "uint16" or "float32", the type of the samples.
    """

    low: float
    high: float
    kind: str


class Pixels(NamedTuple):
    """One image with all that its file holds.

    Attributes:
      colour: float32 [H, W, 1 or 3] in [-1, 1], on a white ground.
      alpha: uint8 or uint16 [H, W], the opacity, or None.
      bits: 8 or 16 bits per sample.
      levels: the values in the file that -1 and 1 stand for, or None for 0 and the greatest.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8
    levels: Levels | None = None


def decode(
    data: bytes | str | PathLike,
    name: str,
    channels: int | None = None,
    levels: Levels | None = None,
) -> np.ndarray:
    """Decode one encoded image, transparency blended on white and the EXIF orientation applied.

    Colours are brought to sRGB where a profile is embedded and `levels` is None.

    Args:
      data: bytes of an image file, or its path.
      name: what to call the image in an error message.
      channels: 1 (luma), 3, or None to keep gray gray and colour colour.
      levels: `Levels` of the set that the file belongs to; None scales 16-bit samples to 8.

    Returns:
      uint8 [H, W, C]; with levels uint16: 65535 clip((v - low) / (high - low), 0, 1), rounded.

    Raises:
      UserError: the bytes are not a whole image of a supported kind.
    """
    pixels, _, _ = _composited(data, name, levels)
    if levels is None and pixels.dtype == np.uint16:
        pixels = decoding.to_eight_bits(pixels)
    return pixels if channels is None else to_channels(pixels, channels)


def read_image(path: str | Path, channels: int | None = None) -> np.ndarray:
    """Read one image file; the arguments, the result and the errors are those of `decode`."""
    return decode(path, str(path), channels)


def read_pixels(
    path: str | PathLike, channels: int | None = None, levels: Levels | None = None
) -> Pixels:
    """Read one image file as `decode` does, but keep its 16 bits and its alpha.

    Args:
      path: an image file.
      channels: 1 (luma), 3 (gray is repeated), or None to keep what the file has.
      levels: as for `decode`.

    Returns:
      `Pixels`, whose colour is what training sees of the file.

    Raises:
      UserError: the file cannot be read or is not a whole image of a supported kind.
    """
    pixels, alpha, bits = _composited(path, path, levels)
    # On the CPU even beside an accelerator: this runs in threads that read ahead.
    with tf.device("CPU:0"):
        colour = np.asarray(to_float(pixels))
    colour = colour if channels is None else to_channels(colour, channels)
    return Pixels(colour, alpha, bits, levels)


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Scale images to a square, as `scale` does.

    The thesis scales MNIST from 28 to 32 pixels and CelebA from 178x218 to 128x128 (section 2.7)
    without a word on the method. An image that is not square is squeezed, not cropped, as 178x218
    to 128x128 implies.

    Args:
      pixels: uint8, uint16 or float32 [..., H, W, C].
      size: side of the square in pixels.

    Returns:
      The same type, [..., size, size, C].
    """
    return scale(pixels, size, size)


def scale(pixels: np.ndarray, height: int, width: int, nearest: bool = False) -> np.ndarray:
    """Scale images, each axis by its own rule.

    An axis that shrinks is averaged over areas, so that nothing aliases, and one that grows is
    interpolated linearly between pixel centres; the result is rounded once. OpenCV leaves out
    shares of a pixel below a thousandth, which there are where a side has more than 1000 pixels.

    Args:
      pixels: uint8, uint16 or float32 [..., H, W, C].
      height, width: the new size in pixels.
      nearest: take the pixel nearest to the new one's centre instead, for values without a mean.

    Returns:
      The same type, [..., height, width, C].
    """
    *leading, old_height, old_width, channels = pixels.shape
    if (height, width) == (old_height, old_width):
        return pixels
    if nearest:
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new)
            for new, old in ((height, old_height), (width, old_width))
        )
        return np.ascontiguousarray(pixels[..., rows[:, None], columns, :])
    flat = pixels.reshape(-1, old_height, old_width, channels)
    scaled = np.empty((len(flat), height, width, channels), pixels.dtype)
    least = (min(width, old_width), min(height, old_height))
    for source, target in zip(flat, scaled, strict=True):
        if least == (width, height):
            made = cv2.resize(source, least, interpolation=cv2.INTER_AREA)
        else:
            made = cv2.resize(source.astype(np.float32), least, interpolation=cv2.INTER_AREA)
            made = cv2.resize(made, (width, height), interpolation=cv2.INTER_LINEAR)
            made = made if pixels.dtype == np.float32 else np.rint(made)
        target[...] = made.reshape(target.shape)
    return scaled.reshape(*leading, height, width, channels)


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Convert [..., 1 or 3], integers or float32, to `channels`: gray repeated, colour to luma."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    # ITU-R BT.601 luma, as OpenCV's own conversion, for any number of leading axes.
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return (luma if pixels.dtype == np.float32 else np.rint(luma).astype(pixels.dtype))[..., None]


def to_float(pixels: Any) -> tf.Tensor:
    """Map uint8 [0, 255] to float32 [-1, 1] by (x - 127.5) / 127.5 (thesis, listing 6.2).

    uint16 [0, 65535] is mapped alike. A TensorFlow operation, so that a compiled step can move
    bytes and scale them last.
    """
    top = 65535 if pixels.dtype == np.uint16 else 255
    # 2x - top is exact, so only one operation rounds: every compiler gives the same bits.
    return (2.0 * tf.cast(pixels, tf.float32) - float(top)) * np.float32(1 / top)


def to_uint8(images: Any) -> np.ndarray:
    """Map float [-1, 1] to uint8 [0, 255], the inverse of `to_float`; values outside are clipped.

    A value that is no number becomes mid-gray.
    """
    return _to_levels(images, np.uint8)


def _to_levels(images, kind):
    images = np.nan_to_num(np.clip(np.asarray(images, np.float32), -1, 1), nan=0.0)
    return np.rint((images + 1.0) * np.float32(np.iinfo(kind).max / 2)).astype(kind)


def grid(images_per_domain: Sequence[np.ndarray], columns: int, gap: int = 2) -> np.ndarray:
    """Lay generated images out as the thesis does (section 3.1, figure 3.2 on).

    The rows of domain 1 stand above the rows of domain 2, and so on; the n-th image of every
    domain comes from the same latent vector and stands at the same place in its block.

    Args:
      images_per_domain: one float array [N, H, W, C] in [-1, 1] per domain, C 1 or 3.
      columns: images per row.
      gap: white pixels between the blocks of two domains.

    Returns:
      uint8 [H', W', 3].
    """
    blocks: list[np.ndarray] = []
    for images in images_per_domain:
        tiles = to_channels(to_uint8(images), 3)
        count, height, width, _ = tiles.shape
        rows = -(-count // columns)
        canvas = np.full((rows * columns, height, width, 3), 255, np.uint8)
        canvas[:count] = tiles
        canvas = canvas.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
        block = canvas.reshape(rows * height, columns * width, 3)
        if blocks:
            blocks.append(np.full((gap, block.shape[1], 3), 255, np.uint8))
        blocks.append(block)
    return np.concatenate(blocks)


def write_png(path: str | PathLike, pixels: np.ndarray) -> None:
    """Write uint8 [H, W, 1 or 3] as PNG; a reader never sees half a file."""
    _write(Path(path), ".png", pixels)


def can_hold(suffix: str, pixels: Pixels) -> bool:
    """Whether `write_pixels` can write a file with this suffix that loses no alpha and no bits."""
    suffix, floats = suffix.lower(), pixels.levels is not None and pixels.levels.kind == "float32"
    return (
        suffix in _WRITTEN
        and (pixels.alpha is None or suffix not in _OPAQUE)
        and (pixels.bits == 8 or suffix in _SIXTEEN_BITS)
        and (not floats or suffix in (".tif", ".tiff"))
    )


def sure_suffix(pixels: Pixels) -> str:
    """A suffix of a format that can hold any such `Pixels`."""
    return next(suffix for suffix in (".png", ".tif") if can_hold(suffix, pixels))


def described(pixels: Pixels) -> str:
    """What a file has to hold, in words: "16 bits, alpha"."""
    floats = pixels.levels is not None and pixels.levels.kind == "float32"
    return ("floats" if floats else f"{pixels.bits} bits") + (
        "" if pixels.alpha is None else ", alpha"
    )


def write_pixels(path: str | PathLike, pixels: Pixels) -> None:
    """Write `Pixels` in the format that the path's suffix names; whole or not at all.

    Gray with alpha is written as three equal channels with alpha. JPEG loses as JPEG does, at
    OpenCV's quality of 95; WebP is written without loss.

    Raises:
      UserError: the file cannot be written, or the format cannot hold it (`can_hold`).
    """
    path = Path(path)
    if not can_hold(path.suffix, pixels):
        raise UserError(
            f"{path}: this format cannot hold {described(pixels)}; use {sure_suffix(pixels)}"
        )
    kind = np.uint16 if pixels.bits == 16 else np.uint8
    if pixels.levels is None:
        samples = _to_levels(pixels.colour, kind)
    else:
        low, high, kind = pixels.levels
        share = np.clip(np.nan_to_num(pixels.colour.astype(np.float64)), -1, 1) / 2 + 0.5
        samples = low + (high - low) * share
        samples = np.rint(np.clip(samples, 0, 65535)) if kind == "uint16" else samples
        samples = samples.astype(kind)
    if pixels.alpha is not None:
        alpha = pixels.alpha.astype(np.float64) / np.iinfo(pixels.alpha.dtype).max
        top = 1 if samples.dtype == np.float32 else np.iinfo(samples.dtype).max
        alpha = alpha * top if top == 1 else np.rint(alpha * top)
        samples = np.concatenate([to_channels(samples, 3), alpha[..., None].astype(kind)], axis=-1)
    _write(path, path.suffix.lower(), samples)


def _write(path, suffix, samples):
    """Encode [H, W, 1, 3 or 4], RGB order and alpha last, and write it in one atomic step."""
    if suffix in (".tif", ".tiff"):
        # tifffile declares what the fourth sample is.
        extra = ["unassalpha"] if samples.shape[-1] == 4 else None
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            samples.squeeze(-1) if samples.shape[-1] == 1 else samples,
            photometric="minisblack" if samples.shape[-1] == 1 else "rgb",
            extrasamples=extra,
            compression="zlib",
            metadata=None,
        )
        data = file.getvalue()
    else:
        if samples.shape[-1] > 1:
            order = cv2.COLOR_RGB2BGR if samples.shape[-1] == 3 else cv2.COLOR_RGBA2BGRA
            samples = cv2.cvtColor(samples, order)
        done = False
        with contextlib.suppress(cv2.error):  # of releases below 5, which others report by False
            done, encoded = cv2.imencode(suffix, samples)
        if not done:
            raise UserError(f"{path}: too large for this format; use .png")
        data = encoded.tobytes()
    with replacing(path) as partial:
        partial.write_bytes(data)


def _composited(source, name, levels):
    """What is trained on: (uint8 or uint16 [H, W, 1 or 3] on white, alpha, bits of the file)."""
    colour, alpha = decoding.samples(source, name, plain=levels is not None)
    bits = min(8 * colour.itemsize, 16)
    floats = colour.dtype.kind == "f"
    if levels is not None:
        if floats != (levels.kind == "float32"):
            raise UserError(
                f"{name}: holds {colour.dtype} samples where the set holds "
                f"{levels.kind}; convert it"
            )
        colour = in_levels(colour, name, levels)
    elif floats:
        raise UserError(
            f"{name}: holds {colour.dtype} samples, of no known range; convert it to 8 "
            f"or 16 bits per channel"
        )
    if alpha is not None:
        if floats:
            alpha = np.rint(65535 * np.clip(np.nan_to_num(alpha), 0, 1)).astype(np.uint16)
        colour = _on_white(colour, alpha)
    return colour, alpha, 16 if floats else bits


def in_levels(colour: np.ndarray, name: str, levels: Levels) -> np.ndarray:
    """Codes of values between the levels: uint16 [H, W, C]."""
    if not np.isfinite(colour).all():
        raise UserError(f"{name}: holds values that are no numbers (NaN) or infinite; replace them")
    colour = colour.astype(np.float64) * (257 if colour.dtype == np.uint8 else 1)
    share = (colour - levels.low) / max(levels.high - levels.low, np.finfo(np.float32).tiny)
    return np.rint(65535 * np.clip(share, 0, 1)).astype(np.uint16)


def _on_white(colour, alpha):
    """Blend integers [H, W, C] with an opacity [H, W] on a white ground."""
    top, most = np.iinfo(colour.dtype).max, np.iinfo(alpha.dtype).max
    opacity = alpha[..., None].astype(np.uint64)
    blended = colour * opacity + top * (most - opacity)
    return ((blended + most // 2) // most).astype(colour.dtype)
