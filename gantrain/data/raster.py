"""Drawing whose pixels are the same on every machine: what the embedded sets are made with.

No image library draws here, because each version of one may round otherwise. All is float64 until
`to_bytes`: the last bits of a sine, a sum or a transform may differ between processors and
releases, and are lost when eight bits are kept. Where values can fall halfway between two whole
numbers by design (means of whole numbers, quantised blocks), a bias larger than those last bits and
smaller than any distance from halfway that the arithmetic can give decides for all machines alike.

Images have their rows and columns last: [..., H, W], channels before them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.fft
import scipy.special

_BIAS = 0.5 + 1e-6


class Stream:
    """Random numbers from the raw words of PCG64.

    NumPy keeps the words of a bit generator from release to release, not what `Generator` makes of
    them (NEP 19): uniform and normal numbers are made of the words here.
    """

    def __init__(self, *key: Any):
        """Args: key: integers >= 0, or one SeedSequence."""
        seed = key[0] if isinstance(key[0], np.random.SeedSequence) else np.random.SeedSequence(key)
        self._words = np.random.PCG64(seed).random_raw

    def uniform(self, *shape: int) -> np.ndarray:
        """Numbers in [0, 1), float64 of a shape; a float without one."""
        if not shape:
            return (self._words() >> 11) * 2.0**-53
        words = self._words(math.prod(shape)) >> np.uint64(11)
        return (words * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal numbers by the inverse of their distribution function."""
        numbers = scipy.special.ndtri(self.uniform(*shape) + 2.0**-54)
        return numbers if shape else float(numbers)


def rounded(values: np.ndarray) -> np.ndarray:
    """Nearest whole numbers, half upwards, float64."""
    return np.floor(values + _BIAS)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Nearest of 0 ... 255, uint8."""
    return np.clip(values + _BIAS, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------- resampling
@functools.cache
def _taps(source, target):
    """Weights and places [(weight [target], place [target])] of what each new point is made of."""
    k = np.arange(target)
    if target >= source:  # linear, the border repeated
        place = np.maximum((k + 0.5) * (source / target) - 0.5, 0)
        low = np.minimum(place.astype(int), source - 1)
        part = place - low
        return [(1 - part, low), (part, np.minimum(low + 1, source - 1))]
    # In units of 1 / target of a source pixel all borders are whole numbers.
    first, start, stop = k * source // target, k * source, (k + 1) * source
    taps = []
    for j in range(-(-source // target) + 1):
        place = first + j
        part = np.minimum(stop, (place + 1) * target) - np.maximum(start, place * target)
        if (part > 0).any():
            taps.append((np.maximum(part, 0) / source, np.minimum(place, source - 1)))
    return taps


def _along(images, target, axis):
    """Images with one axis, -1 or -2, brought to a length."""
    source = images.shape[axis]
    if source == target:
        return images
    if source % target == 0:
        cut = [
            (..., slice(j, None, source // target), *[slice(None)] * (-1 - axis))
            for j in range(source // target)
        ]
        total = sum(images[part] for part in cut[1:]) + images[cut[0]]
        return total * (target / source)
    total = 0.0
    for weight, place in _taps(source, target):
        part = images.take(place, axis, mode="clip")
        part *= weight if axis == -1 else weight[:, None]
        part += total
        total = part
    return total


def resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images at another size: averaged over areas where an axis shrinks, linear where it grows.

    Args:
        images: float [..., H, W].

    Returns:
        Images, float64 [..., height, width].
    """
    images = np.asarray(images, np.float64)
    # Whole rows move faster: the columns first, unless the rows shrink more.
    if height < images.shape[-2] and height * images.shape[-1] < width * images.shape[-2]:
        return _along(_along(images, height, -2), width, -1)
    return _along(_along(images, width, -1), height, -2)


