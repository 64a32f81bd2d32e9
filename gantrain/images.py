"""Where pixels enter and leave: files to uint8, uint8 to [-1, 1] and back, grids, image files.

No other module decodes, scales or encodes an image, so the pixel range is decided here alone.
`decode` and `read_image` give what trains: 8 bits without transparency. `read_pixels` and
`write_pixels` keep what a file holds: 16 bits and transparency too.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from gantrain.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_OPAQUE = (".jpg", ".jpeg")
_SIXTEEN_BITS = (".png", ".tif", ".tiff")

# First bytes of a TIFF file and of an EXIF block, and the tags of it that are read.
_TIFF = (b"II*\0", b"MM\0*")
_ORIENTATION, _EXTRA_SAMPLES = 0x112, 0x152


class Pixels(NamedTuple):
    """One image with all that its file holds.

    Attributes:
      colour: float32 [H, W, 1 or 3] in [-1, 1], not blended with any ground.
      alpha: uint8 or uint16 [H, W], the opacity, or None.
      bits: 8 or 16 bits per sample.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    bits: int = 8


def decode(data, name, channels=None, size=None):
    """Decode one encoded image to 8 bits without transparency.

    16-bit samples are scaled to 8 bits, transparency is blended on white, and the EXIF
    orientation is applied.

    Args:
      data: bytes of a png, jpg, webp, bmp or tiff file.
      name: what to call the image in an error message.
      channels: 1 (luma), 3, or None to keep gray gray and colour colour.
      size: scale to `size` x `size` pixels (see `resize`), or None to keep the size.

    Returns:
      uint8 [H, W, C].

    Raises:
      UserError: the bytes are not a whole image of a supported kind.
    """
    pixels = _samples(data, name)
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.shape[2] in (2, 4):
        pixels = _on_white(pixels)
    if channels is not None:
        pixels = to_channels(pixels, channels)
    return pixels if size is None else resize(pixels, size)


def read_image(path, channels=None, size=None):
    """Read one image file; the arguments, the result and the errors are those of `decode`."""
    return decode(_bytes(path), path, channels, size)


def read_pixels(path, channels=None):
    """Read one image file without loss: 8 or 16 bits, transparency apart from colour.

    The EXIF orientation is applied, palettes become colour, and of several pages the first is
    read. Gray with transparency comes as three equal channels unless `channels` is 1.

    Args:
      path: a png, jpg, webp, bmp or tiff file.
      channels: 1 (luma), 3 (gray is repeated), or None to keep what the file has.

    Returns:
      `Pixels`.

    Raises:
      UserError: the file cannot be read or is not a whole image of a supported kind.
    """
    samples = _samples(_bytes(path), path)
    alpha = samples[..., -1] if samples.shape[-1] in (2, 4) else None
    # On the CPU even beside an accelerator: this runs in threads that read ahead.
    with tf.device("CPU:0"):
        colour = np.asarray(to_float(samples if alpha is None else samples[..., :-1]))
    colour = colour if channels is None else to_channels(colour, channels)
    return Pixels(colour, alpha, 8 * samples.itemsize)


def resize(pixels, size):
    """Scale images to a square, both axes alike to fill it.

    The thesis scales MNIST from 28 to 32 pixels and CelebA from 178x218 to 128x128 (section 2.7)
    without a word on the method: here an image that shrinks is averaged over areas, so that
    nothing aliases, and one that grows is interpolated linearly. An image that is not square is
    squeezed, not cropped, as 178x218 to 128x128 implies.

    Args:
      pixels: uint8 [..., H, W, C].
      size: side of the square in pixels.

    Returns:
      uint8 [..., size, size, C].
    """
    *leading, height, width, channels = pixels.shape
    if (height, width) == (size, size):
        return pixels
    flat = pixels.reshape(-1, height, width, channels)
    scaled = np.empty((len(flat), size, size, channels), np.uint8)
    for source, target in zip(flat, scaled, strict=True):
        target[...] = scale(source, size, size)
    return scaled.reshape(*leading, size, size, channels)


def scale(image, height, width):
    """Scale one image [H, W, C] of any type: averaged over areas if it shrinks, else linear."""
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (width, height), interpolation=method)
    return scaled.reshape(height, width, image.shape[-1])


