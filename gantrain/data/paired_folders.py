"""Readers of paired images: side by side in one file, or in parallel folders by name."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gantrain import images
from gantrain.data import parts
from gantrain.data.domain import Domain, FileImages, held_out
from gantrain.data.folders import list_images
from gantrain.data.pairs import paired
from gantrain.data.transforms import left_half, right_half
from gantrain.errors import UserError

LAYOUTS = (
    "(1) train/ and test/ or val/ with images twice as wide as high, left A, right B; (2) trainA/ "
    "trainB/ testA/ testB/, or A/ and B/ with or without train/ and test/ inside, with equal file "
    "names; (3) the same with several targets: NAME.png in A, NAME_1.png, NAME_2.png, ... in B"
)

# Where the two folders of a part lie; the last layout has no parts.
_PARALLEL = ("{part}{letter}", "{letter}/{part}", "{letter}")

# Images looked at to tell pairs side by side from other images.
_PROBES = 8

_NUMBERED = re.compile(r"(.+)[_-](\d{1,6})")


def read_pairs(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read a folder in any of the paired layouts (`LAYOUTS`).

    Args:
      folder: pathlib.Path.
      split: "train" or "test"; without a test part, a tenth of the pairs is test.
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains A and B, paired.

    Raises:
      UserError: the folder has none of the layouts, or a file has no partner.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; check --dataset")
    if any(_both(folder, layout, "train") for layout in _PARALLEL):
        return read_parallel(folder, split, size)
    if _looks_side_by_side(folder):
        return read_side_by_side(folder, split, size)
    raise UserError(f"{folder}: holds no pairs; it may hold {LAYOUTS}")


def read_side_by_side(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read images that hold a pair each, left A and right B (pix2pix's data sets).

    Args:
      folder: pathlib.Path with `train`, and `test` or else `val`; without either, or with images
        in the folder itself, a tenth is test.
      split: "train" or "test".
      size: side the halves are scaled to; None leaves them as they are.

    Returns:
      Domains A and B, paired.

    Raises:
      UserError: there are no images.
    """
    train, test = (parts.find(folder, split) for split in ("train", "test"))
    used = [path.name for path in (train, test) if path]
    beside, left_out = parts.listing(folder, used)
    if train and beside:
        left_out[f"images beside {train.name}/"] = len(beside)

    def read(place):
        paths, others = (beside, {}) if place is folder else parts.listing(place)
        if not paths:
            raise UserError(
                f"{place}: holds no images; put {' '.join(images.EXTENSIONS)} files there"
            )
        files = Domain("A", FileImages(paths, size))
        return dataclasses.replace(files, left_out=left_out + Counter(others))

    whole = read(train or folder)
    training = whole if test else whole.part("train")
    asked = training if split == "train" else read(test) if test else whole.part("test")
    (domain,) = parts.conformed([training], [asked])
    return paired(
        dataclasses.replace(domain, images=domain.images.picked(left_half)),
        dataclasses.replace(domain, name="B", images=domain.images.picked(right_half)),
    )


def read_parallel(folder: Path, split: str, size: int | None) -> list[Domain]:
    """Read two folders whose files belong together by name; an input may have several targets.

    Args:
      folder: pathlib.Path in layout 2 or 3 of `LAYOUTS`. CycleGAN's facades and maps, named
        `1_A.jpg` and `1_B.jpg`, match too.
      split: "train" or "test"; without a test part of both, a tenth of the pairs is test.
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains A and B, paired.

    Raises:
      UserError: a file has no partner.
    """
    layout = next(layout for layout in _PARALLEL if _both(folder, layout, "train"))
    test = None if layout == _PARALLEL[-1] else _both(folder, layout, "test")
    train = _both(folder, layout, "train")
    # In every layout, what is read are folders of these.
    used = {*train, *(test or ()), *(path.parent for path in train)}
    left_out = sum(
        (
            parts.listing(place, {path.name for path in used if path.parent == place})[1]
            for place in {folder, *(path.parent for path in train)}
        ),
        Counter[str](),
    )

    def read(both):
        listed = [parts.listing(place) for place in both]
        left_out.update(listed[0][1] + listed[1][1])
        pairs = match(*_by_name(*(paths for paths, _ in listed)))
        if not pairs:
            raise UserError(
                f"{both[0]}: holds no images; put {' '.join(images.EXTENSIONS)} files there"
            )
        return pairs

    whole = read(train)
    of: dict[str, Any] = dict(size=size, names=("A", "B"), left_out=left_out)
    if test is None:
        return parted_files(whole, split, **of)
    return paired_files(whole, whole if split == "train" else read(test), **of)


