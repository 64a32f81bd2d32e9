"""Reader of the IDX format of MNIST and Fashion-MNIST (LeCun et al., 1998)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from gantrain.errors import UserError
from gantrain.reading import most_bytes, opened

PARTS = {"train": "train", "test": "t10k"}

# Unsigned bytes with three axes (images) or one (labels).
_MAGIC = (b"\0\0\x08\x03", b"\0\0\x08\x01")


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes, compressed (`.gz`) or not.

    Args:
      path: pathlib.Path of the file.

    Returns:
      uint8 array of the shape in the header.

    Raises:
      UserError: wrong magic number, truncated, longer than its header says, or unreadable.
    """
    try:
        most = most_bytes(path)
        with gzip.open(path, "rb") if path.suffix == ".gz" else opened(path) as file:
            magic = file.read(4)
            if magic not in _MAGIC:
                raise UserError(
                    f"{path}: not an IDX file of bytes (magic number {magic.hex() or 'missing'}, "
                    "expected 00000803 or 00000801); download it again"
                )
            header = file.read(4 * magic[3])
            shape = struct.unpack(f">{len(header) // 4}I", header[: len(header) // 4 * 4])
            # Read in pieces: the header of a damaged file may claim more than fits in memory.
            wanted = math.prod(shape)
            if not wanted or wanted > most:
                raise UserError(f"{path}: says it holds {shape}; download it again")
            content = bytearray()
            while piece := file.read(min(1 << 24, wanted + 1 - len(content))):
                content += piece
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from None
    if len(shape) != magic[3] or len(content) != wanted:
        state = "longer" if len(content) > wanted else "shorter"
        raise UserError(f"{path}: {state} than its header {shape} says; download it again")
    return np.frombuffer(bytes(content), np.uint8).reshape(shape)


def read_digits(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split of a set in MNIST's layout.

    Args:
      folder: pathlib.Path with `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, `.gz` or not.
      split: "train" or "test".

    Returns:
      Images uint8 [N, H, W, 1] and labels int32 [N].

    Raises:
      UserError: a file is missing or damaged, or the two do not belong together.
    """
    images_path = _find(folder, f"{PARTS[split]}-images", "idx3")
    labels_path = _find(folder, f"{PARTS[split]}-labels", "idx1")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.ndim != 1:
        raise UserError(
            f"{images_path if images.ndim != 3 else labels_path}: images need 3 axes and labels 1, "
            f"found {images.ndim} and {labels.ndim}; the files may have been swapped"
        )
    if len(images) != len(labels) or not len(images):
        raise UserError(
            f"{labels_path}: {len(labels)} labels for {len(images)} images in {images_path.name}; "
            "download both again"
        )
    if labels.max() > 9:
        raise UserError(f"{labels_path}: a label is {labels.max()}, above 9; download it again")
    return images[..., None], labels.astype(np.int32)


def _find(folder, stem, kind):
    """The file under any of its usual names: some mirrors write a dot before `idx`."""
    names = [f"{stem}{mark}{kind}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder / names[0]}[.gz]: missing; put the original file there")