def to_channels(pixels, channels):
    """Convert [..., 1 or 3], uint8 or float32, to `channels`: gray is repeated, colour is luma."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    # ITU-R BT.601 luma, as OpenCV's own conversion, for any number of leading axes.
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return (np.rint(luma).astype(np.uint8) if pixels.dtype == np.uint8 else luma)[..., None]


def to_float(pixels):
    """Map uint8 [0, 255] to float32 [-1, 1] by (x - 127.5) / 127.5 (thesis, listing 6.2).

    uint16 [0, 65535] is mapped alike. A TensorFlow operation, so that a compiled step can move
    bytes and scale them last.
    """
    top = 65535 if pixels.dtype == np.uint16 else 255
    # 2x - top is exact, so only one operation rounds: every compiler gives the same bits.
    return (2.0 * tf.cast(pixels, tf.float32) - float(top)) * np.float32(1 / top)


def to_uint8(images):
    """Map float [-1, 1] to uint8 [0, 255], the inverse of `to_float`; values outside are clipped.

    A value that is no number becomes mid-gray.
    """
    return _to_levels(images, np.uint8)


def _to_levels(images, kind):
    images = np.nan_to_num(np.clip(np.asarray(images, np.float32), -1, 1), nan=0.0)
    return np.rint((images + 1.0) * np.float32(np.iinfo(kind).max / 2)).astype(kind)


def grid(images_per_domain, columns, gap=2):
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
    blocks = []
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


def write_png(path, pixels):
    """Write uint8 [H, W, 1 or 3] as PNG; a reader never sees half a file."""
    _write(Path(path), ".png", pixels)


def can_hold(suffix, pixels):
    """Whether `write_pixels` can write a file with this suffix that loses no alpha and no bits."""
    suffix = suffix.lower()
    return (suffix in EXTENSIONS and (pixels.alpha is None or suffix not in _OPAQUE)
            and (pixels.bits == 8 or suffix in _SIXTEEN_BITS))


def described(pixels):
    """What a file has to hold, in words: "16 bits, alpha"."""
    return f"{pixels.bits} bits" + ("" if pixels.alpha is None else ", alpha")


def write_pixels(path, pixels):
    """Write `Pixels` in the format that the path's suffix names; whole or not at all.

    Gray with alpha is written as three equal channels with alpha. JPEG loses as JPEG does, at
    OpenCV's quality of 95; WebP is written without loss.

    Raises:
      UserError: the file cannot be written, or the format cannot hold it (`can_hold`).
    """
    path = Path(path)
    if not can_hold(path.suffix, pixels):
        raise UserError(f"{path}: this format cannot hold {described(pixels)}; use .png")
    samples = _to_levels(pixels.colour, np.uint16 if pixels.bits == 16 else np.uint8)
    if pixels.alpha is not None:
        samples = np.concatenate([to_channels(samples, 3), pixels.alpha[..., None]], axis=-1)
    _write(path, path.suffix.lower(), samples)


def _write(path, suffix, samples):
    """Encode uint8 or uint16 [H, W, 1, 3 or 4] and write it in one atomic step."""
    if samples.shape[-1] > 1:
        order = cv2.COLOR_RGB2BGR if samples.shape[-1] == 3 else cv2.COLOR_RGBA2BGRA
        samples = cv2.cvtColor(samples, order)
    done, data = cv2.imencode(suffix, samples)
    if not done:
        raise UserError(f"{path}: too large for this format; use .png")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data.tobytes())
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def _bytes(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _samples(data, name):
    """What an encoded image holds: uint8 or uint16 [H, W, 1 to 4], RGB order, alpha last.

    Raises:
      UserError: the bytes are not a whole image of a supported kind.
    """
    samples = None
    if _complete(data):
        # OpenCV applies the EXIF orientation in every mode but UNCHANGED, and keeps transparency
        # in no other; JPEG has no transparency.
        jpeg = data[:2] == b"\xff\xd8"
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH if jpeg else cv2.IMREAD_UNCHANGED
        try:
            samples = cv2.imdecode(np.frombuffer(_plain_alpha(data), np.uint8), flags)
        except cv2.error:
            samples = None
    if samples is None or not samples.size:
        raise UserError(
            f"{name}: not a readable image (damaged, or none of {' '.join(EXTENSIONS)}); "
            "replace or remove the file"
        )
    if samples.dtype not in (np.uint8, np.uint16):
        raise UserError(
            f"{name}: holds {samples.dtype} samples; convert it to 8 or 16 bits per channel"
        )
    if samples.ndim == 2:
        samples = samples[:, :, None]
    if samples.shape[2] > 2:
        order = cv2.COLOR_BGR2RGB if samples.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        samples = cv2.cvtColor(samples, order)
    return _upright(samples, data)


def _complete(data):
    """Whether a JPEG or PNG has its end marker: decoders fill a missing rest with gray."""
    if data[:2] == b"\xff\xd8":
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    if data[:4] == b"\x89PNG":
        return b"IEND" in data[-64:]
    return bool(data)


def _tiff_tag(block, tag):
    """(value, offset) of a short in the first directory of a TIFF file or EXIF block, or None."""
    order = "<" if block[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            name, kind, _, value = struct.unpack_from(order + "HHIH", block, entry)
            if (name, kind) == (tag, 3):
                return value, entry + 8
    except struct.error:
        return None
    return None


def _plain_alpha(data):
    """The bytes of a TIFF with its alpha declared as one that colours were multiplied with.

    Only so does the decoder leave them as they are: it would multiply 8-bit colours with an alpha
    that is declared plain, and dark or invisible pixels would lose their colour.
    """
    found = _tiff_tag(data, _EXTRA_SAMPLES) if data[:4] in _TIFF else None
    if not found or found[0] != 2:
        return data
    value = (1).to_bytes(2, "little" if data[:2] == b"II" else "big")
    return data[:found[1]] + value + data[found[1] + 2:]


def _upright(samples, data):
    """Apply the EXIF orientation of a PNG or WebP, which OpenCV leaves with the alpha."""
    for magic, chunk, skip in ((b"\x89PNG", b"eXIf", 4), (b"RIFF", b"EXIF", 8)):
        start = data.find(chunk) + skip if data[:4] == magic else -1
        # Some writers put JPEG's own header in front of the block.
        start += 6 if data[start:start + 6] == b"Exif\0\0" else 0
        if start >= skip and data[start:start + 4] in _TIFF:
            value, _ = _tiff_tag(data[start:], _ORIENTATION) or (1, None)
            # 1 to 8 (EXIF 2.3, tag 0x112): 5 to 8 swap the axes, then rows or columns turn round.
            samples = samples.swapaxes(0, 1) if value > 4 else samples
            samples = samples[::-1] if value in (3, 4, 7, 8) else samples
            samples = samples[:, ::-1] if value in (2, 3, 6, 7) else samples
    return np.ascontiguousarray(samples)


def _on_white(pixels):
    """Blend uint8 [H, W, C + 1] with its last channel as opacity on a white ground."""
    colour, opacity = pixels[:, :, :-1].astype(np.uint32), pixels[:, :, -1:].astype(np.uint32)
    return ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
