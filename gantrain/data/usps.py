"""Reader of USPS, digits of 16x16 pixels (Hull 1994), in LIBSVM's text or in HDF5."""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np

from gantrain.errors import UserError
from gantrain.hdf5 import own_datasets
from gantrain.images import to_uint8
from gantrain.reading import regular

SIDE = 16
# Digits of a part, and characters of a line, at most.
_MOST, _LINE = 100_000, 2**15
PARTS = {"train": "usps", "test": "usps.t"}
ARCHIVE = "usps.h5"


def read_usps(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split.

    Args:
      folder: pathlib.Path with LIBSVM's `usps` and `usps.t`, `.bz2` or not, or with `usps.h5`.
      split: "train" or "test".

    Returns:
      Images uint8 [N, 16, 16, 1], bright ink on black, and labels int32 [N].

    Raises:
      UserError: a file is missing or damaged.
    """
    for name in (f"{PARTS[split]}.bz2", PARTS[split]):
        if (folder / name).is_file():
            return _read_libsvm(folder / name)
    if (folder / ARCHIVE).is_file():
        return _read_hdf5(folder / ARCHIVE, split)
    raise UserError(f"{folder / PARTS[split]}.bz2: missing; put the original file there")


def _read_libsvm(path):
    """Lines of `label index:value ...`: labels from 1, indices from 1, values in [-1, 1].

    An index that is left out has the value zero, as everywhere in this format.
    """
    rows, labels = [], []
    try:
        regular(path)
        with bz2.open(path) if path.suffix == ".bz2" else open(path, "rb") as file:
            # In pieces: a damaged file may be one line that fits in no memory.
            while line := file.readline(_LINE + 1).decode("ascii"):
                if len(line) > _LINE or len(rows) == _MOST:
                    raise ValueError(f"longer than {_LINE} characters or {_MOST} lines")
                label, *entries = line.split()
                row = np.zeros(SIDE * SIDE, np.float32)
                for entry in entries:
                    index, value = entry.split(":")
                    row[_position(int(index))] = float(value)
                labels.append(float(label))
                rows.append(row)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(
            f"{path}: line {len(rows) + 1} cannot be read ({error}); download it again"
        ) from None
    return _checked(path, np.array(rows), np.array(labels) - 1, -1.0)


def _position(index):
    if not 1 <= index <= SIDE * SIDE:
        raise ValueError(f"index {index}, expected 1 to {SIDE * SIDE}")
    return index - 1


def _read_hdf5(path, split):
    """Groups `train` and `test` with `data` [N, 256] in [0, 1] and `target` [N]."""
    try:
        data, labels = own_datasets(path, [f"{split}/data", f"{split}/target"], _MOST)
    except UserError:
        raise
    except Exception as error:  # h5py meets a damaged file with many kinds of exception.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: not a readable USPS archive ({reason}); download it again"
        ) from None
    return _checked(path, data, labels, 0.0)


def _checked(path, rows, labels, black):
    """Images and labels of rows whose values lie in [black, 1], the labels being digits."""
    if rows.ndim != 2 or rows.shape[1:] != (SIDE * SIDE,) or labels.shape != rows.shape[:1]:
        raise UserError(
            f"{path}: {list(rows.shape)} pixels and {list(labels.shape)} labels, "
            f"expected [N, {SIDE * SIDE}] and [N]; download it again"
        )
    if not len(rows) or rows.dtype.kind not in "fiu" or labels.dtype.kind not in "fiu":
        raise UserError(
            f"{path}: {len(rows)} digits, {rows.dtype} and {labels.dtype}, and one or more of real "
            f"numbers are expected; download it again"
        )
    rows = rows.astype(np.float32)
    # Files round: a value may exceed its bound by the last digit.
    for name, values, low, high in (("pixel", rows, black - 1e-3, 1.001), ("label", labels, 0, 9)):
        if not (values.min() >= low and values.max() <= high):
            raise UserError(f"{path}: a {name} is outside of its range; download it again")
    if not np.array_equal(labels, np.floor(labels)):
        raise UserError(f"{path}: a label is no whole number; download it again")
    levels = to_uint8(2.0 * (rows - black) / (1.0 - black) - 1.0)
    return levels.reshape(-1, SIDE, SIDE, 1), labels.astype(np.int32)
