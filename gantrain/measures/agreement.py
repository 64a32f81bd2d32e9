"""Pixel agreement: do the images of a domain equal a known map of those of another?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from gantrain.data.transforms import TRANSFORMS
from gantrain.images import to_channels, to_uint8
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams


def map_agreement(
    first: Iterable[np.ndarray], second: Iterable[np.ndarray], transform: Callable
) -> dict[str, float]:
    """Share of pixels of domain 2 that equal the known map of domain 1 (CoGAN, section 4).

        agreement = mean_n mean_p [T(x_1)_np > mid-gray  =  x_2,np > mid-gray]

    An outline leaves most pixels dark whatever the digit is, so that unrelated images agree on many
    of them: `chance` is the same share between an image and the map of the next image; a single
    image has none.

    Args:
        first: stream of images of domain 1: batches [b, H, W, C] float32 in [-1, 1].
        second: stream of images of domain 2, the n-th of the same z as the n-th of `first`; 1 or 3
            channels.
        transform: uint8 [b, H, W, C] -> uint8, one of `gantrain.data.transforms.TRANSFORMS`. It is
            given the luma where one of the domains is gray.

    Returns:
        Floats: `pixel_agreement`, its standard deviation over the images (`pixel_agreement_std`),
        `pixel_agreement_chance`.
    """
    matched, unmatched, opening, held = [], [], None, None
    for x, y in zip(first, second, strict=True):
        x, y = to_uint8(x), to_uint8(y)
        channels = min(x.shape[-1], y.shape[-1])
        mapped = transform(to_channels(x, channels)) > 127
        shown = to_channels(y, channels) > 127
        matched.append(_equal(mapped, shown))
        if held is None:
            opening = mapped[:1]
        else:
            unmatched.append(_equal(mapped[:1], held))
        unmatched.append(_equal(mapped[1:], shown[:-1]))
        held = shown[-1:]
    unmatched.append(_equal(opening, held))
    matched, unmatched = np.concatenate(matched), np.concatenate(unmatched)
    result = {"pixel_agreement": float(matched.mean()), "pixel_agreement_std": float(matched.std())}
    if len(matched) > 1:
        result["pixel_agreement_chance"] = float(unmatched.mean())
    return result


def _equal(one, other):
    """Share of equal pixels of each image, [b]."""
    return np.mean(one == other, axis=(1, 2, 3))


def measure(e: Streams) -> dict[str, float]:
    """Pixels of a domain that equal the known map of the first domain."""
    values = {}
    for i, name in enumerate(e.names):
        if name in TRANSFORMS:
            both = itertools.tee(e.generated())
            found = map_agreement(
                (m[0] for m in both[0]), (m[i] for m in both[1]), TRANSFORMS[name]
            )
            values |= {f"{k}/{name}": v for k, v in found.items()}
            e.counts[f"agreement/{name}"] = e.num
    return values


def unfit(e: Streams) -> str:
    """Why a run has no known map, or ""."""
    if not e.from_noise or not any(n in TRANSFORMS for n in e.names[1:]):
        return f"it needs a domain that is a known map of the first: {', '.join(TRANSFORMS)}"
    return ""


METRIC = Metric(
    "pixels that equal the known map of the first domain", measure, unfit, ("pixel_agreement", max)
)
