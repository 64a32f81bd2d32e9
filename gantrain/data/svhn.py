"""Reader of SVHN's cropped digits, format 2 (Netzer et al., 2011)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gantrain.data.mat import read_mat
from gantrain.errors import UserError


def read_svhn(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a split.

    Args:
      folder: pathlib.Path with `train_32x32.mat` and `test_32x32.mat`.
      split: "train" or "test".

    Returns:
      Images uint8 [N, 32, 32, 3] and labels int32 [N]; the file's label 10 is digit 0.

    Raises:
      UserError: the file is missing or damaged.
    """
    path = folder / f"{split}_32x32.mat"
    if not path.is_file():
        raise UserError(f"{path}: missing; put the original file there")
    try:
        content = read_mat(path, ("X", "y"))
        pixels, labels = content["X"], content["y"].ravel()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: not a readable SVHN matrix ({error}); download it again"
        ) from None
    if pixels.dtype != np.uint8 or pixels.shape[:3] != (32, 32, 3):
        raise UserError(
            f"{path}: X is {pixels.dtype} {list(pixels.shape)}, expected uint8 [32, 32, 3, N]; "
            "download it again"
        )
    if pixels.shape[3] != len(labels) or not len(labels):
        raise UserError(
            f"{path}: {len(labels)} labels for {pixels.shape[3]} images; download it again"
        )
    if not (np.isin(labels, np.arange(1, 11))).all():
        raise UserError(f"{path}: y is not labels from 1 to 10; download it again")
    return np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), (labels % 10).astype(np.int32)
