"""TensorFlow Datasets, as a source that may already lie on disk.

A prepared set is read from its own directory alone: no builder code, bucket or server is asked,
so that a node without a network can train.
"""

from __future__ import annotations

import io
import logging
import tempfile
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

import numpy as np

from gantrain.data.domain import Domain, FileImages
from gantrain.deferred import load
from gantrain.errors import UserError


def prepared(name: str, data_dir: Path) -> Path | None:
    """Directory of the newest version of a prepared set, or None.

    Args:
      name: name in TFDS with its configuration, such as "cycle_gan/horse2zebra"; None is no set.
      data_dir: pathlib.Path that TFDS prepared into.

    Returns:
      pathlib.Path or None.
    """
    if name is None:
        return None
    versions = [path.parent for path in (data_dir / name).glob("*/dataset_info.json")]
    numbered = [path for path in versions if path.name.replace(".", "").isdigit()]
    return max(
        numbered, key=lambda path: [int(part) for part in path.name.split(".")], default=None
    )


def download(name: str, data_dir: Path) -> Path | None:
    """Download and prepare a set.

    It comes into being in a folder of its own: what fails, or is interrupted, leaves nothing
    behind, and two processes do not meet.

    Args:
      name: name in TFDS with its configuration.
      data_dir: pathlib.Path to prepare into.

    Returns:
      pathlib.Path of the prepared directory.

    Raises:
      UserError: TFDS is not installed, or the download fails.
    """
    library = _library()
    made = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with (
            _silence(library),
            tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as place,
        ):
            library.builder(name, data_dir=place).download_and_prepare()
            done = prepared(name, Path(place))
            target = data_dir / done.relative_to(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            # Another process may have been quicker: what it made is the same.
            if not target.exists():
                done.rename(target)
    except Exception as error:  # Network, disk, checksum and server errors of many libraries.
        for path in made:
            with suppress(OSError):
                path.rmdir()
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"TFDS download of {name} into {data_dir} failed: {_cut(reason, 160)}"
        ) from None
    return prepared(name, data_dir)


@contextmanager
def _silence(library):
    """Without the bars of TFDS, and the warnings of what it downloads by at every retry."""
    loggers = [logging.getLogger(name) for name in ("absl", "urllib3", "tensorflow_datasets")]
    levels = [logger.level for logger in loggers]
    library.display_progress_bar(False)
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        library.display_progress_bar(True)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cut(text, length):
    """The text, or whole words of its beginning."""
    return text if len(text) <= length else f"{text[:length].rsplit(' ', 1)[0]} ..."


def read_labelled(
    directory: Path, split: str, size: int | None, name: str, classes: tuple[str, ...]
) -> Domain:
    """Read a prepared set of images with one class each.

    Args:
      directory: pathlib.Path of the prepared set.
      split: "train" or "test".
      size: side the images are scaled to.
      name: name of the domain.
      classes: names of the classes.

    Returns:
      A Domain, labels int32 [N].

    Raises:
      UserError: the files are damaged.
    """
    images, labels, _ = _read(directory, split, size, lambda example: example["label"])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f"{directory}: a label of split {split} is not 0 to {len(classes) - 1}; "
            "remove the folder and prepare it again"
        )
    return Domain(name, images, labels.astype(np.int32), classes)


def read_celeba(directory: Path, split: str, size: int | None) -> list[Domain]:
    """Read prepared CelebA; the arguments and the result are those of `celeba.read_celeba`."""
    images, labels, features = _read(
        directory,
        {"train": "train+validation"}.get(split, split),
        size,
        lambda example: [value for _, value in sorted(example["attributes"].items())],
    )
    names = tuple(sorted(features["attributes"]))
    return [Domain("celeba", images, labels.astype(np.uint8), names)]


def read_unpaired(directory: Path, split: str, size: int | None) -> list[Domain]:
    """Read one of CycleGAN's prepared sets; as `folders.read_domains`."""
    return [
        Domain(letter, _read(directory, f"{split}{letter}", size, lambda example: 0)[0])
        for letter in "AB"
    ]


def _library():
    """TensorFlow Datasets, imported only when a set of it is asked for."""
    try:
        return load("tensorflow_datasets")
    except ImportError:
        raise UserError(
            "TensorFlow Datasets is not installed: pip install tensorflow-datasets"
        ) from None


def _read(directory, split, size, label):
    """The images of a split, still encoded; `label(example)` of each; and the set's features."""
    library = _library()
    try:
        builder = library.builder_from_directory(directory)
        features = builder.info.features
        dataset = builder.as_dataset(
            split=split, decoders={"image": library.decode.SkipDecoding()}, shuffle_files=False
        )
        examples = [(example["image"], label(example)) for example in dataset.as_numpy_iterator()]
        sources, labels = zip(*examples, strict=True)
    except Exception as error:  # TFDS and TensorFlow meet a damaged set with many exceptions.
        # TensorFlow begins with the name of the operation, which tells the user nothing.
        reason = " ".join(str(error).rpartition("}} ")[2].split()) or type(error).__name__
        raise UserError(
            f"{directory}: split {split} cannot be read ({_cut(reason, 160)}); remove the folder "
            "and prepare it again"
        ) from None
    images = FileImages(sources, size, features["image"].shape[-1], directory)
    return images, np.array(labels), features
