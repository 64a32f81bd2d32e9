"""Which colour of a label map means which class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gantrain.data import facades
from gantrain.errors import UserError
from gantrain.images import to_float

FILE, VOID = "palette.json", "void"

# A label map shows a colour of its palette in most pixels, as near as this in every channel of 255;
# what scaling and JPEG leave between two colours is further from both.
_NEAR = 24
_LOOKED_AT = 8


class Palette(NamedTuple):
    """The classes of label maps and their colours.

    Attributes:
        classes: names of the K classes.
        colours: uint8 RGB [K + V, 3], that of each class, then V colours of pixels that belong to
            none and are neither learned nor scored.
    """

    classes: tuple[str, ...]
    colours: np.ndarray

    def indices(self, pictures):
        """The class whose colour is nearest in RGB, of every pixel.

        Label maps are scaled like photographs, so that a pixel on a border is a mixture and gets
        the class that its mixture is nearest to: of CMP's maps at 128 pixels, 7 % of the pixels
        have another class than most of what they cover, at 64 pixels 11 %.

        Args:
            pictures: float32 [..., H, W, 3 or 1] in [-1, 1]; gray is three equal channels.

        Returns:
            int32 [..., H, W] in [0, K]; K is void.
        """
        # |p - c|^2 without |p|^2, which is the same for all colours.
        colours = to_float(self.colours)
        if pictures.shape[-1] == 1:
            pictures = tf.repeat(pictures, 3, axis=-1)
        squares = tf.reduce_sum(tf.square(colours), axis=-1)
        distances = squares - 2.0 * tf.tensordot(pictures, tf.transpose(colours), 1)
        nearest = tf.argmin(distances, axis=-1, output_type=tf.int32)
        return tf.minimum(nearest, len(self.classes))

    def pictures(self, indices):
        """Label maps, float32 [..., H, W, 3] in [-1, 1], of classes [..., H, W]; void is black."""
        colours = np.concatenate([self.colours[:len(self.classes)], np.zeros((1, 3), np.uint8)])
        return tf.gather(to_float(colours), indices)

    def check(self, domain, dataset):
        """Refuses a domain that does not look like label maps in these colours.

        Args:
            domain: `gantrain.data.domain.Domain`; its first images are looked at.
            dataset: what `--dataset` says.

        Raises:
            UserError: fewer than half of the pixels are near a colour.
        """
        if domain.size == 1:  # what a run that is opened without its data has in their place
            return
        pixels = domain.pixels(range(min(_LOOKED_AT, domain.size))).astype(np.int32)
        off = np.abs(pixels[..., None, :] - self.colours.astype(np.int32)).max(-1).min(-1)
        share = float((off <= _NEAR).mean())
        if share < 0.5:
            raise UserError(
                f"--direction: domain {domain.name} of --dataset {dataset} is no label map (only "
                f"{share:.0%} of its pixels have a colour of the palette); take the other "
                f"--direction, from label maps to photos, or put its colours in {FILE}")


def find_palette(dataset, data_dir) -> Palette:
    """The palette of a data set: `palette.json` in its folder, else the one in PALETTES.

    Args:
        dataset: what `--dataset` says, a name or `pairs:PATH`.
        data_dir: folder with one folder per named set.

    Raises:
        UserError: there is none, or the file is not a palette.
    """
    kind, colon, rest = dataset.partition(":")
    folder = Path(data_dir) / dataset if not colon else Path(rest) if kind == "pairs" else None
    if folder is not None and (folder / FILE).is_file():
        return read_palette(folder / FILE)
    if dataset in PALETTES:
        return PALETTES[dataset]
    named = ", ".join(sorted(PALETTES))
    remedy = f"put {folder / FILE} there" if folder is not None else "take a paired set"
    raise UserError(f'--dataset {dataset}: the colours of its label maps are not known; {remedy}, '
                    f'{{"class": [r, g, b], ...}}, or use {named}')


def read_palette(path) -> Palette:
    """Reads `{"class": [r, g, b], ...}`; the colours of "void", one or a list, are left out.

    Raises:
        UserError: the file is not of this form, or two classes have one colour.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
        void = np.array(entries.pop(VOID, []), int).reshape(-1, 3)
        colours = np.array([*entries.values(), *void], int)
        wrong = colours.ndim != 2 or colours.shape[1] != 3 or len(entries) < 2
        wrong = wrong or colours.min() < 0 or colours.max() > 255
    except (OSError, ValueError, TypeError, AttributeError):
        wrong = True
    if wrong:
        raise UserError(f'{path}: not a palette; {{"class": [r, g, b], ...}} with two or more '
                        f'classes and values from 0 to 255 is expected')
    if len(np.unique(colours, axis=0)) < len(colours):
        raise UserError(f"{path}: a colour stands for two classes; give each its own")
    return Palette(tuple(entries), colours.astype(np.uint8))


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
