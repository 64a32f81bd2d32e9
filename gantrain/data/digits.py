"""Two digit domains drawn by the program: pen strokes (as MNIST) and street numbers (as SVHN).

Image i is a function of (seed, i), so that a smaller set is a prefix of a larger one: images are
made in chunks of fixed size, each from its own random stream.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from gantrain import progress
from gantrain.data import raster

CHUNK = 50  # images per random stream; a multiple of ten, to hold each class equally often

# --------------------------------------------------------------------------- pen: the skeletons
# One entry per digit: a list of (relative frequency, width / height, strokes). A stroke is a list
# of (x, y) knots in the unit box, y downwards, joined by a Catmull-Rom spline. Strokes that meet
# share a knot exactly; the shared knot is moved once, so that corners stay closed.
SKELETONS: dict[int, list[tuple]] = {
    0: [
        (4, 0.9, [[(0.55, 0.01), (0.25, 0.1), (0.05, 0.5), (0.2, 0.88), (0.48, 1.0), (0.78, 0.88),
                    (0.95, 0.5), (0.8, 0.12), (0.55, 0.01)]]),
        (2, 0.85, [[(0.68, 0.06), (0.42, 0.04), (0.12, 0.35), (0.08, 0.72), (0.35, 1.0),
                    (0.72, 0.85), (0.95, 0.45), (0.8, 0.08), (0.5, 0.0), (0.33, 0.14)]]),
        (1, 0.6, [[(0.35, 0.1), (0.12, 0.3), (0.05, 0.65), (0.3, 1.0), (0.65, 0.9), (0.92, 0.5),
                   (0.85, 0.1), (0.55, 0.0), (0.35, 0.1)]]),
    ],
    1: [
        (8, 0.24, [[(0.55, 0.0), (0.45, 0.35), (0.5, 0.7), (0.55, 1.0)]]),
        (1.2, 0.4, [[(0.05, 0.25), (0.35, 0.13), (0.6, 0.0)], [(0.6, 0.0), (0.6, 0.5),
                                                             (0.58, 1.0)]]),
        (1, 0.6, [[(0.15, 0.24), (0.35, 0.14), (0.55, 0.0)], [(0.55, 0.0), (0.53, 0.5),
                                                             (0.5, 0.98)],
                  [(0.0, 1.0), (0.5, 0.98), (1.0, 0.97)]]),
    ],
    2: [
        (4, 0.8, [[(0.1, 0.22), (0.32, 0.03), (0.66, 0.04), (0.78, 0.28), (0.5, 0.64),
                   (0.05, 0.97)],
                  [(0.05, 0.97), (0.45, 0.95), (0.98, 0.93)]]),
        (3, 1.05, [[(0.12, 0.2), (0.38, 0.02), (0.7, 0.08), (0.7, 0.38), (0.42, 0.75), (0.15, 0.96),
                   (0.02, 0.86), (0.16, 0.73), (0.48, 0.87), (0.75, 0.97), (1.0, 0.86)]]),
        (2, 1.0, [[(0.08, 0.12), (0.4, 0.0), (0.72, 0.13), (0.66, 0.42), (0.35, 0.7),
                    (0.08, 0.92)],
                   [(0.08, 0.92), (0.35, 0.86), (0.65, 0.96), (1.0, 0.98)]]),
    ],
    3: [
        (4, 0.72, [[(0.1, 0.14), (0.4, 0.0), (0.78, 0.1), (0.72, 0.34), (0.36, 0.47)],
                   [(0.36, 0.47), (0.75, 0.54), (0.9, 0.75), (0.65, 0.96), (0.3, 1.0),
                    (0.02, 0.88)]]),
        (1.5, 0.75, [[(0.08, 0.06), (0.4, 0.03), (0.82, 0.02)], [(0.82, 0.02), (0.6, 0.24),
                                                                (0.36, 0.42)],
                     [(0.36, 0.42), (0.78, 0.48), (0.92, 0.72), (0.65, 0.96), (0.02, 0.96)]]),
        (2, 0.75, [[(0.08, 0.16), (0.42, 0.0), (0.76, 0.12), (0.66, 0.36), (0.38, 0.5),
                    (0.34, 0.43), (0.66, 0.48), (0.9, 0.7), (0.7, 0.95), (0.35, 1.0),
                    (0.0, 0.85)]]),
    ],
    4: [
        (4, 0.8, [[(0.2, 0.0), (0.1, 0.28), (0.05, 0.52)], [(0.05, 0.52), (0.45, 0.56),
                                                           (0.95, 0.48)],
                  [(0.85, 0.05), (0.76, 0.5), (0.68, 1.0)]]),
        (2.5, 0.8, [[(0.22, 0.03), (0.08, 0.32), (0.16, 0.5), (0.5, 0.5), (0.78, 0.38)],
                    [(0.85, 0.0), (0.78, 0.38), (0.66, 1.0)]]),
        (1.5, 0.78, [[(0.68, 0.0), (0.36, 0.3), (0.02, 0.62)], [(0.02, 0.62), (0.5, 0.64),
                                                               (1.0, 0.6)],
                     [(0.68, 0.0), (0.66, 0.5), (0.62, 1.0)]]),
        (0.8, 0.8, [[(0.7, 0.0), (0.36, 0.12), (0.08, 0.5)], [(0.08, 0.5), (0.5, 0.54),
                                                             (1.0, 0.5)],
                    [(0.7, 0.0), (0.7, 0.5), (0.66, 1.0)]]),
    ],
    5: [
        (4, 0.78, [[(0.92, 0.02), (0.6, 0.03), (0.3, 0.06)], [(0.3, 0.06), (0.24, 0.24),
                                                             (0.18, 0.42)],
                   [(0.18, 0.42), (0.5, 0.37), (0.8, 0.55), (0.75, 0.85), (0.42, 1.0),
                    (0.02, 0.92)]]),
        (2, 0.8, [[(0.95, 0.04), (0.62, 0.0), (0.36, 0.1), (0.22, 0.33), (0.5, 0.44), (0.74, 0.65),
                   (0.62, 0.92), (0.3, 1.0), (0.02, 0.86)]]),
        (2.5, 1.0, [[(0.28, 0.08), (0.24, 0.26), (0.2, 0.4)],
                     [(0.2, 0.4), (0.52, 0.38), (0.74, 0.6), (0.64, 0.9), (0.3, 1.0),
                      (0.02, 0.9)],
                     [(0.28, 0.08), (0.6, 0.05), (1.0, 0.0)]]),
    ],
    6: [
        (4, 0.66, [[(0.72, 0.0), (0.38, 0.2), (0.1, 0.55), (0.12, 0.86), (0.45, 1.0), (0.82, 0.85),
                    (0.82, 0.6), (0.5, 0.5), (0.14, 0.74)]]),
        (2, 0.62, [[(0.55, 0.0), (0.22, 0.3), (0.05, 0.7), (0.25, 0.98), (0.65, 0.94), (0.9, 0.7),
                    (0.7, 0.54), (0.36, 0.66), (0.22, 0.9)]]),
        (1.5, 0.75, [[(0.95, 0.02), (0.5, 0.14), (0.12, 0.5), (0.1, 0.85), (0.38, 1.0),
                      (0.7, 0.86), (0.72, 0.62), (0.45, 0.56), (0.12, 0.72)]]),
        (2, 0.85, [[(0.3, 0.0), (0.1, 0.35), (0.06, 0.72), (0.3, 0.98), (0.72, 0.98),
                    (0.98, 0.78), (0.8, 0.6), (0.5, 0.64), (0.28, 0.9)]]),
    ],
    7: [
        (4, 0.72, [[(0.02, 0.1), (0.45, 0.07), (0.95, 0.03)], [(0.95, 0.03), (0.7, 0.42),
                                                              (0.45, 1.0)]]),
        (2, 0.75, [[(0.02, 0.24), (0.08, 0.08)], [(0.08, 0.08), (0.5, 0.06), (0.95, 0.02)],
                   [(0.95, 0.02), (0.65, 0.46), (0.48, 1.0)]]),
        (1.2, 0.8, [[(0.02, 0.1), (0.45, 0.06), (0.9, 0.03)], [(0.9, 0.03), (0.64, 0.45),
                                                              (0.42, 1.0)],
                    [(0.25, 0.52), (0.6, 0.5), (1.0, 0.47)]]),
        (2, 0.66, [[(0.02, 0.16), (0.3, 0.05), (0.75, 0.06), (0.92, 0.18), (0.75, 0.5),
                    (0.55, 1.0)]]),
    ],
    8: [
        (4, 0.62, [[(0.85, 0.16), (0.5, 0.0), (0.14, 0.15), (0.25, 0.38), (0.62, 0.55),
                    (0.82, 0.8), (0.5, 1.0), (0.1, 0.85), (0.25, 0.6), (0.65, 0.38),
                    (0.85, 0.16)]]),
        (2, 0.62, [[(0.95, 0.08), (0.6, 0.0), (0.22, 0.14), (0.28, 0.36), (0.6, 0.58),
                    (0.66, 0.86), (0.35, 1.0), (0.08, 0.86), (0.3, 0.58), (0.72, 0.34),
                    (0.95, 0.08)]]),
        (1.5, 0.6, [[(0.5, 0.46), (0.18, 0.3), (0.28, 0.04), (0.7, 0.02), (0.84, 0.26),
                     (0.5, 0.46), (0.12, 0.65), (0.16, 0.94), (0.55, 1.0), (0.88, 0.8),
                     (0.76, 0.56), (0.5, 0.46)]]),
    ],
    9: [
        (3, 0.62, [[(0.86, 0.16), (0.58, 0.0), (0.18, 0.12), (0.08, 0.38), (0.36, 0.5),
                    (0.72, 0.38), (0.86, 0.16)], [(0.86, 0.16), (0.8, 0.55), (0.66, 1.0)]]),
        (2.5, 0.62, [[(0.82, 0.1), (0.45, 0.0), (0.1, 0.2), (0.14, 0.44), (0.5, 0.46),
                      (0.84, 0.18), (0.82, 0.5), (0.64, 1.0)]]),
        (1.5, 0.62, [[(0.85, 0.14), (0.5, 0.0), (0.12, 0.16), (0.14, 0.42), (0.5, 0.48),
                      (0.85, 0.14)],
                     [(0.85, 0.14), (0.86, 0.55), (0.7, 0.9), (0.4, 1.0), (0.12, 0.9)]]),
    ],
}  # fmt: skip

SPLINE_STEPS = 5  # straight segments per knot interval
PEN_BOX, PEN_FRAME = 20, 28  # MNIST: fit a 20x20 box, then centre by mass in 28x28
EDGE = 0.63  # the ink of a pen fades over this far inside and outside of its rim, in pixels
PEN_MARGIN = 8  # room around the box for the patches that segments are drawn in
MAX_KNOTS, MAX_SAMPLES = 16, 80  # upper bounds over all skeletons


def _spline(strokes):
    """Distinct knots; per sample the four knots it is made of and their Catmull-Rom weights."""
    knots = sorted({p for s in strokes for p in s})
    places: list[tuple[int, ...]] = []
    weights: list[tuple[float, ...]] = []
    starts: list[int] = []
    for stroke in strokes:
        index = [knots.index(p) for p in stroke]
        for k in range(len(index) - 1):
            around = index[max(k - 1, 0)], index[k], index[k + 1], index[min(k + 2, len(index) - 1)]
            starts.extend(len(places) + j for j in range(SPLINE_STEPS))
            for t in np.arange(SPLINE_STEPS) / SPLINE_STEPS:
                t2, t3 = t * t, t * t * t
                places.append(around)
                weights.append(
                    (-t + 2 * t2 - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, t3 - t2)
                )
        places.append((index[-1],) * 4)
        weights.append((0, 2, 0, 0))
    return np.array(knots), np.array(places), np.array(weights) / 2, np.array(starts)


@functools.cache
def _pens():
    """Per digit: cumulative frequencies, and (aspect, *spline) of each."""
    pens = {}
    for digit, variants in SKELETONS.items():
        weight = np.array([v[0] for v in variants], float)
        pens[digit] = (np.cumsum(weight / weight.sum()), [(v[1], *_spline(v[2])) for v in variants])
    return pens


# --------------------------------------------------------------------------------- common pieces
def _chunks(domain, seed, count):
    """Yield first index, labels int32 [CHUNK], and the uniform and normal source of each chunk.

    A source called with () gives a column [CHUNK], with an int k it gives [CHUNK, k]. Chunks are
    always whole: whatever the count, the same numbers meet the same arithmetic.
    """
    for first in range(0, count, CHUNK):
        progress.at(first, count)
        seeds = np.random.SeedSequence([domain, seed, first // CHUNK]).spawn(2)
        uniform, normal = raster.Stream(seeds[0]).uniform, raster.Stream(seeds[1]).normal
        # A permutation of the ten classes per ten images: balanced in every prefix.
        labels = uniform(CHUNK // 10, 10).argsort(axis=1).reshape(-1)
        yield (
            first,
            labels.astype(np.int32),
            functools.partial(uniform, CHUNK),
            functools.partial(normal, CHUNK),
        )


def _scale(u, low, high):
    return low + (high - low) * u


# ------------------------------------------------------------------------------------------- pen
def _strokes(labels, u, g):
    """Stroke points [N, 2] of each image in the unit of box heights; starts of its segments."""
    points, starts = [None] * CHUNK, [None] * CHUNK
    variant, sloppiness, frays = u(), _scale(u() ** 1.5, 0.015, 0.065), _scale(u(), 0.003, 0.011)
    jitters, tremors = g(MAX_KNOTS, 2), g(MAX_SAMPLES, 2)
    warps = 0.07 * g(4)
    # Widths differ, slant leans right as most hands do, the whole is turned a little.
    widths, slants, turns = np.exp(0.2 * g()), 0.2 + 0.22 * g(), 0.09 * g()
    for digit, (cumulative, variants) in _pens().items():
        chosen = np.minimum(np.searchsorted(cumulative, variant), len(variants) - 1)
        for v, (aspect, knots, places, weights, segments) in enumerate(variants):
            rows = np.flatnonzero((labels == digit) & (chosen == v))
            p = knots - 0.5 + jitters[rows, : len(knots)] * sloppiness[rows, None, None]
            # A slow warp of the whole figure: bulges that neighbouring knots share.
            warp = warps[rows, None]
            x, y = p[..., 0], p[..., 1]
            x, y = (
                x + warp[..., 0] * (4 * y * y - 0.5) + warp[..., 1] * np.sin(2 * np.pi * y),
                y + warp[..., 2] * (4 * x * x - 0.5) + warp[..., 3] * 2 * x * y,
            )
            p = np.stack([x, y], axis=-1)
            p = sum(p[:, places[:, k]] * weights[:, k, None] for k in range(4))
            # The hand trembles and the scanner frays the edge.
            p += tremors[rows, : len(places)] * frays[rows, None, None]
            x = p[..., 0] * aspect * widths[rows, None] - p[..., 1] * slants[rows, None]
            y = p[..., 1]
            c, s = np.cos(turns[rows, None]), np.sin(turns[rows, None])
            p = np.stack([c * x - s * y, s * x + c * y], axis=-1)
            for row, sampled in zip(rows, p, strict=True):
                points[row], starts[row] = sampled, segments
    return points, starts


def _ink(points, starts, width, pressure, phase):
    """Pen images in MNIST's box, uint8 [CHUNK, 20, 20], each of strokes of varying width."""
    ends, radii, owner = [], [], []
    for k, (sampled, segments) in enumerate(zip(points, starts, strict=True)):
        low, high = sampled.min(0), sampled.max(0)
        scale = (PEN_BOX - width[k]) / max((high - low).max(), 1e-3)
        sampled = (sampled - (low + high) / 2) * scale + (PEN_BOX / 2 - 0.5)
        ends.append(np.concatenate([sampled[segments], sampled[segments + 1]], axis=1))
        along = segments * (2 * np.pi / 24) + phase[k]
        radii.append(0.5 * np.maximum(width[k] * (1 + pressure[k] * np.sin(along)), 0.4))
        owner.append(np.full(len(segments), k))
    ends, radii, owner = map(np.concatenate, (ends, radii, owner))
    # Each segment inks the pixels of a patch around its middle, as large as it needs.
    vector = ends[:, 2:] - ends[:, :2]
    sides = np.ceil(np.abs(vector).max(1) + 2 * radii + 2 * EDGE).astype(int)
    corner = np.ceil((ends[:, 2:] + ends[:, :2] - sides[:, None]) / 2).astype(int)
    length = np.maximum((vector * vector).sum(1), 1e-12)
    extent = PEN_BOX + 2 * PEN_MARGIN
    canvas = np.zeros(CHUNK * extent * extent)
    for side in np.unique(sides):
        of = np.flatnonzero(sides == side)
        column, row = (
            corner[of, k, None, None] + steps
            for k, steps in enumerate((np.arange(side), np.arange(side)[:, None]))
        )
        x, y = column - ends[of, 0, None, None], row - ends[of, 1, None, None]
        dx, dy = vector[of, :, None, None].swapaxes(0, 1)
        near = np.clip((x * dx + y * dy) / length[of, None, None], 0, 1)
        distance = np.sqrt((x - near * dx) ** 2 + (y - near * dy) ** 2)
        place = (owner[of, None, None] * extent + row + PEN_MARGIN) * extent + column + PEN_MARGIN
        np.maximum.at(canvas, place.ravel(), (radii[of, None, None] + EDGE - distance).ravel())
    inner = slice(PEN_MARGIN, PEN_MARGIN + PEN_BOX)
    return raster.to_bytes(255 * canvas.reshape(CHUNK, extent, extent)[:, inner, inner])


