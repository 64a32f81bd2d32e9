"""Reader of folders of images: one domain, labelled crops, or trainA/trainB/testA/testB."""

from __future__ import annotations

import dataclasses
import re
import string
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from gantrain import images
from gantrain.data import npz, parts
from gantrain.data.domain import Domain, FileImages, of_array
from gantrain.errors import UserError

_CROP_LABEL = re.compile(r"_class_(\d{1,4})$")


def list_images(folder: str | PathLike) -> list[Path]:
    """The image files of a folder, sorted by name, hidden files apart.

    Raises:
      UserError: the folder cannot be read.
    """
    return parts.listing(Path(folder))[0]


def read_folder(
    folder: str | PathLike, split: str, size: int | None, name: str, classes: tuple[str, ...] = ()
) -> Domain:
    """Read one domain from a folder or an .npz file.

    The images lie in the folder itself, or in its folders (or archives) `train` and `test`, or
    `val` where there is no `test`; without a test part a tenth of the images is. Labels come from
    names like `image_0000_class_0.png`, or from folders inside, one per class.

    Args:
      folder: pathlib.Path.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.
      name: name of the domain.
      classes: the classes of a known set; else they are those of the training part.

    Returns:
      A Domain, gray if the images of its training part are.

    Raises:
      UserError: there are no images, or some have labels and some have none.
    """
    return _asked([_parts(folder, "{part}", split, size, name, classes)])[0]


def read_domains(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read two or more domains in CycleGAN's layout.

    Args:
      folder: pathlib.Path with `trainA`, `trainB`, `testA`, `testB` (and C, D, ... for more
        domains), each a folder of images or an .npz file. Without `testX`, `valX` is the test
        part, without that a tenth of `trainX`.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      List of domains named A, B, ...

    Raises:
      UserError: a domain is missing or empty.
    """
    letters = [letter for letter in string.ascii_uppercase if _part(folder, "train", letter)]
    expected = list(string.ascii_uppercase[: max(2, len(letters))])
    if letters != expected:
        missing = next(letter for letter in expected if letter not in letters)
        raise UserError(
            f"{folder / ('train' + missing)}: missing; put the images of domain {missing} there"
        )
    read = [_parts(folder, "{part}" + letter, split, size, letter) for letter in letters]
    domains = _asked(read)
    used = {path.name for letter in letters for part in ("train", "test")
            if (path := _part(folder, part, letter))}  # fmt: skip
    return [_with_left_out(domains[0], _beside(folder, used)), *domains[1:]]


def read_paths(
    paths: Sequence[Path], split: str, size: int | None, named: Sequence[Path] | None = None
) -> list[Domain]:
    """Read `folder:PATH[,PATH...]`: CycleGAN's layout, or one domain per path.

    Args:
      paths: list of pathlib.Path.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.
      named: paths that the domains are named after, by default these.

    Returns:
      List of domains; several paths give domains named after their last part.

    Raises:
      UserError: a path does not exist or holds no images.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: there is no such folder; check --dataset")
    if len(paths) == 1 and any(_part(paths[0], "train", letter) for letter in "AB"):
        return read_domains(paths[0], split, size)
    names = [path.stem or "images" for path in named or paths]
    if len(set(names)) < len(names):
        names = list(string.ascii_uppercase[: len(paths)])
    return _asked([
        _parts(path, "{part}", split, size, name)
        for path, name in zip(paths, names, strict=True)
    ])  # fmt: skip


def _part(folder, split, letter=""):
    """The folder or archive of one domain's part, or None."""
    return (parts.find(folder, split, "{part}" + letter)
            or parts.find(folder, split, "{part}" + letter + ".npz"))  # fmt: skip


def _asked(read):
    """The asked domains of a list of (training part, asked part)."""
    return parts.conformed(*zip(*read, strict=True))


def _parts(folder, pattern, split, size, name, classes=()):
    """The training part of one domain and the asked part, which may be the same object."""
    found = {}
    if folder.is_dir():
        found = {part: path for part in parts.PARTS for form in (pattern + ".npz", pattern)
                 if (path := parts.find(folder, part, form))}  # fmt: skip
    if "test" in found and "train" not in found:
        raise UserError(
            f"{folder}: holds {found['test'].name}/ and no train/; put the training part there"
        )
    place = found.get("train", folder)
    whole = _read(place, "train", size, name, classes)
    if pattern == "{part}" and found:
        used = [path.name for path in found.values()]
        whole = _with_left_out(whole, _beside(folder, used))
    if "test" in found or npz.holds(place, "test"):
        if split == "train":
            return whole, whole
        return whole, _read(found.get("test", place), "test", size, name, classes)
    training = whole.part("train")
    return training, training if split == "train" else whole.part("test")


def _beside(folder, used):
    """What lies beside the parts of a set."""
    paths, left_out = parts.listing(folder, used)
    return left_out + Counter({f"images beside {min(used)}/": len(paths)})


def _with_left_out(domain, more):
    return dataclasses.replace(domain, left_out=Counter(domain.left_out) + more)


def _read(place, split, size, name, classes):
    """All images of one folder or archive, with the labels their names or folders give."""
    if place.suffix == ".npz":
        pixels, labels = npz.read_npz(place, split)
        labels, classes = _by_number(labels, classes, place)
        # Values of more than 8 bits are not scaled before the training part tells their range.
        size = size if pixels.dtype == np.uint8 else None
        return of_array(name, pixels, size, labels, classes)
    paths, left_out = parts.listing(place)
    if paths:
        labels, classes = _by_number(_crop_labels(paths), classes, place)
        return Domain(name, FileImages(paths, size), labels, classes, left_out=left_out)
    groups = {}
    for folder in sorted(place.iterdir()):
        if folder.is_dir() and not parts.is_litter(folder):
            found, others = parts.listing(folder)
            if found:
                groups[folder.name] = found
                del left_out[f"in {folder.name}/"]
                left_out += others
    if not groups:
        raise UserError(f"{place}: holds no images; put {' '.join(images.EXTENSIONS)} files there")
    names = classes or parts.in_order(groups)
    if strangers := set(groups) - set(names):
        raise UserError(
            f"{place / min(strangers)}: is no class of this set, which has "
            f"{', '.join(names)}; rename it or move it away"
        )
    counts = [len(groups.get(label, ())) for label in names]
    labels = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    paths = [path for label in names for path in groups.get(label, ())]
    return Domain(name, FileImages(paths, size), labels, names, left_out=left_out)


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
    return np.array([int(match[1]) for match in matches if match], np.int32)


def _by_number(labels, classes, place):
    """Labels in order from 0, and the classes' names: their numbers, or those of a known set."""
    if labels is None:
        return None, ()
    if classes:
        return npz.in_range(labels, len(classes), place), classes
    numbers, labels = np.unique(labels, return_inverse=True)
    return labels.astype(np.int32).ravel(), tuple(map(str, numbers))
