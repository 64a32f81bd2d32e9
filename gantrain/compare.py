"""Two folders of images: how far apart they are as sets, and pair by pair where names agree.

The measures, the networks and what is stored are those of `gantrain.measures`, without a run: the
first folder is the reference (the real images, the targets), the second what is judged by it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from gantrain import images as pictures
from gantrain.consulted import load_model, model_path
from gantrain.core import MEASURED_SEED, RuntimeOptions
from gantrain.data import levels, npz, parts
from gantrain.data.domain import FileImages, content_hash, squeezed
from gantrain.errors import UserError
from gantrain.files import finite, replacing, sha256
from gantrain.measures import frechet
from gantrain.measures.lpips import LPIPS, filled, mean_distance
from gantrain.measures.pixels import pixel_scores
from gantrain.nets import frozen
from gantrain.nets.applications import cached
from gantrain.nets.classifiers import penultimate
from gantrain.nets.inception import INCEPTION, inception, resized
from gantrain.runtime import environment, start
from gantrain.use.files import read_ahead

BATCH = 50  # images per call of a network
SIDE = 224  # pixels that the networks of LPIPS were trained at
_SAVED = "provenance"  # the entry that marks a file of features


@dataclass(frozen=True)
class Weights:
    """Network files. Each is a path, or None; Inception's is then looked for in the Keras cache."""

    lpips: str | None = None
    inception: str | None = None
    classifier: str | None = None


# --- what is compared ----------------------------------------------------------------------------


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


class SavedFeatures:
    """Features of a reference that an earlier comparison has kept, in place of its images.

    Attributes:
        provenance: what they depend on, as that comparison stored it.
    """

    names, remarks = None, ()

    def __init__(self, path: str | PathLike, arrays: dict[str, np.ndarray]):
        self.path = Path(path)
        self.provenance = json.loads(str(arrays.pop(_SAVED)))
        self.arrays = arrays
        found = self.provenance["levels"]
        self.levels = pictures.Levels(*found) if found else None

    def __len__(self) -> int:
        return min(map(len, self.arrays.values()))

    def described(self) -> dict:
        """What is stored of it: what was stored of the images, under its own path."""
        return self.provenance["reference"] | {"path": str(self.path), "images": len(self)}

    def features(self, network: FeatureNetwork, num: int, image_size: int | None) -> np.ndarray:
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


def _reference(path, image_size):
    """The `ImageSet` or `SavedFeatures` at a path."""
    if Path(path).suffix == ".npz" and Path(path).is_file():
        try:
            with np.load(path, allow_pickle=False) as archive:
                if _SAVED in archive:
                    return SavedFeatures(path, dict(archive))
                if {"mu", "sigma"} <= set(archive.files):
                    raise UserError(
                        f"{path}: holds the statistics of another program's network; "
                        f"give the folder of its images, and --save_features"
                    )
        except (OSError, ValueError, EOFError, KeyError):
            pass  # `ImageSet` says what is wrong with it.
    return ImageSet(path, image_size)


class FeatureNetwork(NamedTuple):
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


