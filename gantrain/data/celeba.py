"""Reader of CelebA's aligned faces and attributes (Liu et al., 2015)."""

import os

import numpy as np

from gantrain.data.domain import Domain, FileImages
from gantrain.errors import UserError

# The official test part is images 182,638 to 202,599.
FIRST_TEST_IMAGE = 182_638


def read_celeba(folder, split, size):
    """Read a split with all its attributes.

    Deviation: the thesis trains on all 202,599 images (table 2.2); here the official test part
    is held out, and the two parts together have the numbers of the table.

    Args:
      folder: pathlib.Path with `img_align_celeba/` and `list_attr_celeba.txt`.
      split: "train" (the official training and validation parts) or "test". If the numbers of the
        images do not tell, every tenth image is test.
      size: side the faces are scaled to.

    Returns:
      One Domain in a list, labels uint8 [N, 40].

    Raises:
      UserError: a file is missing, the list is damaged, or list and images disagree.
    """
    files, attributes, names = read_attributes(folder / "list_attr_celeba.txt")
    directory = folder / "img_align_celeba"
    try:
        present = {entry.name for entry in os.scandir(directory)}
    except OSError as error:
        raise UserError(
            f"{directory}: cannot be read ({error.strerror}); unpack img_align_celeba.zip there"
        ) from None
    absent = [file for file in files if file not in present]
    if absent:
        raise UserError(
            f"{directory}: {len(absent)} of the {len(files)} images in list_attr_celeba.txt are "
            f"missing, the first is {absent[0]}; unpack img_align_celeba.zip again"
        )
    faces = FileImages([directory / file for file in files], size, channels=3)
    return [part(Domain("celeba", faces, attributes, names), split, files)]


def read_attributes(path):
    """Read `list_attr_celeba.txt`: a count, the names, then a file and 1 or -1 per attribute.

    Args:
      path: pathlib.Path of the list.

    Returns:
      File names, attributes uint8 [N, A] that are 0 or 1, and names of the attributes.

    Raises:
      UserError: the list is missing or damaged.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); download it again") from None
    rows = [line.split() for line in lines[2:] if line.strip()]
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    if not rows or lines[0].strip() != str(len(rows)):
        raise UserError(
            f"{path}: says it lists {lines[0].strip()[:20] if lines else 'nothing'} images and "
            f"lists {len(rows)}; download it again"
        )
    for number, row in enumerate(rows, start=3):
        if len(row) != len(names) + 1 or not set(row[1:]) <= {"1", "-1"}:
            raise UserError(
                f"{path}: line {number} is not a file name and {len(names)} values 1 or -1; "
                "download it again"
            )
    attributes = np.array([[value == "1" for value in row[1:]] for row in rows], np.uint8)
    return [row[0] for row in rows], attributes, names


def part(domain, split, files):
    """The official split by the numbers in the file names, or every tenth where they do not tell.

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
