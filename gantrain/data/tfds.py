"""TensorFlow Datasets, as a source that may already lie on disk.

A prepared set is read from its own directory alone: no builder code, bucket or server is asked,
so that a node without a network can train.
"""

import numpy as np

from gantrain.data.domain import Domain, FileImages
from gantrain.errors import UserError


def prepared(name, data_dir):
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


def download(name, data_dir):
    """Download and prepare a set.

    Args:
      name: name in TFDS with its configuration.
      data_dir: pathlib.Path to prepare into.

    Returns:
      pathlib.Path of the prepared directory.

    Raises:
      UserError: TFDS is not installed, or the download fails.
    """
    try:
        builder = _library().builder(name, data_dir=data_dir)
        builder.download_and_prepare()
    except UserError:
        raise
    except Exception as error:  # Network, disk, checksum and server errors of many libraries.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"TFDS download of {name} failed: {reason}") from None
    return prepared(name, data_dir)


def read_labelled(directory, split, size, name, classes):
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
    examples, channels = _examples(directory, split)
    labels = np.array([example["label"] for example in examples], np.int32)
    return Domain(name, _encoded(examples, size, channels, directory), labels, classes)


def read_celeba(directory, split, size):
    """Read prepared CelebA; the arguments and the result are those of `celeba.read_celeba`."""
    examples, channels = _examples(directory, {"train": "train+validation"}.get(split, split))
    names = tuple(sorted(examples[0]["attributes"]))
    labels = np.array(
        [[example["attributes"][name] for name in names] for example in examples], np.uint8
    )
    return [Domain("celeba", _encoded(examples, size, channels, directory), labels, names)]


def read_unpaired(directory, split, size):
    """Read one of CycleGAN's prepared sets; as `folders.read_domains`."""
    domains = []
    for letter in "AB":
        examples, channels = _examples(directory, f"{split}{letter}")
        domains.append(Domain(letter, _encoded(examples, size, channels, directory)))
    return domains


def _library():
    """TensorFlow Datasets, imported only when a set of it is asked for."""
    try:
        import tensorflow_datasets
    except ImportError:
        raise UserError(
            "TensorFlow Datasets is not installed: pip install tensorflow-datasets"
        ) from None
    return tensorflow_datasets


def _examples(directory, split):
    """The examples of a split, in their stored order and encoded, and the number of channels."""
    library = _library()
    try:
        builder = library.builder_from_directory(directory)
        dataset = builder.as_dataset(
            split=split, decoders={"image": library.decode.SkipDecoding()}, shuffle_files=False
        )
        channels = builder.info.features["image"].shape[-1]
        examples = list(dataset.as_numpy_iterator())
    except Exception as error:  # TFDS and TensorFlow meet a damaged set with many exceptions.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{directory}: split {split} cannot be read ({reason}); remove the folder and prepare "
            "it again"
        ) from None
    if not examples:
        raise UserError(f"{directory}: split {split} is empty; remove the folder and prepare again")
    return examples, channels


def _encoded(examples, size, channels, directory):
    """The images of the examples, still encoded."""
    return FileImages([example["image"] for example in examples], size, channels, directory)
