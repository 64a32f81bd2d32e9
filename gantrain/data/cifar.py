"""Reader of CIFAR-10's binary version (Krizhevsky, 2009)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gantrain.errors import UserError
from gantrain.reading import opened

FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}

_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE


def read_cifar10(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split.

    Args:
      folder: pathlib.Path with `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, or
        with the folder `cifar-10-batches-bin` that holds them.
      split: "train" or "test".

    Returns:
      Images uint8 [N, 32, 32, 3] and labels int32 [N].

    Raises:
      UserError: a file is missing or damaged, or the pickled version lies there.
    """
    nested = folder / "cifar-10-batches-bin"
    folder = nested if nested.is_dir() else folder
    records = np.concatenate([_read(folder / name) for name in FILES[split]])
    images = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int32)


def _read(path):
    """The records of one file: uint8 [N, 1 + 3072], the label first."""
    if not path.exists():
        raise UserError(
            f"{path}: missing; unpack cifar-10-binary.tar.gz there (the Python version is pickled "
            "and not read)"
        )
    try:
        with opened(path) as file:
            content = np.frombuffer(file.read(), np.uint8)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not len(content) or len(content) % _RECORD:
        raise UserError(
            f"{path}: {len(content)} bytes are no whole number of {_RECORD}-byte records; "
            "download it again"
        )
    records = content.reshape(-1, _RECORD)
    if records[:, 0].max() > 9:
        raise UserError(f"{path}: a label is {records[:, 0].max()}, above 9; download it again")
    return records
