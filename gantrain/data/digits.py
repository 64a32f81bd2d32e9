"""Two digit domains drawn by the program: pen strokes (as MNIST) and street numbers (as SVHN).

Both are pure functions of (seed, index): every random number is read row by row from one stream
per purpose, so a smaller set is a prefix of a larger one.
"""

from __future__ import annotations

import functools
import os

import cv2
import numpy as np

CHUNK = 250  # images composed at once; bounds memory, has no influence on the pixels

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
        (8, 0.2, [[(0.55, 0.0), (0.45, 0.35), (0.5, 0.7), (0.55, 1.0)]]),
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
        (1, 0.7, [[(0.25, 0.04), (0.05, 0.26), (0.12, 0.5), (0.5, 0.5), (0.82, 0.3)],
                  [(0.25, 0.04), (0.55, 0.06), (0.92, 0.02)],
                  [(0.92, 0.02), (0.82, 0.3), (0.66, 1.0)]]),
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
SUPERSAMPLE = 5  # the pen draws two-valued ink on a grid this much finer than MNIST's
PEN_BOX, PEN_FRAME = 20, 28  # MNIST: fit a 20x20 box, then centre by mass in 28x28
MAX_KNOTS, MAX_SAMPLES = 16, 80
PEN_NORMALS = 8 + 2 * MAX_KNOTS + 2 * MAX_SAMPLES


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
def _streams(domain, seed, count):
    """Labels, uniform and normal generators of one domain; each is read row by row."""
    label, uniform, normal = (
        np.random.Generator(np.random.PCG64(s))
        for s in np.random.SeedSequence([domain, seed]).spawn(3)
    )
    # A permutation of the ten classes per ten images: balanced in every prefix.
    blocks = label.random((-(-count // 10), 10)).argsort(axis=1)
    return blocks.reshape(-1)[:count].astype(np.int32), uniform, normal


def _scale(u, low, high):
    return low + (high - low) * u


# ------------------------------------------------------------------------------------------- pen
def _strokes(labels, u, g):
    """Sampled stroke points of each image in the unit of box heights, and where strokes end."""
    n = len(labels)
    points, slices = [None] * n, [None] * n
    pens = _pens()
    for digit in range(10):
        cumulative, variants = pens[digit]
        chosen = np.minimum(np.searchsorted(cumulative, u[:, 0]), len(variants) - 1)
        for v, (aspect, knots, matrix, parts) in enumerate(variants):
            rows = np.flatnonzero((labels == digit) & (chosen == v))
            if not len(rows):
                continue
            jitter = g[rows, 8 : 8 + 2 * len(knots)].reshape(len(rows), len(knots), 2)
            level = _scale(u[rows, 1] ** 1.5, 0.015, 0.065)[:, None, None]
            p = knots - 0.5 + jitter * level
            # A slow warp of the whole figure: bulges that neighbouring knots share.
            warp = 0.07 * g[rows, 0:4]
            x, y = p[..., 0], p[..., 1]
            p = np.stack(
                [
                    x + warp[:, 0:1] * (4 * y * y - 0.5) + warp[:, 1:2] * np.sin(2 * np.pi * y),
                    y + warp[:, 2:3] * (4 * x * x - 0.5) + warp[:, 3:4] * 2 * x * y,
                ],
                axis=-1,
            )
            # The hand trembles and the scanner frays the edge.
            tremor = g[rows, 8 + 2 * MAX_KNOTS :][:, : 2 * len(matrix)]
            fray = _scale(u[rows, 4], 0.003, 0.011)[:, None, None]
            p = matrix @ p + fray * tremor.reshape(len(rows), len(matrix), 2)
            # Width grows, slant leans right as most hands do, the whole is turned a little.
            width = aspect * np.exp(0.2 * g[rows, 4])
            slant = 0.2 + 0.22 * g[rows, 5]
            turn = 0.09 * g[rows, 6]
            x = p[..., 0] * width[:, None] - p[..., 1] * slant[:, None]
            y = p[..., 1]
            c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
            p = np.stack([c * x - s * y, s * x + c * y], axis=-1)
            for row, pts in zip(rows, p, strict=True):
                points[row], slices[row] = pts, parts
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
    xy = np.rint(pts * 16).astype(int).tolist()
    canvas = np.zeros((side, side), np.uint8)
    for start, stop in slices:
        for k in range(start, stop - 1):
            cv2.line(canvas, xy[k], xy[k + 1], 255, thick[k], cv2.LINE_8, 4)
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
    labels, uniform, normal = _streams(1, seed, count)
    images = np.empty((count, size, size, 1), np.uint8)
    for first in range(0, count, CHUNK):
        part = slice(first, min(first + CHUNK, count))
        n = part.stop - part.start
        u, g = uniform.random((n, 8)), normal.standard_normal((n, PEN_NORMALS))
        points, slices = _strokes(labels[part], u, g)
        width = np.clip(2.15 * np.exp(0.24 * g[:, 7]), 1.2, 4.2)
        pressure = _scale(u[:, 2], 0.0, 0.3)
        phase = _scale(u[:, 3], 0.0, 2 * np.pi)
        for k in range(n):
            frame = _draw_pen(points[k], slices[k], width[k], pressure[k], phase[k])
            if size != PEN_FRAME:
                frame = cv2.resize(frame, (size, size), interpolation=cv2.INTER_LINEAR)
            images[first + k, :, :, 0] = frame
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
    (6, (0.62, 0.82, 1.50)),
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


def _cut(bank, x, y, side):
    """Windows of `side` pixels from the last two spatial axes of bank [K, H, W] or [H, W, C]."""
    rows = y[:, None, None] + np.arange(side)[None, :, None]
    columns = x[:, None, None] + np.arange(side)[None, None, :]
    return rows, columns


def _views(middle, u, g):
    """Perspective [n, 3, 3] from the strip of glyphs to the doubled window of the crop."""
    n, side = len(middle), 2 * STREET
    tall = side * _scale(u[:, 0], 0.64, 0.94) / GLYPH
    # A crop is square around the digit's box: what is wider than the window is brought into it.
    wide = np.minimum(tall * _scale(u[:, 1], 0.58, 1.05), 0.95 * side / middle)
    turn, shear = 0.07 * g[:, 0], 0.12 * g[:, 1]
    c, s = np.cos(turn), np.sin(turn)
    view = np.zeros((n, 3, 3))
    view[:, 0, 0], view[:, 0, 1] = wide * c, tall * (c * shear - s)
    view[:, 1, 0], view[:, 1, 1] = wide * s, tall * (s * shear + c)
    view[:, 2, 2] = 1
    view[:, :2, 2] = 1.5 * g[:, 2:4] - view[:, :2, :2] @ np.array(STRIP_CENTRE)
    tilt = np.tile(np.eye(3), (n, 1, 1))
    tilt[:, 2, :2] = 0.0009 * g[:, 4:6]
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


def _paint(brightness, u, g):
    """RGB float32 [n, 3] of a given brightness; dark paints are the more colourful ones."""
    weight = np.array([t[0] for t in TINTS])
    edges = np.cumsum(weight / weight.sum())
    index = np.minimum(np.searchsorted(edges, u[:, 0]), len(TINTS) - 1)
    strength = _scale(u[:, 1], 0.3, 1.0) * np.interp(brightness, [40, 110, 190], [1.1, 0.8, 0.25])
    colour = np.array([t[1] for t in TINTS])[index]
    colour = (1 + (colour - 1) * strength[:, None]) * np.exp(0.02 * g)
    luma = colour @ np.array([0.299, 0.587, 0.114])
    return (colour * (brightness / luma)[:, None]).astype(np.float32)


def _street_chunk(labels, u, g):
    """One chunk of street images, uint8 [n, 32, 32, 3]."""
    n, side = len(labels), STREET
    f = np.float32
    masks, edges = _atlas()
    face = np.minimum(np.searchsorted(edges, u[:, 0]), len(masks) - 1)
    sheets = [masks[k] for k in face]
    beside = (u[:, 1:3] * 10).astype(int)
    present = u[:, 3:5] < 0.55
    gap = np.rint(_scale(u[:, 5], -1, 12)).astype(int)
    middle = np.array([sheet[d].shape[1] for sheet, d in zip(sheets, labels, strict=True)])
    views = _views(middle, u[:, 7:9], g[:, 0:6])
    mask = np.empty((n, side, side), f)
    for k, sheet in enumerate(sheets):
        glyphs = (
            sheet[beside[k, 0]] if present[k, 0] else None,
            sheet[labels[k]],
            sheet[beside[k, 1]] if present[k, 1] else None,
        )
        big = _number(glyphs, gap[k], u[k, 6], views[k])
        mask[k] = cv2.resize(big, (side, side), interpolation=cv2.INTER_AREA)
    mask /= 255

    axis = ((np.arange(side) + 0.5) / side - 0.5).astype(f)
    xx, yy = axis[None, None, :], axis[None, :, None]

    # Ground and paint: mean brightness, signed contrast, tint.
    ground = np.clip(116 + 52 * g[:, 6], 22, 238)
    light_ink = u[:, 9] < np.interp(ground, [50, 110, 200], [1.0, 0.58, 0.0])
    contrast = np.clip(np.exp(4.5 + 0.45 * g[:, 7]), 30, 190)
    ink = np.clip(np.where(light_ink, ground + contrast, ground - contrast), 6, 252)
    ground_rgb = _paint(ground, u[:, [10, 33]], g[:, 8:11])
    ink_rgb = _paint(ink, u[:, [11, 34]], g[:, 11:14])

    canvas = np.broadcast_to(ground_rgb[:, None, None, :], (n, side, side, 3)).copy()
    # The border of a plate or a door frame: beyond a straight edge another ground begins.
    angle = np.where(u[:, 12] < 0.5, 0, np.pi / 2) + 0.08 * g[:, 14]
    sign = np.where(u[:, 13] < 0.5, -1, 1)
    across = (np.cos(angle) * sign)[:, None, None] * xx + (np.sin(angle) * sign)[:, None, None] * yy
    beyond = np.clip((across - _scale(u[:, 14], 0.36, 0.48)[:, None, None]) * side, 0, 1)
    beyond = (beyond * (u[:, 15] < 0.3)[:, None, None]).astype(f)[..., None]
    other = (ground_rgb * np.exp(0.5 * g[:, 15])[:, None]).astype(f)
    canvas += beyond * (other[:, None, None, :] - canvas)

    tiles = _textures()
    which = (u[:, 16] * len(tiles)).astype(int)[:, None, None]
    x0, y0 = (u[:, 17] * 96).astype(int), (u[:, 18] * 96).astype(int)
    rows, columns = _cut(tiles, x0, y0, side)
    surface = tiles[which, rows, columns]
    rough = (1 + 11 * u[:, 19] ** 2.5).astype(f)[:, None, None]
    canvas += (rough * surface)[..., None]

    # A shadow of raised figures, then the figures.
    raised = u[:, 20] < 0.3
    dx = np.where(raised, np.rint(_scale(u[:, 21], -2.4, 2.4)), 0).astype(int)
    dy = np.where(raised, np.rint(_scale(u[:, 22], 0.6, 2.4)), 0).astype(int)
    rows = np.clip(np.arange(side)[None, :, None] - dy[:, None, None], 0, side - 1)
    columns = np.clip(np.arange(side)[None, None, :] - dx[:, None, None], 0, side - 1)
    shade = mask[np.arange(n)[:, None, None], rows, columns]
    shade = shade * (raised * _scale(u[:, 23], 0.2, 0.6)).astype(f)[:, None, None]
    canvas *= (1 - shade)[..., None]
    wear = (0.35 * rough * surface)[..., None]
    canvas += mask[..., None] * (ink_rgb[:, None, None, :] + wear - canvas)

    # Light falls off over the crop; sometimes the edge of a shadow crosses it.
    slope = (0.16 * g[:, 16:18]).astype(f)
    light = 1 + slope[:, 0, None, None] * xx + slope[:, 1, None, None] * yy
    angle = (2 * np.pi * u[:, 24])[:, None, None]
    across = np.cos(angle) * xx + np.sin(angle) * yy - _scale(u[:, 25], -0.4, 0.4)[:, None, None]
    dark = np.where(u[:, 26] < 0.14, _scale(u[:, 27], 0.2, 0.5), 0)[:, None, None]
    light = light * (1 - dark / (1 + np.exp(-14 * across)))
    canvas *= light.astype(f)[..., None]
    # White balance moves along blue against yellow; shaded walls are bluish.
    cast = np.exp((0.03 + 0.05 * g[:, 18])[:, None] * np.array([-1.0, -0.2, 1.2]))
    canvas *= cast.astype(f)[:, None, None, :]

    # The lens blurs; cameras then sharpen, which leaves halos around the figures.
    blur = _scale(u[:, 28] ** 1.3, 0.6, 2.0)
    sharp = np.where(u[:, 35] < 0.5, 1.6 * u[:, 35], 0).tolist()
    for k in range(n):
        canvas[k] = cv2.GaussianBlur(canvas[k], None, blur[k], borderType=cv2.BORDER_REFLECT)
        if sharp[k]:
            soft = cv2.GaussianBlur(canvas[k], None, 1.6, borderType=cv2.BORDER_REFLECT)
            canvas[k] = cv2.addWeighted(canvas[k], 1 + sharp[k], soft, -sharp[k], 0)

    grain = _grain()
    x0, y0 = (u[:, 29] * 224).astype(int), (u[:, 30] * 224).astype(int)
    rows, columns = _cut(grain, x0, y0, side)
    canvas += grain[rows, columns] * _scale(u[:, 31] ** 2, 0.6, 5.0).astype(f)[:, None, None, None]
    images = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)

    quality = _scale(u[:, 32], 45, 95).astype(int).tolist()
    for k in range(n):
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
    labels, uniform, normal = _streams(2, seed, count)
    images = np.empty((count, size, size, 3), np.uint8)
    for first in range(0, count, CHUNK):
        part = slice(first, min(first + CHUNK, count))
        n = part.stop - part.start
        u, g = uniform.random((n, 36)), normal.standard_normal((n, 19))
        chunk = _street_chunk(labels[part], u, g)
        if size == STREET:
            images[part] = chunk
        else:
            mode = cv2.INTER_AREA if size < STREET else cv2.INTER_LINEAR
            for k in range(n):
                images[first + k] = cv2.resize(chunk[k], (size, size), interpolation=mode)
    return images, labels