class Comparison:
    """Two sets, what they are compared by, and what was met on the way.

    Args:
        reference, images: paths of two folders or archives; the first may be saved features.
        num: most images of each and most pairs, taken at random; 0 is all.
        seed: of what is taken, and of the subsets of the kernel distance.
        image_size: all images are scaled to it first; None keeps their sizes.
        weights: `Weights`.
        batch_size: images per call of a network.
        offline: never touch the network.
        progress: called as progress(images or pairs read, of how many) during each metric.

    Attributes:
        networks, counts: as of `gantrain.measures.streams.Streams`.
        features: of the reference, by network.
        notes: lines about values that have to be read with care.
        skipped: messages that name unreadable files, in the order they were met.
    """

    def __init__(
        self,
        reference: str | PathLike,
        images: str | PathLike,
        num: int = 0,
        seed: int = MEASURED_SEED,
        image_size: int | None = None,
        weights: Weights = Weights(),
        batch_size: int = BATCH,
        offline: bool = False,
        progress: Callable[[int, int], Any] | None = None,
    ):
        real = _reference(reference, image_size)
        self.sets = real, ImageSet(images, image_size, like=real)
        self.num, self.seed, self.image_size = num, seed, image_size
        self.weights, self.batch_size, self.offline = weights, batch_size, offline
        self.progress = progress
        self.runtime = start(RuntimeOptions(), seed)
        self.networks: dict[str, dict] = {}
        self.counts: dict[str, int] = {}
        self.features: dict[str, np.ndarray] = {}
        self.notes = [line for part in self.sets for line in part.remarks]
        self.skipped: dict[str, None] = {}

    def note(self, line: str) -> None:
        """Keeps a line that has to be read with the values, once."""
        if line not in self.notes:
            self.notes.append(line)

    # --- networks

    @cached_property
    def lpips_net(self) -> frozen.FeatureNet:
        return frozen.lpips(self.weights.lpips)

    @cached_property
    def lpips_features(self) -> FeatureNetwork:
        """The last layer that LPIPS looks at, without its linear weights: at hand offline."""
        net = self.lpips_net
        title = frozen.LPIPS_NETS[net.model.name].title
        return FeatureNetwork(
            title.split()[0].lower(),
            frozen.pooled(net),
            _squeezed_to(SIDE),
            net.description
            | {
                "network": f"{title} of LPIPS, mean over space of {net.content[-1]}",
                "resizer": _resizer(SIDE),
            },
        )

    @cached_property
    def inception(self) -> FeatureNetwork:
        """InceptionV3, resized by its own rule."""
        net = inception(self.weights.inception, self.offline)

        def fit(pixels):
            # On the CPU even beside an accelerator: this runs in threads that read ahead.
            with tf.device("CPU:0"):
                return np.asarray(resized(pictures.to_float(pixels[None])))[0]

        return FeatureNetwork("inception", net.features, fit, net.description)

    @cached_property
    def classifier(self) -> FeatureNetwork:
        """The features in front of the last layer of a classifier of the user's."""
        if self.weights.classifier is None:
            raise UserError(_classifier_lacks(self))
        path = model_path(self.weights.classifier)
        model = load_model(path)
        shape = model.input_shape
        if len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] not in (1, 3):
            raise UserError(
                f"--classifier {path}: takes {shape}; a network of square images of "
                f"one size, gray or colour, is needed"
            )
        scaled = _squeezed_to(shape[1])
        return FeatureNetwork(
            "classifier",
            penultimate(model),
            lambda pixels: pictures.to_channels(scaled(pixels), shape[3]),
            {
                "network": model.name,
                "weights": path.name,
                "sha256": sha256(path),
                "resizer": _resizer(shape[1]),
            },
        )

    # --- streams

    def order(self, count: int) -> np.ndarray:
        """The numbers of the images or pairs that are looked at, in a seeded order.

        Sets of equal size are looked at in the same one, so that a folder equals itself.
        """
        return np.random.default_rng(self.seed).permutation(count)[: self.num or None]

    def _read(self, order, read):
        """Yields what `read` gives of every number, damaged files apart, some read ahead."""
        read_any = False
        for done, (_, image) in enumerate(read_ahead(order, read, self.batch_size), 1):
            if self.progress:
                self.progress(done, len(order))
            if isinstance(image, UserError):
                self.skipped[str(image)] = None
                continue
            read_any = True
            yield image
        if not read_any:
            raise UserError(f"none of the images can be read ({next(iter(self.skipped))})")

    def features_of(self, which: int, network: FeatureNetwork) -> np.ndarray:
        """Features of one of the sets, float32 [N, D]."""
        part = self.sets[which]
        if isinstance(part, SavedFeatures):
            return part.features(network, self.num, self.image_size)
        order = self.order(len(part))
        size = min(self.batch_size, len(order))
        program = self.runtime.function(network.features)
        found = self._read(order, lambda n: network.fit(part.images[n]))
        stream = (
            pixels if pixels.dtype == np.float32 else np.asarray(pictures.to_float(pixels))
            for pixels in map(np.stack, _batched(found, size))
        )
        return frechet.collect(lambda batch: program(filled(batch, size))[: len(batch)], stream)

    @cached_property
    def pairs(self) -> list[tuple[str, int, int]]:
        """(name, number in the reference, number in the images) of equal names, in their order.

        Names that end in _A and _B are equal where no others are.

        Raises:
            UserError: two files of a folder have one name.
        """
        if any(part.names is None for part in self.sets):
            return []
        for endings in (("", ""), ("_A", "_B")):
            one, other = (
                _numbers(part, ending) for part, ending in zip(self.sets, endings, strict=True)
            )
            found = [(name, number, other[name]) for name, number in one.items() if name in other]
            if found:
                return found
        return []

    def paired(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of pairs, (reference, images), float32 [b, H, W, 3] in [-1, 1].

        Raises:
            UserError: the images of a pair differ in size.
        """
        one, other = (part.images for part in self.sets)
        self.counts["pairs"] = len(self.pairs)
        alone = [f"{len(part) - len(self.pairs)} of {part.path}" for part in self.sets]
        self.note(f"{len(self.pairs)} pairs of equal names; {' and '.join(alone)} are in none")

        def read(number):
            name, i, j = self.pairs[number]
            return name, one[i], other[j]

        def sized():
            for name, a, b in self._read(self.order(len(self.pairs)), read):
                if a.shape != b.shape:
                    raise UserError(
                        f"the images {name} are {a.shape[1]} x {a.shape[0]} and {b.shape[1]} x "
                        f"{b.shape[0]} pixels; --image_size scales both"
                    )
                yield a, b

        # Images that follow each other and have one size go together.
        for _, group in itertools.groupby(sized(), lambda pair: pair[0].shape):
            for batch in _batched(group, self.batch_size):
                yield tuple(
                    np.asarray(pictures.to_float(np.stack(part)))
                    for part in zip(*batch, strict=True)
                )


def _squeezed_to(side):
    return lambda pixels: pictures.resize(pixels, side)


def _resizer(side):
    return f"gantrain.images.resize, to {side}x{side}"


def _batched(items, size):
    """Lists of `size` items, the last one shorter."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def _numbers(part, ending):
    """{name without the ending: image number}."""
    numbers = {}
    for number, name in enumerate(part.names):
        if numbers.setdefault(name.removesuffix(ending), number) != number:
            raise UserError(f"{part.path}: holds two images named {name}; keep one of them")
    return numbers


# --- metrics -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """One entry of COMPARISONS.

    Attributes:
        summary: one line.
        measure: Comparison -> {name: float}.
        lacks: Comparison -> what it needs and has not, or "".
        network: attribute of Comparison that it consults, loaded before anything is measured.
    """

    summary: str
    measure: Callable[[Comparison], dict[str, float]]
    lacks: Callable[[Comparison], str]
    network: str | None = None


def _pixels(c):
    """L1, PSNR and SSIM, as means over the pairs."""
    totals, counts = {}, {}
    for target, made in c.paired():
        for name, value in pixel_scores(made, target).items():
            totals[name] = totals.get(name, 0.0) + len(made) * float(value)
            counts[name] = counts.get(name, 0) + len(made)
    c.counts |= {f"pixels/{name}": count for name, count in counts.items()}
    return {f"pixels/{name}": total / counts[name] for name, total in totals.items()}


def _pairs_lack(c):
    if any(part.names is None for part in c.sets):
        return "it needs two folders: archives and features have no names that make pairs"
    return "" if c.pairs else "it needs files of equal names in both folders, suffixes apart"


def _lpips(c):
    """LPIPS, as mean and deviation over the pairs."""
    lpips = LPIPS(c.lpips_net)
    c.networks["lpips"] = lpips.description
    both = itertools.tee(c.paired())
    found = mean_distance(
        lpips, (a for a, _ in both[0]), (b for _, b in both[1]), c.runtime.function(lpips.distance)
    )
    c.counts["lpips"] = int(found["count"])
    return {"lpips": found["mean"], "lpips_std": found["std"]}


def _lpips_lacks(c):
    return _lpips_features_lack(c) or _pairs_lack(c)


def _set_distances(attribute):
    """Frechet and kernel distance, precision and recall on the features of a network."""

    def measure(c):
        network = getattr(c, attribute)
        real, made = (c.features_of(which, network) for which in range(2))
        values = frechet.distances(real, made, network.name, c.seed)
        c.networks[network.name] = network.description
        c.features[network.name] = real
        c.counts |= {f"{network.name}/reference": len(real), f"{network.name}/images": len(made)}
        if min(len(real), len(made)) <= real.shape[1]:
            c.note(
                f"{network.name}_frechet is far too high with fewer images than its "
                f"{real.shape[1]} features; compare it at equal numbers only, or read "
                f"{network.name}_kernel"
            )
        return values

    return measure


def _inception_lacks(c):
    if c.weights.inception or cached(INCEPTION).exists() or not c.offline:
        return ""
    return (
        "it needs --inception_weights FILE; asked for by name, and without --offline, it "
        "downloads them"
    )


def _lpips_features_lack(c):
    return "" if c.weights.lpips else "it needs --lpips_weights FILE"


def _classifier_lacks(c):
    return "" if c.weights.classifier else "it needs --classifier FILE"


COMPARISONS = {
    "pixels": Measure("L1, PSNR and SSIM of images of equal names", _pixels, _pairs_lack),
    "lpips": Measure("LPIPS of images of equal names", _lpips, _lpips_lacks, "lpips_net"),
    "inception": Measure(
        "Frechet and kernel distance, precision, recall on Inception features",
        _set_distances("inception"),
        _inception_lacks,
        "inception",
    ),
    "lpips_features": Measure(
        "the same on features of LPIPS's network, as alexnet_frechet",
        _set_distances("lpips_features"),
        _lpips_features_lack,
        "lpips_features",
    ),
    "classifier": Measure(
        "the same on features of --classifier",
        _set_distances("classifier"),
        _classifier_lacks,
        "classifier",
    ),
}


# --- a comparison --------------------------------------------------------------------------------


def compare(
    reference: str | PathLike,
    images: str | PathLike,
    metrics: Sequence[str] | None = None,
    save_features: str | PathLike | None = None,
    command: str | None = None,
    **options: Any,
) -> dict:
    """Measures two folders.

    Args:
        reference, images: see `Comparison`.
        metrics: keys of COMPARISONS; None is every one that can be measured.
        save_features: .npz file for the features of the reference, which may then take its place.
        command: the command line, to be stored.
        options: further arguments of `Comparison`.

    Returns:
        A dict that JSON can hold: `values`, what they depend on, `notes`, why metrics were
        `left_out`, and the messages of files that were `skipped`.

    Raises:
        UserError: a folder, a file of weights or a metric that was asked for cannot be used, or
            nothing can be measured.
    """
    if save_features and Path(save_features).suffix != ".npz":
        raise UserError(f"--save_features {save_features}: give a name that ends in .npz")
    c = Comparison(reference, images, **options)
    # Weights are downloaded only for a metric that was asked for by name.
    c.offline = c.offline or not metrics
    values, left_out, fitting = {}, {}, []

    def leave_out(name, reason):
        if metrics:
            raise UserError(f"--metrics {name}: {reason}")
        left_out[name] = str(reason)

    for name in metrics or COMPARISONS:
        entry = COMPARISONS[name]
        try:
            if lacks := entry.lacks(c):
                raise UserError(lacks)
        except UserError as error:
            leave_out(name, error)
            continue
        if entry.network:
            getattr(c, entry.network)
        fitting.append(name)
    for name in fitting:
        try:
            values |= COMPARISONS[name].measure(c)
        except UserError as error:
            leave_out(name, error)
    if not values:
        raise UserError(
            "nothing can be measured: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        )
    depends = {
        "reference": c.sets[0].described(),
        "images": c.sets[1].described(),
        "num": c.num,
        "seed": c.seed,
        "image_size": c.image_size,
        "levels": c.sets[0].levels,
        "command": command,
        "environment": environment(c.runtime.device),
        "networks": c.networks,
    }
    if save_features:
        _save(save_features, c.features, depends)
    return finite(
        depends
        | {
            "metrics": [n for n in fitting if n not in left_out],
            "counts": c.counts,
            "values": values,
            "notes": c.notes,
            "left_out": left_out,
            "skipped": list(c.skipped),
        }
    )


def _save(path, features, provenance):
    if not features:
        raise UserError(
            "--save_features: no metric that makes features was measured; give "
            "--inception_weights, --lpips_weights or --classifier"
        )
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **features, **{_SAVED: json.dumps(provenance)})
