"""Drawing by fixed arithmetic: each operation against its definition or an independent program."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from gantrain.data import raster

RNG = np.random.default_rng(0)


def area(source, target):
    """Row k: the share of each source pixel in target pixel k, float64 [target, source]."""
    step = source / target
    k, j = step * np.arange(target)[:, None], np.arange(source)
    return np.clip(np.minimum(k + step, j + 1) - np.maximum(k, j), 0, 1) / step


def linear(source, target):
    """Row k: the weights of the source pixels around the middle of target pixel k."""
    middle = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    return np.maximum(1 - np.abs(middle[:, None] - np.arange(source)), 0)


@pytest.mark.parametrize("rows", [(9, 9), (12, 4), (13, 5), (7, 19), (1, 6), (6, 1)])
@pytest.mark.parametrize("columns", [(8, 8), (10, 5), (11, 7), (5, 8)])
def test_each_axis_is_resized_by_its_own_rule(rows, columns):
    images = RNG.random((2, 3, rows[0], columns[0]))
    down, across = (area(*pair) if pair[1] < pair[0] else linear(*pair) for pair in (rows, columns))
    expected = np.einsum("ki,ncij,lj->nckl", down, images, across)
    np.testing.assert_allclose(raster.resize(images, rows[1], columns[1]), expected, atol=1e-12)


def test_lens_is_a_gaussian_with_mirrored_border_and_sharpening():
    images = RNG.random((2, 3, 20, 33))
    for sigma in (0.6, 1.9):
        expected = ndimage.gaussian_filter(images, sigma, mode="reflect", truncate=4.5, axes=(2, 3))
        np.testing.assert_allclose(raster.lens(images, sigma), expected, atol=1e-3)
    both = raster.lens(images, np.array([0.6, 1.9]), np.array([0.0, 0.8]), 1.6)
    np.testing.assert_allclose(both[:1], raster.lens(images[:1], 0.6), atol=1e-12)
    plain = raster.lens(images[1:], 1.9)
    sharp = plain + 0.8 * (plain - raster.lens(plain, 1.6))
    np.testing.assert_allclose(both[1:], sharp, atol=1e-12)


def test_dilate_is_the_maximum_over_squares():
    images = RNG.integers(0, 256, (3, 9, 14)).astype(np.uint8)
    for radius in (0, 1, 2, 20):
        expected = ndimage.grey_dilation(
            images, (1, 2 * radius + 1, 2 * radius + 1), mode="constant"
        )
        np.testing.assert_array_equal(raster.dilate(images, radius), expected)


def test_warp_follows_the_perspective():
    images = RNG.integers(0, 256, (2, 10, 12)).astype(np.uint8)
    moved = np.array([[1, 0, 3], [0, 1, 1], [0, 0, 1.0]])
    tilted = np.array([[2, 0.1, 1], [0.2, 1.5, -1], [0.01, 0.02, 1]])
    seen = raster.warp(images, np.stack([moved, tilted]), 14, 20)
    expected = np.zeros((14, 20))
    expected[1:11, 3:15] = images[0]
    np.testing.assert_allclose(seen[0], expected, atol=1e-9)
    y, x = np.mgrid[:14, :20]
    back = np.linalg.inv(tilted) @ np.stack([x.ravel(), y.ravel(), np.ones(280)])
    expected = ndimage.map_coordinates(
        images[1].astype(float), back[1::-1] / back[2], order=1, mode="grid-constant"
    ).reshape(14, 20)
    np.testing.assert_allclose(seen[1], expected, atol=1e-9)


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_jpeg_is_what_libjpeg_leaves(quality):
    images = raster.lens(255 * RNG.random((2, 3, 40, 24)), 1.2)
    images = raster.to_bytes(128 + 3 * (images - 128)).astype(float)
    ours = raster.jpeg(images, np.array([quality, 90]))
    np.testing.assert_allclose(ours[1:], raster.jpeg(images[1:], 90))
    file = io.BytesIO()
    Image.fromarray(raster.to_bytes(images[0]).transpose(1, 2, 0)).save(
        file, "JPEG", quality=quality, subsampling="4:2:0"
    )
    theirs = np.asarray(Image.open(file)).transpose(2, 0, 1)
    loss = np.abs(theirs - images[0]).mean()
    # What differs is libjpeg's rounding between its steps, which moves some across a quantum.
    assert np.abs(np.clip(ours[0], 0, 255) - theirs).mean() < 0.15 * loss + 0.3


def test_jpeg_keeps_what_the_tables_do_not_touch():
    flat = np.full((1, 3, 16, 32), 128.0)
    np.testing.assert_allclose(raster.jpeg(flat, 10), flat, atol=1e-9)
    images = raster.lens(255 * RNG.random((1, 3, 32, 32)), 2)
    losses = [np.abs(raster.jpeg(images, quality) - images).mean() for quality in (5, 40, 80, 100)]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 2


def test_uniform_numbers_are_the_high_bits_of_the_words():
    words = np.random.PCG64(np.random.SeedSequence([3, 7])).random_raw(6)
    stream = raster.Stream(3, 7)
    first, rest = stream.uniform(), stream.uniform(5)
    np.testing.assert_array_equal([first, *rest], (words >> np.uint64(11)) / 2.0**53)


def test_normal_numbers_are_normal():
    numbers = raster.Stream(1).normal(200, 500)
    assert abs(numbers.mean()) < 0.01 and abs(numbers.std() - 1) < 0.01
    assert (np.abs(numbers) > 1.96).mean() == pytest.approx(0.05, abs=0.003)
    assert np.isfinite(raster.Stream(1).normal()) and np.isfinite(numbers).all()


def test_last_bits_do_not_decide_halves():
    halves = np.arange(8) + 0.5
    for near in (halves - 1e-12, halves, halves + 1e-12):
        np.testing.assert_array_equal(raster.to_bytes(near), np.arange(1, 9))
        np.testing.assert_array_equal(raster.rounded(-near), -np.arange(8))
    assert raster.to_bytes(np.array([-7.0, 254.4, 255.6, 300.0])).tolist() == [0, 254, 255, 255]
