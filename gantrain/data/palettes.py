"""Which colour of a label map means which class.

A label map is no photograph: between two colours lies no class. Its files become classes at their
own size, and classes are scaled, never colours.
"""

from __future__ import annotations

import itertools
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from gantrain import decoding
from gantrain.data import facades
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.images import to_float, to_uint8
from gantrain.reading import expect, natural, read_json

FILE, VOID = "palette.json", "void"

# A pixel is surely of a class if no channel is further from its colour than JPEG moves a flat area;
# between classes whose colours are nearer to each other than that, no noise can be told apart.
NEAR, APART = 24, 16
# How far the blur of an edge reaches in pixels, and how far off a colour may be that lies in none.
REACH, FAR = 4, 72
# Most pixels of label maps are as near as this, which those of few photographs are.
_FLAT, _LOOKED_AT = 8, 8
_KEY = np.array([65536, 256, 1])
_EVEN = 1e-4  # shares of an area that differ by less are equal


class Palette(NamedTuple):
    """The classes of label maps and their colours.

    Attributes:
        classes: names of the K classes.
        colours: uint8 RGB [K + V, 3], that of each class, then V colours of pixels that belong to
            none and are neither learned nor scored.
        ids: True if the colours are gray levels that a file holds as such, or as the indices of
            its own palette.
    """

    classes: tuple[str, ...]
    colours: np.ndarray
    ids: bool = False

    @property
    def noise(self) -> int:
        """How far a channel may be off a colour in a label map; 0 where colours lie too close."""
        apart = np.abs(self.colours[:, None].astype(int) - self.colours).max(-1)
        np.fill_diagonal(apart, 255)
        return NEAR if apart.min() >= APART else 0

    @property
    def shown(self) -> np.ndarray:
        """uint8 [K + 1, 3]: the colour of every class, and last the one that void is shown in."""
        used = self.colours.astype(int)
        gray = not np.ptp(used, axis=1).any()
        free: list[tuple] = [(v, v, v) for v in (0, *range(255, 0, -1))]
        free += [] if gray else list(itertools.product((255, 0), repeat=3))
        void = (
            self.colours[len(self.classes) :].tolist()
            or [c for c in free if (np.abs(used - c).max(-1) > 2 * self.noise).all()]
            or free
        )
        return np.array([*self.colours[: len(self.classes)].tolist(), void[0]], np.uint8)

    def to_json(self) -> dict:
        """What `domains.json` keeps."""
        return self._replace(colours=self.colours.tolist())._asdict()

    @classmethod
    def from_json(cls, stored: Any) -> Palette:
        """The inverse of `to_json`; a ValueError where it holds what is no colour."""
        expect(stored, {"classes": [str], "colours": [[natural]], "ids": bool}, "palette")
        if len(stored["colours"]) < len(stored["classes"]):
            raise ValueError("palette has fewer colours than classes")
        colours = np.array(stored["colours"]).reshape(-1, 3)
        # NumPy below 2 takes 999 as 231 without a word.
        if colours.dtype.kind not in "iu" or colours.min(initial=0) < 0 or colours.max() > 255:
            raise ValueError("palette holds colours that are not 0 to 255")
        return cls(tuple(stored["classes"]), colours.astype(np.uint8), stored["ids"])

    def indices(self, pictures: Any) -> tf.Tensor:
        """The class of every pixel of label maps: its colour's, as near as JPEG leaves it.

        Args:
            pictures: float32 [..., H, W, 3 or 1] in [-1, 1]; gray is three equal channels.

        Returns:
            int32 [..., H, W] in [0, K]; K is void, and so is a colour that no class has.
        """
        # |p - c|^2 without |p|^2, which is the same for all colours.
        colours = to_float(self.colours)
        if pictures.shape[-1] == 1:
            pictures = tf.repeat(pictures, 3, axis=-1)
        squares = tf.reduce_sum(tf.square(colours), axis=-1)
        distances = squares - 2.0 * tf.tensordot(pictures, tf.transpose(colours), 1)
        nearest = tf.argmin(distances, axis=-1, output_type=tf.int32)
        off = tf.reduce_max(tf.abs(pictures - tf.gather(colours, nearest)), axis=-1)
        known = off <= (self.noise + 0.5) / 127.5
        return tf.where(known, tf.minimum(nearest, len(self.classes)), len(self.classes))

    def pictures(self, indices: tf.Tensor) -> tf.Tensor:
        """Label maps, float32 [..., H, W, 3] in [-1, 1], of classes [..., H, W] in [0, K]."""
        return tf.gather(to_float(self.shown), indices)

    def read(self, source: Any, name: str) -> np.ndarray:
        """Read one label map: its plain colours, or the numbers that it holds.

        Args:
            source: path of an image file, or its bytes.
            name: what to call the image in an error message.

        Returns:
            uint8 [H, W, 1 or 3]; void where the file is transparent or a number is above 255.

        Raises:
            UserError: the file is not a whole image of a supported kind.
        """
        pixels, alpha = (decoding.palette_indices(source, name) if self.ids else None), None
        if pixels is None:
            pixels, alpha = decoding.samples(source, name, plain=True)
        if not self.ids and pixels.dtype == np.uint16:
            pixels = decoding.to_eight_bits(pixels)
        known = (pixels >= 0) & (pixels <= 255) & (pixels == np.floor(pixels))
        if alpha is not None:
            known &= alpha[..., None] > 0
        return np.where(known, pixels, self.shown[-1, : pixels.shape[-1]]).astype(np.uint8)

    def classify(self, pixels: np.ndarray) -> np.ndarray:
        """The class of every pixel of one label map, at the size at which its file holds it.

        A pixel near a colour is of its class. Where all that are near are exact, the map is taken
        at its word, and any other colour is void. Else JPEG or a scaling has blurred the edges, and
        the blend of two colours may be nearest to a third that is not there: a pixel between the
        colours that surely are within REACH pixels is of the nearest of them; any other is of the
        nearest colour, or void if that is far.

        Args:
            pixels: uint8 [H, W, 3 or 1].

        Returns:
            int64 [H, W] in [0, K]; K is void.
        """
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.int32)
        codes = self.colours @ _KEY
        order = np.argsort(codes)
        place = np.searchsorted(codes, pixels @ _KEY, sorter=order)
        found = order[np.minimum(place, len(order) - 1)]
        exact = codes[found] == pixels @ _KEY
        found = np.where(exact, found, len(codes))
        if not exact.all() and self.noise:
            rest = pixels[~exact]
            nearest, off = self._nearest(rest)
            found[~exact] = np.where(off <= self.noise, nearest, len(codes))
            unsure = found == len(codes)
            if (off <= self.noise).any() and unsure.any():
                chosen = self._nearby(found, unsure, pixels[unsure])
                alone, far = chosen == len(codes), off[off > self.noise] > FAR
                chosen[alone & ~far] = nearest[off > self.noise][alone & ~far]
                found[unsure] = chosen
        return np.minimum(found, len(self.classes))

    def _nearest(self, pixels):
        """The nearest colour of pixels [n, 3], and the largest difference of a channel from it."""
        nearest, least = np.zeros(len(pixels), int), np.full(len(pixels), np.iinfo(np.int32).max)
        for number, colour in enumerate(self.colours.astype(np.int32)):
            distance = _squares(pixels - colour)
            nearest[distance < least] = number
            np.minimum(least, distance, out=least)
        return nearest, np.abs(pixels - self.colours[nearest]).max(1)

    def _nearby(self, found, unsure, pixels):
        """The nearest of the colours around every unsure pixel, if it lies between them."""
        chosen, least = (np.full(len(pixels), v) for v in (len(self.colours), 2**31 - 1))
        low, high = np.full(pixels.shape, 255), np.full(pixels.shape, 0)
        around = np.ones((2 * REACH + 1,) * 2, np.uint8)
        for number in np.unique(found[~unsure]):
            there = cv2.dilate((found == number).astype(np.uint8), around)[unsure] > 0
            colour = self.colours[number].astype(np.int32)
            distance = _squares(pixels - colour)
            chosen[there & (distance < least)] = number
            least = np.where(there, np.minimum(least, distance), least)
            low[there] = np.minimum(low[there], colour)
            high[there] = np.maximum(high[there], colour)
        between = (pixels >= low - self.noise) & (pixels <= high + self.noise)
        return np.where(between.all(1), chosen, len(self.colours))

    def scaled(self, pixels: np.ndarray, height: int, width: int) -> np.ndarray:
        """Label maps in exact colours, by `classify` and `majority`; the channels stay.

        Deviation: pix2pix scales label maps like photographs.

        Args:
            pixels: uint8 [..., H, W, 3 or 1].
            height, width: the new size in pixels; that of `pixels` leaves it.

        Returns:
            uint8 [..., height, width, 3 or 1].
        """
        *leading, old_height, old_width, channels = pixels.shape
        maps = [
            majority(self.classify(p), height, width)
            for p in pixels.reshape(-1, old_height, old_width, channels)
        ]
        return self.shown[np.stack(maps)][..., :channels].reshape(*leading, height, width, channels)

    def exact(self, pictures: np.ndarray, height: int, width: int) -> np.ndarray:
        """`scaled` of float32 pictures in [-1, 1]."""
        with tf.device("CPU:0"):
            return np.asarray(to_float(self.scaled(to_uint8(pictures), height, width)))

    def share(self, domain: Any) -> float:
        """The share of a domain's pixels that have a colour of the palette: high of label maps.

        Args:
            domain: `gantrain.data.domain.Domain`; its first images are looked at.
        """
        pixels = np.concatenate(
            [
                np.zeros((0, 3), np.uint8),
                *(
                    np.broadcast_to(p, (*p.shape[:2], 3)).reshape(-1, 3)
                    for p in domain.unscaled(_LOOKED_AT, self)
                ),
            ]
        )
        _, off = self._nearest(pixels.astype(np.int32))
        return float((off <= min(_FLAT, self.noise)).sum() / max(len(off), 1))

    def fits(self, domain: Any) -> bool:
        """Whether a domain's images look like label maps in these colours."""
        return len(domain.images.shape) == 4 and self.share(domain) >= 0.5


