"""Reader of CelebA's aligned faces and attributes (Liu et al., 2015)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gantrain.data.domain import Domain, FileImages
from gantrain.errors import UserError
from gantrain.reading import opened

# The official test part is images 182,638 to 202,599.
FIRST_TEST_IMAGE = 182_638


def read_celeba(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read a split with all its attributes.

    Deviation: the thesis trains on all 202,599 images (table 2.2); here the official test part
    is held out, and the two parts together have the numbers of the table.

    Args:
      folder: pathlib.Path with `img_align_celeba/`, as its archive or Kaggle's packs it, and
        `list_attr_celeba.txt` or `.csv`.
      split: "train" (the official training and validation parts) or "test". If the numbers of the
        images do not tell, a tenth of the images is test.
      size: side the faces are scaled to.

    Returns:
      One Domain in a list, labels uint8 [N, 40].

    Raises:
      UserError: a file is missing, the list is damaged, or list and images disagree.
    """
    listed = folder / "list_attr_celeba.txt"
    if not listed.exists() and listed.with_suffix(".csv").exists():
        listed = listed.with_suffix(".csv")
    files, attributes, names = read_attributes(listed)
    directory = folder / "img_align_celeba"
    # Kaggle's archive has a folder of the same name in the folder.
    nested = directory / directory.name
    directory = nested if nested.is_dir() else directory
    try:
        present = {entry.name for entry in os.scandir(directory)}
    except OSError as error:
        raise UserError(
            f"{directory}: cannot be read ({error.strerror}); unpack img_align_celeba.zip there"
        ) from None
    absent = [file for file in files if file not in present]
    if absent:
        raise UserError(
            f"{directory}: {len(absent)} of the {len(files)} images in {listed.name} are "
            f"missing, the first is {absent[0]}; unpack img_align_celeba.zip again"
        )
    faces = FileImages([directory / file for file in files], size, channels=3)
    strangers = sum(not name.startswith(".") for name in present - set(files))
    left_out = {f"not in {listed.name}": strangers} if strangers else {}
    domain = Domain("celeba", faces, attributes, names, left_out=left_out)
    return [part(domain, split, files)]


def read_attributes(path: Path) -> tuple[list[str], np.ndarray, tuple[str, ...]]:
    """Read the list of attributes: the names, then a file and 1 or -1 per attribute in each line.

    Args:
      path: pathlib.Path of `list_attr_celeba.txt`, which begins with the number of its lines and
        has spaces, or of Kaggle's `.csv`, which has commas.

    Returns:
      File names, attributes uint8 [N, A] that are 0 or 1, and names of the attributes.

    Raises:
      UserError: the list is missing or damaged.
    """
    try:
        with opened(path) as file:
            lines = file.read().decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from None
    comma = "," if path.suffix == ".csv" else None
    head = 0 if comma else 1
    rows = [[value.strip() for value in line.split(comma)]
            for line in lines[head + 1 :] if line.strip()]  # fmt: skip
    names = tuple(lines[head].split(comma))[1 if comma else 0 :] if len(lines) > head else ()
    names = tuple(name.strip() for name in names)
    if not rows or (head and lines[0].strip() != str(len(rows))):
        raise UserError(
            f"{path}: says it lists {lines[0].strip()[:20] if lines else 'nothing'} images and "
            f"lists {len(rows)}; download it again"
        )
    if not names or len(set(names)) < len(names) or "" in names:
        raise UserError(f"{path}: line {head + 1} does not name the attributes; download it again")
    seen: set[str] = set()
    for number, row in enumerate(rows, start=head + 2):
        if len(row) != len(names) + 1 or not set(row[1:]) <= {"1", "-1"}:
            raise UserError(
                f"{path}: line {number} is not a file name and {len(names)} values 1 or -1; "
                "download it again"
            )
        if row[0] in seen or not row[0] or os.path.basename(row[0]) != row[0]:
            raise UserError(
                f"{path}: line {number} names {row[0]!r} again or no file; download it again"
            )
        seen.add(row[0])
    attributes = np.array([[value == "1" for value in row[1:]] for row in rows], np.uint8)
    return [row[0] for row in rows], attributes, names


def part(domain: Domain, split: str, files: Sequence[str]) -> Domain:
    """The official split by the numbers in the file names, or a tenth of the images.

    Args:
      domain: the whole set.
      split: "train" or "test".
      files: name of each image, such as "000001.jpg".

    Returns:
      A Domain.
    """
    numbers = [file.partition(".")[0] for file in files]
    if all(number.isdigit() for number in numbers):
        test = np.array([int(number) >= FIRST_TEST_IMAGE for number in numbers])
        if test.any() and not test.all():
            return domain.subset(np.flatnonzero(test if split == "test" else ~test))
    return domain.part(split)
