"""Draws gantrain/data/glyphs.npz, the masks of digits that street numbers are made of, from fonts.

    python docs/glyphs.py

Needs matplotlib 3.11 for its fonts and OpenCV for Hershey's. The data sets read the masks only:
what this draws may differ between versions of either, and a difference makes another data set.
"""

from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gantrain.data.digits import GLYPH, GLYPHS, LEVELS, TYPEFACES


def drawn(typeface, digit):
    """A digit in the middle of a large canvas, uint8."""
    if typeface.endswith(".ttf"):
        file = Path(matplotlib.get_data_path(), "fonts", "ttf", typeface)
        image = Image.new("L", (4 * GLYPH, 4 * GLYPH))
        font = ImageFont.truetype(str(file), 2 * GLYPH)
        ImageDraw.Draw(image).text((GLYPH, GLYPH), digit, fill=255, font=font)
        return np.asarray(image)
    font, pen = typeface.split()[1:]
    image = np.zeros((4 * GLYPH, 4 * GLYPH), np.uint8)
    font = getattr(cv2, f"FONT_HERSHEY_{font.upper()}")
    return cv2.putText(image, digit, (GLYPH, 3 * GLYPH), font, 3.4, 255, 2 * int(pen), cv2.LINE_AA)


def cut(image):
    """A drawn digit cut out and brought to one height: old-style figures differ in theirs."""
    x, y, w, h = cv2.boundingRect((image > 64).astype(np.uint8))
    size = max(round(w * GLYPH / h), 6), GLYPH
    glyph = cv2.resize(image[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    return np.rint(glyph / 255 * LEVELS).astype(np.uint8)


if __name__ == "__main__":
    glyphs = [cut(drawn(typeface, digit)) for typeface in TYPEFACES for digit in "0123456789"]
    np.savez_compressed(
        GLYPHS,
        sheet=np.concatenate([glyph.T for glyph in glyphs]),
        widths=np.array([glyph.shape[1] for glyph in glyphs], np.uint8),
    )