def match(
    inputs: Mapping[Any, Path], targets: Mapping[Any, list[Path]]
) -> list[tuple[Path, list[Path]]]:
    """Put inputs and targets of equal keys together.

    Args:
      inputs: {key: path}.
      targets: {key: list of paths}.

    Returns:
      List of (path of the input, list of its targets), in the order of `inputs`.

    Raises:
      UserError: a file has no partner; the first such file is named, and all are counted.
    """
    lonely = [path for key, path in inputs.items() if key not in targets]
    lonely += [paths[0] for key, paths in targets.items() if key not in inputs]
    if lonely:
        raise UserError(
            f"{lonely[0]}: has no partner by its name, as {len(lonely)} of "
            f"{len(inputs) + len(targets)} names; add the partners or move these files away"
        )
    return [(path, targets[key]) for key, path in inputs.items()]


def parted_files(
    pairs: Sequence[tuple[Path, list[Path]]],
    split: str,
    test: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    **of: Any,
) -> list[Domain]:
    """`paired_files` of the train or test part of pairs.

    Args:
      pairs: all of them.
      split: "train" or "test".
      test: bool [P], which are of the test part; None holds out a tenth.
      labels: None, or int32 [P].
      of: further arguments of `paired_files`.

    Returns:
      List of two Domains.
    """
    if test is None:
        test = np.isin(np.arange(len(pairs)), held_out(len(pairs), "test", labels))
    chosen = {part: np.flatnonzero(test == (part == "test")) for part in parts.PARTS}
    if len(pairs) == 1:
        chosen = {part: np.zeros(1, int) for part in chosen}
    training, asked = ([pairs[index] for index in chosen[part]] for part in ("train", split))
    labels = None if labels is None else labels[chosen[split]]
    return paired_files(training, asked, labels=labels, **of)


def paired_files(
    training: Sequence[tuple[Path, list[Path]]],
    pairs: Sequence[tuple[Path, list[Path]]],
    size: int | None,
    names: tuple[str, ...],
    labels: np.ndarray | None = None,
    classes: tuple[str, ...] = (),
    left_out: Mapping[str, int] | tuple[()] = (),
) -> list[Domain]:
    """Two paired domains of image files.

    Args:
      training: the pairs of the training part, which decide the channels and levels.
      pairs: those that are read, a list of (path of the input, list of its targets). An input with
        fewer targets than another repeats its own.
      size: side the images are scaled to; None leaves them as they are.
      names: names of the domains of inputs and of targets.
      labels: None, or int32 [P] class numbers, which a pair's images share.
      classes: names of the classes.
      left_out: {reason: files} of what is not read.

    Returns:
      List of two Domains; the rows of the second have as many columns as an input has targets.
    """
    counts = np.array([len(paths) for _, paths in pairs])
    own = np.arange(counts.max()) % counts[:, None]
    rows = [np.arange(len(pairs))[:, None], (np.cumsum(counts) - counts)[:, None] + own]
    labels = [labels, None if labels is None else np.repeat(labels, counts)]
    decide, read = (
        [
            FileImages([path for path, _ in part], size),
            FileImages([path for _, paths in part for path in paths], size),
        ]
        for part in (training, pairs)
    )
    return [
        dataclasses.replace(domain, rows=rows[number].astype(np.int32), labels=labels[number],
                            classes=classes if labels[number] is not None else ())
        for number, domain in enumerate(parts.conformed(
            [Domain(name, files) for name, files in zip(names, decide, strict=True)],
            [Domain(name, files, left_out=dict(left_out))
             for name, files in zip(names, read, strict=True)]))
    ]  # fmt: skip


def _both(folder, layout, part):
    """The folders of A and of B for a part, or None."""
    both = [parts.find(folder, part, layout.replace("{letter}", letter)) for letter in "AB"]
    return both if all(path and path.is_dir() for path in both) else None


def _looks_side_by_side(folder):
    """Whether a folder's images, or those of its training part, are twice as wide as high."""
    paths = list_images(parts.find(folder, "train") or folder)[:_PROBES]
    shapes = []
    for path in paths:
        try:
            shapes.append(images.read_image(path).shape)
        except UserError:
            continue  # It is named when it is trained on or checked.
    return bool(paths) and all(width == 2 * height for height, width, _ in shapes)


def _by_name(left, right):
    """The images of two folders by the names that pair them: {name: path}, {name: paths}."""
    inputs: dict[str, Path] = {}
    targets: dict[str, list[Path]] = {}
    for path in left:
        other = inputs.setdefault(path.stem.removesuffix("_A"), path)
        if other is not path:
            raise UserError(f"{path}: has the name of {other.name}; keep one of the two")
    stems = [path.stem.removesuffix("_B") for path in right]
    if any(stem in inputs for stem in stems):
        for stem, path in zip(stems, right, strict=True):
            targets.setdefault(stem, []).append(path)
        double = next((paths for paths in targets.values() if len(paths) > 1), None)
        if double:
            raise UserError(f"{double[1]}: has the name of {double[0].name}; keep one of the two")
        return inputs, targets
    numbers = {}
    for stem, path in zip(stems, right, strict=True):
        numbered = _NUMBERED.fullmatch(stem)
        name = numbered[1] if numbered else stem
        targets.setdefault(name, []).append(path)
        numbers[path] = int(numbered[2]) if numbered else 0
    return inputs, {name: sorted(paths, key=numbers.__getitem__) for name, paths in targets.items()}
