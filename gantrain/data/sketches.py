"""Readers of photographs with drawings: Photo-Sketch, Sketchy, CUHK's student faces."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gantrain.data.domain import Domain, held_out
from gantrain.data.folders import list_images
from gantrain.data.paired_folders import match, paired_files, parted_files
from gantrain.errors import UserError
from gantrain.reading import opened

NAMES = ("photo", "sketch")

# The categories of the honours project (section 5), as Sketchy names them.
SKETCHY_CATEGORIES = (
    "cabin", "castle", "church", "skyscraper", "car_(sedan)", "pickup_truck", "duck", "swan",
    "rabbit", "deer",
)  # fmt: skip

# Drawings of a photograph that are its targets: all of Photo-Sketch's, the least of Sketchy's.
DRAWINGS = 5

# The test part of the poster on CUHK's faces: 10 of 188.
FACES_HELD_OUT = 10

# Sketchy's photographs and drawings as drawn, before it moved and scaled them.
_PLAIN = "tx_000000000000"

_DRAWING = re.compile(r"(.+)-(\d{1,4})")
_FACE = re.compile(r"([fm])(\d?)-(\d+)-(\d+)", re.IGNORECASE)


def read_photo_sketch(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read Photo-Sketch (Li et al. 2019): 1,000 photographs with five contour drawings each.

    The lists of training and validation images are the training part, as in the honours project,
    which has no validation part (section 6): 900 and 100 photographs.

    Args:
      folder: pathlib.Path with `image/ID.jpg`, `sketch-rendered/width-5/ID_01.png` to `ID_05.png`
        and `list/{train,val,test}.txt`, or with the folder `ContourDrawing` that holds these.
        Without lists every tenth photograph is test.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains photo and sketch, paired, five sketches to a photo.

    Raises:
      UserError: a file is missing, or a list is damaged.
    """
    folder = folder / "ContourDrawing" if (folder / "ContourDrawing").is_dir() else folder
    drawings = _existing(folder / "sketch-rendered" / "width-5")

    def read(part):
        pairs, missing = [], []
        for identity in _listed(folder, part):
            photo = folder / "image" / f"{identity}.jpg"
            own = [drawings / f"{identity}_{number:02}.png" for number in range(1, DRAWINGS + 1)]
            missing += [path for path in (photo, *own) if not path.is_file()]
            pairs.append((photo, own))
        if missing:
            raise UserError(
                f"{missing[0]}: missing, as {len(missing)} of {len(pairs) * (DRAWINGS + 1)} files; "
                "unpack the archives again"
            )
        return pairs

    return paired_files(read("train"), read(split), size, NAMES)


