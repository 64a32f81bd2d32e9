"""Reader of the arrays in MATLAB's files of level 5, that of SVHN ("MAT-File Format", 2019)."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from gantrain.reading import most_bytes, opened

_MATRIX, _COMPRESSED = 14, 15
# How numbers are stored, which may be narrower than the array, and the classes of arrays.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
           13: "u8"}  # fmt: skip
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8",
            15: "u8"}  # fmt: skip
_COMPLEX = 0x0800


def read_mat(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read arrays of real numbers.

    Args:
      path: pathlib.Path of the file.
      names: of the arrays that are read.

    Returns:
      {name: array}, those of the names that are there.

    Raises:
      OSError: it cannot be read.
      UserError: it is no regular file.
      ValueError: it is damaged or holds something else under a name.
    """
    most = most_bytes(path)
    with opened(path) as file:
        content = memoryview(file.read())
    orders = {b"IM": "<", b"MI": ">"}
    order = orders.get(bytes(content[126:128]))
    if order is None or bytes(content[124:126]) not in (b"\0\1", b"\1\0"):
        raise ValueError("not a MATLAB file of level 5")
    found, content = {}, content[128:]
    while content:
        kind, element, content = _element(content, order)
        if kind == _COMPRESSED:
            inflated = zlib.decompressobj()
            try:
                element = memoryview(inflated.decompress(element, most))
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if not inflated.eof:
                raise ValueError("a compressed array has no end, or is too large for the file")
            kind, element, _ = _element(element, order)
            # Its sum was checked at the end; the next is not padded.
        if kind == _MATRIX:
            name, array = _matrix(element, order, names)
            if array is not None:
                found[name] = array
    return found


def _element(content, order):
    """(type, bytes, what follows) of the first element."""
    if len(content) < 8:
        raise ValueError("its end is missing")
    kind, size = struct.unpack(f"{order}II", content[:8])
    start = 8
    if kind >> 16:  # four bytes or less stand in the tag
        kind, size, start = kind & 0xFFFF, kind >> 16, 4
        if size > 4:
            raise ValueError("an element of its is damaged")
    if start + size > len(content):
        raise ValueError("its end is missing")
    # All but what is compressed ends at a multiple of eight bytes.
    end = start + size if kind == _COMPRESSED else -(-(start + size) // 8) * 8
    return kind, content[start : start + size], content[end:]


def _matrix(content, order, names):
    """(name, array) of an element, or (name, None) of an array that is not read."""
    _, flags, content = _element(content, order)
    _, sides, content = _element(content, order)
    _, letters, content = _element(content, order)
    name = bytes(letters).decode("latin-1")
    if name not in names:
        return name, None
    if len(flags) != 8 or len(sides) % 4:
        raise ValueError(f"{name} is damaged")
    (about,) = struct.unpack(f"{order}I", flags[:4])
    shape = struct.unpack(f"{order}{len(sides) // 4}i", sides)
    if about & 0xFF not in _CLASSES or about & _COMPLEX:
        raise ValueError(f"{name} holds no real numbers")
    kind, numbers, _ = _element(content, order)
    if kind not in _STORED or min(shape, default=0) <= 0:
        raise ValueError(f"{name} is {list(shape)} of type {kind}")
    stored = np.dtype(order + _STORED[kind])
    if math.prod(shape) * stored.itemsize != len(numbers):
        raise ValueError(f"{name} says it is {list(shape)}, and holds {len(numbers)} bytes")
    array = np.frombuffer(numbers, stored).astype(_CLASSES[about & 0xFF], copy=False)
    return name, array.reshape(shape, order="F")
