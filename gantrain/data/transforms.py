"""What is made of decoded images: halves of side-by-side files, luma, contours, known maps.

The known maps are those between MNIST and its derived domains (thesis section 2.7).
They are applied at the size of training, so that the map of a generated image of domain 1
is what domain 2 should show; so are luma and contours, whose lines then are one pixel wide.
"""

from __future__ import annotations

import cv2
import numpy as np

from gantrain.decoding import to_eight_bits
from gantrain.images import to_channels

# Canny's blur in pixels, the quantiles of gradient strength that are his two thresholds, and the
# strength below which nothing is a line: what noise of a few gray levels reaches.
BLUR = 1.0
WEAK_AND_STRONG = (0.7, 0.9)
FAINTEST = 20.0


def edge(images: np.ndarray) -> np.ndarray:
    """Outline: the image dilated by OpenCV, minus the image (figure 2.18).

    Deviation: the thesis names `dilate` and no kernel; here it is 3x3, once.

    Args:
      images: uint8 or uint16 [N, H, W, C]; each channel has its own outline.

    Returns:
      The same type [N, H, W, C].
    """
    kernel = np.ones((3, 3), np.uint8)
    return np.stack([cv2.dilate(image, kernel).reshape(image.shape) for image in images]) - images


def negative(images: np.ndarray) -> np.ndarray:
    """Colours negated, uint8 or uint16 [N, H, W, C] to the same (figure 2.17)."""
    return np.iinfo(images.dtype).max - images


def rotate(images: np.ndarray) -> np.ndarray:
    """Turned by 90 degrees against the clock, uint8 [N, H, W, C] to the same."""
    return np.ascontiguousarray(np.rot90(images, axes=(1, 2)))


def left_half(pixels: np.ndarray) -> np.ndarray:
    """The left of two images side by side, uint8 [S, 2 S, C] to [S, S, C]; else ValueError."""
    return _halves(pixels)[0]


def right_half(pixels: np.ndarray) -> np.ndarray:
    """The right of two images side by side, uint8 [S, 2 S, C] to [S, S, C]; else ValueError."""
    return _halves(pixels)[1]


def luma(images: np.ndarray) -> np.ndarray:
    """Gray, uint8 [N, H, W, C] to [N, H, W, 1]."""
    return to_channels(images, 1)


def contours(images: np.ndarray) -> np.ndarray:
    """Edges as a drawing, black lines on white, by Canny's detector (1986) on the blurred luma.

    A line follows a ridge of the gradient through pixels that are among the strongest three tenths
    of the image, and has one among the strongest tenth: shares instead of fixed thresholds, so that
    dark and pale images are drawn alike.

    Args:
      images: uint8 or uint16 [N, H, W, C].

    Returns:
      The same type [N, H, W, 1], 0 on a line and the greatest value elsewhere.
    """
    gray = to_channels(images, 1)
    deep = gray.dtype == np.uint16
    drawn = np.stack([_drawn(image) for image in (to_eight_bits(gray) if deep else gray)])
    return drawn.astype(images.dtype) * (257 if deep else 1)


def _halves(pixels):
    height, width = pixels.shape[:2]
    if width != 2 * height:
        raise ValueError(
            f"is {width}x{height} pixels; a file of two images side by side is twice as wide as "
            "high"
        )
    return pixels[:, :height], pixels[:, height:]


def _drawn(gray):
    """One image of `contours`: uint8 [H, W, 1] to the same."""
    gray = to_eight_bits(gray) if gray.dtype == np.uint16 else gray
    blurred = cv2.GaussianBlur(gray[:, :, 0], (0, 0), BLUR)
    across, down = (cv2.Sobel(blurred, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    strength = np.hypot(across, down, dtype=np.float32)
    low, high = np.quantile(strength, WEAK_AND_STRONG)
    lines = cv2.Canny(across, down, max(low, FAINTEST), max(high, FAINTEST), L2gradient=True)
    return 255 - lines[:, :, None]


TRANSFORMS = {"edge": edge, "negative": negative, "rotate": rotate}