def _centred(ink):
    """The boxes in frames of 28x28, float64, the centre of mass in the middle."""
    steps = np.arange(PEN_BOX)
    margin = PEN_FRAME - PEN_BOX
    ink = ink.astype(np.int64)
    mass = np.maximum(ink.sum((1, 2)), 1)
    shifts = ((PEN_FRAME - 1) / 2 - (ink.sum(axis) * steps).sum(1) / mass for axis in (2, 1))
    top, left = (
        np.clip(raster.rounded(shift), 0, margin).astype(int)[:, None, None] for shift in shifts
    )
    frames = np.zeros((len(ink), PEN_FRAME, PEN_FRAME))
    frames[np.arange(len(ink))[:, None, None], top + steps[:, None], left + steps] = ink
    return frames


def pen_digits(count: int, seed: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten-looking digits, white on black, made after MNIST (LeCun et al., 1998).

    A skeleton of knots per digit and variant is jittered, warped, slanted and drawn with a pen of
    varying pressure; then MNIST's own steps follow: fit a 20x20 box, centre by mass in 28x28.

    Args:
        count: number of images; a smaller count gives a prefix of a larger one.
        seed: int >= 0.
        size: side of the images; the 28x28 frame is resized to it.

    Returns:
        Images, uint8 [count, size, size, 1], and labels, int32 [count], 0 to 9 in equal shares.
    """
    images = np.empty((count, size, size, 1), np.uint8)
    labels = np.empty(count, np.int32)
    for first, classes, u, g in _chunks(1, seed, count):
        n = min(CHUNK, count - first)
        points, starts = _strokes(classes, u, g)
        width = np.clip(2.1 * np.exp(0.25 * g()), 1.2, 4.2)
        pressure, phase = _scale(u(), 0.0, 0.3), _scale(u(), 0.0, 2 * np.pi)
        frames = _centred(_ink(points, starts, width, pressure, phase))
        images[first : first + n, :, :, 0] = raster.to_bytes(raster.resize(frames[:n], size, size))
        labels[first : first + n] = classes[:n]
    return images, labels


# ---------------------------------------------------------------------------------------- street
# Where the masks of the digits come from -> relative frequency; house numbers are mostly bold and
# sans. Fonts of matplotlib's folder, and Hershey's strokes with the width of the pen.
TYPEFACES = {
    "DejaVuSans-Bold.ttf": 6,
    "DejaVuSans.ttf": 5,
    "DejaVuSans-BoldOblique.ttf": 1,
    "DejaVuSansMono-Bold.ttf": 2,
    "DejaVuSansMono.ttf": 1,
    "DejaVuSerif-Bold.ttf": 3,
    "DejaVuSerif.ttf": 2,
    "DejaVuSerif-BoldItalic.ttf": 1,
    "STIXGeneral.ttf": 2,
    "STIXGeneralBol.ttf": 4,
    "STIXGeneralBolIta.ttf": 1,
    "STIXGeneralItalic.ttf": 1,
    "cmb10.ttf": 2,
    "cmr10.ttf": 1,
    "cmss10.ttf": 4,
    "cmti10.ttf": 1,
    "hershey simplex 9": 3,
    "hershey simplex 5": 2,
    "hershey duplex 7": 2,
    "hershey complex 5": 1,
    "hershey triplex 4": 1,
}
GLYPHS = Path(__file__).with_name("glyphs.npz")  # drawn by docs/glyphs.py
LEVELS = 7  # the masks hold 0 ... LEVELS
GLYPH = 56  # height of a digit in the file
SHOWN = GLYPH // 2  # and in a number
STREET = 32  # SVHN's own size
GROWN = 1  # margin around each mask, for bolder ones
STRIP = (SHOWN + 2 * GROWN, 4 * SHOWN)  # canvas of a number before it is seen
STRIP_CENTRE = (STRIP[1] / 2 - 0.5, STRIP[0] / 2 - 0.5)

# Grounds and paints, RGB, with relative frequency: plaster and stone, enamel plates, brick, wood,
# painted doors. Brightness is drawn apart from the tint.
TINTS = [
    (7, (1.00, 1.00, 1.02)),
    (6, (0.93, 0.98, 1.10)),
    (7, (0.62, 0.82, 1.50)),
    (4, (1.12, 1.00, 0.86)),
    (2, (1.25, 0.95, 0.75)),
    (1.2, (1.65, 0.72, 0.62)),
    (1.2, (0.78, 1.15, 0.95)),
    (0.6, (1.35, 1.12, 0.40)),
]


@functools.cache
def _atlas():
    """Masks, uint8 [typeface][digit][boldness] with GROWN around them; cumulative frequencies."""
    with np.load(GLYPHS) as file:
        sheet, widths = file["sheet"], file["widths"]
    masks = []
    for glyph in np.split(sheet, np.cumsum(widths)[:-1]):
        mask = np.pad(glyph.T * (255 / LEVELS), 2 * GROWN)[:, len(glyph) % 2 :]  # even width
        bold = -raster.dilate(-mask, 1), mask, raster.dilate(mask, 1), raster.dilate(mask, 2)
        masks.append([raster.to_bytes(raster.resize(m, STRIP[0], m.shape[1] // 2)) for m in bold])
    weight = np.array([*TYPEFACES.values()], float)
    return [masks[k : k + 10] for k in range(0, len(masks), 10)], np.cumsum(weight / weight.sum())


@functools.cache
def _textures():
    """Tiles of surface, [8][1, 128, 128], mean 0 and deviation 1; half carry courses."""
    stream = raster.Stream(20)
    tiles = []
    for k in range(8):
        tile = np.zeros((1, 128, 128))
        for blur, weight in ((1, 0.5), (3, 0.8), (9, 1.2)):
            layer = raster.lens(stream.normal(1, 1, 128, 128), blur)[0]
            tile += weight * layer / layer.std()
        if k % 2:
            pitch = (10, 14, 20, 27)[k // 2]
            line = np.arange(128) % pitch < 2
            tile += 3 * (line[:, None] if k != 3 else line[None, :])
        tiles.append((tile - tile.mean()) / tile.std())
    return tiles


@functools.cache
def _grain():
    """Sensor noise to cut from, [3, 256, 256], deviation 1."""
    fine = raster.lens(raster.Stream(21).normal(1, 3, 256, 256), 0.6)[0]
    return fine / fine.std()


def _windows(tiles, u):
    """A window at random of each tile [C, H, H], [CHUNK, C, STREET, STREET]."""
    top, left = (u(2) * (tiles[0].shape[-1] - STREET)).astype(int).T
    places = zip(tiles, top.tolist(), left.tolist(), strict=True)
    return np.stack([tile[:, y : y + STREET, x : x + STREET] for tile, y, x in places])


def _views(middle, u, g):
    """Perspective [CHUNK, 3, 3] from the strip of glyphs to the crop, twice as wide as it is."""
    side = 2 * STREET
    tall = side * _scale(u(), 0.64, 0.94) / SHOWN
    # A crop is square around the digit's box: what is wider than the window is brought into it.
    wide = np.minimum(tall * _scale(u(), 0.52, 1.0), 0.95 * side / middle)
    turn, shear = 0.07 * g(), 0.12 * g()
    c, s = np.cos(turn), np.sin(turn)
    view = np.zeros((CHUNK, 3, 3))
    view[:, 0, 0], view[:, 0, 1] = wide * c, tall * (c * shear - s)
    view[:, 1, 0], view[:, 1, 1] = wide * s, tall * (s * shear + c)
    view[:, 2, 2] = 1
    view[:, :2, 2] = 1.5 * g(2) - view[:, :2, :2] @ np.array(STRIP_CENTRE)
    tilt = np.tile(np.eye(3), (CHUNK, 1, 1))
    tilt[:, 2, :2] = 0.0009 * g(2)
    shift = np.array([[1, 0, side / 2], [0, 0.5, side / 4], [0, 0, 1.0]])
    return shift @ tilt @ view


def _masks(labels, u, g):
    """Coverage of each pixel by the figures of a house number, [CHUNK, 1, 32, 32]."""
    sheets, edges = _atlas()
    faces = [sheets[k] for k in np.minimum(np.searchsorted(edges, u()), len(sheets) - 1)]
    neighbour, present = (u(2) * 10).astype(int), u(2) < 0.6
    gap, weight = raster.rounded(_scale(u(), -1, 5.5)).astype(int), u()
    bold = np.searchsorted([0.16, 0.72, 0.88], weight)
    middle = np.array(
        [face[digit][0].shape[1] - 2 * GROWN for face, digit in zip(faces, labels, strict=True)]
    )
    views = _views(middle, u, g)
    strips = np.zeros((CHUNK, *STRIP), np.uint8)
    for k, (strip, face) in enumerate(zip(strips, faces, strict=True)):
        left = STRIP[1] // 2 - middle[k] // 2
        before, after = (face[digit][bold[k]] for digit in neighbour[k])
        places = [(left - GROWN, face[labels[k]][bold[k]])]
        if present[k, 0]:
            places.append((left - gap[k] - before.shape[1] + GROWN, before))
        if present[k, 1]:
            places.append((left + middle[k] + gap[k] - GROWN, after))
        for x, mask in places:
            area = strip[:, x : x + mask.shape[1]]
            np.maximum(area, mask, out=area)
    seen = raster.warp(strips, views, STREET, 2 * STREET)
    return raster.resize(seen, STREET, STREET)[:, None] / 255


def _paint(brightness, u, g):
    """RGB [CHUNK, 3, 1, 1] of a given brightness; dark paints are the more colourful ones."""
    weight = np.array([t[0] for t in TINTS])
    index = np.minimum(np.searchsorted(np.cumsum(weight / weight.sum()), u()), len(TINTS) - 1)
    strength = _scale(u(), 0.3, 1.0) * np.interp(brightness, [40, 110, 190], [1.2, 0.62, 0.22])
    colour = np.array([t[1] for t in TINTS])[index]
    colour = (1 + (colour - 1) * strength[:, None]) * np.exp(0.02 * g(3))
    luma = (colour * [0.299, 0.587, 0.114]).sum(1)
    return (colour * (brightness / luma)[:, None])[..., None, None]


def _along(angle):
    """Coordinate along a direction over the crop, from about -0.5 to 0.5, [CHUNK, 1, 32, 32]."""
    axis = (np.arange(STREET) + 0.5) / STREET - 0.5
    return _each(np.cos(angle)) * axis + _each(np.sin(angle)) * axis[:, None]


def _each(values):
    """One number for each image, [CHUNK, 1, 1, 1]."""
    return values[:, None, None, None]


def _wall(mask, u, g):
    """Wall or plate with its number, RGB [CHUNK, 3, 32, 32], evenly lit."""
    brightness = np.clip(116 + 56 * g(), 22, 250)
    # Dark grounds carry light figures and light grounds dark ones; between, either.
    light_ink = u() < np.interp(brightness, [50, 110, 170], [1.0, 0.58, 0.0])
    contrast = np.clip(np.exp(4.55 + 0.43 * g()), 34, 190)
    # Strong light must not bleach a figure away.
    contrast = np.maximum(contrast, 0.35 * brightness)
    ink = np.clip(np.where(light_ink, brightness + contrast, brightness - contrast), 18, 250)
    ground_rgb, ink_rgb = _paint(brightness, u, g), _paint(ink, u, g)

    # The border of a plate or a door frame: beyond a straight edge another ground begins.
    across = _along((u() * 4).astype(int) * (np.pi / 2) + 0.08 * g())
    beyond = np.clip((across - _each(_scale(u(), 0.36, 0.48))) * STREET, 0, 1)
    beyond *= _each(u() < 0.38)
    wall = ground_rgb + beyond * (ground_rgb * _each(np.exp(0.5 * g())) - ground_rgb)

    tiles = _textures()
    surface = _windows([tiles[int(k)] for k in u() * len(tiles)], u)
    surface *= _each(1 + 11 * u() ** 2.5)
    wall += surface

    # Raised figures cast a shadow, a copy of the mask moved by whole pixels.
    raised = u() < 0.3
    right = np.where(raised, raster.rounded(_scale(u(), -2.4, 2.4)), 0).astype(int)[:, None, None]
    down = np.where(raised, raster.rounded(_scale(u(), 0.6, 2.4)), 0).astype(int)[:, None, None]
    steps = np.arange(STREET)
    rows, columns = (
        np.clip(steps[:, None] - down, 0, STREET - 1),
        np.clip(steps - right, 0, STREET - 1),
    )
    shade = mask[np.arange(CHUNK)[:, None, None], 0, rows, columns][:, None]
    wall *= 1 - shade * _each(raised * _scale(u(), 0.2, 0.6))

    worn = ink_rgb + 0.35 * surface
    worn -= wall
    worn *= mask
    wall += worn
    return wall


def _light(u, g):
    """Factor of the light on each pixel and channel, [CHUNK, 3, 32, 32]."""
    slope = 0.16 * g(2)
    angle = np.arctan2(slope[:, 1], slope[:, 0])
    light = 1 + _each(np.hypot(slope[:, 0], slope[:, 1])) * _along(angle)
    light *= _each(np.exp(0.03 + 0.12 * g()))
    # Now and then the soft edge of a shadow crosses the crop.
    across = _along(2 * np.pi * u()) - _each(_scale(u(), -0.4, 0.4))
    depth = _each(np.where(u() < 0.14, _scale(u(), 0.2, 0.5), 0))
    light *= 1 - depth / (1 + np.exp(-14 * across))
    # White balance moves along blue against yellow; shaded walls are bluish.
    balance = np.exp((0.03 + 0.04 * g())[:, None] * np.array([-1.0, -0.2, 1.2]))
    return light * balance[..., None, None]


def _photograph(scene, u):
    """What a camera makes of a scene: lens blur, sharpening halos, grain and JPEG."""
    blur, halo = _scale(u() ** 1.4, 0.5, 1.88), u()
    scene = raster.lens(scene, blur, np.where(halo < 0.5, 1.6 * halo, 0), 1.6)
    noise = _windows([_grain()] * CHUNK, u)
    noise *= _each(_scale(u() ** 2, 0.6, 5.0))
    scene += noise
    return raster.jpeg(np.clip(scene, 0, 255, out=scene), _scale(u(), 45, 95).astype(int))


def street_digits(count: int, seed: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Street-number-like digits in colour, made after SVHN (Netzer et al., 2011).

    The recipe is that of SYN Numbers (Ganin and Lempitsky, 2015): many typefaces, neighbouring
    digits cut by the window, perspective, natural colours in both polarities, uneven light, blur,
    noise and compression.

    Args:
        count: number of images; a smaller count gives a prefix of a larger one.
        seed: int >= 0.
        size: side of the images; SVHN's 32x32 is resized to it.

    Returns:
        Images, uint8 RGB [count, size, size, 3], and labels, int32 [count], 0 to 9 in equal
        shares. The label is that of the digit in the middle.
    """
    images = np.empty((count, size, size, 3), np.uint8)
    labels = np.empty(count, np.int32)
    for first, classes, u, g in _chunks(2, seed, count):
        n = min(CHUNK, count - first)
        scene = _wall(_masks(classes, u, g), u, g) * _light(u, g)
        photographs = raster.resize(_photograph(scene, u)[:n], size, size)
        images[first : first + n] = raster.to_bytes(photographs).transpose(0, 2, 3, 1)
        labels[first : first + n] = classes[:n]
    return images, labels