def read_sketchy(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read ten categories of Sketchy (Sangkloy et al. 2016): photographs and drawings from memory.

    Args:
      folder: pathlib.Path with `256x256/photo/tx_000000000000/CATEGORY/NAME.jpg` and
        `256x256/sketch/tx_000000000000/CATEGORY/NAME-1.png`, ...; other `tx_` folders, none, or
        the archive's folder `rendered_256x256` are accepted too. The photographs in
        `info/testset.txt` are the test part, else every tenth is.
      split: "train" or "test".
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains photo and sketch, paired and labelled by category; the targets of a photo are its
      first five drawings by number.

    Raises:
      UserError: a category is missing, or a photo has no drawing.
    """
    roots = (folder / "rendered_256x256" / "256x256", folder / "256x256", folder)
    root = next((path for path in roots if (path / "photo").is_dir()), roots[1])
    photos, sketches = (_variant(_existing(root / kind)) for kind in ("photo", "sketch"))
    inputs, targets = {}, {}
    for category in SKETCHY_CATEGORIES:
        for path in list_images(_existing(photos / category)):
            inputs[category, path.stem] = path
        numbered: dict[str, list[tuple[int, Path]]] = {}
        for path in list_images(_existing(sketches / category)):
            found = _DRAWING.fullmatch(path.stem)
            if found is None:
                raise UserError(f"{path}: not named like NAME-1.png; move it away")
            numbered.setdefault(found[1], []).append((int(found[2]), path))
        for name, drawings in numbered.items():
            targets[category, name] = [path for _, path in sorted(drawings)[:DRAWINGS]]
    pairs = match(inputs, targets)
    labels = np.array([SKETCHY_CATEGORIES.index(category) for category, _ in inputs], np.int32)
    test = _sketchy_test(folder, list(inputs))
    return parted_files(
        pairs, split, test, labels, size=size, names=NAMES, classes=SKETCHY_CATEGORIES
    )


def read_faces(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read CUHK's student faces (Wang and Tang 2009): 188 photographs with a sketch each.

    A photo `f-005-01.jpg` belongs to `F2-005-01-sz1.jpg`, and `f1-005-01.jpg`, another student, to
    `f1-005-01-sz1.jpg`.

    Args:
      folder: pathlib.Path with `photos` and `sketches` (or `photo` and `sketch`), or with the
        archives' folders such as `CUHK_training_cropped_photos/photos`.
      split: "train" or "test"; ten pairs, evenly spaced, are test, as many as on the poster; of
        fewer than a hundred, every tenth.
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains photo and sketch, paired.

    Raises:
      UserError: a folder is missing, or a file has no partner.
    """
    photos, sketches = (_faces(folder, kind) for kind in NAMES)
    pairs = match(photos, {key: [path] for key, path in sketches.items()})
    test = None
    if len(pairs) >= 10 * FACES_HELD_OUT:
        places = (np.arange(FACES_HELD_OUT) + 0.5) * len(pairs) / FACES_HELD_OUT
        test = np.isin(np.arange(len(pairs)), places.astype(int))
    return parted_files(pairs, split, test, size=size, names=NAMES)


def _existing(folder):
    """The folder. Raises UserError if it is not there."""
    if not folder.is_dir():
        raise UserError(f"{folder}: missing; unpack the archive there")
    return folder


def _lines(path):
    """The lines of a list that are not empty."""
    try:
        with opened(path) as file:
            text = file.read().decode()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path}: cannot be read as a list; unpack the archive again") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _listed(folder, split):
    """Names of Photo-Sketch's photographs of a part."""
    lists = {part: folder / "list" / f"{part}.txt" for part in ("train", "val", "test")}
    there = [part for part, path in lists.items() if path.is_file()]
    if not there:
        stems = [path.stem for path in list_images(_existing(folder / "image"))]
        if not stems:
            raise UserError(f"{folder / 'image'}: holds no images; unpack the archive there")
        return [stems[index] for index in held_out(len(stems), split)]
    held = "test" if "test" in there else "val"
    parts = [held] if split == "test" else [part for part in there if part != held]
    names = [(part, name) for part in parts for name in _lines(lists[part])]
    if not names:
        raise UserError(f"{lists[split]}: names no photographs; unpack the archive again")
    for part, name in names:
        if "/" in name or "\\" in name or name.startswith("."):
            raise UserError(f"{lists[part]}: {name} is not a name; unpack the archive again")
    return [name.removesuffix(".jpg") for _, name in names]


def _variant(folder):
    """The folder of categories in one of Sketchy's: as drawn if it is there."""
    if (folder / _PLAIN).is_dir():
        return folder / _PLAIN
    return next((path for path in sorted(folder.glob("tx_*")) if path.is_dir()), folder)


def _sketchy_test(folder, keys):
    """Whether each photograph (category, name) is of the listed test part; None without a list."""
    listed = (folder / "info" / "testset.txt", folder / "info-06-04" / "info" / "testset.txt")
    path = next((path for path in listed if path.is_file()), None)
    if path is None:
        return None
    names = set(_lines(path))
    test = np.array([f"{category}/{name}.jpg" in names for category, name in keys])
    if test.all() or not test.any():
        raise UserError(f"{path}: names {'all' if test.all() else 'none'} of the photographs; "
                        "unpack the archive again, or remove the list")  # fmt: skip
    return test


def _faces(folder, kind):
    """CUHK's photographs or sketches by sex, series and numbers, sorted."""
    folders = [folder / f"{kind}{ending}" for ending in ("s", "es", "")]
    for archive in sorted(folder.glob(f"CUHK_*{kind}*")):
        folders += [archive, *(archive / f"{kind}{ending}" for ending in ("s", "es", ""))]
    paths = [path for place in folders if place.is_dir() for path in list_images(place)]
    if not paths:
        raise UserError(f"{folder / kind}s: missing; unpack the {kind}s there")
    faces: dict[tuple, Path] = {}
    for path in paths:
        found = _FACE.match(path.stem)
        if found is None:
            raise UserError(f"{path}: not named like f-005-01.jpg; move it away")
        sex, series, person, number = found.groups()
        # Training sketches are of series 2 where their photographs are of none.
        key = (sex.lower(), series.replace("2", ""), int(person), int(number))
        other = faces.setdefault(key, path)
        if other is not path:
            raise UserError(f"{path}: shows the face of {other}; keep one of the two")
    return dict(sorted(faces.items()))
