"""Reader of NumPy archives; nothing in them is unpickled."""

import contextlib
import os

import numpy as np

from gantrain.errors import UserError

LAYOUT = "`images` and `labels`, or `x_train`, `y_train`, `x_test`, `y_test`"


def find(folder, split):
    """The archive that holds a split: `<split>.npz`, or `<folder>.npz` with both; or None."""
    for name in (f"{split}.npz", f"{folder.name}.npz"):
        if (folder / name).is_file():
            return folder / name
    return None


def read_npz(path, split):
    """Read images and, where they exist, class numbers.

    Args:
      path: pathlib.Path of an .npz file with the arrays `images` uint8 [N, H, W] or [N, H, W, C]
        and optionally `labels` [N]; or Keras's names `x_train`, `y_train`, `x_test`, `y_test`.
      split: "train" or "test"; chooses between Keras's names.

    Returns:
      Images uint8 [N, H, W, C], and labels int32 [N] or None.

    Raises:
      UserError: the archive is damaged, pickled, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            keras = f"x_{split}" in archive
            images_name, labels_name = (f"x_{split}", f"y_{split}") if keras else (
                "images", "labels")  # fmt: skip
            if images_name not in archive:
                raise UserError(
                    f"{path}: holds the arrays {', '.join(archive.files) or 'nothing'}; "
                    f"save it with {LAYOUT}"
                )
            images = archive[images_name]
            labels = archive[labels_name] if labels_name in archive else None
    except UserError:
        raise
    except Exception as error:  # NumPy meets a damaged archive with many kinds of exception.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: not a readable .npz archive without pickled objects ({reason}); save it anew "
            "with numpy.savez"
        ) from None
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(
            f"{path}: {images_name} is {images.dtype} {list(images.shape)}; it must be uint8 "
            "[N, H, W], [N, H, W, 1] or [N, H, W, 3]"
        )
    if not images.size:
        raise UserError(f"{path}: {images_name} is empty; save at least one image")
    if labels is None:
        return images, None
    labels = labels.ravel()
    if len(labels) != len(images) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise UserError(
            f"{path}: {labels_name} must hold one class number from 0 on per image; found "
            f"{len(labels)} {labels.dtype} values for {len(images)} images"
        )
    return images, labels.astype(np.int32)


def write_npz(path, images, labels):
    """Keep a set where it can be written; a reader never sees half a file.

    A data directory that cannot be written is no error: the set is only generated again.

    Args:
      path: pathlib.Path to write.
      images: uint8 [N, H, W, C].
      labels: int32 [N], or None.
    """
    arrays = {"images": images} if labels is None else {"images": images, "labels": labels}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "wb") as file:
                np.savez(file, **arrays)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