def _squares(differences):
    return np.einsum("nc,nc->n", differences, differences)


def majority(classes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale a map of classes: a pixel gets the class that most of the area that it covers has.

    Of classes that cover equal areas the one wins that plain sampling would pick, at the corner of
    the area nearest to the origin. An axis that grows is sampled at the pixels' middles.

    Args:
        classes: integers [H, W].
        height, width: the new size in pixels.

    Returns:
        Integers [height, width].
    """
    for axis, size in enumerate((height, width)):
        if size > classes.shape[axis]:
            middles = (2 * np.arange(size) + 1) * classes.shape[axis] // (2 * size)
            classes = classes.take(middles, axis)
    if classes.shape == (height, width):
        return classes
    rows, columns = (
        np.arange(new) * old // new for new, old in zip((height, width), classes.shape, strict=True)
    )
    picked = classes[np.ix_(rows, columns)]
    won, most = picked.copy(), np.zeros((height, width), np.float32)
    of_picked = np.zeros_like(most)
    for number in np.unique(classes):
        share = cv2.resize(
            (classes == number).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
        )
        won[share > most + _EVEN] = number
        of_picked[picked == number] = share[picked == number]
        most = np.maximum(most, share)
    return np.where(of_picked > most - _EVEN, picked, won)


def label_palette(domain: Any, dataset: str, data_dir: str | PathLike) -> Palette:
    """The palette of a domain of label maps.

    Args:
        domain: `gantrain.data.domain.Domain`.
        dataset: what `--dataset` says.
        data_dir: folder with one folder per named set.

    Raises:
        UserError: the set has no palette, or the domain does not look like label maps.
    """
    if domain.palette is not None:
        return domain.palette
    palette = find_palette(dataset, data_dir)
    # One image is what a run that is opened without its data has in its place.
    if palette is not None and (domain.size == 1 or palette.fits(domain)):
        return palette
    if palette is not None:
        raise UserError(
            f"--direction: domain {domain.name} of --dataset {dataset} is no label map (only "
            f"{palette.share(domain):.0%} of its pixels have a colour of the palette); take the "
            f"other --direction, from label maps to photos, or put its colours in {FILE}"
        )
    folders, named = _folders(dataset, data_dir), ", ".join(sorted(PALETTES))
    remedy = f"put {folders[0] / FILE} there" if folders else "take a paired set"
    raise UserError(
        f"--dataset {dataset}: the colours of its label maps are not known; {remedy}, "
        f'{{"class": [r, g, b], ...}}, or use {named}'
    )


def find_palette(dataset: str, data_dir: str | PathLike) -> Palette | None:
    """The palette of a data set: `palette.json` in its folder, else the one in PALETTES, or None.

    Args:
        dataset: what `--dataset` says, a name, `pairs:PATH` or `folder:PATH[,PATH...]`.
        data_dir: folder with one folder per named set.

    Raises:
        UserError: the file is not a palette.
    """
    for folder in _folders(dataset, data_dir):
        if (folder / FILE).is_file():
            return read_palette(folder / FILE)
    return PALETTES.get(dataset)


def _folders(dataset, data_dir):
    """Where the palette of a data set may lie."""
    kind, colon, rest = dataset.partition(":")
    if not colon:
        return [Path(data_dir) / dataset]
    paths = dict.fromkeys([rest, *rest.split(",")]) if kind in ("pairs", "folder") else ()
    return [Path(path).expanduser() for path in paths]


def read_palette(path: str | PathLike) -> Palette:
    """Reads `{"class": [r, g, b], ...}`; the colours of "void", one or a list, are left out.

    A gray level may stand for three equal channels: `{"road": 7, "void": 255}`.

    Raises:
        UserError: the file is not of this form, or two classes have one colour.
    """
    try:
        entries = read_json(path, dict)
        void = entries.pop(VOID, [])
        ids = all(isinstance(colour, int) for colour in entries.values())
        # A colour alone, or a list of several; of gray levels three may be such a list.
        one = isinstance(void, int) or (
            len(void) == 3 and isinstance(void[0], int) and not (ids and len(set(void)) > 1)
        )
        void = [void] if one else void
        colours = np.array(
            [[c] * 3 if isinstance(c, int) else c for c in (*entries.values(), *void)]
        )
        wrong = colours.ndim != 2 or colours.shape[1] != 3 or len(entries) < 2
        wrong = wrong or colours.dtype.kind != "i" or colours.min() < 0 or colours.max() > 255
    except (OSError, ValueError, TypeError, AttributeError):
        wrong = True
    if wrong:
        raise UserError(
            f'{path}: not a palette; {{"class": [r, g, b], ...}} or, of gray levels, '
            f'{{"class": 7, ...}} with two or more classes and values from 0 to 255 is '
            f"expected"
        )
    if len(np.unique(colours, axis=0)) < len(colours):
        raise UserError(f"{path}: a colour stands for two classes; give each its own")
    return Palette(tuple(entries), colours.astype(np.uint8), ids)


def _palette(classes, void=()):
    return Palette(tuple(classes), np.array([*classes.values(), *void], np.uint8))


# The classes of the CMP facade base in its order (Tylecek and Sara, 2013). The colours are those of
# pix2pix's and CycleGAN's files, measured where the maps are flat; the base's own maps have others.
CMP = {
    "background": (0, 0, 222), "facade": (0, 48, 255), "window": (0, 128, 255),
    "door": (0, 207, 255), "cornice": (32, 255, 223), "sill": (112, 255, 143),
    "balcony": (191, 255, 64), "blind": (255, 239, 0), "deco": (255, 159, 0),
    "molding": (255, 80, 0), "pillar": (255, 0, 0), "shop": (175, 0, 0),
}  # fmt: skip

# The classes that Cityscapes scores, and the colours of the others (Cordts et al. 2016).
CITYSCAPES = {
    "road": (128, 64, 128), "sidewalk": (244, 35, 232), "building": (70, 70, 70),
    "wall": (102, 102, 156), "fence": (190, 153, 153), "pole": (153, 153, 153),
    "traffic light": (250, 170, 30), "traffic sign": (220, 220, 0), "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60),
    "rider": (255, 0, 0), "car": (0, 0, 142), "truck": (0, 0, 70), "bus": (0, 60, 100),
    "train": (0, 80, 100), "motorcycle": (0, 0, 230), "bicycle": (119, 11, 32),
}  # fmt: skip
CITYSCAPES_VOID = (
    (0, 0, 0), (111, 74, 0), (81, 0, 81), (250, 170, 160), (230, 150, 140), (180, 165, 180),
    (150, 100, 100), (150, 120, 90), (0, 0, 90), (0, 0, 110),
)  # fmt: skip

PALETTES = {
    "facades": _palette(CMP),
    "cityscapes": _palette(CITYSCAPES, CITYSCAPES_VOID),
    "plan2facade": _palette(facades.LEGEND),
}
