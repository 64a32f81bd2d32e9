"""Readers of paired images: side by side in one file, or in parallel folders by name."""

import re

import numpy as np

from gantrain import images
from gantrain.data.domain import Domain, held_out
from gantrain.data.folders import encoded, list_images
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


def read_pairs(folder, split, size):
    """Read a folder in any of the paired layouts (`LAYOUTS`).

    Args:
      folder: pathlib.Path.
      split: "train" or "test"; without a test part, every tenth pair is test.
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


def read_side_by_side(folder, split, size):
    """Read images that hold a pair each, left A and right B (pix2pix's data sets).

    Args:
      folder: pathlib.Path with `train`, and `test` or else `val`; without either, or with images
        in the folder itself, every tenth is test.
      split: "train" or "test".
      size: side the halves are scaled to; None leaves them as they are.

    Returns:
      Domains A and B, paired.

    Raises:
      UserError: there are no images.
    """
    train = folder / "train" if (folder / "train").is_dir() else folder
    own = next((folder / part for part in ("test", "val") if (folder / part).is_dir()), None)
    place = own if own and split == "test" else train
    paths = list_images(place)
    if not paths:
        raise UserError(f"{place}: holds no images; put {' '.join(images.EXTENSIONS)} files there")
    if own is None:
        paths = [paths[index] for index in held_out(len(paths), split)]
    files = encoded(paths, size)
    return paired(
        Domain("A", files.picked(left_half)),
        Domain("B", files.picked(right_half)),
    )


def read_parallel(folder, split, size):
    """Read two folders whose files belong together by name; an input may have several targets.

    Args:
      folder: pathlib.Path in layout 2 or 3 of `LAYOUTS`. CycleGAN's facades and maps, named
        `1_A.jpg` and `1_B.jpg`, match too.
      split: "train" or "test"; without a test part of both, every tenth pair is test.
      size: side the images are scaled to; None leaves them as they are.

    Returns:
      Domains A and B, paired.

    Raises:
      UserError: a file has no partner.
    """
    layout = next(layout for layout in _PARALLEL if _both(folder, layout, "train"))
    parts = () if layout == _PARALLEL[-1] else ("test", "val")
    own = next(filter(None, (_both(folder, layout, part) for part in parts)), None)
    left, right = own if own and split == "test" else _both(folder, layout, "train")
    pairs = match(*_by_name(list_images(left), list_images(right)))
    if not pairs:
        raise UserError(f"{left}: holds no images; put {' '.join(images.EXTENSIONS)} files there")
    if own is None:
        pairs = [pairs[index] for index in held_out(len(pairs), split)]
    return paired_files(pairs, size, ("A", "B"))


def match(inputs, targets):
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


def paired_files(pairs, size, names, labels=None, classes=()):
    """Two paired domains of image files.

    Args:
      pairs: list of (path of the input, list of its targets). An input with fewer targets than
        another repeats its own.
      size: side the images are scaled to; None leaves them as they are.
      names: names of the domains of inputs and of targets.
      labels: None, or int32 [P] class numbers, which a pair's images share.
      classes: names of the classes.

    Returns:
      List of two Domains; the rows of the second have as many columns as an input has targets.
    """
    inputs = [path for path, _ in pairs]
    targets = [path for _, paths in pairs for path in paths]
    counts = np.array([len(paths) for _, paths in pairs])
    own = np.arange(counts.max()) % counts[:, None]
    rows = (np.cumsum(counts) - counts)[:, None] + own
    of_targets = None if labels is None else np.repeat(labels, counts)
    return [
        Domain(names[0], encoded(inputs, size), labels, classes,
               rows=np.arange(len(pairs), dtype=np.int32)[:, None]),
        Domain(names[1], encoded(targets, size), of_targets, classes, rows=rows.astype(np.int32)),
    ]  # fmt: skip


def _both(folder, layout, part):
    """The folders of A and of B for a part, or None."""
    both = [folder / layout.format(part=part, letter=letter) for letter in "AB"]
    return both if all(path.is_dir() for path in both) else None


def _looks_side_by_side(folder):
    """Whether a folder's images, or those of its training part, are twice as wide as high."""
    train = folder / "train"
    paths = list_images(train if train.is_dir() else folder)[:_PROBES]
    shapes = []
    for path in paths:
        try:
            shapes.append(images.read_image(path).shape)
        except UserError:
            continue  # It is named when it is trained on or checked.
    return bool(paths) and all(width == 2 * height for height, width, _ in shapes)


def _by_name(left, right):
    """The images of two folders by the names that pair them: {name: path}, {name: paths}."""
    inputs, targets = {}, {}
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
    return inputs, {name: sorted(paths, key=numbers.get) for name, paths in targets.items()}
