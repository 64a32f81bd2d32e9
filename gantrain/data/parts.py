"""What a set is, decided once by the training part of all its domains, and what is no part of it.

A test part never decides anything: its images are converted to the training part's channels and
levels, its classes are numbered as in training.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gantrain import images
from gantrain.data import levels
from gantrain.data.domain import Domain, FileImages
from gantrain.data.palettes import FILE as PALETTE
from gantrain.errors import UserError

# Names of the parts, the first that is there being used.
PARTS = {"train": ("train", "training"), "test": ("test", "testing", "val", "valid", "validation")}

# What systems put beside files; it is not worth a word.
_LITTER = ("thumbs.db", "desktop.ini", "__macosx", "icon\r")


def find(folder: Path, split: str, pattern: str = "{part}") -> Path | None:
    """The file or folder of a part, or None.

    Args:
      folder: pathlib.Path that may hold it.
      split: "train" or "test".
      pattern: its name with `{part}` for the name of the part, such as "{part}A".

    Returns:
      pathlib.Path or None.
    """
    for part in PARTS[split]:
        for name in (part, part.capitalize()):
            path = folder / pattern.format(part=name)
            if path.exists():
                return path
    return None


def listing(folder: Path, parts: Iterable[str] = ()) -> tuple[list[Path], Counter[str]]:
    """The images of a folder, and what else is there.

    Args:
      folder: pathlib.Path.
      parts: names inside that are read elsewhere.

    Returns:
      Paths of the image files, sorted by name, hidden files apart, and {reason: files} of what is
      left out: files that are no images by their suffix, and folders.

    Raises:
      UserError: the folder cannot be read.
    """
    paths, left_out = [], Counter[str]()
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    for path in entries:
        if is_litter(path) or path.name in (PALETTE, *parts):
            continue
        if path.is_dir():
            left_out[f"in {path.name}/"] += count_files(path)
        elif path.suffix.lower() in images.EXTENSIONS:
            paths.append(path)
        else:
            left_out[path.suffix.lower() or "without suffix"] += 1
    return paths, +left_out


def is_litter(path: Path) -> bool:
    """Whether a file is hidden or what systems put beside others."""
    return path.name.startswith(".") or path.name.lower() in _LITTER


def count_files(folder: Path) -> int:
    """Files in a folder and the folders inside, hidden ones apart."""
    return sum(not name.startswith(".") for _, _, names in os.walk(folder) for name in names)


def conformed(training: Sequence[Domain], asked: Sequence[Domain]) -> list[Domain]:
    """The asked part of a set, as the training part of all its domains decides.

    Args:
      training: the domains of the training part.
      asked: the same, or those of the test part, in the same order.

    Returns:
      The asked domains with the channels and levels of their training part, and one list of classes
      for all: that of the training parts together, in numeric order if the names are numbers.

    Raises:
      UserError: a test part has a class that the training part has not, or no labels.
    """
    lists = {domain.classes for domain in training if domain.classes}
    names = {name for classes in lists for name in classes}
    together = in_order(names) if len(lists) > 1 else next(iter(lists), ())
    return [
        _numbered(_decoded(domain, own), own, together if own.classes else ())
        for own, domain in zip(training, asked, strict=True)
    ]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in a fixed order: by number if all are numbers, else by the alphabet."""
    numbers = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if numbers else name))


def remarks(domains: Sequence[Domain]) -> list[str]:
    """Lines about what is not as it might be expected: files left out, classes joined."""
    left_out: dict[str, list[str]] = {}
    for domain in domains:
        if domain.left_out:
            left_out.setdefault(described(domain.left_out), []).append(domain.name)
    lines = [f"left out of {', '.join(names)}: {what}" for what, names in left_out.items()]
    lines += [f"{domain.name} is kept in 16 bits: values {levels.described(domain.levels)}"
              for domain in domains if domain.levels]  # fmt: skip
    for domain in domains:
        if domain.labels is not None and not domain.multi_label:
            counts = np.bincount(domain.labels, minlength=len(domain.classes))
            absent = [domain.classes[number] for number in np.flatnonzero(counts == 0)]
            if absent:
                lines.append(f"{domain.name} has no images of class {', '.join(absent)}")
    return lines


def described(left_out: Mapping[str, int]) -> str:
    """What is left out, in words: "7 .txt, 12 in val/"."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())


def in_folders(left_out: Mapping[str, int]) -> int:
    """Files that are left out because they lie in folders which are no parts of a set."""
    known = {f"in {part}/" for names in PARTS.values() for part in names}
    return sum(count for reason, count in left_out.items()
               if reason.startswith("in ") and reason.lower() not in known)  # fmt: skip


def _decoded(domain, training):
    """The domain in the channels and levels of its training part."""
    own = training.images
    if isinstance(own, FileImages):
        own = own.decided()
        found = own.levels
    else:
        found = levels.of_array(own) if own.dtype == np.uint16 else None
    decoded = domain.images
    if isinstance(decoded, FileImages):
        decoded = decoded.with_levels(found).with_channels(own.shape[-1])
    else:
        decoded = images.to_channels(levels.codes(decoded, found), own.shape[-1])
    return dataclasses.replace(domain, images=decoded, levels=found)


def _numbered(domain, training, classes):
    """The domain with its labels numbered by `classes`, of which its training part uses some."""
    if not classes:
        return dataclasses.replace(domain, labels=None, classes=())
    if domain.labels is None:
        raise UserError(
            f"{place(domain, 0)}: has no label, while the training part has "
            f"{', '.join(training.classes[:5])}; sort the test part alike"
        )
    for number, name in enumerate(domain.classes):
        if name not in training.classes:
            example = int(np.argmax(domain.labels == number))
            raise UserError(
                f"{place(domain, example)}: is of class {name}, which the training part of "
                f"{domain.name} has not; give it images of that class, or move these away"
            )
    numbers = np.array([classes.index(name) for name in domain.classes], np.int32)
    return dataclasses.replace(domain, labels=numbers[domain.labels], classes=classes)


def place(domain: Domain, index: int) -> str | Path:
    """Where an example comes from, for a message."""
    source = domain.images.sources[index] if isinstance(domain.images, FileImages) else b""
    return f"{domain.name}, example {index}" if isinstance(source, bytes) else source