def warp(images: np.ndarray, views: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images seen through perspectives, sampled linearly, with 0 beyond their borders.

    Args:
        images: uint8 [N, H, W].
        views: [N, 3, 3], from homogeneous (x, y) in an image to those in what is seen.
        height, width: size of what is seen.

    Returns:
        What is seen, float64 [N, height, width] in 0 ... 255.
    """
    count, rows, columns = images.shape
    padded = np.zeros((count, rows + 3, columns + 3))
    padded[:, 1:-2, 1:-2] = images
    # A perspective's scale is free: the adjugate will do for the inverse.
    a, b, c = views[:, 0], views[:, 1], views[:, 2]
    back = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    steps = np.arange(width), np.arange(height)[:, None]
    x, y, z = (
        back[:, 0, i, None, None] * steps[0]
        + (back[:, 1, i, None, None] * steps[1] + back[:, 2, i, None, None])
        for i in range(3)
    )
    x, y = np.clip(x / z + 1, 0, columns + 1), np.clip(y / z + 1, 0, rows + 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    x -= left
    y -= top
    corner = (np.arange(count)[:, None, None] * (rows + 3) + top) * (columns + 3) + left
    flat = padded.ravel()

    def row(first):
        before = flat.take(first, mode="clip")
        return before + x * (flat.take(first + 1, mode="clip") - before)

    upper = row(corner)
    return upper + y * (row(corner + (columns + 3)) - upper)


# --------------------------------------------------------------------------------------- filters
@functools.cache
def _cosines(length, radius):
    """cos(pi j k / length), float64 [length, radius]; j from 1."""
    return np.cos(np.pi / length * np.arange(length)[:, None] * np.arange(1, radius + 1))


def _response(sigma, length):
    """Factor of a Gaussian of deviations [N] on each cosine of a length, float64 [N, length]."""
    sigma = np.atleast_1d(np.asarray(sigma, np.float64))
    radius = math.ceil(4 * sigma.max())
    weights = np.exp(-0.5 * (np.arange(1, radius + 1) / sigma[:, None]) ** 2)
    total, response = 1.0, np.ones((len(sigma), length))
    for tap, cosine in zip(weights.T, _cosines(length, radius).T, strict=True):
        total = total + 2 * tap
        response += (2 * tap)[:, None] * cosine
    return response / np.reshape(total, (-1, 1))


def lens(
    images: np.ndarray, sigma: float | np.ndarray, halo: float = 0.0, halo_sigma: float = 1.0
) -> np.ndarray:
    """Gaussian blur, then sharpening by what another blur takes away: y + halo (y - blurred y).

    Both are factors on the cosine transform, whose border is the mirrored image.

    Args:
        images: float [N, C, H, W].
        sigma, halo: number or [N].
        halo_sigma: number.

    Returns:
        Images, float64 [N, C, H, W].
    """
    height, width = images.shape[-2:]
    sigma = np.broadcast_to(sigma, len(images))

    def plane(deviation):
        return (_response(deviation, height)[:, :, None] * _response(deviation, width)[:, None, :])[
            :, None
        ]

    factor = plane(sigma)
    if np.any(halo):
        halo = np.reshape(halo, (-1, 1, 1, 1))
        factor = factor * (1 + halo - halo * plane(halo_sigma))
    spectrum = scipy.fft.dctn(images, axes=(-2, -1))
    spectrum *= factor
    return scipy.fft.idctn(spectrum, axes=(-2, -1), overwrite_x=True)


def dilate(images: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Maximum over squares of side 2 radius + 1; what lies outside counts as absent."""
    for axis in (-2, -1):
        images = np.moveaxis(images, axis, 0)
        grown = images.copy()
        for shift in range(1, min(radius, len(images) - 1) + 1):
            np.maximum(grown[shift:], images[:-shift], out=grown[shift:])
            np.maximum(grown[:-shift], images[shift:], out=grown[:-shift])
        images = np.moveaxis(grown, 0, axis)
    return images


# ------------------------------------------------------------------------------------------ JPEG
# The quantisation tables of ITU-T T.81, annex K: luma, chroma.
_TABLES = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69,
     56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104,
     113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
    [17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99,
     99, 47, 66, 99, 99, 99, 99, 99, 99] + [99] * 32,
]).reshape(2, 8, 8)  # fmt: skip


_WAVES = scipy.fft.dct(np.eye(8), axis=0, norm="ortho")


def _coded(planes, tables):
    """Planes [N, P, H, W] after quantisation of their 8x8 cosine blocks by tables [N, 8, 8]."""

    def along_last(blocks, waves):
        """Along the last axis, which then changes places with the rows of the blocks."""
        return (blocks.reshape(-1, 8) @ waves).reshape(blocks.shape).swapaxes(-3, -1)

    count, depth, height, width = planes.shape
    blocks = planes.reshape(count, depth, height // 8, 8, width // 8, 8)
    blocks = along_last(along_last(blocks, _WAVES.T), _WAVES.T)
    tables = tables[:, None, None, :, None, :]
    blocks = rounded(blocks / tables) * tables
    return along_last(along_last(blocks, _WAVES), _WAVES).reshape(planes.shape)


def jpeg(images: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """What baseline JPEG with halved chroma leaves of images.

    Args:
        images: float RGB [N, 3, H, W] in 0 ... 255.
        quality: integer 1 to 100 or [N], as libjpeg scales the tables.

    Returns:
        Images, float64 [N, 3, H, W]; they may leave the range by a little.
    """
    height, width = images.shape[-2:]
    more = (-height % 16, -width % 16)
    if any(more):
        images = np.pad(images, ((0, 0), (0, 0), (0, more[0]), (0, more[1])), "edge")
    quality = np.broadcast_to(quality, len(images))
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None]
    luma_table, chroma_table = (np.clip((t * scale + 50) // 100, 1, 255) for t in _TABLES)
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402], axis=1)
    chroma = resize(chroma, chroma.shape[-2] // 2, chroma.shape[-1] // 2)
    luma = _coded(luma[:, None] - 128, luma_table)[:, 0] + 128
    chroma = resize(_coded(chroma, chroma_table), *luma.shape[-2:])
    cb, cr = chroma[:, 0], chroma[:, 1]
    red, blue = luma + 1.402 * cr, luma + 1.772 * cb
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.stack([red, green, blue], axis=1)[..., :height, :width]
