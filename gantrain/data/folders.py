"""Reader of folders of images: one domain, labelled crops, or trainA/trainB/testA/testB."""

import re
import string
from pathlib import Path

import numpy as np

from gantrain import images
from gantrain.data import npz
from gantrain.data.domain import Domain, FileImages, squeezed
from gantrain.errors import UserError

# Images looked at to tell a gray set from a colour set.
_PROBES = 64

_CROP_LABEL = re.compile(r"_class_(\d{1,4})$")


def list_images(folder):
    """The image files of a folder, sorted by name, hidden files apart.

    Raises:
      UserError: the folder cannot be read.
    """
    try:
        return sorted(
            path
            for path in Path(folder).iterdir()
            if path.suffix.lower() in images.EXTENSIONS and not path.name.startswith(".")
        )
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None


def read_folder(folder, split, size, name):
    """Read one domain from a folder or an .npz file.

    The images lie in the folder itself, or in its folders `train` and `test`; without the latter
    every tenth image is test. Labels come from names like `image_0000_class_0.png`, or from
    folders inside, one per class.

    Args:
      folder: pathlib.Path.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.
      name: name of the domain.

    Returns:
      A Domain, gray if its images are.

    Raises:
      UserError: there are no images, or some have labels and some have none.
    """
    if folder.suffix == ".npz":
        pixels, labels = npz.read_npz(folder, split)
        domain = _number_classes(Domain(name, squeezed(pixels, size), labels))
        return domain.part(split)
    if not (folder / "train").is_dir():
        return _read_labelled(folder, size, name).part(split)
    if (folder / "test").is_dir():
        return _read_labelled(folder / split, size, name)
    return _read_labelled(folder / "train", size, name).part(split)


def read_domains(folder, split, size):
    """Read two or more domains in CycleGAN's layout.

    Args:
      folder: pathlib.Path with `trainA`, `trainB`, `testA`, `testB` (and C, D, ... for more
        domains), each a folder of images or an .npz file. Without `testX`, every tenth image of
        `trainX` is test.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      List of domains named A, B, ...

    Raises:
      UserError: a domain is missing or empty.
    """
    letters = [letter for letter in string.ascii_uppercase if _domain_part(folder, letter, "train")]
    expected = list(string.ascii_uppercase[: max(2, len(letters))])
    if letters != expected:
        missing = next(letter for letter in expected if letter not in letters)
        raise UserError(
            f"{folder / ('train' + missing)}: missing; put the images of domain {missing} there"
        )
    domains = []
    for letter in letters:
        whole = _domain_part(folder, letter, "test") is None
        path = _domain_part(folder, letter, "train" if whole else split)
        domain = _read_labelled(path, size, letter)
        domains.append(domain.part(split) if whole else domain)
    return domains


def read_paths(paths, split, size):
    """Read `folder:PATH[,PATH...]`: CycleGAN's layout, or one domain per path.

    Args:
      paths: list of pathlib.Path.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      List of domains; several paths give domains named after their last part.

    Raises:
      UserError: a path does not exist or holds no images.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: there is no such folder; check --dataset")
    if len(paths) == 1 and any(_domain_part(paths[0], letter, "train") for letter in "AB"):
        return read_domains(paths[0], split, size)
    names = [path.stem or "images" for path in paths]
    if len(set(names)) < len(names):
        names = list(string.ascii_uppercase[: len(paths)])
    return [
        read_folder(path, split, size, name) for path, name in zip(paths, names, strict=True)
    ]


def encoded(paths, size):
    """Image files as `FileImages`, gray if all of a sample of them are.

    Args:
      paths: paths of the files.
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      FileImages.
    """
    step = max(1, len(paths) // _PROBES)
    return FileImages(paths, size, channels=3 if any(map(_colour, paths[::step])) else 1)


def _domain_part(folder, letter, split):
    """The folder or archive of one domain's split, or None."""
    for path in (folder / f"{split}{letter}", folder / f"{split}{letter}.npz"):
        if path.exists():
            return path
    return None


def _read_labelled(folder, size, name):
    """All images of one folder or archive, with the labels their names or folders give."""
    if folder.suffix == ".npz":
        pixels, labels = npz.read_npz(folder, "train")
        return _number_classes(Domain(name, squeezed(pixels, size), labels))
    paths = list_images(folder)
    if paths:
        return _number_classes(Domain(name, encoded(paths, size), _crop_labels(paths)))
    groups = [
        (entry.name, list_images(entry))
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    ]
    groups = [(label, paths) for label, paths in groups if paths]
    if not groups:
        raise UserError(
            f"{folder}: holds no images; put {' '.join(images.EXTENSIONS)} files there"
        )
    labels = np.repeat(np.arange(len(groups)), [len(paths) for _, paths in groups])
    paths = [path for _, paths in groups for path in paths]
    classes = tuple(label for label, _ in groups)
    return Domain(name, encoded(paths, size), labels.astype(np.int32), classes)


def _crop_labels(paths):
    """Class numbers from names like `image_0000_class_0.png`, or None if no name has one."""
    matches = [_CROP_LABEL.search(path.stem) for path in paths]
    if not any(matches):
        return None
    if not all(matches):
        unlabelled = paths[matches.index(None)]
        raise UserError(
            f"{unlabelled}: has no label while others in its folder have; name it like "
            "image_0000_class_0.png"
        )
    return np.array([int(match.group(1)) for match in matches], np.int32)


def _number_classes(domain):
    """The domain with its classes named by their numbers, if it is labelled."""
    if domain.labels is None:
        return domain
    classes = tuple(str(number) for number in range(int(domain.labels.max()) + 1))
    return Domain(domain.name, domain.images, domain.labels, classes)


def _colour(path):
    """Whether an image has colour channels; an unreadable one is left for the decoder to name."""
    try:
        return images.read_image(path).shape[-1] == 3
    except UserError:
        return False
