"""Channels and value range of a set of images: what its training part decides.

Files of 8 bits need no range. Deeper samples (16 bits, floats) keep it where 8 bits would lose some
of the values that are used, as in depth in millimetres or scans of 12 bits: the range from the
least to the greatest value of the set is then spread over 16 bits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gantrain import decoding, images
from gantrain.errors import UserError
from gantrain.images import Levels

# Most files whose header is read, and most deep files whose values are: evenly chosen of more.
HEADERS, VALUES = 20_000, 2_000

# Formats without more than 8 bits per sample.
_SHALLOW = (".jpg", ".jpeg", ".gif", ".webp", ".bmp")


def of_files(sources: Sequence[Path | bytes]) -> tuple[int, Levels | None]:
    """Channels of a set of image files, 1 if all are gray, and its `Levels` or None for 8 bits.

    An unreadable file decides nothing; who decodes it names it.

    Args:
      sources: paths, or encoded images as bytes.

    Returns:
      (1 or 3, `gantrain.images.Levels` or None).
    """
    channels, deep = 1, False
    for source in evenly(sources, HEADERS):
        shallow = not isinstance(source, bytes) and source.suffix.lower() in _SHALLOW
        if shallow and channels == 3:
            continue
        try:
            header = images.header(source, "image")
        except UserError:
            continue
        channels, deep = max(channels, header.channels), deep or header.bits > 8
    return channels, _range(evenly(sources, VALUES)) if deep else None


def of_array(values: np.ndarray) -> Levels | None:
    """`Levels` of uint16 images [N, H, W, C], or None where 8 bits lose nothing."""
    used = np.zeros(65536, bool)
    used[values.reshape(-1)] = True
    return _of_values(used)


def codes(values: np.ndarray, levels: Levels | None) -> np.ndarray:
    """Images in the type that is trained on.

    Args:
      values: uint8 or uint16 [..., C], as read.
      levels: `Levels`, or None for 8 bits.

    Returns:
      uint8, or with levels uint16 [..., C]: 65535 clip((v - low) / (high - low), 0, 1), rounded.
    """
    if levels is not None:
        return images.in_levels(values, "images", levels)
    return decoding.to_eight_bits(values) if values.dtype == np.uint16 else values


def values(codes: np.ndarray, levels: Levels | None) -> np.ndarray:
    """The inverse of `codes`, in units of the files; float64."""
    codes = np.asarray(codes, np.float64)
    return codes if levels is None else levels.low + codes / 65535 * (levels.high - levels.low)


def evenly(sources: Sequence[Path | bytes], count: int) -> Sequence[Path | bytes]:
    """At most twice `count` of the sources, at even distances."""
    return sources[:: max(1, len(sources) // count)]


def described(levels: Levels) -> str:
    """A value range in words."""
    low, high, kind = levels
    return f"{low:g} to {high:g}" + (" (floating point)" if kind == "float32" else "")


def _range(sources):
    """The `Levels` of deep files, from all their values."""
    used, ends = np.zeros(65536, bool), []

    def look(source):
        try:
            colour, _ = decoding.samples(source, "image", plain=True)
        except UserError:
            return
        if colour.dtype.kind == "f":
            finite = colour[np.isfinite(colour)]
            ends.extend([float(finite.min()), float(finite.max())] if finite.size else [])
        else:
            used[np.unique(colour).astype(np.int64) * (257 if colour.dtype == np.uint8 else 1)] = 1

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(look, sources))
    if ends:
        return images.Levels(min(ends), max(ends), "float32")
    return _of_values(used)


def _of_values(used):
    """`Levels` of the values that are used, bool [65536]; None where 8 bits tell them apart."""
    values = np.flatnonzero(used).astype(np.uint16)
    # Of 8 bits that lie in the upper byte, 8 bits lose nothing but two neighbours near the middle.
    shifted = not np.any(values % 256)
    if not len(values) or shifted or len(np.unique(decoding.to_eight_bits(values))) == len(values):
        return None
    return images.Levels(int(values[0]), int(values[-1]), "uint16")
