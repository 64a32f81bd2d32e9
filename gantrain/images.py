"""Where pixels enter and leave: files to uint8, uint8 to [-1, 1] and back, grids, PNG.

No other module decodes, scales or encodes an image, so the pixel range is decided here alone.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from gantrain.errors import UserError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def decode(data, name, channels=None, size=None):
    """Decode one encoded image.

    16-bit samples are scaled to 8 bits, transparency is blended on white, and the EXIF
    orientation of JPEG files is applied.

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
    pixels = None
    if _complete(data):
        # OpenCV applies the EXIF orientation in every mode but UNCHANGED, and keeps transparency
        # in no other; JPEG has no transparency.
        jpeg = data[:2] == b"\xff\xd8"
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH if jpeg else cv2.IMREAD_UNCHANGED
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            pixels = None
    if pixels is None or not pixels.size:
        raise UserError(
            f"{name}: not a readable image (damaged, or none of {' '.join(EXTENSIONS)}); "
            "replace or remove the file"
        )
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise UserError(
            f"{name}: holds {pixels.dtype} samples; convert it to 8 or 16 bits per channel"
        )
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] in (2, 4):
        pixels = _on_white(pixels)
    if pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if channels is not None:
        pixels = to_channels(pixels, channels)
    return pixels if size is None else resize(pixels, size)


def read_image(path, channels=None, size=None):
    """Read one image file; the arguments, the result and the errors are those of `decode`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return decode(data, path, channels, size)


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
    shrinks = size <= height and size <= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    flat = pixels.reshape(-1, height, width, channels)
    scaled = np.empty((len(flat), size, size, channels), np.uint8)
    for source, target in zip(flat, scaled, strict=True):
        target[...] = cv2.resize(source, (size, size), interpolation=method).reshape(target.shape)
    return scaled.reshape(*leading, size, size, channels)


def to_channels(pixels, channels):
    """Convert uint8 [..., 1 or 3] to `channels` channels: gray is repeated, colour becomes luma."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    # ITU-R BT.601 luma, as OpenCV's own conversion, for any number of leading axes.
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(luma).astype(np.uint8)[..., None]


def to_float(pixels):
    """Map uint8 [0, 255] to float32 [-1, 1] by (x - 127.5) / 127.5 (thesis, listing 6.2).

    A TensorFlow operation, so that a compiled step can move bytes and scale them last.
    """
    # 2x - 255 is exact, so only one operation rounds: every compiler gives the same bits.
    return (2.0 * tf.cast(pixels, tf.float32) - 255.0) * np.float32(1 / 255)


def to_uint8(images):
    """Map float [-1, 1] to uint8 [0, 255], the inverse of `to_float`; values outside are clipped.

    A value that is no number becomes mid-gray.
    """
    images = np.nan_to_num(np.clip(np.asarray(images, np.float32), -1, 1), nan=0.0)
    return np.rint((images + 1.0) * 127.5).astype(np.uint8)


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
    path = Path(path)
    if pixels.shape[-1] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", pixels)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data.tobytes())
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def _complete(data):
    """Whether a JPEG or PNG has its end marker: decoders fill a missing rest with gray."""
    if data[:2] == b"\xff\xd8":
        return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    if data[:4] == b"\x89PNG":
        return b"IEND" in data[-64:]
    return bool(data)


def _on_white(pixels):
    """Blend uint8 [H, W, C + 1] with its last channel as opacity on a white ground."""
    colour, opacity = pixels[:, :, :-1].astype(np.uint32), pixels[:, :, -1:].astype(np.uint32)
    return ((colour * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
