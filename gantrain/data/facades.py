"""A paired set drawn by the program: label maps of street facades and what a camera sees of them.

A building is composed by a small grammar in metres and snapped to the pixels of the image, so that
the plan is exact: every pixel of the picture shows what the plan names there. The picture is shaded
from a relief: colour, height above the wall and gloss of each point are painted first, then the sun
casts its shadows over the relief, glass mirrors the street, and a camera takes the picture.

Image i is a function of (seed, i, size), so that a smaller set is a prefix of a larger one; what is
built depends on (seed, i) alone, and the size only says how finely it is seen.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from scipy import ndimage

from gantrain.data import raster
from gantrain.errors import UserError
from gantrain.progress import track

# What a plan tells apart, with its colour: the classes of the CMP facade base (Tylecek and Sara,
# 2013) but for its mouldings, and awnings, roof, sky, plants and street, which it calls background.
LEGEND = {
    "background": (0, 0, 140),  # the walls of other buildings
    "wall": (0, 50, 255),
    "window": (0, 150, 255),
    "door": (0, 215, 255),
    "cornice": (255, 90, 0),
    "sill": (85, 255, 170),
    "balcony": (180, 255, 60),
    "shutter": (255, 235, 0),
    "decoration": (255, 165, 0),
    "pillar": (230, 0, 0),
    "shop": (140, 0, 0),
    "awning": (255, 110, 190),
    "roof": (120, 30, 150),
    "sky": (205, 225, 255),
    "foliage": (0, 120, 50),
    "ground": (95, 95, 105),
}
CLASSES = tuple(LEGEND)
PALETTE = np.array(list(LEGEND.values()), np.uint8)
INDEX = {name: index for index, name in enumerate(CLASSES)}

SMALLEST, LARGEST = 64, 512
RENDER = 256  # least side of the grid a picture is painted on, before it is averaged down

# --------------------------------------------------------------------------------------- colours
# sRGB as seen in photographs of streets in even light.
PLASTER = (
    (226, 208, 170), (219, 182, 112), (232, 214, 160), (200, 142, 96), (210, 166, 140),
    (212, 180, 168), (174, 114, 90), (190, 188, 182), (150, 148, 145), (226, 224, 216),
    (214, 208, 192), (172, 180, 158), (184, 200, 190), (168, 180, 190), (200, 180, 150),
    (176, 150, 118), (132, 108, 90), (146, 96, 90), (178, 172, 172), (220, 198, 134),
    (218, 200, 160), (208, 192, 164), (196, 186, 168), (164, 158, 148), (228, 214, 186),
    (204, 170, 120), (186, 160, 132), (232, 226, 206), (140, 132, 122), (212, 186, 150),
)  # fmt: skip
BRICK = (
    (142, 84, 68), (118, 70, 60), (124, 92, 74), (166, 106, 78), (190, 160, 112), (128, 112, 100),
    (206, 200, 190),
)  # fmt: skip
STONE = (
    (204, 194, 170), (190, 166, 128), (152, 150, 148), (122, 90, 74), (176, 170, 158),
    (112, 108, 106),
)  # fmt: skip
TRIM = ((226, 220, 206), (206, 196, 176), (186, 180, 170), (232, 230, 226), (170, 150, 126))
FRAMES = (
    (236, 236, 232), (230, 228, 220), (226, 220, 204), (112, 78, 56), (46, 62, 52), (70, 72, 76),
    (96, 44, 40),
)  # fmt: skip
SHUTTERS = (
    (54, 84, 64), (40, 66, 50), (104, 72, 52), (110, 130, 146), (220, 216, 206), (110, 44, 42),
    (60, 82, 116), (140, 120, 92),
)  # fmt: skip
DOORS = (
    (92, 60, 40), (120, 80, 48), (60, 42, 34), (46, 66, 54), (44, 54, 80), (120, 40, 36),
    (40, 40, 42), (150, 112, 72), (170, 170, 164),
)  # fmt: skip
ROOFS = (
    (150, 82, 62), (126, 72, 58), (168, 98, 72), (84, 88, 96), (70, 72, 78), (98, 84, 78),
    (116, 126, 120), (56, 56, 60), (132, 84, 70),
)  # fmt: skip
SHOPS = (
    (150, 34, 34), (36, 56, 104), (36, 84, 60), (34, 34, 36), (222, 212, 186), (96, 64, 44),
    (206, 166, 44), (40, 104, 112), (120, 116, 112), (226, 226, 222), (64, 44, 64),
)  # fmt: skip
IRON = (34, 34, 36)
PAVING = ((150, 146, 140), (132, 130, 128), (166, 158, 146))
ASPHALT = ((86, 86, 90), (70, 70, 72), (104, 102, 100))
LEAVES = ((78, 98, 52), (92, 110, 58), (70, 90, 56), (112, 122, 66), (104, 100, 64))

# -------------------------------------------------------------------------------------- surfaces
TILE, TILE_METRES = 768, 8.0  # pixels and extent of a tile of surface

# name: courses and units per tile, offset of every other course (None: any), width of the joints
# in metres (vertical, horizontal), spread of the tones, tone and depth in metres of the joints.
SURFACES = {
    "plaster": (1, 1, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "brick": (100, 32, 0.5, 0.012, 0.014, 0.1, 1.25, 0.012),
    "old brick": (96, 34, 0.5, 0.012, 0.016, 0.12, 0.75, 0.015),
    "blocks": (20, 10, 0.5, 0.014, 0.018, 0.07, 0.72, 0.02),
    "rubble": (22, 14, None, 0.03, 0.03, 0.17, 0.8, 0.03),
    "rustic": (16, 7, 0.5, 0.05, 0.06, 0.04, 0.6, 0.05),
    "bands": (18, 1, 0.0, 0.0, 0.06, 0.02, 0.62, 0.05),
    "panels": (3, 3, 0.0, 0.03, 0.03, 0.05, 0.6, 0.02),
    "boards": (50, 1, 0.0, 0.0, 0.02, 0.05, 0.6, 0.02),
    "tiles": (28, 40, 0.5, 0.03, 0.07, 0.13, 0.55, 0.03),
    "slates": (36, 30, 0.5, 0.012, 0.03, 0.11, 0.7, 0.01),
    "seams": (1, 14, 0.0, 0.05, 0.0, 0.04, 0.75, 0.02),
    "paving": (16, 10, None, 0.02, 0.02, 0.06, 0.75, 0.0),
}


@functools.cache
def _surface(name):
    """Tone and joints of a tile, [2, TILE, TILE]; tones have mean 0 and deviation 1."""
    courses, units, offset, joint_x, joint_y = SURFACES[name][:5]
    stream = raster.Stream(31, list(SURFACES).index(name))
    place = (np.arange(TILE) + 0.5) / TILE
    y = place * courses
    row = y.astype(int)
    shift = offset * (np.arange(courses) % 2) if offset is not None else stream.uniform(courses)
    x = place[None, :] * units + shift[row][:, None]
    column = x.astype(int)
    tones = stream.normal(courses, units)
    tone = tones[row[:, None], column % units] if courses * units > 1 else np.zeros((TILE, TILE))
    joint = (y - row < joint_y * courses / TILE_METRES)[:, None]
    joint = joint | (x - column < joint_x * units / TILE_METRES)
    return np.stack([tone, joint])


@functools.cache
def _surface_level(name, level):
    """The tile averaged down by 2 ** level."""
    return raster.resize(_surface(name), TILE >> level, TILE >> level)


@functools.lru_cache(maxsize=8)
def _surface_at(name, pixels):
    """The tile averaged down, or enlarged, to a side of `pixels`."""
    level = 0
    while TILE >> (level + 1) >= pixels and level < 3:
        level += 1
    return raster.resize(_surface_level(name, level), pixels, pixels)


@functools.cache
def _clouds(power=1.5):
    """Noise without a scale of its own, [512, 512], mean 0 and deviation 1.

    Its amplitude falls with that power of the frequency: 1.5 for clouds, 0.5 for leaves.
    """
    frequency = np.fft.fftfreq(512) * 512
    radius = np.hypot(frequency[:, None], frequency[None, :])
    spectrum = np.fft.fft2(raster.Stream(32).normal(512, 512)) / np.maximum(radius, 1) ** power
    spectrum[0, 0] = 0
    noise = np.fft.ifft2(spectrum).real
    return noise / noise.std()


@functools.cache
def _grain():
    """Sensor noise to cut from, [3, 1024, 1024], deviation 1."""
    stream = raster.Stream(33)
    grain = 0.5 * stream.normal(3, 1024, 1024) + stream.normal(1024, 1024)
    fine = raster.lens(grain[None], 0.6)[0]
    return fine / fine.std()


class _Dice:
    """Draws of one image. How often it is asked must not depend on the size of the image."""

    def __init__(self, *key):
        stream = raster.Stream(*key)
        self.uniform, self.normal = stream.uniform, stream.normal

    def __call__(self, *shape):
        return self.uniform(*shape)

    def chance(self, probability):
        return self.uniform() < probability

    def between(self, low, high):
        return low + (high - low) * self.uniform()

    def pick(self, options):
        return options[int(self.uniform() * len(options))]

    def colour(self, table, spread=0.05):
        """A colour near one of a table, linear, [3]."""
        chosen = _linear(self.pick(table))
        return chosen * np.exp(2 * spread * (self.normal() + 0.5 * self.normal(3)))

    def noise(self, zoom, height, width, wide=1.0, power=1.5):
        """A piece of `_clouds` of 1 / zoom of its side, at any resolution."""
        rows = min(max(2, int(512 / zoom)), 512)
        columns = min(max(2, int(512 * wide / zoom)), 512)
        top = int(self.uniform() * (512 - rows))
        left = int(self.uniform() * (512 - columns))
        piece = _clouds(power)[top : top + rows, left : left + columns]
        return raster.resize(piece, height, width)


def _ramp(start, stop, count):
    """Evenly spaced numbers from one to the other, both included; `start` where there is one."""
    return start + np.arange(count) * ((stop - start) / max(count - 1, 1))


def _linear(colour):
    """sRGB 0 ... 255 to light; a square is close enough to the curve, and its root is quick."""
    return (np.array(colour) / 255) ** 2


# ---------------------------------------------------------------------------------------- canvas
class _Canvas:
    """What is known of every point of the view: class, colour, height above the wall, gloss.

    Boxes are (left, top, right, bottom) in whole pixels of the image; patches are painted at
    `fold` points per pixel. Lengths are given in metres and rounded to pixels once, in `px`.
    """

    def __init__(self, size, metres):
        self.size = size
        self.fold = max(2, -(-RENDER // size))
        self.scale = size / metres
        self.fine = self.scale * self.fold  # points per metre
        side = size * self.fold
        self.classes = np.full((side, side), INDEX["sky"], np.uint8)
        self.colour = np.zeros((3, side, side))
        self.height = np.zeros((side, side))
        self.gloss = np.zeros((side, side))

    def px(self, metres):
        """A place in whole pixels."""
        return round(metres * self.scale)

    def length(self, metres, least=1):
        """A length in whole pixels, never nothing."""
        return max(least, round(metres * self.scale))

    def points(self, metres, least=1):
        """A length in whole points of a patch, never nothing."""
        return max(least, round(metres * self.fine))

    def shape(self, box):
        """Height and width in points of the patch of a box."""
        return max(box[3] - box[1], 1) * self.fold, max(box[2] - box[0], 1) * self.fold

    def shows(self, box):
        """Whether any of a box lies in the picture."""
        return min(box[2:]) > 0 and max(box[:2]) < self.size

    def paint(self, box, name=None, colour=None, height=None, gloss=0.0, mask=None, tone=None):
        """Paint a box, or where `mask` holds in it; what is None stays as it is.

        Args:
            colour: [3] or a patch [h, w, 3]; height, gloss: number or patch [h, w].
            mask: bool patch [h, w].
            tone: patch [h, w], a factor on a colour [3].
        """
        where, inner = self._part(box)
        if where is None:
            return
        chosen = True if mask is None else mask[inner]

        def part(value):
            """What of a patch falls into the picture; a number stands for all of it."""
            return value[inner] if isinstance(value, np.ndarray) and value.ndim else value

        if name is not None:
            np.copyto(self.classes[where], INDEX[name], where=chosen)
        if colour is not None:
            if tone is not None:
                colour = colour[:, None, None] * tone[inner]
            else:
                colour = part(colour).T.swapaxes(1, 2) if colour.ndim > 1 else colour[:, None, None]
            np.copyto(self.colour[(slice(None), *where)], colour, where=chosen)
            np.copyto(self.gloss[where], part(gloss), where=chosen)
        if height is not None:
            np.copyto(self.height[where], part(height), where=chosen)

    def stain(self, box, amount):
        """Darken what is painted in a box by a patch of amounts, [h, w] in 0 ... 1."""
        where, inner = self._part(box)
        if where is not None:
            self.colour[(slice(None), *where)] *= 1 - amount[inner]

    def _part(self, box):
        """What of a box lies in the picture: rows and columns there and in its patch, or None."""
        left, top, right, bottom = (int(edge) * self.fold for edge in box)
        side = len(self.classes)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, side), min(bottom, side)
        if x0 >= x1 or y0 >= y1:
            return None, None
        return (slice(y0, y1), slice(x0, x1)), (
            slice(y0 - top, y1 - top),
            slice(x0 - left, x1 - left),
        )

    def surface(self, box, name):
        """Tone and joints of a surface over a box, each [h, w]; courses are continuous."""
        tile = _surface_at(name, max(8, round(TILE_METRES * self.fine)))
        height, width = self.shape(box)
        rows = (np.arange(height) + box[1] * self.fold) % tile.shape[1]
        columns = (np.arange(width) + box[0] * self.fold) % tile.shape[1]
        return tile[:, rows][..., columns]


@functools.cache
def _arch(kind, height, width):
    """Where an opening is under its arch, bool [height, width]; None: everywhere."""
    if kind == "flat" or width < 3:
        return None
    rise = min({"round": 0.5, "segment": 0.16}[kind] * width, 0.6 * height)
    x = (np.arange(width) + 0.5 - width / 2) / (width / 2)
    y = np.arange(height) + 0.5
    top = rise * (1 - np.sqrt(np.maximum(1 - x**2, 0)) if kind == "round" else x**2)
    mask = y[:, None] >= top[None, :]
    mask.flags.writeable = False
    return mask


def _polygon(height, width, corners):
    """Bool [height, width] inside a convex polygon, its rim included.

    Args:
        corners: clockwise, in fractions of (width, height).
    """
    corners = np.array(corners) * [width, height] - 0.5
    y, x = np.arange(height)[:, None], np.arange(width)
    mask = np.ones((height, width), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        dx, dy = x1 - x0, y1 - y0
        # A point counts that lies within half a point of the rim along either axis.
        mask &= dx * (y - y0) - dy * (x - x0) >= -0.5 * max(abs(dx), abs(dy)) - 1e-9
    return mask


def _grow(box, left, top, right, bottom):
    return box[0] - left, box[1] - top, box[2] + right, box[3] + bottom


# ---------------------------------------------------------------------------------------- pieces
def _wall(canvas, dice, box, name, colour, surface, height=0.0, mask=None, worn=1.0):
    """A surface with its courses, mottled and streaked by the weather."""
    spread, joint_tone, depth = SURFACES[surface][5:]
    rows, columns = canvas.shape(box)
    tone = 1 + worn * (
        0.045 * dice.noise(2.5, rows, columns)
        + 0.04 * dice.noise(12, rows, columns)
        + 0.05 * dice.noise(3, rows, columns, wide=9)
    )
    tilt = 0.06 * dice.normal()
    tone *= _ramp(1 + tilt, 1 - tilt, rows)[:, None]
    relief = height
    if spread:
        tones, joints = canvas.surface(box, surface)
        tone *= 1 + 2 * spread * tones
        tone *= 1 - joints * (1 - joint_tone)
        if np.ndim(height) == 0:
            relief = height - depth * joints
    canvas.paint(box, name, colour, relief, mask=mask, tone=np.maximum(tone, 0.05))


def _streaks(canvas, box, metres, strength, draw):
    """Water stains below a ledge; `draw` is a number in 0 ... 1 that shifts their pattern."""
    below = (box[0], box[3], box[2], box[3] + canvas.length(metres))
    rows, columns = canvas.shape(below)
    line = int(draw * 500)
    pattern = raster.resize(_clouds()[line : line + 1, : 40 + int(60 * draw)], 1, columns)
    amount = strength * np.clip(0.5 + 0.6 * pattern, 0, 1.5)
    fade = _ramp(1, 0, rows)[:, None] ** 1.5
    canvas.stain(below, np.minimum(amount * fade, 0.6))


def _ledge(canvas, box, name, colour, height):
    """A moulded horizontal band: a lit nosing on top, steps back below."""
    rows, _ = canvas.shape(box)
    profile = np.interp(_ramp(0, 1, rows), [0, 0.3, 0.45, 1], [1.0, 1.0, 0.72, 0.45])
    tone = np.interp(_ramp(0, 1, rows), [0, 0.2, 0.5, 1], [1.1, 1.02, 0.95, 0.88])
    shape = canvas.shape(box)
    canvas.paint(
        box,
        name,
        colour,
        np.broadcast_to((height * profile)[:, None], shape),
        tone=np.broadcast_to(tone[:, None], shape),
    )


def _glass(canvas, box, look, draws, arch="flat", depth=-0.16, bars=None):
    """Glass in its frame: dark room, curtains, sashes that mirror differently, glazing bars.

    Args:
        draws: ten numbers in 0 ... 1 that make this window unlike its neighbours.
        bars: (columns, rows, place of the transom from the top or None); None: the look's own.
    """
    if not canvas.shows(box):
        return
    rows, columns = canvas.shape(box)
    across, down, transom = look.bars if bars is None else bars
    mask = _arch(arch, rows, columns)
    y = ((np.arange(rows) + 0.5) / rows)[:, None]
    x = ((np.arange(columns) + 0.5) / columns)[None, :]
    colour = np.empty((rows, columns, 3))
    colour[:] = look.room * (0.4 + 1.2 * draws[0])
    cloth = look.cloth * (0.45 + 0.35 * draws[1])
    kind = draws[2] * look.curtains
    folds = 1 + 0.12 * np.sin(x * (25 + 30 * draws[3]) + 6 * draws[4])
    cover = None
    if 0.3 < kind < 0.5:  # a net over the whole window
        cover = np.broadcast_to(0.2 + 0.4 * draws[4] * folds, (rows, columns))
    elif 0.5 <= kind < 0.74:  # drawn aside
        reach = (0.12 + 0.22 * draws[4]) * (0.75 + 0.5 * y)
        cover = ((x < reach) | (x > 1 - reach * (0.6 + 0.8 * draws[5]))) * (0.85 * folds)
    elif 0.74 <= kind < 0.86:  # a net in the lower half
        cover = (y > 0.35 + 0.3 * draws[4]) * (0.6 * folds)
    elif kind >= 0.86:  # a blind inside, part of the way down
        cover = np.broadcast_to((y < 0.15 + 0.5 * draws[4]) * 0.85, (rows, columns))
    if cover is not None:
        colour += cover[..., None] * (cloth - colour)
    gloss = np.full((rows, columns), 1.0)
    half = columns // 2
    # Each sash stands a little differently and mirrors another part of the street.
    gloss[:, :half] *= 0.55 + 0.8 * draws[6]
    gloss[:, half:] *= 0.55 + 0.8 * draws[7]
    height = np.full((rows, columns), depth)

    frame = np.zeros((rows, columns), bool)
    thick = canvas.points(look.frame_width)
    thin = canvas.points(0.6 * look.frame_width)
    frame[:thick] = frame[-thick:] = frame[:, :thick] = frame[:, -thick:] = True
    if mask is not None:
        frame |= raster.dilate(~mask, thick)
    if transom is not None and rows * (1 - transom) > 6 * thick:
        place = int(rows * transom)
        frame[place : place + thick] = True
    for k in range(1, across):
        place = round(columns * k / across - thick / 2)
        if columns / across > 2.5 * thick:
            frame[:, place : place + (thick if 2 * k == across or across == 3 else thin)] = True
    for k in range(1, down):
        if rows / down > 3 * thin:
            place = round(rows * k / down)
            frame[place : place + thin] = True
    colour[frame] = look.frame * (0.75 + 0.2 * draws[8])
    gloss[frame] = 0
    height[frame] = depth + 0.05
    canvas.paint(box, "window", colour, height, gloss, mask)


def _slats(canvas, box, colour, height, draw, mask=None):
    """A shutter of wooden louvres or a roller blind of slats."""
    rows, columns = canvas.shape(box)
    period = canvas.points(0.09, 3)
    phase = (np.arange(rows) % period) / period
    tone = (0.72 + 0.5 * phase)[:, None] * (0.88 + 0.24 * draw)
    patch = np.broadcast_to(tone[..., None] * colour, (rows, columns, 3)).copy()
    edge = canvas.points(0.05)
    if columns > 4 * edge and rows > 4 * edge:
        for band in (patch[:edge], patch[-edge:], patch[:, :edge], patch[:, -edge:]):
            band[:] = colour * (1.02 * (0.88 + 0.24 * draw))
        middle = rows // 2
        patch[middle : middle + edge] = colour * (0.88 + 0.24 * draw)
    canvas.paint(box, "shutter", patch, height, mask=mask)


def _railing(canvas, box, look, kind, out):
    """The front of a balcony without its slab: iron bars, balusters, a parapet or glass."""
    rows, columns = canvas.shape(box)
    colour = look.rail
    if kind == "parapet":
        patch = np.broadcast_to(look.parapet, (rows, columns, 3)).copy()
        lip = canvas.points(0.08)
        patch[:lip] *= 1.12
        height = np.full((rows, columns), out)
        height[:lip] += 0.06
        canvas.paint(box, "balcony", patch, height)
        return
    if kind == "glass":
        lip = canvas.points(0.06)
        patch = np.broadcast_to(_linear((120, 140, 140)), (rows, columns, 3)).copy()
        gloss = np.full((rows, columns), 0.8)
        patch[:lip] = _linear((150, 150, 150))
        gloss[:lip] = 0
        canvas.paint(box, "balcony", patch, out, gloss)
        return
    stone = kind == "balusters"
    period = canvas.points(0.26 if stone else 0.15, 3)
    bar = canvas.points(0.15 if stone else 0.03)
    mask = np.zeros((rows, columns), bool)
    mask[:, (np.arange(columns) + period // 2) % period < bar] = True
    lip = canvas.points(0.14 if stone else 0.05)
    mask[:lip] = mask[-lip:] = True
    mask[:, :bar] = mask[:, -bar:] = True
    if kind == "wrought":
        y, x = np.mgrid[:rows, :columns]
        mask |= (((x + y) % period < bar) | ((x - y) % period < bar)) & (y > 0.45 * rows)
    canvas.paint(box, "balcony")
    canvas.paint(box, None, look.trim if stone else colour, out, mask=mask)


def _door(canvas, box, look, draws, arch="flat"):
    """A wooden door of one or two leaves with panels, and a light above it."""
    rows, columns = canvas.shape(box)
    mask = _arch(arch, rows, columns)
    leaf = look.door * (1.1 + 0.4 * draws[0])
    patch = np.broadcast_to(leaf, (rows, columns, 3)).copy()
    height = np.full((rows, columns), -0.18)
    gloss = np.zeros((rows, columns))
    light = int(rows * (0.14 + 0.16 * draws[1]))
    edge = canvas.points(0.08)
    if arch == "round":
        light = max(light, min(columns // 2, rows // 2))
    patch[:light] = look.room
    gloss[:light] = 0.8
    patch[light - edge : light] = leaf
    gloss[light - edge : light] = 0
    leaves = 2 if draws[2] < 0.65 and columns > 8 * edge else 1
    for k in range(leaves):
        left, right = columns * k // leaves, columns * (k + 1) // leaves
        for top, bottom in ((0.08, 0.55), (0.63, 0.93)):
            a = light + int((rows - light) * top)
            b = light + int((rows - light) * bottom)
            panel = (slice(a, b), slice(left + edge, right - edge))
            if draws[3] < 0.4 and top < 0.1:
                patch[panel] = look.room * 1.3
                gloss[panel] = 0.7
            else:
                patch[panel] = leaf * 0.82
                height[panel] -= 0.03
        patch[:, max(right - 1, 0) : right] = leaf * 0.45
    frame = canvas.points(0.1)
    for band in (patch[:, :frame], patch[:, -frame:]):
        band[:] = look.frame if draws[4] < 0.4 else leaf * 0.8
    gloss[:, :frame] = gloss[:, -frame:] = 0
    canvas.paint(box, "door", patch, height, gloss, mask)


def _lettering(patch, colour, draws, size):
    """Letters too small to be read, in the middle of a sign."""
    rows, columns = patch.shape[:2]
    high = max(2, int(rows * size))
    top = (rows - high) // 2
    stroke = max(1, high // 5)
    place = int(columns * (0.1 + 0.2 * draws[0]))
    for draw in draws[1:]:
        wide = max(2, int(high * (0.45 + 0.4 * draw)))
        if place + wide > columns * 0.92:
            break
        glyph = patch[top : top + high, place : place + wide]
        shape = int(draw * 97) % 5
        if shape != 4:  # a gap between words
            glyph[:, :stroke] = colour
            if shape in (0, 2):
                glyph[:stroke] = colour
            if shape in (0, 1):
                glyph[-stroke:] = colour
            if shape in (2, 3):
                glyph[:, -stroke:] = colour
            if shape in (1, 2, 3):
                glyph[high // 2 : high // 2 + stroke] = colour
        place += wide + max(1, stroke)


def _shop(canvas, box, look, draws, sign):
    """A shop front: sign, display windows between posts, a base; a dark way in."""
    rows, columns = canvas.shape(box)
    colour = sign
    patch = np.broadcast_to(colour, (rows, columns, 3)).copy()
    gloss = np.zeros((rows, columns))
    height = np.full((rows, columns), 0.02)
    fascia = canvas.points(0.55 + 0.3 * draws[0], 2)
    base = canvas.points(0.15 + 0.4 * draws[1])
    post = canvas.points(0.1)
    height[:fascia] = 0.12
    bright = float(colour.mean()) > 0.25
    ink = _linear((30, 28, 30)) if bright else _linear((235, 228, 206))
    _lettering(patch[:fascia], ink, draws[10:], 0.45 + 0.2 * draws[2])
    panes = max(1, min(4, round(columns / canvas.fine / 1.5)))
    entry = int(draws[3] * panes)
    for k in range(panes):
        left = columns * k // panes + post
        right = columns * (k + 1) // panes - post // 2
        if right - left < 1:
            continue
        bottom = rows if k == entry else rows - base
        pane = (slice(fascia + post, bottom), slice(left, right))
        wide, high = right - left, bottom - fascia - post
        if high < 1:
            continue
        # Wares on display: blobs of warm light with a little colour in a dim room.
        pieces = [
            _clouds(1.2)[int(a * 480) :, int(b * 480) :][:24, :24]
            for a, b in draws[4:10].reshape(3, 2)
        ]
        tint = np.stack([pieces[0] + 0.25 * piece for piece in pieces])
        wares = raster.resize(np.clip(0.2 + 0.12 * tint, 0.01, 0.7), high, wide)
        wares = np.moveaxis(wares, 0, -1) * [1.15, 1.0, 0.8]
        weight = _ramp(0.4, 1.2, high)[:, None, None]
        patch[pane] = look.room + wares * weight * (0.3 if k == entry else 0.9)
        gloss[pane] = 0.75
        height[pane] = -0.5 if k == entry else -0.12
    canvas.paint(box, "shop", patch, height, gloss)


def _awning(canvas, box, colour, draws):
    """Cloth that comes forward from the wall, plain or striped, with a valance."""
    rows, columns = canvas.shape(box)
    stripes = np.ones(columns, bool)
    if draws[0] < 0.55:
        period = canvas.points(0.5 + 0.3 * draws[1], 4)
        stripes = np.arange(columns) % period < period // 2
    line = np.where(stripes[:, None], colour, _linear((226, 220, 206)))
    slope = _ramp(0, 1, rows)
    tone = (0.85 + 0.25 * slope)[:, None, None]
    hem = max(1, rows // 5)
    tone[-hem:] *= 0.72
    canvas.paint(
        box,
        "awning",
        line[None] * tone,
        np.broadcast_to((0.1 + 1.0 * slope)[:, None], (rows, columns)),
    )


def _foliage(canvas, dice, box, colour, ragged=0.3, height=1.5, gaps=0.0, rooted=False):
    """A crown, a hedge or creepers: a ragged mass of leaves that shades what is behind it.

    Args:
        gaps: how much can be seen through it; at 0 next to nothing.
        rooted: widest at the ground, not in the middle.
    """
    rows, columns = canvas.shape(box)
    zoom = 512 * canvas.fine / (14 * max(rows, columns))  # leaves have a size in metres
    wide = columns / rows
    if columns > rows:
        zoom, wide = zoom * columns / rows, columns / rows
    y = _ramp(-1, 1, rows)[:, None]
    x = _ramp(-1, 1, columns)[None, :]
    edge = dice.noise(zoom, rows, columns, wide)
    fine = dice.noise(zoom, rows, columns, wide, 0.5)
    up = 0.5 * (1 - y) if rooted else y
    mask = x**2 + up**2 + ragged * edge + 0.06 * fine < 0.78
    mask &= dice.noise(zoom, rows, columns, wide, 0.8) < 2.2 - gaps
    leaves = 0.75 * dice.noise(zoom, rows, columns, wide, 0.5) - 0.6 * edge
    lit = np.clip(0.85 + 0.42 * leaves - 0.25 * y, 0.1, 2.4)
    canvas.paint(box, "foliage", colour, height + 0.12 * leaves, mask=mask, tone=lit)


# ------------------------------------------------------------------------------------- buildings
BARS = (  # sashes across, panes down, transom from the top: casements, tall, sashes, single panes
    (2, 1, 0.3), (2, 1, 0.28), (2, 2, None), (2, 3, None), (2, 3, 0.3), (1, 2, None), (3, 4, None),
    (2, 4, None), (1, 1, None), (2, 1, None), (3, 1, 0.3), (4, 4, None),
)  # fmt: skip
RHYTHMS = ("even", "even", "even", "even", "middle", "ends", "pairs", "stair", "oriel", "oriels")


def _look(dice):
    """Colours, materials and habits of one building."""
    age = dice.pick(("old", "old", "old", "plain", "plain", "modern"))
    ornate = age == "old"
    walls = dice.pick(
        ("plaster", "plaster", "plaster", "brick", "stone")
        if age != "modern"
        else ("plaster", "plaster", "panels", "brick", "boards")
    )
    surface = {
        "plaster": "plaster",
        "brick": dice.pick(("brick", "brick", "old brick")),
        "stone": dice.pick(("blocks", "blocks", "rubble")),
        "panels": "panels",
        "boards": "boards",
    }[walls]
    table = {"brick": BRICK, "stone": STONE, "panels": STONE}.get(walls, PLASTER)
    wall = dice.colour(table)
    trim = dice.colour(TRIM)
    # Mouldings are often but the wall's own plaster, a little lighter or darker.
    own = wall * dice.pick((0.78, 1.12, 1.22, 1.3))
    trim = np.minimum(trim if dice.chance(0.55) or walls == "brick" else own, 0.85)
    ground = dice.pick(("same", "same", "rustic", "bands", "blocks", "painted"))
    ground_surface = {"same": surface, "painted": "plaster"}.get(ground, ground)
    ground_wall = {"same": wall, "painted": dice.colour(PLASTER) * 0.8}.get(
        ground, (wall * 0.85) if dice.chance(0.5) else dice.colour(STONE)
    )
    cornice = dice.between(0.4, 0.8) if ornate else dice.between(0.18, 0.45)
    roofs = ("flat", "mansard", "mansard", "pitched", "pitched", "gable", "attic")
    return SimpleNamespace(
        age=age, surface=surface, wall=wall, trim=trim,
        ground_surface=ground_surface, ground_wall=np.asarray(ground_wall),
        base=(dice.colour(STONE) * 0.6), has_base=dice.chance(0.7),
        frame=dice.colour(FRAMES, 0.03), frame_width=dice.between(0.06, 0.11),
        bars=dice.pick(BARS[:8] if age != "modern" else BARS[5:11]),
        room=_linear((30, 34, 38)) * dice.between(0.7, 2.2), cloth=dice.colour(TRIM, 0.04),
        curtains=dice.between(0.6, 1.08), blinds=dice.chance(0.15),
        arch=dice.pick(("flat", "flat", "flat", "segment", "round")),
        arch_floor=dice.pick((1, 1, 2, -1, 0)),  # 0: all, -1: the last
        surround=dice.pick((0.0, 0.14, 0.2, 0.26)) if ornate else dice.pick((0, 0, 0, 0.12, 0.18)),
        hoods=[dice.pick(("triangle", "segment", "lintel", "lintel", "key", "none")) if ornate
               else dice.pick(("none", "none", "none", "lintel")) for _ in range(2)],
        alternate=dice.chance(0.25), panels=ornate and dice.chance(0.35),
        sills=dice.chance(0.85), shutters=age != "modern" and dice.chance(0.24),
        shutter=dice.colour(SHUTTERS), rail=dice.colour((IRON, IRON, IRON, (60, 74, 66))),
        parapet=wall * 0.95 if dice.chance(0.5) else trim,
        railing=dice.pick(("bars", "bars", "wrought", "balusters") if age != "modern"
                          else ("bars", "parapet", "parapet", "glass")),
        balconies=dice.pick(("none", "none", "middle", "some", "every", "running", "columns")
                            if age != "modern" else ("none", "columns", "columns", "every")),
        bands=dice.pick(("none", "first", "first", "every", "every", "top") if age != "modern"
                        else ("none", "none", "first")),
        pilasters=ornate and dice.chance(0.28), quoins=age != "modern" and dice.chance(0.25),
        dentils=ornate and dice.chance(0.6), cornice=cornice,
        frieze=cornice + dice.between(-0.1, 0.4), out=dice.between(0.4, 0.8),
        door=dice.colour(DOORS), portal=dice.chance(0.7), door_arch=dice.pick(("flat", "round")),
        shops=dice.chance(0.45), signs=[dice.colour(SHOPS) for _ in range(3)],
        one_sign=dice.chance(0.4), awnings=dice.chance(0.4), awning=dice.colour(SHOPS),
        roof=dice.pick(roofs if age != "modern" else ("flat", "flat", "attic")),
        tiles=dice.colour(ROOFS), roof_surface=dice.pick(("tiles", "tiles", "slates", "seams")),
        roof_height=dice.between(1.6, 3.2), slope=dice.between(0.0, 0.9), dormers=dice.pick(
            ("every", "every", "other", "none")), chimneys=int(dice.between(0, 4)),
        boxes=dice.chance(0.15), climber=dice.chance(0.05),
        window=dice.between(0.95, 1.4), tall=dice.between(0.48, 0.6),
        rhythm=dice.pick(RHYTHMS if age != "modern" else ("even", "even", "stair", "oriels")),
    )  # fmt: skip


def _axes(look, count):
    """The kind of each axis of windows."""
    kinds = ["single"] * count
    middle = count // 2
    if look.rhythm == "middle" and count % 2:
        kinds[middle] = "pair"
    elif look.rhythm == "ends" and count > 2:
        kinds[0] = kinds[-1] = "pair"
    elif look.rhythm == "pairs":
        kinds = ["pair"] * count
    elif look.rhythm == "stair" and count > 2:
        kinds[middle] = "stair"
    elif look.rhythm == "oriel" and count > 2:
        kinds[middle] = "oriel"
    elif look.rhythm == "oriels" and count > 3:
        kinds[1] = kinds[-2] = "oriel"
    return kinds


def _mass(dice, floors):
    """Heights of the storeys in metres, from the street up, and the pitch of the axes."""
    upper = dice.between(2.9, 3.7)
    heights = [dice.between(3.3, 4.6)] + [
        upper * (1 + 0.02 * dice.normal()) for _ in range(floors - 1)
    ]
    last = dice.between(0.78, 1.0)
    if floors > 2:
        heights[-1] *= last
    return heights, dice.between(2.1, 3.3)


class _Facade:
    """One building between two places on the street, painted from the roof down."""

    def __init__(self, canvas, dice, look, heights, bay, left, count, street, body, depth=0.0):
        """Args as the grammar drew them, lengths in metres; `body` is the class of its walls."""
        self.canvas, self.dice, self.look, self.body, self.depth = canvas, dice, look, body, depth
        self.heights = heights
        edge = dice.between(0.1, 0.6)
        self.left, self.right = left, left + bay * count + 2 * edge
        self.axes = [left + edge + bay * (k + 0.5) for k in range(count)]
        self.kinds = _axes(look, count)
        self.bay = bay
        # Floor lines, from the street up; the last is the eaves.
        self.lines = [street - sum(heights[:k]) for k in range(len(heights) + 1)]
        self.lines[-1] -= look.frieze
        # Only a narrow house turns its gable to the street.
        wide = look.roof == "gable" and self.right - self.left > 13
        self.roof = "pitched" if wide else look.roof
        self.x0, self.x1 = canvas.px(self.left), canvas.px(self.right)
        self.eaves, self.street = canvas.px(self.lines[-1]), canvas.px(street)

    def paint(self):
        """Everything, far things first."""
        self._roof()
        self._walls()
        self._climber()
        for floor in range(len(self.heights) - 1, 0, -1):
            self._floor(floor)
        self._top()
        self._ground_floor()

    # ------------------------------------------------------------------------------------- roof
    def _roof(self):
        canvas, dice, look = self.canvas, self.dice, self.look
        high = canvas.length(look.roof_height * (1.3 if self.roof == "gable" else 1))
        chimneys = dice(4, 3)
        stack = look.wall * 0.9 if dice.chance(0.4) else dice.colour(BRICK)
        tiles = look.tiles
        flat = self.roof in ("flat", "attic")
        top = self.eaves - (0 if flat else high)
        inset = 0.0 if flat else look.slope * canvas.scale / max(self.x1 - self.x0, 1)
        if self.roof == "pitched":
            inset *= 2.2
        for x, up, wide in chimneys[: 0 if self.roof == "gable" else look.chimneys]:
            middle = (
                self.x0 + inset * (self.x1 - self.x0) + x * (1 - 2 * inset) * (self.x1 - self.x0)
            )
            half = canvas.length(0.35 + 0.5 * wide)
            rise = canvas.length(0.6 + 0.8 * up)
            box = (
                int(middle) - half,
                top - rise,
                int(middle) + half,
                self.eaves if flat else top + canvas.length(0.4),
            )
            cap = (box[0], box[1], box[2], box[1] + canvas.length(0.12))
            _wall(canvas, dice, box, "roof", stack, "brick", self.depth - 1.0)
            canvas.paint(cap, "roof", _linear((120, 112, 104)), self.depth - 0.9)
        box = (self.x0, top, self.x1, self.eaves)
        rows, columns = canvas.shape(box)
        mask = _polygon(rows, columns, [(inset, 0), (1 - inset, 0), (1, 1), (0, 1)])
        steep = 0.35 if self.roof == "mansard" else 0.9
        back = self.depth - 0.1 - steep * look.roof_height * _ramp(1, 0, rows)[:, None]
        if self.roof in ("mansard", "pitched"):
            _wall(
                canvas,
                dice,
                box,
                "roof",
                tiles,
                look.roof_surface,
                np.broadcast_to(back, (rows, columns)),
                mask,
                worn=1.6,
            )
            ridge = (box[0], top, box[2], top + canvas.length(0.14))
            canvas.paint(ridge, None, tiles * 0.6, None, mask=mask[: canvas.shape(ridge)[0]])
        draws = dice(len(self.axes), 10)
        lift, wide = dice.between(0.2, 0.5), dice.between(0.8, 1.15)
        gabled = dice.chance(0.6)
        if self.roof == "gable":
            self._gable(draws[0])
        elif not flat and look.dormers != "none" and look.roof_height > 1.9:
            for k, x in enumerate(self.axes):
                if look.dormers != "other" or k % 2 == 0:
                    self._dormer(x, lift, wide, gabled, draws[k])

    def _gable(self, draws):
        """A gable towards the street: wall between two slopes of roof, with an attic window."""
        canvas, dice, look = self.canvas, self.dice, self.look
        high = canvas.length(1.3 * look.roof_height)
        over = canvas.length(0.2)
        box = (self.x0 - over, self.eaves - high - over, self.x1 + over, self.eaves)
        rows, columns = canvas.shape(box)
        slopes = _polygon(rows, columns, [(0.5, 0), (1, 1), (0, 1)])
        canvas.paint(box, "roof", look.tiles * 0.8, self.depth + 0.35, mask=slopes)
        box = (self.x0, self.eaves - high, self.x1, self.eaves)
        rows, columns = canvas.shape(box)
        _wall(
            canvas,
            dice,
            box,
            self.body,
            look.wall,
            look.surface,
            self.depth,
            _polygon(rows, columns, [(0.5, 0.05), (0.96, 1), (0.04, 1)]),
        )
        half = canvas.length(0.45)
        middle = (self.x0 + self.x1) // 2
        foot = self.eaves - canvas.length(0.25 * look.roof_height)
        window = (
            middle - half,
            foot - canvas.length(0.5 * look.roof_height, 2),
            middle + half,
            foot,
        )
        _glass(canvas, window, look, draws, look.arch, self.depth - 0.16)

    def _dormer(self, x, lift, wide, gabled, draws):
        """A dormer window on a steep roof, or a light in a flatter one."""
        canvas, look = self.canvas, self.look
        bottom = self.eaves - canvas.length(lift)
        width, high = canvas.length(wide, 2), canvas.length(0.55 * look.roof_height, 2)
        left = canvas.px(x) - width // 2
        box = (left, bottom - high, left + width, bottom)
        if self.roof == "pitched":
            high = max(1, int(high * 0.6))
            _glass(
                canvas,
                (left, bottom - 2 * high, left + width, bottom - high),
                look,
                draws,
                depth=self.depth - 0.7,
                bars=(1, 1, None),
            )
            return
        rim = canvas.length(0.14)
        cheeks = _grow(box, rim, rim, rim, 0)
        canvas.paint(cheeks, "decoration", look.trim * 0.95, self.depth - 0.15)
        cap = (
            cheeks[0] - rim,
            cheeks[1] - canvas.length(0.5 if gabled else 0.18),
            cheeks[2] + rim,
            cheeks[1],
        )
        rows, columns = canvas.shape(cap)
        mask = _polygon(rows, columns, [(0.5, 0), (1, 1), (0, 1)]) if gabled else None
        canvas.paint(cap, "roof", look.tiles * 0.9, self.depth + 0.1, mask=mask)
        _glass(canvas, box, look, draws, depth=self.depth - 0.3)

    # ------------------------------------------------------------------------------------ walls
    def _walls(self):
        canvas, dice, look = self.canvas, self.dice, self.look
        first = canvas.px(self.lines[1])
        _wall(
            canvas,
            dice,
            (self.x0, self.eaves, self.x1, first),
            self.body,
            look.wall,
            look.surface,
            self.depth,
        )
        _wall(
            canvas,
            dice,
            (self.x0, first, self.x1, self.street),
            self.body,
            look.ground_wall,
            look.ground_surface,
            self.depth + 0.03,
        )
        base = canvas.length(0.5)
        if look.has_base:
            canvas.paint(
                (self.x0, self.street - base, self.x1, self.street),
                self.body,
                None,
                self.depth + 0.08,
            )
            canvas.stain(
                (self.x0, self.street - base, self.x1, self.street),
                np.full(canvas.shape((self.x0, 0, self.x1, base)), 0.4),
            )
        # Rain splashes the foot of a wall.
        foot = (self.x0, self.street - canvas.length(1.4), self.x1, self.street)
        rows, columns = canvas.shape(foot)
        damp = np.clip(0.2 + 0.15 * dice.noise(6, rows, columns, wide=3), 0, 0.5)
        canvas.stain(foot, damp * _ramp(0, 1, rows)[:, None] ** 2)
        if look.quoins:
            wide, high = canvas.length(0.4), max(1, canvas.length(0.42))
            for k, y in enumerate(range(self.eaves, self.street, high)):
                more = wide if k % 2 else max(1, wide // 2)
                if more == wide // 2 and wide == 1:
                    continue
                for box in (
                    (self.x0, y, self.x0 + more, min(y + high, self.street)),
                    (self.x1 - more, y, self.x1, min(y + high, self.street)),
                ):
                    canvas.paint(
                        box, "decoration", look.trim * (0.92 + 0.1 * (k % 3)), self.depth + 0.05
                    )
        if look.pilasters and "oriel" not in self.kinds:
            wide = canvas.length(0.34)
            for k in range(len(self.axes) + 1):
                x = canvas.px(self.axes[0] + (k - 0.5) * self.bay)
                shaft = (x - wide // 2, self.eaves, x - wide // 2 + wide, first)
                rows, columns = canvas.shape(shaft)
                round_off = 1 - 0.25 * _ramp(-1, 1, columns) ** 2
                canvas.paint(
                    shaft,
                    "pillar",
                    np.broadcast_to(look.trim * round_off[None, :, None], (rows, columns, 3)),
                    self.depth + 0.12,
                )
                for y in (self.eaves + canvas.length(look.cornice), first - canvas.length(0.3)):
                    foot = (shaft[0], y, shaft[2], y + canvas.length(0.3))
                    canvas.paint(foot, "pillar", look.trim * 1.08, self.depth + 0.2)
        for k, kind in enumerate(self.kinds):
            if kind == "oriel":
                self._oriel(self.axes[k])

    def _oriel(self, x):
        """A bay that stands out of the wall over the upper floors."""
        canvas, look = self.canvas, self.look
        half = max(2, canvas.px(0.42 * self.bay))
        middle = canvas.px(x)
        box = (
            middle - half,
            canvas.px(self.lines[-1]) + canvas.length(look.cornice + 0.1),
            middle + half,
            canvas.px(self.lines[1]) - canvas.length(0.15),
        )
        rows, columns = canvas.shape(box)
        # Its sides turn away from the street.
        turn = np.interp(
            _ramp(-1, 1, columns),
            [-1, -0.7, -0.69, 0.69, 0.7, 1],
            [0.8, 0.8, 1.04, 1.04, 0.86, 0.86],
        )
        patch = np.broadcast_to(look.wall * turn[None, :, None], (rows, columns, 3))
        canvas.paint(box, self.body, patch, self.depth + 0.55)
        console = (box[0] + half // 4, box[3], box[2] - half // 4, box[3] + canvas.length(0.35))
        _ledge(canvas, console, "decoration", look.trim, self.depth + 0.5)
        _ledge(
            canvas,
            (box[0], box[1], box[2], box[1] + canvas.length(0.2)),
            "cornice",
            look.trim,
            self.depth + 0.65,
        )

    # ----------------------------------------------------------------------------------- floors
    def _floor(self, floor):
        canvas, dice, look = self.canvas, self.dice, self.look
        line = canvas.px(self.lines[floor])
        last = floor == len(self.heights) - 1
        row = dice(3)
        draws = dice(len(self.axes), 3, 24)
        if (
            look.bands == "every"
            or (look.bands == "first" and floor == 1)
            or (look.bands == "top" and last and floor > 1)
        ):
            thick = canvas.length(0.3 if floor == 1 else 0.2)
            box = (self.x0, line - thick // 2, self.x1, line - thick // 2 + thick)
            _ledge(canvas, box, "cornice", look.trim, self.depth + 0.18)
            _streaks(canvas, box, 0.9, 0.22, row[0])
        french = self._french(floor)
        for k, kind in enumerate(self.kinds):
            self._axis(floor, k, kind, french[k], draws[k])
        self._balconies(french, line)

    def _french(self, floor):
        """Which axes have a door to a balcony on this floor."""
        look, count = self.look, len(self.axes)
        middle = count // 2
        chosen = {
            "none": (),
            "middle": (middle,) if floor == 1 else (),
            "some": tuple(range(floor % 2, count, 2)),
            "every": tuple(range(count)),
            "running": tuple(range(count)) if floor in (1, len(self.heights) - 1) else (),
            "columns": (middle,) if count < 4 else (1, count - 2),
        }[look.balconies]
        return [k in chosen and self.kinds[k] in ("single", "pair") for k in range(count)]

    def _axis(self, floor, k, kind, french, draws):
        """The windows of one axis on one floor."""
        canvas, look = self.canvas, self.look
        high = self.heights[floor]
        width = min(look.window, 0.56 * self.bay)
        bottom = self.lines[floor] - 0.26 * high
        hood = look.hoods[0 if floor == 1 else 1]
        top = bottom - min(look.tall, 0.5 if hood in ("triangle", "segment") else 0.6) * high
        if french:
            bottom = self.lines[floor] - 0.04 * high
        last = floor == len(self.heights) - 1
        arched = look.arch_floor in (0, floor) or (look.arch_floor == -1 and last)
        arch = look.arch if arched else "flat"
        x = self.axes[k]
        if kind == "pair":
            width *= 0.72
            step = canvas.length(width, 2) + canvas.length(0.16)
            parts = [(-0.5, width), (0.5, width)]
        elif kind == "oriel":
            width = min(0.95, 0.3 * self.bay)
            step = canvas.length(0.255 * self.bay, 2)
            parts = [(-1, 0.55 * width), (1, 0.55 * width), (0, width)]
        elif kind == "stair":
            bottom += 0.45 * high
            top += 0.55 * high
            step, parts = 0, [(0, 0.8 * width)]
        else:
            step, parts = 0, [(0, width)]
        y0, y1 = canvas.px(top), canvas.px(bottom)
        y1 = max(y1, y0 + 2)
        boxes = []
        for place, wide in parts:
            wide = canvas.length(wide, 2)
            left = canvas.px(x) - wide // 2 + int(np.floor(place * step))
            boxes.append((left, y0, left + wide, y1))
        around = (min(b[0] for b in boxes), y0, max(b[2] for b in boxes), y1)
        out = self.depth + (0.55 if kind == "oriel" else 0.0)
        if kind not in ("oriel", "stair"):
            self._around(floor, k, around, boxes, arch, french)
        for j, box in enumerate(boxes):
            if look.age != "modern" and draws[0, 20] < 0.012 and kind == "single" and not french:
                # A blind window keeps the rhythm of the facade.
                canvas.paint(box, "decoration", look.wall * 0.9, self.depth - 0.08)
                continue
            _glass(canvas, box, look, draws[j], arch, out - 0.16)
            drop = draws[0, 21]
            if look.blinds and drop < 0.55 and not french:
                down = max(1, int((box[3] - box[1]) * (0.25 + 1.3 * drop)))
                down = min(down, box[3] - box[1])
                rolled = (box[0], box[1], box[2], box[1] + down)
                mask = _arch(arch, *canvas.shape(box))
                _slats(
                    canvas,
                    rolled,
                    look.cloth * 0.9,
                    out - 0.08,
                    draws[0, 22],
                    None if mask is None else mask[: canvas.shape(rolled)[0]],
                )
        if look.sills and not french:
            over = canvas.length(0.1) if around[2] - around[0] > 2 else 0
            sill = (around[0] - over, y1, around[2] + over, y1 + canvas.length(0.13))
            canvas.paint(sill, "sill", look.trim * 1.05, out + 0.16)
            _streaks(canvas, sill, 1.3, 0.28, draws[0, 23])
            if look.boxes and draws[0, 19] < 0.6:
                self._flowers(sill, draws[0])
        if look.shutters and kind == "single":
            wide = max(
                1,
                min(
                    (around[2] - around[0] + 1) // 2,
                    (canvas.px(self.bay) - (around[2] - around[0])) // 2,
                ),
            )
            if draws[0, 18] < 0.08:
                _slats(canvas, around, look.shutter, self.depth - 0.05, draws[0, 17])
            else:
                for box in (
                    (around[0] - wide, y0, around[0], y1),
                    (around[2], y0, around[2] + wide, y1),
                ):
                    _slats(canvas, box, look.shutter, self.depth + 0.06, draws[0, 17])

    def _flowers(self, sill, draws):
        """A box of flowers on a sill."""
        canvas = self.canvas
        box = (sill[0], sill[1] - canvas.length(0.22), sill[2], sill[1])
        rows, columns = canvas.shape(box)
        place = int(draws[16] * 440)
        speck = raster.resize(_clouds()[place : place + 12, place : place + 60], rows, columns)
        leaves = _linear((62, 92, 40)) * (0.7 + 0.3 * np.clip(speck, -1.5, 2))[..., None]
        blossom = _linear(((200, 60, 50), (214, 90, 120), (230, 200, 210))[int(draws[15] * 3)])
        leaves[speck > 0.6] = blossom
        canvas.paint(box, "foliage", leaves, self.depth + 0.25)

    def _around(self, floor, k, around, boxes, arch, french):
        """Surround, hood and panel of a window."""
        canvas, look = self.canvas, self.look
        trim, y0, y1 = look.trim, around[1], around[3]
        rim = canvas.length(look.surround) if look.surround else 0
        if rim:
            for box in boxes if arch != "flat" else [around]:
                grown = _grow(box, rim, rim, rim, 0)
                canvas.paint(
                    grown,
                    "decoration",
                    trim,
                    self.depth + 0.05,
                    mask=_arch(arch, *canvas.shape(grown)),
                )
        hood = look.hoods[0 if floor == 1 else 1]
        if look.alternate and hood in ("triangle", "segment"):
            hood = ("triangle", "segment")[k % 2]
        if arch == "round" and hood in ("lintel", "triangle", "segment"):
            hood = "key"
        middle = (around[0] + around[2]) // 2
        reach = rim + canvas.length(0.14)
        foot = y0 - rim - canvas.length(0.08)
        if hood == "key":
            wide = canvas.length(0.2)
            box = (
                middle - wide // 2,
                y0 - rim - canvas.length(0.18),
                middle - wide // 2 + wide,
                y0 + canvas.length(0.05),
            )
            canvas.paint(box, "decoration", trim * 1.1, self.depth + 0.14)
        elif hood == "lintel":
            box = (around[0] - reach, foot - canvas.length(0.17), around[2] + reach, foot)
            _ledge(canvas, box, "decoration", trim, self.depth + 0.22)
        elif hood in ("triangle", "segment"):
            box = (around[0] - reach, foot - canvas.length(0.45, 2), around[2] + reach, foot)
            rows, columns = canvas.shape(box)
            if hood == "triangle":
                mask = _polygon(rows, columns, [(0.5, 0), (1, 0.85), (1, 1), (0, 1), (0, 0.85)])
            else:
                x = _ramp(-1, 1, columns)
                mask = _ramp(0, 1, rows)[:, None] >= 0.8 * x**2 - 1e-9
            lip = canvas.points(0.09)
            inner = ~raster.dilate(~np.pad(mask, 1), lip)[1:-1, 1:-1]
            canvas.paint(box, "decoration", trim, self.depth + 0.24, mask=mask)
            canvas.paint(box, None, trim * 0.86, self.depth + 0.08, mask=inner)
        if look.panels and not french:
            box = (
                around[0],
                y1 + canvas.length(0.28),
                around[2],
                y1 + canvas.length(0.28) + canvas.length(0.34),
            )
            canvas.paint(box, "decoration", trim * 0.94, self.depth + 0.04)
            if box[3] - box[1] > 2 and box[2] - box[0] > 2:
                canvas.paint(_grow(box, -1, -1, -1, -1), None, trim * 0.84, self.depth)

    def _balconies(self, french, line):
        canvas, look = self.canvas, self.look
        chosen = [k for k, door in enumerate(french) if door]
        if not chosen:
            return
        half = 0.5 * min(look.window, 0.56 * self.bay) + (
            0.32 if look.age != "modern" else 0.42 * self.bay - 0.3
        )
        groups = [chosen] if look.balconies == "running" else [[k] for k in chosen]
        for group in groups:
            more = 0.3 if self.kinds[group[0]] == "pair" else 0
            left = canvas.px(self.axes[group[0]] - half - more)
            right = canvas.px(self.axes[group[-1]] + half + more)
            slab = canvas.length(0.2)
            top = line - canvas.length(0.95, 2)
            _railing(canvas, (left, top, right, line), look, look.railing, self.depth + 0.85)
            box = (left, line, right, line + slab)
            _ledge(canvas, box, "balcony", look.trim * 0.95, self.depth + 0.9)
            _streaks(canvas, box, 1.0, 0.25, 0.37)
            if look.age == "old" and look.railing != "glass":
                wide = canvas.length(0.18)
                for x in (left + wide // 2, right - wide - wide // 2):
                    canvas.paint(
                        (x, line + slab, x + wide, line + slab + canvas.length(0.35)),
                        "decoration",
                        look.trim * 0.8,
                        self.depth + 0.4,
                    )

    # -------------------------------------------------------------------------------------- top
    def _top(self):
        """The main cornice, what carries it, and a parapet above."""
        canvas, look = self.canvas, self.look
        thick = canvas.length(look.cornice)
        over = canvas.length(0.25) if look.cornice > 0.3 else 0
        box = (self.x0 - over, self.eaves, self.x1 + over, self.eaves + thick)
        if self.roof == "attic":
            wall = (self.x0, self.eaves - canvas.length(0.9), self.x1, self.eaves)
            _wall(canvas, self.dice, wall, self.body, look.wall, look.surface, self.depth - 0.05)
            _ledge(
                canvas,
                (wall[0], wall[1], wall[2], wall[1] + canvas.length(0.15)),
                "cornice",
                look.trim,
                self.depth + 0.05,
            )
        _ledge(canvas, box, "cornice", look.trim, self.depth + look.out)
        below = (self.x0, box[1], self.x1, box[3])
        _streaks(canvas, below, 0.8, 0.2, 0.61)
        if look.dentils:
            wide, high = canvas.length(0.2), canvas.length(0.28)
            step = max(2 * wide, canvas.length(0.55))
            for x in range(self.x0 + wide // 2, self.x1 - wide + 1, step):
                canvas.paint(
                    (x, box[3], x + wide, box[3] + high),
                    "decoration",
                    look.trim * 0.92,
                    self.depth + 0.3,
                )

    # ------------------------------------------------------------------------------ ground floor
    def _ground_floor(self):
        canvas, dice, look = self.canvas, self.dice, self.look
        high = self.heights[0]
        door = int(dice.between(0, len(self.axes)))
        draws = dice(len(self.axes), 40)
        taken = dice(len(self.axes))
        top = self.lines[0] - 0.82 * high
        for k, x in enumerate(self.axes):
            if k == door:
                self._entrance(x, high, draws[k])
            elif look.shops and taken[k] < 0.85:
                half = 0.44 * self.bay
                box = (canvas.px(x - half), canvas.px(top), canvas.px(x + half), self.street)
                sign = look.signs[0 if look.one_sign else k % 3]
                _shop(canvas, box, look, draws[k], sign)
                if look.awnings and draws[k, 0] < 0.65:
                    y = box[1] + canvas.length(0.6)
                    shade = (box[0], y, box[2], y + canvas.length(0.8 + 0.4 * draws[k, 1], 2))
                    _awning(canvas, shade, look.awning if look.one_sign else sign, draws[k, 2:])
            else:
                self._low_window(x, high, draws[k])
        if look.shops:
            wide = canvas.length(0.3)
            for k in range(len(self.axes) + 1):
                if look.age == "old" and k % 2 == 0:
                    x = canvas.px(self.axes[0] + (k - 0.5) * self.bay) - wide // 2
                    canvas.paint(
                        (x, canvas.px(top), x + wide, self.street),
                        "pillar",
                        look.trim * 0.9,
                        self.depth + 0.2,
                    )

    def _entrance(self, x, high, draws):
        canvas, look = self.canvas, self.look
        wide = canvas.length(min(1.1 + 1.1 * draws[10], 0.62 * self.bay), 2)
        tall = canvas.length(min(2.3 + 0.9 * draws[11], 0.8 * high), 3)
        left = canvas.px(x) - wide // 2
        box = (left, self.street - tall, left + wide, self.street)
        if look.portal:
            rim = canvas.length(0.24)
            grown = _grow(box, rim, rim, rim, 0)
            canvas.paint(
                grown,
                "decoration",
                look.trim,
                self.depth + 0.12,
                mask=_arch(look.door_arch, *canvas.shape(grown)),
            )
            if look.door_arch == "flat" and look.age == "old":
                ledge = (
                    grown[0] - rim // 2,
                    grown[1] - canvas.length(0.2),
                    grown[2] + rim // 2,
                    grown[1],
                )
                _ledge(canvas, ledge, "decoration", look.trim, self.depth + 0.35)
        _door(canvas, box, look, draws, look.door_arch)

    def _low_window(self, x, high, draws):
        canvas, look = self.canvas, self.look
        wide = canvas.length(min(look.window, 0.56 * self.bay), 2)
        left = canvas.px(x) - wide // 2
        y1 = canvas.px(self.lines[0] - 0.3 * high)
        y0 = min(canvas.px(self.lines[0] - 0.78 * high), y1 - 2)
        box = (left, y0, left + wide, y1)
        arch = look.arch if look.arch_floor == 0 else "flat"
        if look.surround:
            rim = canvas.length(look.surround)
            grown = _grow(box, rim, rim, rim, 0)
            canvas.paint(
                grown,
                "decoration",
                look.trim * 0.95,
                self.depth + 0.07,
                mask=_arch(arch, *canvas.shape(grown)),
            )
        _glass(canvas, box, look, draws, arch, self.depth - 0.16)
        if look.sills:
            over = canvas.length(0.1) if wide > 2 else 0
            sill = (box[0] - over, y1, box[2] + over, y1 + canvas.length(0.13))
            canvas.paint(sill, "sill", look.trim, self.depth + 0.18)
            _streaks(canvas, sill, 0.8, 0.25, draws[20])

    def _climber(self):
        """Creepers that have taken a part of the wall."""
        draws = self.dice(3)
        colour = self.dice.colour(LEAVES)
        if self.look.climber:
            canvas = self.canvas
            x = self.left + draws[0] * (self.right - self.left)
            top = self.lines[0] - (0.4 + 0.6 * draws[1]) * (self.lines[0] - self.lines[-1])
            half = 1.5 + 2.5 * draws[2]
            box = (
                max(canvas.px(x - half), self.x0),
                canvas.px(top),
                min(canvas.px(x + half), self.x1),
                self.street,
            )
            _foliage(canvas, self.dice, box, colour, 0.35, self.depth + 0.2, 0.6, rooted=True)


# ----------------------------------------------------------------------------------------- scene
def _scene(dice, size):
    """Paint a street front: neighbours, the building, the ground and what grows on it."""
    floors = dice.pick((2, 3, 3, 3, 4, 4, 4, 5, 5, 6))
    look = _look(dice)
    heights, bay = _mass(dice, floors)
    roof = (
        0.3
        if look.roof == "flat"
        else 1.2
        if look.roof == "attic"
        else (1.35 * look.roof_height + 0.2)
    )
    strip = dice.between(0.5, 1.6)
    sky = dice.between(0.3, 2.6)
    if dice.chance(0.2):  # the picture ends below the eaves
        sky = -roof - dice.between(0.1, 1.0)
    metres = sum(heights) + look.frieze + roof + sky + strip
    count = int(np.clip(round(dice.between(0.4, 1.05) * metres / bay), 2, 9))
    canvas = _Canvas(size, metres)
    street = metres - strip
    left = 0.5 * (metres - bay * count) + dice.between(-0.12, 0.12) * metres
    middle = _Facade(canvas, dice, look, heights, bay, left, count, street, "wall")

    for side in (0, 1):
        beside = dice.chance(0.82)
        other = _look(dice)
        tall, pitch = _mass(dice, int(np.clip(floors + dice.pick((-1, 0, 0, 1)), 2, 7)))
        room = middle.left if side == 0 else metres - middle.right
        many = int(np.ceil(max(room, 0.1) / pitch)) + 1
        step = dice.between(-0.4, 0.3)
        tree = dice(5)
        leaves = dice.colour(LEAVES)
        if room < 0.15:
            continue
        if beside:
            place = middle.right if side else middle.left - pitch * many
            facade = _Facade(
                canvas, dice, other, tall, pitch, place, many, street, "background", step
            )
            if not side:  # its far end is cut by the picture, not its party wall
                shift = middle.left - facade.right
                facade.left, facade.right = facade.left + shift, middle.left
                facade.axes = [x + shift for x in facade.axes]
                facade.x0, facade.x1 = canvas.px(facade.left), middle.x0
            else:
                facade.x0 = middle.x1
            facade.paint()
        else:
            x = middle.left - 0.6 * room if side == 0 else middle.right + 0.6 * room
            half = room * (0.5 + 0.3 * tree[0])
            top = street - (3.0 + 6.0 * tree[1])
            _foliage(
                canvas,
                dice,
                (canvas.px(x - half), canvas.px(top), canvas.px(x + half), canvas.px(street + 0.4)),
                leaves,
                0.25,
                -0.5,
                rooted=tree[2] < 0.6,
            )
    middle.paint()
    _ground(canvas, dice, street)
    _plants(canvas, dice, street, metres)
    return canvas


def _ground(canvas, dice, street):
    paving, asphalt = dice.colour(PAVING), dice.colour(ASPHALT)
    box = (0, canvas.px(street), canvas.size, canvas.size)
    rows, columns = canvas.shape(box)
    tone = 1 + 0.06 * dice.noise(4, rows, columns, wide=6) + 0.04 * dice.noise(40, rows, columns)
    kerb = dice.between(0.35, 0.8)
    canvas.paint(box, "ground", paving, 1.2, tone=tone)
    road = (0, min(canvas.px(street + kerb), canvas.size - 1), canvas.size, canvas.size)
    high = canvas.shape(road)[0]
    canvas.paint(road, None, asphalt, 1.2, tone=tone[rows - high :])
    edge = (0, road[1], canvas.size, road[1] + canvas.length(0.12))
    canvas.paint(edge, None, paving * 1.15, 1.2)


def _plants(canvas, dice, street, metres):
    """A street tree before the facade, or bushes at its foot."""
    kind, draws = dice(), dice(6)
    colour = dice.colour(LEAVES)
    if kind < 0.10:
        x = metres * (0.02 + 0.2 * draws[0] if draws[1] < 0.5 else 0.98 - 0.2 * draws[0])
        half, high = 1.2 + 1.3 * draws[2], 2.4 + 2.4 * draws[3]
        top = street - 2.0 - high
        trunk = canvas.length(0.22)
        stem = (
            canvas.px(x) - trunk // 2,
            canvas.px(top + 0.7 * high),
            canvas.px(x) - trunk // 2 + trunk,
            canvas.px(street + 0.2),
        )
        canvas.paint(stem, "foliage", _linear((74, 62, 52)), 1.4)
        _foliage(
            canvas,
            dice,
            (canvas.px(x - half), canvas.px(top), canvas.px(x + half), canvas.px(top + high)),
            colour,
            0.4,
            gaps=0.5,
        )
    elif kind < 0.24:
        for k in range(1 + int(2 * draws[5])):
            x, half = metres * draws[k], 0.6 + 1.6 * draws[k + 2]
            top = street - 0.5 - 0.9 * draws[4]
            _foliage(
                canvas,
                dice,
                (canvas.px(x - half), canvas.px(top), canvas.px(x + half), canvas.px(street + 0.3)),
                colour,
                0.25,
                1.0,
                rooted=True,
            )


# ----------------------------------------------------------------------------------------- light
def _moved(plane, right, down):
    """A plane moved by whole points, its border repeated far below everything."""
    moved = np.full_like(plane, -1e6)
    rows, columns = plane.shape
    source = plane[: rows - down, max(-right, 0) : columns - max(right, 0)]
    moved[down:, max(right, 0) : columns - max(-right, 0)] = source
    return moved


def _shadows(height, right, down, highest):
    """How far each point lies below the nearest ray of the sun, in points.

    Args:
        height: [N, N], in points.
        right, down: by how many points a shadow moves per point of height.
        highest: difference of heights that matters, in points.
    """
    step = 1 / max(abs(right), down)
    covered = height
    while step < 2 * highest:
        shift = round(step * right), round(step * down)
        covered = np.maximum(covered, _moved(covered, *shift) - step)
        step *= 2
    return covered - height


def _light(canvas, dice):
    """Light that leaves each point, [3, N, N], from colour, relief and gloss.

    The colours of the canvas are used up.
    """
    side = len(canvas.classes)
    sunny = dice.chance(0.6)
    right = dice.pick((-1, 1)) * dice.between(0.35, 1.3)
    down = dice.between(0.5, 1.3)
    strength = dice.between(1.3, 3.2) if sunny else dice.between(0.0, 0.25)
    height = canvas.height * canvas.fine
    depth = _shadows(height, right, down, 1.3 * canvas.fine)
    shadow = np.clip(depth / max(0.05 * canvas.fine, 0.6), 0, 1)
    shadow = raster.lens(shadow[None, None], max(0.03 * canvas.fine, 0.5))[0, 0]

    # What stands back sees less of the sky.
    wide = ndimage.uniform_filter(height, round(canvas.fine * 0.5) | 1, mode="mirror")
    closed = np.clip((wide - height) / canvas.fine, 0, 0.6)
    ambient = 1 / (1 + 2.6 * closed)
    slope_x = np.diff(height, axis=1, prepend=height[:, :1])
    slope_y = np.diff(height, axis=0, prepend=height[:1])
    tilt = np.clip(0.5 * np.sign(right) * slope_x + 0.8 * slope_y, -1, 1.5)
    ambient *= 1 + np.clip(0.25 * slope_y, -0.3, 0.25)

    # Now and then the house across the street, or a tree, shades a part.
    direct = (1 - shadow) * (1 + 0.3 * tilt)
    what, draws = dice(), dice(5)
    noise = dice.noise(5, side, side)
    y = np.broadcast_to(np.arange(side)[:, None] / side, (side, side))
    x = y.T
    if what < 0.22:
        line = 0.45 + 0.5 * draws[0] + 0.5 * (draws[1] - 0.5) * (x - 0.5)
        if draws[2] < 0.5:
            line += 0.12 * (x > draws[3])
        direct *= 1 - np.clip((y - line) * 60, 0, 1)
    elif what < 0.34:
        mask = np.clip((noise + 1.6 * (np.abs(x - draws[0]) - 0.35)) * -3, 0, 1)
        direct *= 1 - 0.85 * mask

    warm = np.array([1.06, 1.0, 0.9]) if sunny else np.array([1, 1, 1])
    cool = np.array([0.92, 1.0, 1.12]) if sunny else np.array([0.98, 1.0, 1.03])
    direct *= strength
    lit = canvas.colour
    for plane, w, c in zip(lit, warm, cool, strict=True):
        plane *= ambient * c + direct * w

    # Glass mirrors the sky above and the houses across the street below.
    mirror = dice.between(0.04, 0.24)
    across = 0.05 + 0.65 * dice()
    sky_tone = _linear(dice.pick(((200, 214, 232), (224, 228, 232), (150, 186, 226))))
    house = dice.colour(PLASTER + BRICK) * 0.35
    roofs, blots = (dice.noise(zoom, side, side).ravel() for zoom in (14, 8))
    glass = np.flatnonzero(canvas.gloss)
    where = np.clip((across - glass // side / side + 0.12 * roofs[glass]) * 9, 0, 1)
    amount = mirror * canvas.gloss.ravel()[glass] * np.clip(1 + 0.35 * blots[glass], 0.3, 2)
    for plane, near, far in zip(lit, house, sky_tone * (1 + 0.5 * strength), strict=True):
        plane.ravel()[glass] += amount * (near + where * (far - near))

    sky = canvas.classes == INDEX["sky"]
    luma = 0.3 * lit[0] + 0.59 * lit[1] + 0.11 * lit[2]
    level = max(luma[~sky].mean(), 1e-3)
    lit *= dice.between(0.24, 0.46) / level
    np.copyto(lit, _sky(dice, side, sunny), where=sky)
    return lit


def _sky(dice, side, sunny):
    """Blue with clouds, or the white of an overcast day, [3, N, N]."""
    coarse = side // 4  # clouds are soft
    clouds = dice.noise(3, coarse, coarse, wide=0.5)
    cover = dice.between(-1.2, 0.8) if sunny else dice.between(0.8, 2.5)
    white = np.clip(0.5 * (clouds + cover), 0, 1)
    blue = _linear((104, 148, 202)) * dice.between(0.8, 1.3)
    y = np.clip(1.2 * _ramp(0, 1, coarse), 0, 1)[:, None]
    cloud = _linear((236, 238, 240)) * dice.between(0.8, 1.25)
    planes = []
    for high, low, puff in zip(blue, _linear((190, 210, 230)), cloud, strict=True):
        clear = high + (low - high) * y
        planes.append(clear + white * (puff * (1 + 0.06 * clouds) - clear))
    return raster.resize(np.stack(planes), side, side)


def _photograph(light, size, dice):
    """What a camera makes of the light: lens, white balance, tone, grain and JPEG; uint8."""
    image = raster.resize(light, size, size)
    image *= np.exp((0.01 + 0.07 * dice.normal()) * np.array([1.0, 0.1, -1.1]))[:, None, None]
    square = ((np.arange(size) / size) - 0.5) ** 2
    image *= 1 - dice.between(0.0, 0.5) * (square[:, None] + square)
    haze = dice.between(0.0, 0.02)
    image = image * (1 - haze) + haze
    # The shoulder of film: bright light bends towards white instead of being cut.
    image = image * (1 + image / 1.7) / (1 + image)
    image = 255 * np.sqrt(np.maximum(image, 0))
    image += dice.between(0.0, 0.35) * (image - 128) * (1 - np.abs(image - 128) / 128)
    gray = image.mean(axis=0)
    image = gray + dice.between(0.65, 1.08) * (image - gray)
    blur, halo = dice.between(0.2, 0.5) * max(size / 192, 1), dice.between(-0.5, 0.9)
    image = raster.lens(image[None], blur, max(halo, 0), 1.2)
    top, left = (dice(2) * (1024 - size)).astype(int)
    image += (0.6 + 2.6 * dice() ** 2) * _grain()[:, top : top + size, left : left + size]
    image = raster.jpeg(np.clip(image, 0, 255), int(dice.between(72, 96)))
    return raster.to_bytes(image[0]).transpose(1, 2, 0)


def facade_pairs(count: int, seed: int, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Plans of street facades and photographs of them, made after the CMP facade base.

    The plan decides what stands where; material, colour, weather, light and camera are drawn apart,
    so that a plan has many likely pictures. Each pixel shows what the plan says; only the camera's
    blur, halo and compression reach over the borders.

    Args:
        count: number of pairs; a smaller count gives a prefix of a larger one.
        seed: int >= 0.
        size: side of the images, 64 to 512. The same pair at another size is the same building.

    Returns:
        Plans, uint8 RGB [count, size, size, 3] in the colours of PALETTE, and pictures, uint8 RGB
        [count, size, size, 3].

    Raises:
        UserError: the size is out of range.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UserError(
            f"plan2facade at {size} pixels: it is drawn at {SMALLEST} to {LARGEST}; choose "
            "--image_size and --load_size between"
        )
    plans = np.empty((count, size, size, 3), np.uint8)
    pictures = np.empty((count, size, size, 3), np.uint8)
    for index in track(range(count), count):
        canvas = _scene(_Dice(3, seed, index, 0), size)
        middle = canvas.fold // 2
        plans[index] = PALETTE[canvas.classes[middle :: canvas.fold, middle :: canvas.fold]]
        dice = _Dice(3, seed, index, 1)
        pictures[index] = _photograph(_light(canvas, dice), size, dice)
    return plans, pictures
