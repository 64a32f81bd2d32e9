"""The known maps between MNIST and its derived domains (thesis section 2.7).

They are applied at the size of training, so that the map of a generated image of domain 1 is what
domain 2 should show.
"""

import cv2
import numpy as np


def edge(images):
    """Outline: the image dilated by OpenCV, minus the image (figure 2.18).

    Deviation: the thesis names `dilate` and no kernel; here it is 3x3, once.

    Args:
      images: uint8 [N, H, W, 1].

    Returns:
      uint8 [N, H, W, 1].
    """
    kernel = np.ones((3, 3), np.uint8)
    dilated = np.stack([cv2.dilate(image[:, :, 0], kernel) for image in images])
    return dilated[..., None] - images


def negative(images):
    """Colours negated, uint8 [N, H, W, C] to the same (figure 2.17)."""
    return 255 - images


def rotate(images):
    """Turned by 90 degrees against the clock, uint8 [N, H, W, C] to the same."""
    return np.ascontiguousarray(np.rot90(images, axes=(1, 2)))


TRANSFORMS = {"edge": edge, "negative": negative, "rotate": rotate}
