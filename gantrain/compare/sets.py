"""What is compared: a folder or archive of images, or features that were kept in their place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gantrain import images as pictures
from gantrain.data import levels, npz, parts, stored
from gantrain.data.domain import FileImages, content_hash, squeezed
from gantrain.errors import UserError
from gantrain.files import replacing
from gantrain.reading import natural, parse_json, read_arrays

_SAVED = "provenance"  # the entry that marks a file of features
_FORM = {
    "reference": dict,
    "networks": dict,
    "image_size": lambda size: size is None or natural(size),
    "levels": stored.levels_fit,
}


class ImageSet:
    """The images of a folder or archive, decoded as for training, always in colour.

    Args:
        path: folder of images, or of folders of images; or an .npz archive.
        image_size: both axes are scaled to it; None keeps them.
        like: the set whose range of values holds for this one too; None is the set's own.

    Attributes:
        images: image number -> uint8 or uint16 [H, W, 3]; raises UserError where a file is damaged.
        levels: `gantrain.images.Levels` of deep files, or None for 8 bits.
        names: of the files, without the suffix; None in an archive.
        remarks: lines about where the images lie and what is left out.

    Raises:
        UserError: there is no such folder, or it holds no images.
    """

    def __init__(
        self,
        path: str | PathLike,
        image_size: int | None = None,
        like: ImageSet | SavedFeatures | None = None,
    ):
        self.path, self.remarks = Path(path), []
        self.names: list[str] | None = None
        self.levels: pictures.Levels | None = None
        self._hash: str | None = None
        if self.path.is_dir():
            paths = self._listed()
            self.names = [p.relative_to(self.path).with_suffix("").as_posix() for p in paths]
            self.levels = like.levels if like else levels.of_files(paths)[1]
            self.images = FileImages(paths, image_size, 3, levels=self.levels)
        elif not self.path.exists():
            raise UserError(f"{path}: there is no such folder; check the path")
        elif self.path.suffix == ".npz":
            pixels, _ = npz.read_npz(self.path, "train")
            self._hash = content_hash(pixels)
            deep = pixels.dtype == np.uint16
            self.levels = like.levels if like else levels.of_array(pixels) if deep else None
            pixels = pictures.to_channels(levels.codes(pixels, self.levels), 3)
            self.images = squeezed(pixels, image_size)
        else:
            raise UserError(f"{path}: is a file; give a folder of images, or an .npz archive")

    def __len__(self) -> int:
        return len(self.images)

    def _listed(self):
        """The images of the folder, or of the folders in it, as of classes, if it has none."""
        paths, left_out = parts.listing(self.path)
        if not paths:
            inside = {
                p: parts.listing(p)
                for p in sorted(self.path.iterdir())
                if p.is_dir() and not parts.is_litter(p)
            }
            used = [p.name for p, (found, _) in inside.items() if found]
            paths = [path for found, _ in inside.values() for path in found]
            left_out = sum(
                (more for found, more in inside.values() if found),
                parts.listing(self.path, used)[1],
            )
            self.remarks.append(
                f"{self.path}: the images of its folders {', '.join(used)} together"
            )
        if not paths:
            raise UserError(
                f"{self.path}: holds no images; put {' '.join(pictures.EXTENSIONS)} files there"
            )
        if left_out:
            self.remarks.append(f"left out of {self.path}: {parts.described(left_out)}")
        return paths

    def described(self) -> dict:
        """What is stored of it."""
        if isinstance(self.images, FileImages):
            with contextlib.suppress(UserError):  # of a file that is skipped
                self._hash = self.images.fingerprint()
        return {"path": str(self.path), "images": len(self), "fingerprint": self._hash}


class Embedding(NamedTuple):
    """A network whose features stand for images in distances between sets.

    Args:
        name: in front of the names of its values.
        features: float32 [b, H, W, C] in [-1, 1] -> [b, D]; of tensors.
        fit: uint8 or uint16 [H, W, 3] -> the image at the size the network takes, or float32.
        description: what is stored with every number that it makes.
    """

    name: str
    features: Callable
    fit: Callable
    description: dict[str, str]


class SavedFeatures:
    """Features of a reference that an earlier comparison has kept, in place of its images.

    Attributes:
        provenance: what they depend on, as that comparison stored it.
    """

    names, remarks, images = None, (), ()

    def __init__(self, path: str | PathLike, arrays: dict[str, np.ndarray]):
        self.path = Path(path)
        text = arrays.pop(_SAVED)
        self.provenance = parse_json(str(text), _FORM)
        self.arrays = arrays
        for name, values in arrays.items():
            if values.ndim != 2 or values.dtype != np.float32 or not np.isfinite(values).all():
                raise ValueError(f"{name} is no table of finite numbers")
        if not arrays:
            raise ValueError("holds no features")
        found = self.provenance["levels"]
        self.levels = pictures.Levels(*found) if found else None

    def __len__(self) -> int:
        return min(map(len, self.arrays.values()))

    def described(self) -> dict:
        """What is stored of it: what was stored of the images, under its own path."""
        return self.provenance["reference"] | {"path": str(self.path), "images": len(self)}

    def features(self, network: Embedding, num: int, image_size: int | None) -> np.ndarray:
        """Those of one network, float32 [N, D].

        Raises:
            UserError: the file holds none of this network, or of images that were scaled otherwise.
        """
        held = self.provenance["networks"].get(network.name)
        if held != network.description:
            raise UserError(
                f"{self.path}: holds features of {', '.join(sorted(self.arrays))}, "
                + (
                    f"not of {network.name}"
                    if held is None
                    else f"those of {network.name} by other weights or another version"
                )
                + "; give the folder of its images"
            )
        if self.provenance["image_size"] != image_size:
            raise UserError(
                f"{self.path}: holds features at --image_size "
                f"{self.provenance['image_size']}; give the same"
            )
        return self.arrays[network.name][: num or None]


def reference_set(path: str | PathLike, image_size: int | None) -> ImageSet | SavedFeatures:
    """The `ImageSet` or `SavedFeatures` at a path."""
    if Path(path).suffix == ".npz" and Path(path).is_file():
        try:
            arrays = dict(read_arrays(path, lambda names: _saved(path, names)))
        except (OSError, ValueError):
            arrays = {}  # `ImageSet` says what is wrong with it.
        if arrays:
            try:
                return SavedFeatures(path, arrays)
            except ValueError as error:
                raise UserError(
                    f"{path}: not the features that --save_features writes ({error}); write them "
                    f"again"
                ) from None
    return ImageSet(path, image_size)


def _saved(path, names):
    """The names of all arrays of a file of features, of another file none."""
    if {"mu", "sigma"} <= set(names):
        raise UserError(
            f"{path}: holds the statistics of another program's network; "
            f"give the folder of its images, and --save_features"
        )
    return names if _SAVED in names else []


def save_features(path: str | PathLike, features: dict, provenance: dict) -> None:
    """Writes what `SavedFeatures` reads. Raises UserError if there are none."""
    if not features:
        raise UserError(
            "--save_features: no metric that makes features was measured; give "
            "--inception_weights, --lpips_weights or --classifier"
        )
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **features, **{_SAVED: json.dumps(provenance)})
