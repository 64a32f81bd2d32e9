"""A domain: images from one marginal distribution, with labels where they exist."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gantrain import images
from gantrain.data import levels
from gantrain.data.palettes import Palette
from gantrain.errors import UserError
from gantrain.images import Levels
from gantrain.progress import track
from gantrain.reading import opened

# Above this a set is read from its files while training; below it is decoded once.
IN_MEMORY_BYTES = 4 << 30

# Of a set of files the names and sizes of all, and the content of this many, evenly chosen, up to
# this many bytes each: what a change of the data would not leave alone, quickly read.
HASHED_FILES, HASHED_BYTES = 256, 1 << 20


def _squeeze(shape, size, least):
    """Both axes scaled to `size`; what is not square is squeezed."""
    return size, size


def _short_side(shape, size, least):
    """The shorter side scaled to `size`, the aspect kept."""
    factor = size / min(shape)
    return tuple(round(side * factor) for side in shape)


def _none(shape, size, least):
    """Pixels as they are; an image with a side below the crop is enlarged until it holds it."""
    return shape if min(shape) >= least else _short_side(shape, least, least)


FITS = {"squeeze": _squeeze, "short_side": _short_side, "none": _none}


def squeezed(pixels: np.ndarray, size: int | None) -> np.ndarray:
    """Images scaled to a square by `gantrain.images.resize`, or as they are if `size` is None."""
    return pixels if size is None else images.resize(pixels, size)


def scale(
    pixels: np.ndarray, fit: str, size: int | None, least: int, palette: Palette | None = None
) -> np.ndarray:
    """Scale images before a square is cut out of them.

    Args:
      pixels: uint8 [..., H, W, C].
      fit: a name in FITS.
      size: the size in pixels that `fit` speaks of; None leaves that of the images.
      least: no side is left smaller than this by a fit that keeps pixels as they are.
      palette: the `gantrain.data.palettes.Palette` of label maps, which become its exact colours
        and are scaled as classes; None for other images.

    Returns:
      uint8 [..., H', W', C].
    """
    shape = pixels.shape[-3:-1]
    height, width = shape if size is None else FITS[fit](shape, size, least)
    if palette is not None:
        return palette.scaled(pixels, height, width)
    return images.scale(pixels, height, width)


def cut(pixels: np.ndarray, side: int, place: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """Cut a square out of images.

    Args:
      pixels: uint8 [..., H, W, C].
      side: side of the square in pixels, at most H and W.
      place: share of the free rows and columns above and left of it, in [0, 1].

    Returns:
      uint8 [..., side, side, C].
    """
    height, width = pixels.shape[-3:-1]
    top, left = (
        min(int(share * (extent - side + 1)), extent - side)
        for share, extent in zip(place, (height, width), strict=True)
    )
    return pixels[..., top : top + side, left : left + side, :]


# Of the draw of what is held out: never changed, so that a test part is never trained on.
HELD_OUT_SEED = 5


def held_out(count: int, split: str, labels: np.ndarray | None = None) -> np.ndarray:
    """Indices of the train or test part of `count` examples: a tenth, drawn at random, is test.

    The draw is always the same. Files often lie in a periodic order, of which every tenth would be
    a poor sample.

    Args:
      count: number of examples; a single one is in both parts.
      split: "train" or "test".
      labels: None, or int [count]: each class then gives its share, and a class of one example
        stays in training.

    Returns:
      int64 indices in ascending order.
    """
    if count == 1:
        return np.arange(1)
    # NumPy keeps the numbers of this generator for ever, those of `default_rng` it may change.
    order = np.random.RandomState(HELD_OUT_SEED).permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
        _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
        several = counts[place][order] > 1
        order = order[several] if several.any() else order
    test = np.zeros(count, bool)
    test[order[min(9, len(order) - 1) :: 10]] = True
    return np.flatnonzero(test if split == "test" else ~test)


def content_hash(*parts: Any) -> str:
    """Hash of a set's content before it is scaled, 16 hexadecimal digits.

    Args:
      parts: arrays, of which type, shape and numbers count; bytes; or what has a `repr`. Floating
        points are left out, since libraries round them differently.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(repr((part.dtype.str, part.shape)).encode())
            if part.dtype.kind != "f":
                digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:16]


