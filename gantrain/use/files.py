"""Translate image files of any size and kind: same name, same size, same bits and alpha.

Memory is that of a few images and of one call of the network, however many files there are and
however large a photo is. An image goes through the network whole, or in overlapping tiles where it
has more pixels than `PIXELS` or than `tile` allows. What is normalised over an image (instance
norm, batch statistics) is then normalised over a tile: contrast and colour can differ a little from
tile to tile, which the linear blend of the overlaps spreads out but does not remove.

Sizes are padded to the next multiple and no further, so a folder shows the network many shapes:
coarser steps would spare a compiled program three traces at most (`Runtime.function` gives up every
axis that varies), and would let reflections into what is normalised over the image.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from gantrain import images
from gantrain.data import parts
from gantrain.data.palettes import Palette
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.progress import at

# What a call of the network sees at most, over its whole batch. A full-width generator holds a few
# layers of 64 float32 channels at full size at once: about half a gigabyte.
PIXELS = 2**19
# Images decoded ahead of the network, and images on their way to the disk.
AHEAD = 2
Item = TypeVar("Item")
Made = TypeVar("Made")


class Outcome(NamedTuple):
    """What became of the files.

    Attributes:
        done: number of files written.
        skipped: one message per file that could not be read, and per folder inside.
        left_out: {suffix: files} of what is no image.
    """

    done: int
    skipped: list[str]
    left_out: dict[str, int]


def translate_files(
    translate: Callable,
    source: str | PathLike,
    output: str | PathLike,
    *,
    channels: int,
    multiple: int = 1,
    tile: int = 0,
    batch_size: int = 0,
    pixels: int = PIXELS,
    palette: Palette | None = None,
    levels: tuple[images.Levels | None, images.Levels | None] = (None, None),
    alpha: str = "keep",
) -> Outcome:
    """Translate one image file, or every image of a folder, to files of the same name and size.

    Sizes are padded by reflection to the network's multiple and cropped back. The network sees what
    training saw: transparency on white. 16 bits come out as they went in; gray and colour are
    converted to what the network takes. A name whose suffix cannot hold the result (16 bits or
    alpha in a JPEG) gets `.png` instead, or `.tif` where the result is floats.

    Args:
        translate: float32 [B, H, W, channels] in [-1, 1] -> [B, H, W, 1 or 3] in [-1, 1].
        source: an image file or a folder; a folder is read flat, hidden files apart.
        output: folder of the results, made if it is not there.
        channels: 1 or 3, what `translate` takes.
        multiple: H and W that `translate` gets are multiples of it.
        tile: side of the tiles in pixels, rounded up to the multiple; 0 chooses (see `PIXELS`).
        batch_size: most images or tiles per call; 0 takes as many of one size as `pixels` allows.
            Give 1 for a network that normalises over its batch, as Pix2Pix does at test time:
            else the neighbours in the folder change an image.
        pixels: most pixels per call, over the batch; one tile of `tile` is always allowed.
        palette: `gantrain.data.palettes.Palette` of label maps, whose pixels become its exact
            colours, as in training; None for other images.
        levels: `gantrain.images.Levels` of what is read and of what is written; None is 8 bits, of
            both as many bits as the file has.
        alpha: "keep" gives a result the alpha of its source, "drop" none.

    Returns:
        `Outcome`.

    Raises:
        UserError: there is nothing to translate, or no place to write to.
    """
    paths, left_out = _inputs(source, Path(output))
    output = _output(output, paths)
    taken = {path.name for path in paths}
    accepted, skipped, writing = deque(), [], deque()
    done = 0

    def read(path):
        found = images.read_pixels(path, channels, levels[0])
        bits = 16 if levels[1] else 8 if levels[0] else found.bits
        found = found._replace(
            bits=bits, levels=levels[1], alpha=found.alpha if alpha == "keep" else None
        )
        if palette is None:
            return found
        maps = images.to_channels(palette.read(path, path), channels)
        with tf.device("CPU:0"):
            colour = images.to_float(palette.scaled(maps, *maps.shape[:2]))
        return found._replace(colour=np.asarray(colour))

    def colours():
        for path, result in read_ahead(paths, read):
            if isinstance(result, UserError):
                skipped.append(str(result))
                at(done + len(skipped), len(paths))
            else:
                accepted.append((path, result._replace(colour=None)))
                yield result.colour

    with ThreadPoolExecutor(AHEAD) as pool:
        for colour in translate_images(
            translate, colours(), multiple=multiple, tile=tile, batch_size=batch_size, pixels=pixels
        ):
            path, result = accepted.popleft()
            result = result._replace(colour=colour)
            target = output / _name(path, result, taken)
            writing.append(pool.submit(images.write_pixels, target, result))
            if len(writing) > AHEAD:
                writing.popleft().result()
            done += 1
            at(done + len(skipped), len(paths))
        for written in writing:
            written.result()
    inside = [reason for reason in left_out if reason.startswith("in ")]
    skipped += [
        f"{source}: {left_out.pop(reason)} files {reason}, for a folder is read flat"
        for reason in inside
    ]
    return Outcome(done, skipped, left_out)


def translate_images(
    translate: Callable,
    sources: Iterable[np.ndarray],
    *,
    multiple: int = 1,
    tile: int = 0,
    batch_size: int = 0,
    pixels: int = PIXELS,
) -> Iterator[np.ndarray]:
    """Translate a stream of images of any sizes.

    Tiles and images that follow each other and have one size go through the network together.

    Args:
        translate, multiple, tile, batch_size, pixels: as for `translate_files`.
        sources: iterable of float32 [H, W, C] in [-1, 1].

    Yields:
        float32 [H, W, 1 or 3], one per source and in the same order.
    """
    waiting = []  # (sheet, tile), all tiles of one shape
    for source in sources:
        sheet = _Sheet(source.shape, multiple, tile, pixels)
        for part in sheet.cut(source):
            if waiting and waiting[0][1].shape != part.shape:
                yield from _flush(translate, waiting)
            waiting.append((sheet, part))
            most = max(1, pixels // (part.shape[0] * part.shape[1]))
            if len(waiting) >= (min(batch_size, most) if batch_size else most):
                yield from _flush(translate, waiting)
    if waiting:
        yield from _flush(translate, waiting)


def _flush(translate, waiting):
    """Translates what waits and empties it; yields the images that are complete with it."""
    made = np.asarray(translate(np.stack([part for _, part in waiting])), np.float32)
    sheets = [sheet for sheet, _ in waiting]
    waiting.clear()
    for sheet, part in zip(sheets, made, strict=True):
        sheet.put(part)
        if sheet.complete:
            yield sheet.result()


class _Sheet:
    """One image on its way: cut into tiles, put together again.

    Tiles come back in the order in which they were cut, row by row. A row of tiles is blended into
    a strip, a strip into the image: a + t (b - a) with t rising over the overlap, so that equal
    values stay equal to the bit. Both are made with their first tile, which says how many channels
    there are.
    """

    strip: np.ndarray
    canvas: np.ndarray

    def __init__(self, shape, multiple, tile, pixels):
        self.size = shape[:2]
        self.padded = [-(-side // multiple) * multiple for side in self.size]
        self.margin = [(side - own) // 2 for side, own in zip(self.padded, self.size, strict=True)]
        if tile:
            tile = -(-tile // multiple) * multiple
        elif math.prod(self.padded) <= pixels:
            tile = max(self.padded)
        else:
            tile = max(math.isqrt(pixels) // multiple, 1) * multiple
        self.tile = [min(tile, side) for side in self.padded]
        self.starts = [
            _starts(side, own, multiple) for side, own in zip(self.padded, self.tile, strict=True)
        ]
        self.number = 0

    def cut(self, image):
        """Yields the tiles of the padded image."""
        pads = [
            (margin, side - own - margin)
            for margin, side, own in zip(self.margin, self.padded, self.size, strict=True)
        ]
        # Where the image is smaller than its margin NumPy reflects the reflection again.
        image = np.pad(image, [*pads, (0, 0)], mode="reflect")
        height, width = self.tile
        for top in self.starts[0]:
            for left in self.starts[1]:
                yield image[top : top + height, left : left + width]

    def put(self, part):
        """Takes the next tile back, translated."""
        row, column = divmod(self.number, len(self.starts[1]))
        self.number += 1
        if not column:
            self.strip = np.empty((self.tile[0], self.padded[1], part.shape[-1]), np.float32)
        _blend(self.strip.swapaxes(0, 1), part.swapaxes(0, 1), self.starts[1], column)
        if column + 1 < len(self.starts[1]):
            return
        if not row:
            self.canvas = np.empty((*self.padded, part.shape[-1]), np.float32)
        _blend(self.canvas, self.strip, self.starts[0], row)

    @property
    def complete(self):
        return self.number == len(self.starts[0]) * len(self.starts[1])

    def result(self):
        (top, left), (height, width) = self.margin, self.size
        return self.canvas[top : top + height, left : left + width]


def _starts(side, tile, multiple):
    """Where tiles begin that cover `side`; neighbours overlap by a quarter at least."""
    step = tile - tile // 4
    # On the network's own raster, where that does not double the work: its layers with a stride
    # then meet the pixels of an overlap in the same phase.
    aligned = step // multiple * multiple
    step = aligned if aligned >= tile // 2 > 0 else max(step, 1)
    return [*range(0, side - tile, step), side - tile]


def _blend(target, part, starts, number):
    """Lays part `number` into `target` along the first axis, over what lies there already."""
    start, length = starts[number], len(part)
    reach = starts[number - 1] + length if number else start
    overlap = reach - start
    rise = ((np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1))[:, None, None]
    target[start:reach] += rise * (part[:overlap] - target[start:reach])
    target[reach : start + length] = part[overlap:]


def _inputs(source, output):
    """The image files that `--input` names, and {reason: files} of what a folder holds besides."""
    source = Path(source)
    if source.is_dir():
        inside = [output.name] if output.resolve().parent == source.resolve() else []
        paths, left_out = parts.listing(source, inside)
        if not paths:
            raise UserError(
                f"--input {source}: holds no images; put {' '.join(images.EXTENSIONS)} files there"
            )
        return paths, left_out
    if not source.exists():
        raise UserError(f"--input {source}: there is no such file or folder; check the path")
    return [source], {}


def _output(output, paths):
    """The folder that `--output` names, ready to be written to."""
    output = Path(output)
    if output.suffix.lower() in images.EXTENSIONS and not output.is_dir():
        raise UserError(
            f"--output {output}: is the name of an image; give a folder, names are kept inside it"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {output}: cannot be made ({error.strerror}); give another folder"
        ) from None
    if output.resolve() == paths[0].parent.resolve():
        raise UserError(
            f"--output {output}: is the folder of the input, which would be "
            f"overwritten; give another folder"
        )
    return output


def _name(path, result, taken):
    """Name of a result: that of its source, or one with a suffix that holds it, if it is free."""
    if images.can_hold(path.suffix, result):
        return path.name
    suffix = images.sure_suffix(result)
    name = f"{path.stem}{suffix}"
    return name if name not in taken else f"{path.name}{suffix}"


def read_ahead(
    items: Iterable[Item], read: Callable[[Item], Made], ahead: int = AHEAD
) -> Iterator[tuple[Item, Made | UserError]]:
    """Reads images in threads, a few ahead of who asks for them.

    Args:
        items: what `read` takes, such as paths.
        read: item -> image; it may raise UserError.
        ahead: images that are being read or wait.

    Yields:
        (item, what `read` gives, or the UserError that it raised), in order.
    """
    with ThreadPoolExecutor(min(ahead, os.cpu_count() or 1)) as pool:
        items, reading = iter(items), deque()
        while True:
            while len(reading) < ahead and (item := next(items, None)) is not None:
                reading.append((item, pool.submit(_attempt, read, item)))
            if not reading:
                return
            item, result = reading.popleft()
            yield item, result.result()


def _attempt(read, item):
    try:
        return read(item)
    except UserError as error:
        return error
