"""Reader of NumPy archives; nothing in them is unpickled."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from gantrain.errors import UserError
from gantrain.files import replacing
from gantrain.reading import read_arrays

LAYOUT = "`images` and `labels`, or `x_train`, `y_train`, `x_test`, `y_test`"


def find(folder: Path, split: str) -> Path | None:
    """The archive that holds a split: `<split>.npz`, or `<folder>.npz` with both; or None."""
    for name in (f"{split}.npz", f"{folder.name}.npz"):
        if (folder / name).is_file():
            return folder / name
    return None


def holds(path: Path, split: str) -> bool:
    """Whether an archive has a part of its own, by Keras's names."""
    names: list[str] = []
    if path.suffix == ".npz":
        _arrays(path, lambda found: names.__iadd__(found)[:0])
    return f"x_{split}" in names


def read_npz(path: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Read images and, where they exist, class numbers.

    Args:
      path: pathlib.Path of an .npz file with the arrays `images` [N, H, W] or [N, H, W, C] and
        optionally `labels` [N]; or Keras's names `x_train`, `y_train`, `x_test`, `y_test`.
      split: "train" or "test"; chooses between Keras's names.

    Returns:
      Images uint8 or uint16 [N, H, W, C], and labels int32 [N] or None.

    Raises:
      UserError: the archive is damaged, pickled, or holds something else.
    """

    def choose(found):
        names = (f"x_{split}", f"y_{split}") if f"x_{split}" in found else ("images", "labels")
        if names[0] not in found:
            raise UserError(
                f"{path}: holds the arrays {', '.join(found[:9]) or 'nothing'}; "
                f"save it with {LAYOUT}"
            )
        return [name for name in names if name in found]

    arrays = _arrays(path, choose)
    images_name, *others = choose(list(arrays))
    images, labels_name = arrays[images_name], others[0] if others else ""
    labels = arrays.get(labels_name)
    if images.ndim == 3:
        images = images[..., None]
    # Files of other machines may have the other byte order.
    images = images.astype(images.dtype.newbyteorder("="), copy=False)
    deep = images.dtype == np.uint16
    if not (deep or images.dtype == np.uint8) or images.ndim != 4 or images.shape[-1] not in (1, 3):
        remedy = ""
        if images.dtype.kind == "f" and images.size:
            top = "(x + 1) * 127.5" if images.min() < 0 else "x * 255" if images.max() <= 1 else "x"
            remedy = f"; save numpy.rint({top}).astype('uint8') of an array x of floating points"
        raise UserError(
            f"{path}: {images_name} is {images.dtype} {list(images.shape)}; it must be uint8 or "
            f"uint16 [N, H, W], [N, H, W, 1] or [N, H, W, 3]{remedy}"
        )
    if not images.size:
        raise UserError(f"{path}: {images_name} is empty; save at least one image")
    if labels is None:
        return images, None
    labels = labels.ravel()
    if len(labels) != len(images) or labels.dtype.kind not in "iu":
        raise UserError(
            f"{path}: {labels_name} must hold one whole number per image; found "
            f"{len(labels)} {labels.dtype} values for {len(images)} images"
        )
    found = labels.astype(np.int32)
    if not np.array_equal(found, labels):
        raise UserError(f"{path}: {labels_name} has numbers beyond 32 bits; use smaller ones")
    return images, found


def in_range(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Labels of a known set, refused unless they are its class numbers from 0 on."""
    if labels.min() < 0 or labels.max() >= count:
        wrong = labels[(labels < 0) | (labels >= count)][0]
        raise UserError(
            f"{path}: has a label {wrong}, and the classes of this set are 0 to "
            f"{count - 1}; number them so"
        )
    return labels


def _arrays(path, choose):
    """The arrays of an archive that `choose` names."""
    try:
        return read_arrays(path, choose)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable .npz archive without pickled objects ({error}); save it anew "
            "with numpy.savez"
        ) from None


def write_npz(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Keep a set where it can be written; a reader never sees half a file.

    A data directory that cannot be written is no error: the set is only generated again.

    Args:
      path: pathlib.Path to write.
      images: uint8 [N, H, W, C].
      labels: int32 [N], or None.
    """
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    with contextlib.suppress(UserError), replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)