class FileImages:
    """Encoded images of one size, decoded when asked for.

    Args:
      sources: paths of image files, or encoded images as bytes.
      size: what the images are scaled to, as `fit` says; None leaves them as they are.
      channels: 1 or 3; None until `decided` says it.
      name: what to call images that have no path in an error message.
      fit: a name in FITS. `squeeze` scales both axes to `size`; the others keep the aspect and cut
        a square out of the image.
      pick: what of a decoded image is used, such as its left half: uint8 [H, W, C] to the same; it
        raises ValueError for an image that it cannot use.
      derive: what is made of a scaled image, such as its edges: uint8 [H, W, C] to [H, W, C'].
      crop: side of the square that is cut out, where `fit` keeps the aspect; None is `size`.
      palette: the `Palette` of label maps, or None; see `scale`.
      levels: `gantrain.images.Levels`, the range of values that is spread over 16 bits; None gives
        8 bits.
    """

    def __init__(
        self,
        sources: Sequence[Path | bytes],
        size: int | None,
        channels: int | None = None,
        name: str = "image",
        fit: str = "squeeze",
        pick: Callable | None = None,
        derive: Callable | None = None,
        crop: int | None = None,
        palette: Palette | None = None,
        levels: Levels | None = None,
    ):
        self._sources = tuple(sources)
        self._size = size
        self._channels = channels
        self._name = name
        self._fit = fit
        self._pick = pick
        self._derive = derive
        self._crop = crop or size
        self._palette = palette
        self.levels = levels

    @property
    def sources(self) -> tuple[Path | bytes, ...]:
        """Paths of image files, or encoded images as bytes."""
        return self._sources

    @property
    def dtype(self) -> np.dtype:
        """Type of the decoded images."""
        return np.dtype(np.uint8 if self.levels is None else np.uint16)

    @property
    def crops(self) -> bool:
        """Whether an example is a square cut out of its image, at a place that may be chosen."""
        return self._fit != "squeeze"

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C], as `decoded` gives it."""
        side = self._crop if self.crops else self._size
        return (len(self), side, side, self._channels)

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int, place: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
        """Decode one image.

        Args:
          index: number of the image.
          place: where the square is cut out, if `crops`: shares of the free rows and columns that
            lie above it and left of it, in [0, 1].

        Returns:
          [H, W, C] of the type `dtype`.

        Raises:
          UserError: the image cannot be read or is not of the expected form.
        """
        pixels = self.unscaled(index, self._palette)
        if self._derive is None:
            pixels = images.to_channels(pixels, self._channels)
        pixels = scale(pixels, self._fit, self._size, self._crop, self._palette)
        if self._derive is not None:
            pixels = images.to_channels(self._derive(pixels), self._channels)
        return cut(pixels, self._crop, place) if self.crops else pixels

    def unscaled(self, index: int, palette: Palette | None = None) -> np.ndarray:
        """One image at the size of its file, as a palette's label maps are read if there is one."""
        source, name = self.named(index)
        if palette:
            return self.picked_from(palette.read(source, name), name)
        return self.picked_from(images.decode(source, name, levels=self.levels), name)

    def named(self, index: int) -> tuple[Path | bytes, str]:
        """The source of an image, and what to call it in a message."""
        source = self._sources[index]
        return source, f"{self._name} {index}" if isinstance(source, bytes) else str(source)

    def picked_from(self, pixels: np.ndarray, name: str) -> np.ndarray:
        """What is used of a decoded image, such as its left half. Raises UserError."""
        try:
            return pixels if self._pick is None else self._pick(pixels)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from None

    def subset(self, indices: Any) -> FileImages:
        """The images at `indices`, in that order, still encoded."""
        return self._with(sources=[self._sources[index] for index in indices])

    def with_channels(self, channels: int | None) -> FileImages:
        """The same images, decoded to `channels` channels."""
        return self._with(channels=channels)

    def decided(self) -> FileImages:
        """The same images, gray if all files are, and of more than 8 bits if these need them."""
        if self._channels:
            return self
        channels, found = levels.of_files(self._sources)
        return self._with(channels=channels, levels=found)

    def with_levels(self, found: Levels | None) -> FileImages:
        """The same images, decoded to 16 bits over a range of values, or to 8 bits for None."""
        return self._with(levels=found)

    def fingerprint(self, labels: np.ndarray | None = None) -> str:
        """Hash of the files and their labels: what a resumed run and its evaluation compare."""
        chosen = self._sources[:: max(1, len(self) // HASHED_FILES)]
        try:
            return content_hash(
                [len(s) if isinstance(s, bytes) else (s.name, s.stat().st_size)
                 for s in self._sources],
                *(s if isinstance(s, bytes) else _beginning(s) for s in chosen),
                labels,
            )  # fmt: skip
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None

    def fitted(self, fit: str, size: int | None, crop: int | None) -> FileImages:
        """The same images, scaled and cut out in another way."""
        return self._with(fit=fit, size=size, crop=crop)

    def with_palette(self, palette: Palette) -> FileImages:
        """The same images as label maps in the colours of a palette; numbers are gray."""
        channels = 1 if palette.ids else self._channels
        return self._with(palette=palette, channels=channels, levels=None)

    def picked(self, pick: Callable | None) -> FileImages:
        """The same images, of which only what `pick` takes is used."""
        return self._with(pick=pick)

    def derived(self, function: Callable, channels: int | None) -> FileImages:
        """What `function` makes of the same images once they are scaled."""
        return self._with(derive=function, channels=channels)

    def _with(self, **changes):
        """A copy with some of the constructor's arguments changed."""
        arguments: dict[str, Any] = dict(
            sources=self._sources, size=self._size, channels=self._channels, name=self._name,
            fit=self._fit, pick=self._pick, derive=self._derive, crop=self._crop,
            palette=self._palette, levels=self.levels,
        )  # fmt: skip
        return FileImages(**(arguments | changes))

    def decoded(self) -> np.ndarray:
        """Decode every image, in parallel: [N, H, W, C] of the type `dtype`."""
        array = np.empty(self.shape, self.dtype)

        def place(index):
            array[index] = self[index]

        self.visit(place)
        return array

    def visit(self, function: Callable) -> list:
        """Results of `function(index)` for every image, in order, computed in parallel."""
        # Images are decoded outside Python's lock, so threads are enough.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                return list(track(pool.map(function, range(len(self))), len(self)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _beginning(path):
    """The first bytes of a file."""
    with opened(path) as file:
        return file.read(HASHED_BYTES)


@dataclasses.dataclass(frozen=True, eq=False)
class Domain:
    """Images of one marginal distribution.

    Attributes:
      name: short name for logs and files, such as "mnist" or "svhn".
      images: uint8 or uint16 [N, H, W, C], or `FileImages` for a set too large for memory, or
        float32 [N, 2] for points in the plane.
      labels: None, int32 [N] class numbers, or uint8 [N, A] attributes that are 0 or 1.
      classes: names of the classes or attributes; empty without labels.
      rows: None, or int32 [P, T] in a paired set: row p names the examples that belong to pair p.
        T is the number of targets of one input, else 1; P is that of every domain of the set.
      crop: side of the squares that are trained on, cut out of the images at random; None trains
        on whole images.
      palette: the `gantrain.data.palettes.Palette` of a domain of label maps, whose images then
        hold its exact colours only; None for other images.
      left_out: {reason: files} of what lies beside the images and is not read.
      fingerprint: hash of the content as it lies on the disk.
      levels: `gantrain.images.Levels` of values that need more than 8 bits, which uint16 images
        then spread over 16; None for 8 bits.
    """

    name: str
    images: np.ndarray | FileImages
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    rows: np.ndarray | None = None
    crop: int | None = None
    palette: Palette | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    fingerprint: str | None = None
    levels: Levels | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as it is trained on: (H, W, C), or (2,) for points."""
        if self.crop is not None:
            return (self.crop, self.crop, self.images.shape[-1])
        return tuple(self.images.shape[1:])

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.images)

    @property
    def targets(self) -> int:
        """Examples of this domain that belong to one pair; 0 where it is in none."""
        return 0 if self.rows is None else self.rows.shape[1]

    def truth(self) -> np.ndarray:
        """The labels, where something is compared with them. Raises UserError if there are none."""
        if self.labels is None:
            raise UserError(
                f"{self.name}: has no labels to compare with; take a data set with them"
            )
        return self.labels

    @property
    def multi_label(self) -> bool:
        """Whether an example carries several yes-or-no attributes rather than one class."""
        return self.labels is not None and self.labels.ndim == 2

    def subset(self, indices: Any) -> Domain:
        """The examples at `indices`, in that order, labels along; they are in no pairs."""
        indices = np.asarray(indices)
        encoded = isinstance(self.images, FileImages)
        chosen = self.images.subset(indices) if encoded else self.images[indices]
        labels = None if self.labels is None else self.labels[indices]
        return dataclasses.replace(self, images=chosen, labels=labels, rows=None)

    def pixels(self, indices: Any) -> np.ndarray:
        """The examples at `indices` as trained on, the middle of those that are cropped.

        Args:
          indices: integers [n].

        Returns:
          uint8 or uint16 [n, H, W, C]; float32 [n, 2] for points.

        Raises:
          UserError: an image cannot be read.
        """
        chosen = self.subset(indices).images
        chosen = chosen.decoded() if isinstance(chosen, FileImages) else chosen
        return chosen if self.crop is None else cut(chosen, self.crop)

    def part(self, split: str) -> Domain:
        """The train or test part of a set that comes without one, by `held_out`.

        Deviation: the thesis trains on whole sets; here every test part is held out, so that an
        accuracy on it means something. A single example is in both parts.
        """
        if self.size == 1:
            return self
        return self.subset(held_out(self.size, split, None if self.multi_label else self.labels))

    def fitted(self, fit: str, size: int | None, side: int, random: bool) -> Domain:
        """The same domain, scaled, and cropped where `size` or `fit` leave more than `side`.

        Args:
          fit: a name in FITS.
          size: what the images are scaled to, as `fit` says.
          side: side of the examples in pixels.
          random: whether the crops are taken anew each time an image is drawn; else they are the
            middle of each image.

        Returns:
          A Domain whose examples are [side, side, C]; points stay as they are.
        """
        if isinstance(self.images, FileImages):
            crop = side if random and (fit != "squeeze" or size > side) else None
            fitted = self.images.fitted(fit, size, side)
            return dataclasses.replace(self, images=fitted, crop=crop)
        if len(self.images.shape) != 4:
            return self
        fits = FITS[fit](self.images.shape[1:3], size, side) == self.images.shape[1:3]
        scaled = self.images if fits else scale(self.images, fit, size, side, self.palette)
        whole = scaled.shape[1:3] == (side, side)
        if not (random or whole):
            scaled = cut(scaled, side)
        return dataclasses.replace(self, images=scaled, crop=None if whole or not random else side)

    def derived(self, name: str, function: Callable) -> Domain:
        """A domain of what `function` makes of each image.

        Args:
          name: name of the domain.
          function: uint8 [N, H, W, C] to [N, H, W, C']; it looks at each image alone.

        Returns:
          A Domain with the labels of this one.
        """
        if isinstance(self.images, FileImages):
            blank = np.zeros((1, 8, 8, self.shape[-1]), self.images.dtype)
            made = self.images.derived(
                lambda pixels: function(pixels[None])[0], function(blank).shape[-1]
            )
        else:
            made = function(self.images)
        return dataclasses.replace(self, name=name, images=made, palette=None)

    def with_palette(self, palette: Palette) -> Domain:
        """The same domain as label maps in the colours of a palette, at the size that it has."""
        encoded = isinstance(self.images, FileImages)
        held = (
            self.images.with_palette(palette)
            if encoded
            else palette.scaled(self.images, *self.images.shape[1:3])
        )
        return dataclasses.replace(self, images=held, palette=palette, levels=None)

    def unscaled(self, count: int, palette: Palette) -> list[np.ndarray]:
        """The first images as they lie, read as a palette's label maps are: a list of arrays.

        Unreadable ones are left for the decoder to name.
        """
        found = []
        for number in range(min(count, self.size)):
            with contextlib.suppress(UserError):
                encoded = isinstance(self.images, FileImages)
                found.append(
                    self.images.unscaled(number, palette) if encoded else self.images[number]
                )
        return found

    def with_channels(self, channels: int | None) -> Domain:
        """The same domain with `channels` channels: gray is repeated, colour becomes luma."""
        if self.shape[-1] == channels or len(self.shape) != 3:
            return self
        encoded = isinstance(self.images, FileImages)
        converted = (
            self.images.with_channels(channels)
            if encoded
            else images.to_channels(self.images, channels)
        )
        return dataclasses.replace(self, images=converted)

    def in_memory(self, limit: int = IN_MEMORY_BYTES) -> Domain:
        """The same domain with its images decoded, if the array takes at most `limit` bytes.

        Images that are cropped while they are decoded stay encoded: an array would hold one crop
        of each for ever.
        """
        encoded = isinstance(self.images, FileImages)
        frozen = encoded and self.images.crops and self.crop is not None
        if not encoded or frozen or self.images.nbytes > limit:
            return self
        return dataclasses.replace(self, images=self.images.decoded())


def of_array(
    name: str,
    pixels: np.ndarray,
    size: int | None,
    labels: np.ndarray | None = None,
    classes: tuple[str, ...] = (),
) -> Domain:
    """A Domain of decoded images [N, H, W, C], scaled to a square of `size` if that is given."""
    fingerprint = content_hash(pixels, labels)
    return Domain(name, squeezed(pixels, size), labels, classes, fingerprint=fingerprint)


def prune(
    domain: Domain, confidence: Callable, threshold: float = 0.4, batch_size: int = 500
) -> Domain:
    """Remove the images a classifier is unsure of (thesis section 2.7, MNIST2SVHN pruned).

    The thesis keeps 70,262 of SVHN's 73,257 images: those whose highest class confidence is
    above 40 %.

    Args:
      domain: the domain to prune.
      confidence: callable, float32 [n, H, W, C] in [-1, 1] to the highest class probability [n].
      threshold: an image stays if its confidence is greater.
      batch_size: images per call.

    Returns:
      A Domain with the images that stay, in their order.
    """
    kept = []
    for start in range(0, domain.size, batch_size):
        indices = np.arange(start, min(start + batch_size, domain.size))
        highest = np.asarray(confidence(images.to_float(domain.pixels(indices))))
        kept.append(indices[highest > threshold])
    return domain.subset(np.concatenate(kept))
