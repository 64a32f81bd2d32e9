"""The sets drawn by the program are the same pixels on every machine."""

import hashlib

import numpy as np
import pytest
import scipy.special
from scipy import ndimage

from gantrain.data import digits, facades, raster
from gantrain.data.ring import ring

DIGESTS = {
    (
        digits.pen_digits,
        120,
        0,
        32,
    ): "2ec1b310f9c03e029cfe29415bbe36d8dc24b01c51be9180a1d4742f12518ef0",
    (
        digits.pen_digits,
        20,
        3,
        48,
    ): "db78a598d378ac2fac7c4f9ea7d9358bdb7879841ecd47349734ca64a23acbaf",
    (
        digits.street_digits,
        120,
        0,
        32,
    ): "9216bbcfd56221c47d1f5ba89d021a51c215543bfbd9aaa258906e66784838ae",
    (
        digits.street_digits,
        20,
        3,
        28,
    ): "1dfdb360cca2e8b23c88de8cd20dce99bdfe3769ef31b61ca1f855a7e53c0c23",
    (
        facades.facade_pairs,
        12,
        0,
        64,
    ): "5e1bb03945e3f803d44f5468b1c15820c9928ddc18fb8d6ea405caad138b8052",
    (
        facades.facade_pairs,
        3,
        3,
        128,
    ): "7b05ac8810cf4c107fc6b540d89b011a09c928f2eec7a33441508edc1a006a8f",
    (
        facades.facade_pairs,
        1,
        1,
        100,
    ): "9faa41042eb67a51e25acb10bb4efe1d46e7dfeed74f3921fbb2162baaf734af",
    (ring, 5100, 0): "7613cb30763a84ffc729a205259eab932393a39fbb037a6aca154e5e0618c659",
}
PREPARED = (
    digits._atlas,
    digits._textures,
    facades._clouds,
    facades._surface,
    facades._surface_level,
    facades._surface_at,
    raster._cosines,
)


def digest(arrays):
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array))
    return content.hexdigest()


@pytest.mark.parametrize("call", DIGESTS, ids=lambda call: call[0].__name__)
def test_pixels_and_labels_are_the_same_everywhere(call):
    """Another digest is another data set: what was measured on this one must be measured again."""
    make, *arguments = call
    assert digest(make(*arguments)) == DIGESTS[call]


@pytest.fixture
def unprepared():
    """Textures and the like are made anew, by the test and after it."""
    for cached in PREPARED:
        cached.cache_clear()
    yield
    for cached in PREPARED:
        cached.cache_clear()


@pytest.mark.parametrize(("make", "count", "size"), [
    (digits.pen_digits, 100, 32), (digits.street_digits, 100, 32), (facades.facade_pairs, 8, 64),
])  # fmt: skip
def test_last_bits_of_the_arithmetic_do_not_show(make, count, size, monkeypatch, unprepared):
    """Another processor or release may round sines, sums and transforms otherwise."""
    expected = digest(make(count, 4, size))
    for cached in PREPARED:
        cached.cache_clear()
    rng, calls = np.random.default_rng(0), []

    def shaken(function):
        def call(*arguments, **options):
            calls.append(function)
            exact = function(*arguments, **options)
            shape = np.shape(exact)
            return exact * (1 + 2.0**-50 * (rng.integers(-1, 2, shape) if shape else 1))

        return call

    functions = {
        np: ("exp", "sin", "cos", "hypot", "arctan2", "interp", "sqrt"),
        np.fft: ("fft2",),
        raster.scipy.fft: ("dctn", "idctn"),
        scipy.special: ("ndtri",),
        ndimage: ("uniform_filter",),
        raster.Stream: ("uniform",),
        raster: ("resize", "lens", "warp", "jpeg"),
    }
    for place, names in functions.items():
        for name in names:
            monkeypatch.setattr(place, name, shaken(getattr(place, name)))
    assert digest(make(count, 4, size)) == expected
    assert len(set(calls)) > 5
