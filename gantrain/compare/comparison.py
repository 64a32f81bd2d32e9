"""Two sets, the networks that look at them, and their images as streams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from os import PathLike

import numpy as np

from gantrain import images as pictures
from gantrain.compare.sets import Embedding, ImageSet, SavedFeatures, reference_set
from gantrain.consulted import load_model, model_path
from gantrain.core import MEASURED_SEED, RuntimeOptions
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.files import sha256
from gantrain.measures import frechet
from gantrain.measures.lpips import filled
from gantrain.measures.streams import Weights
from gantrain.nets import frozen
from gantrain.nets.classifiers import penultimate
from gantrain.nets.inception import inception, resized
from gantrain.progress import track
from gantrain.runtime import start
from gantrain.use.files import read_ahead

BATCH = 50  # images per call of a network
SIDE = 224  # pixels that the networks of LPIPS were trained at


class Comparison:
    """Two sets, what they are compared by, and what was met on the way.

    Args:
        reference, images: paths of two folders or archives; the first may be saved features.
        num: most images of each and most pairs, taken at random; 0 is all.
        seed: of what is taken, and of the subsets of the kernel distance.
        image_size: all images are scaled to it first; None keeps their sizes.
        weights: `Weights`; None is none.
        batch_size: images per call of a network.
        offline: never touch the network.

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
        weights: Weights | None = None,
        batch_size: int = BATCH,
        offline: bool = False,
    ):
        real = reference_set(reference, image_size)
        self.sets = real, ImageSet(images, image_size, like=real)
        self.num, self.seed, self.image_size = num, seed, image_size
        self.weights, self.batch_size, self.offline = weights or Weights(), batch_size, offline
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
    def lpips_features(self) -> Embedding:
        """The last layer that LPIPS looks at, without its linear weights: at hand offline."""
        net = self.lpips_net
        title = frozen.LPIPS_NETS[net.model.name].title
        return Embedding(
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
    def inception(self) -> Embedding:
        """InceptionV3, resized by its own rule."""
        net = inception(self.weights.inception, self.offline)

        def fit(pixels):
            # On the CPU even beside an accelerator: this runs in threads that read ahead.
            with tf.device("CPU:0"):
                return np.asarray(resized(pictures.to_float(pixels[None])))[0]

        return Embedding("inception", net.features, fit, net.description)

    @cached_property
    def classifier(self) -> Embedding:
        """The features in front of the last layer of a classifier of the user's."""
        path = model_path(self.weights.classifier or "")
        model = load_model(path)
        shape = model.input_shape
        if len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] not in (1, 3):
            raise UserError(
                f"--classifier {path}: takes {shape}; a network of square images of "
                f"one size, gray or colour, is needed"
            )
        scaled = _squeezed_to(shape[1])
        return Embedding(
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
        for _, image in track(read_ahead(order, read, self.batch_size), len(order)):
            if isinstance(image, UserError):
                self.skipped[str(image)] = None
                continue
            read_any = True
            yield image
        if not read_any:
            raise UserError(f"none of the images can be read ({next(iter(self.skipped))})")

    def features_of(self, which: int, network: Embedding) -> np.ndarray:
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
