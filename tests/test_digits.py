"""The embedded digit domains: deterministic, balanced, separable, and unlike each other."""

import numpy as np
import pytest

from gantrain.data.digits import GLYPH, GLYPHS, LEVELS, TYPEFACES, pen_digits, street_digits

DOMAINS = [(pen_digits, 1), (street_digits, 3)]


@pytest.mark.parametrize(("make", "channels"), DOMAINS)
@pytest.mark.parametrize("size", [28, 32, 48])
def test_shapes_types_and_labels(make, channels, size):
    images, labels = make(30, 0, size)
    assert images.shape == (30, size, size, channels) and images.dtype == np.uint8
    assert labels.shape == (30,) and labels.dtype == np.int32
    assert (np.bincount(labels, minlength=10) == 3).all()


@pytest.mark.parametrize(("make", "channels"), DOMAINS)
def test_smaller_set_is_a_prefix(make, channels):
    # 263 crosses the border between two chunks and ends within a block of ten labels.
    images, labels = make(263, 5)
    for count in (7, 250, 263):
        part, part_labels = make(count, 5)
        np.testing.assert_array_equal(part, images[:count])
        np.testing.assert_array_equal(part_labels, labels[:count])
    shares = np.bincount(labels)
    assert shares.max() - shares.min() <= 1


@pytest.mark.parametrize(("make", "channels"), DOMAINS)
def test_seed_decides(make, channels):
    (a, a_labels), (b, b_labels) = make(40, 1), make(40, 2)
    assert not np.array_equal(a_labels, b_labels)
    assert len({image.tobytes() for image in np.concatenate([a, b])}) == 80


def test_domains_have_independent_label_orders():
    assert not np.array_equal(pen_digits(100, 3)[1], street_digits(100, 3)[1])


def test_every_typeface_has_its_glyphs():
    with np.load(GLYPHS) as file:
        sheet, widths = file["sheet"], file["widths"]
    assert widths.shape == (10 * len(TYPEFACES),) and sheet.shape == (widths.sum(), GLYPH)
    assert sheet.dtype == np.uint8 and sheet.max() == LEVELS
    # Cut to the ink, at full height.
    for glyph in np.split(sheet, np.cumsum(widths)[:-1]):
        assert glyph[:, :2].any() and glyph[:, -2:].any() and glyph[:2].any() and glyph[-2:].any()


def test_empty_set():
    for make, channels in DOMAINS:
        images, labels = make(0, 0)
        assert images.shape == (0, 32, 32, channels) and labels.shape == (0,)


def test_pen_has_the_statistics_of_mnist():
    images, _ = pen_digits(500, 0)
    x = images.astype(float)
    assert images.max() > 250
    assert (images == 0).mean() > 0.6
    border = np.concatenate([x[:, 0].ravel(), x[:, -1].ravel(), x[:, :, 0].ravel()])
    assert (border == 0).mean() > 0.98
    # MNIST at 32x32: mean 33.5, deviation 73.9.
    assert x.mean() == pytest.approx(33.5, abs=3) and x.std() == pytest.approx(73.9, abs=4)
    grid = np.arange(32) - 15.5
    mass = x[..., 0].sum((1, 2))
    centre = np.stack([(x[..., 0].sum(k) * grid).sum(1) / mass for k in (1, 2)])
    # Centred to a whole pixel of 28, where the 20x20 box leaves room for it.
    assert np.abs(centre).mean() < 0.6


def test_street_has_colour_both_polarities_and_varied_contrast():
    images, _ = street_digits(500, 0)
    x = images.astype(float)
    spread = x.max(-1) - x.min(-1)
    assert spread.mean() > 8
    gray = x.mean(-1)
    assert (images == 0).mean() < 0.1
    middle = gray[:, 8:24, 10:22].mean((1, 2)) - gray.mean((1, 2))
    assert 0.2 < (middle > 0).mean() < 0.8
    contrast = gray.std((1, 2))
    assert np.percentile(contrast, 5) < 20 and np.percentile(contrast, 95) > 40
    assert contrast.min() > 3  # no figure is bleached or blacked out


@pytest.mark.parametrize(
    ("make", "bar"), [(pen_digits, 0.6), (street_digits, 0.3)], ids=["pen", "street"]
)
def test_classes_separate(make, bar):
    def features(images):
        # Gradient magnitude on street crops does not know the polarity.
        x = images.astype(np.float32).mean(-1)
        if make is street_digits:
            x = np.hypot(np.gradient(x, axis=1), np.gradient(x, axis=2))
        x = x.reshape(len(x), -1)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    images, labels = make(1500, 11)
    test_images, test_labels = make(250, 12)
    x = features(images)
    centroids = np.stack([x[labels == d].mean(0) for d in range(10)])
    centroids -= centroids.mean(0)
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    guess = (features(test_images) @ centroids.T).argmax(1)
    assert (guess == test_labels).mean() > bar
