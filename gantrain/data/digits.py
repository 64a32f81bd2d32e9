"""Two digit domains drawn by the program: pen strokes (as MNIST) and street numbers (as SVHN).

Image i is a function of (seed, i), so that a smaller set is a prefix of a larger one: images are
made in chunks of fixed size, each from its own random stream.
"""

from __future__ import annotations

import functools
import os

import cv2
import numpy as np

CHUNK = 250  # images per random stream; a multiple of ten, to hold each class equally often

# --------------------------------------------------------------------------- pen: the skeletons
# One entry per digit: a list of (relative frequency, width / height, strokes). A stroke is a list
# of (x, y) knots in the unit box, y downwards, joined by a Catmull-Rom spline. Strokes that meet
# share a knot exactly; the shared knot is moved once, so that corners stay closed.
SKELETONS = {
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
FRACTION = 4  # fractional bits of the coordinates that OpenCV draws at
SUPERSAMPLE = 5  # the pen draws two-valued ink on a grid this much finer than MNIST's
PEN_BOX, PEN_FRAME = 20, 28  # MNIST: fit a 20x20 box, then centre by mass in 28x28
MAX_KNOTS, MAX_SAMPLES = 16, 80  # upper bounds over all skeletons


def _spline(strokes):
    """Catmull-Rom as a matrix from distinct knots to samples, and the slice of each stroke."""
    knots = sorted({p for s in strokes for p in s})
    rows, slices = [], []
    for stroke in strokes:
        index = [knots.index(p) for p in stroke]
        start = len(rows)
        for k in range(len(index) - 1):
            before, a = index[max(k - 1, 0)], index[k]
            b, after = index[k + 1], index[min(k + 2, len(index) - 1)]
            for t in np.arange(SPLINE_STEPS) / SPLINE_STEPS:
                row = np.zeros(len(knots))
                row[before] += 0.5 * (-t + 2 * t**2 - t**3)
                row[a] += 0.5 * (2 - 5 * t**2 + 3 * t**3)
                row[b] += 0.5 * (t + 4 * t**2 - 3 * t**3)
                row[after] += 0.5 * (-(t**2) + t**3)
                rows.append(row)
        last = np.zeros(len(knots))
        last[index[-1]] = 1
        rows.append(last)
        slices.append((start, len(rows)))
    return np.array(knots), np.array(rows), slices


@functools.cache
def _pens():
    """Per digit: cumulative frequencies, and (aspect, knots, spline matrix, slices) of each."""
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
        uniform, normal = (
            np.random.Generator(np.random.PCG64(stream))
            for stream in np.random.SeedSequence([domain, seed, first // CHUNK]).spawn(2)
        )
        # A permutation of the ten classes per ten images: balanced in every prefix.
        labels = uniform.random((CHUNK // 10, 10)).argsort(axis=1).reshape(-1)
        yield (
            first,
            labels.astype(np.int32),
            lambda *k, draw=uniform.random: draw((CHUNK, *k)),
            lambda *k, draw=normal.standard_normal: draw((CHUNK, *k)),
        )


def _scale(u, low, high):
    return low + (high - low) * u


def _resize(image, size):
    mode = cv2.INTER_AREA if size < len(image) else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=mode)


# ------------------------------------------------------------------------------------------- pen
def _strokes(labels, u, g):
    """Sampled stroke points of each image in the unit of box heights, and where strokes end."""
    points, slices = [None] * CHUNK, [None] * CHUNK
    variant, sloppiness, frays = u(), _scale(u() ** 1.5, 0.015, 0.065), _scale(u(), 0.003, 0.011)
    jitters, tremors = g(MAX_KNOTS, 2), g(MAX_SAMPLES, 2)
    warps = 0.07 * g(4)
    # Widths differ, slant leans right as most hands do, the whole is turned a little.
    widths, slants, turns = np.exp(0.2 * g()), 0.2 + 0.22 * g(), 0.09 * g()
    for digit, (cumulative, variants) in _pens().items():
        chosen = np.minimum(np.searchsorted(cumulative, variant), len(variants) - 1)
        for v, (aspect, knots, matrix, parts) in enumerate(variants):
            rows = np.flatnonzero((labels == digit) & (chosen == v))
            p = knots - 0.5 + jitters[rows, : len(knots)] * sloppiness[rows, None, None]
            # A slow warp of the whole figure: bulges that neighbouring knots share.
            warp = warps[rows, None]
            x, y = p[..., 0], p[..., 1]
            x, y = (
                x + warp[..., 0] * (4 * y * y - 0.5) + warp[..., 1] * np.sin(2 * np.pi * y),
                y + warp[..., 2] * (4 * x * x - 0.5) + warp[..., 3] * 2 * x * y,
            )
            p = matrix @ np.stack([x, y], axis=-1)
            # The hand trembles and the scanner frays the edge.
            p += tremors[rows, : len(matrix)] * frays[rows, None, None]
            x = p[..., 0] * aspect * widths[rows, None] - p[..., 1] * slants[rows, None]
            y = p[..., 1]
            c, s = np.cos(turns[rows, None]), np.sin(turns[rows, None])
            p = np.stack([c * x - s * y, s * x + c * y], axis=-1)
            for row, sampled in zip(rows, p, strict=True):
                points[row], slices[row] = sampled, parts
    return points, slices


def _draw_pen(points, slices, width, pressure, phase):
    """One pen image, uint8 [28, 28]: two-valued ink, boxed, softened and centred by mass."""
    low, high = points.min(0), points.max(0)
    side = PEN_BOX * SUPERSAMPLE
    ink = width * SUPERSAMPLE
    scale = (side - ink) / max((high - low).max(), 1e-3)
    pts = (points - (low + high) / 2) * scale + side / 2
    along = np.arange(len(pts)) * (2 * np.pi / 24) + phase
    thick = np.maximum(np.rint(ink * (1 + pressure * np.sin(along))), 2).astype(int).tolist()
    xy = np.rint(pts * 2**FRACTION).astype(int).tolist()
    canvas = np.zeros((side, side), np.uint8)
    for start, stop in slices:
        for k in range(start, stop - 1):
            cv2.line(canvas, xy[k], xy[k + 1], 255, thick[k], cv2.LINE_8, FRACTION)
    small = cv2.resize(canvas, (PEN_BOX, PEN_BOX), interpolation=cv2.INTER_AREA)
    m = cv2.moments(small)
    mass = max(m["m00"], 1.0)
    margin = PEN_FRAME - PEN_BOX
    left = min(max(round((PEN_FRAME - 1) / 2 - m["m10"] / mass), 0), margin)
    top = min(max(round((PEN_FRAME - 1) / 2 - m["m01"] / mass), 0), margin)
    frame = np.zeros((PEN_FRAME, PEN_FRAME), np.uint8)
    frame[top : top + PEN_BOX, left : left + PEN_BOX] = small
    return frame


def pen_digits(count, seed, size=32):
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
        points, slices = _strokes(classes, u, g)
        width = np.clip(2.1 * np.exp(0.25 * g()), 1.2, 4.2)
        pressure, phase = _scale(u(), 0.0, 0.3), _scale(u(), 0.0, 2 * np.pi)
        labels[first : first + n] = classes[:n]
        for k in range(n):
            frame = _draw_pen(points[k], slices[k], width[k], pressure[k], phase[k])
            images[first + k, :, :, 0] = _resize(frame, size)
    return images, labels


# ---------------------------------------------------------------------------------------- street
# File in matplotlib's font folder -> relative frequency; house numbers are mostly bold and sans.
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
}
# Stroke typefaces inside OpenCV: (font, pen width) -> relative frequency.
HERSHEY = {
    (cv2.FONT_HERSHEY_SIMPLEX, 9): 3,
    (cv2.FONT_HERSHEY_SIMPLEX, 5): 2,
    (cv2.FONT_HERSHEY_DUPLEX, 7): 2,
    (cv2.FONT_HERSHEY_COMPLEX, 5): 1,
    (cv2.FONT_HERSHEY_TRIPLEX, 4): 1,
}
GLYPH = 56  # height of a digit in the atlas
STREET = 32  # SVHN's own size
STRIP_MARGIN = 4
STRIP = (GLYPH + 2 * STRIP_MARGIN, 7 * GLYPH)  # canvas of a number before it is seen
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
    """Glyph masks, uint8 [typeface][digit], GLYPH high, and cumulative typeface frequencies."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    folder = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    faces = []
    for file in TYPEFACES:
        font = ImageFont.truetype(os.path.join(folder, file), 2 * GLYPH)
        sheet = []
        for digit in "0123456789":
            image = Image.new("L", (4 * GLYPH, 4 * GLYPH))
            ImageDraw.Draw(image).text((GLYPH, GLYPH), digit, fill=255, font=font)
            sheet.append(np.asarray(image))
        faces.append(sheet)
    for font, pen in HERSHEY:
        sheet = []
        for digit in "0123456789":
            image = np.zeros((4 * GLYPH, 4 * GLYPH), np.uint8)
            cv2.putText(image, digit, (GLYPH, 3 * GLYPH), font, 3.4, 255, 2 * pen, cv2.LINE_AA)
            sheet.append(image)
        faces.append(sheet)
    masks = []
    for sheet in faces:
        # Old-style figures differ in height; every glyph is cut and brought to one height.
        cut = []
        for image in sheet:
            x, y, w, h = cv2.boundingRect((image > 64).astype(np.uint8))
            width = max(round(w * GLYPH / h), 6)
            glyph = image[y : y + h, x : x + w]
            cut.append(cv2.resize(glyph, (width, GLYPH), interpolation=cv2.INTER_AREA))
        masks.append(cut)
    weight = np.array([*TYPEFACES.values(), *HERSHEY.values()], float)
    return masks, np.cumsum(weight / weight.sum())


@functools.cache
def _textures():
    """Tiles of surface, float32 [8, 128, 128], mean 0 and deviation 1; half carry courses."""
    rng = np.random.Generator(np.random.PCG64(20))
    tiles = []
    for k in range(8):
        tile = np.zeros((128, 128), np.float32)
        for blur, weight in ((1, 0.5), (3, 0.8), (9, 1.2)):
            layer = rng.standard_normal((128, 128)).astype(np.float32)
            layer = cv2.GaussianBlur(layer, None, blur, borderType=cv2.BORDER_REFLECT)
            tile += weight * layer / layer.std()
        if k % 2:
            pitch = (10, 14, 20, 27)[k // 2]
            line = (np.arange(128) % pitch < 2).astype(np.float32)
            tile += 3 * (line[:, None] if k != 3 else line[None, :])
        tiles.append((tile - tile.mean()) / tile.std())
    return np.stack(tiles)


@functools.cache
def _grain():
    """Sensor noise to cut from, float32 [256, 256, 3], deviation 1."""
    rng = np.random.Generator(np.random.PCG64(21))
    fine = rng.standard_normal((256, 256, 3)).astype(np.float32)
    fine = cv2.GaussianBlur(fine, None, 0.6)
    return fine / fine.std()


def _windows(u, extent):
    """Row and column indices [CHUNK, STREET, 1] and [CHUNK, 1, STREET] of windows at random."""
    top, left = (u(2) * (extent - STREET)).astype(int).T
    steps = np.arange(STREET)
    return top[:, None, None] + steps[:, None], left[:, None, None] + steps


def _views(middle, u, g):
    """Perspective [CHUNK, 3, 3] from the strip of glyphs to the doubled window of the crop."""
    side = 2 * STREET
    tall = side * _scale(u(), 0.64, 0.94) / GLYPH
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
    shift = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1.0]])
    return shift @ tilt @ view


def _number(glyphs, gap, weight, view):
    """Mask of a house number seen through the crop's window, uint8 [64, 64].

    Args:
        glyphs: masks of the left neighbour or None, the digit, the right neighbour or None.
    """
    before, digit, after = glyphs
    strip = np.zeros(STRIP, np.uint8)
    band = strip[STRIP_MARGIN : STRIP_MARGIN + GLYPH]
    left = STRIP[1] // 2 - digit.shape[1] // 2
    right = left + digit.shape[1]
    band[:, left:right] = digit
    if before is not None:
        area = band[:, left - gap - before.shape[1] : left - gap]
        np.maximum(area, before, out=area)
    if after is not None:
        area = band[:, right + gap : right + gap + after.shape[1]]
        np.maximum(area, after, out=area)
    if weight < 0.16:
        strip = cv2.erode(strip, np.ones((3, 3), np.uint8))
    elif weight > 0.72:
        strip = cv2.dilate(strip, np.ones((3, 3) if weight < 0.88 else (5, 5), np.uint8))
    return cv2.warpPerspective(strip, view, (2 * STREET, 2 * STREET), flags=cv2.INTER_LINEAR)


def _masks(labels, u, g):
    """Coverage of each pixel by the figures of a house number, float32 [CHUNK, 32, 32]."""
    sheets, edges = _atlas()
    faces = [sheets[k] for k in np.minimum(np.searchsorted(edges, u()), len(sheets) - 1)]
    neighbour, present = (u(2) * 10).astype(int), u(2) < 0.6
    gap, weight = np.rint(_scale(u(), -2, 11)).astype(int), u()
    middle = np.array([face[digit].shape[1] for face, digit in zip(faces, labels, strict=True)])
    views = _views(middle, u, g)
    masks = np.empty((CHUNK, STREET, STREET), np.float32)
    for k, face in enumerate(faces):
        before, after = (face[neighbour[k, j]] if present[k, j] else None for j in range(2))
        big = _number((before, face[labels[k]], after), gap[k], weight[k], views[k])
        masks[k] = cv2.resize(big, (STREET, STREET), interpolation=cv2.INTER_AREA)
    return masks / 255


def _paint(brightness, u, g):
    """RGB float32 [CHUNK, 3] of a given brightness; dark paints are the more colourful ones."""
    weight = np.array([t[0] for t in TINTS])
    index = np.minimum(np.searchsorted(np.cumsum(weight / weight.sum()), u()), len(TINTS) - 1)
    strength = _scale(u(), 0.3, 1.0) * np.interp(brightness, [40, 110, 190], [1.2, 0.62, 0.22])
    colour = np.array([t[1] for t in TINTS])[index]
    colour = (1 + (colour - 1) * strength[:, None]) * np.exp(0.02 * g(3))
    luma = colour @ np.array([0.299, 0.587, 0.114])
    return (colour * (brightness / luma)[:, None]).astype(np.float32)


def _along(angle):
    """Coordinate along a direction over the crop, from about -0.5 to 0.5, [CHUNK, 32, 32]."""
    axis = (np.arange(STREET) + 0.5) / STREET - 0.5
    return np.cos(angle)[:, None, None] * axis + np.sin(angle)[:, None, None] * axis[:, None]


def _wall(mask, u, g):
    """Wall or plate with its number, float32 RGB [CHUNK, 32, 32, 3], evenly lit."""
    brightness = np.clip(116 + 56 * g(), 22, 250)
    # Dark grounds carry light figures and light grounds dark ones; between, either.
    light_ink = u() < np.interp(brightness, [50, 110, 170], [1.0, 0.58, 0.0])
    contrast = np.clip(np.exp(4.55 + 0.43 * g()), 34, 190)
    # Strong light must not bleach a figure away.
    contrast = np.maximum(contrast, 0.35 * brightness)
    ink = np.clip(np.where(light_ink, brightness + contrast, brightness - contrast), 18, 250)
    ground_rgb, ink_rgb = _paint(brightness, u, g), _paint(ink, u, g)
    wall = np.tile(ground_rgb[:, None, None, :], (1, STREET, STREET, 1))

    # The border of a plate or a door frame: beyond a straight edge another ground begins.
    across = _along((u() * 4).astype(int) * (np.pi / 2) + 0.08 * g())
    beyond = np.clip((across - _scale(u(), 0.36, 0.48)[:, None, None]) * STREET, 0, 1)
    beyond *= (u() < 0.38)[:, None, None]
    other = (ground_rgb * np.exp(0.5 * g())[:, None]).astype(np.float32)
    wall += beyond.astype(np.float32)[..., None] * (other[:, None, None, :] - wall)

    tiles = _textures()
    which = (u() * len(tiles)).astype(int)[:, None, None]
    surface = tiles[(which, *_windows(u, tiles.shape[1]))]
    surface *= (1 + 11 * u() ** 2.5).astype(np.float32)[:, None, None]
    wall += surface[..., None]

    # Raised figures cast a shadow, a copy of the mask moved by whole pixels.
    raised = u() < 0.3
    right = np.where(raised, np.rint(_scale(u(), -2.4, 2.4)), 0).astype(int)[:, None, None]
    down = np.where(raised, np.rint(_scale(u(), 0.6, 2.4)), 0).astype(int)[:, None, None]
    steps = np.arange(STREET)
    rows, columns = (
        np.clip(steps[:, None] - down, 0, STREET - 1),
        np.clip(steps - right, 0, STREET - 1),
    )
    shade = mask[np.arange(CHUNK)[:, None, None], rows, columns]
    shade *= (raised * _scale(u(), 0.2, 0.6)).astype(np.float32)[:, None, None]
    wall *= (1 - shade)[..., None]

    worn = ink_rgb[:, None, None, :] + 0.35 * surface[..., None]
    wall += mask[..., None] * (worn - wall)
    return wall


def _light(u, g):
    """Factor of the light on each pixel and channel, float32 [CHUNK, 32, 32, 3]."""
    slope = 0.16 * g(2)
    angle = np.arctan2(slope[:, 1], slope[:, 0])
    light = 1 + np.hypot(slope[:, 0], slope[:, 1])[:, None, None] * _along(angle)
    light *= np.exp(0.03 + 0.12 * g())[:, None, None]
    # Now and then the soft edge of a shadow crosses the crop.
    across = _along(2 * np.pi * u()) - _scale(u(), -0.4, 0.4)[:, None, None]
    depth = np.where(u() < 0.14, _scale(u(), 0.2, 0.5), 0)[:, None, None]
    light = light * (1 - depth / (1 + np.exp(-14 * across)))
    # White balance moves along blue against yellow; shaded walls are bluish.
    balance = np.exp((0.03 + 0.04 * g())[:, None] * np.array([-1.0, -0.2, 1.2]))
    return light.astype(np.float32)[..., None] * balance.astype(np.float32)[:, None, None, :]


def _photograph(scene, u):
    """What a camera makes of a scene: lens blur, sharpening halos, grain and JPEG; uint8."""
    blur = _scale(u() ** 1.4, 0.55, 1.9).tolist()
    halo = u()
    halo = np.where(halo < 0.5, 1.6 * halo, 0).tolist()
    for k in range(CHUNK):
        image = cv2.GaussianBlur(scene[k], None, blur[k], borderType=cv2.BORDER_REFLECT)
        if halo[k]:
            soft = cv2.GaussianBlur(image, None, 1.6, borderType=cv2.BORDER_REFLECT)
            image = cv2.addWeighted(image, 1 + halo[k], soft, -halo[k], 0)
        scene[k] = image
    grain = _grain()
    noise = _scale(u() ** 2, 0.6, 5.0).astype(np.float32)
    scene += grain[_windows(u, len(grain))] * noise[:, None, None, None]
    images = np.clip(np.rint(scene), 0, 255).astype(np.uint8)
    quality = _scale(u(), 45, 95).astype(int).tolist()
    for k in range(CHUNK):
        # OpenCV takes the red channel for blue, both ways: the images come back as RGB.
        _, code = cv2.imencode(".jpg", images[k], (cv2.IMWRITE_JPEG_QUALITY, quality[k]))
        images[k] = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return images


def street_digits(count, seed, size=32):
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
        labels[first : first + n] = classes[:n]
        for k, image in enumerate(_photograph(scene, u)[:n]):
            images[first + k] = image if size == STREET else _resize(image, size)
    return images, labels
