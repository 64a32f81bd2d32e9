"""Augmentations: what each may change, that gradients pass, that draws are per image."""

import numpy as np
import pytest
import tensorflow as tf

from gantrain.noise import Draw
from gantrain.terms.augmentation import AUGMENTATIONS, augment, erase

SIDE = 16


def draw(batch=8, step=0):
    return Draw(0, tf.cast(step, tf.int64), batch)


def ramp(batch=8):
    """Every pixel its own value in (0, 1], the same in every image."""
    values = np.arange(1, SIDE * SIDE + 1, dtype=np.float32) / (SIDE * SIDE)
    return np.broadcast_to(values.reshape(1, SIDE, SIDE, 1), (batch, SIDE, SIDE, 3)).copy()


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - {"none"}))
def test_every_image_has_its_own_change(name):
    images = ramp()
    one = np.array(augment(images, name, draw()))
    assert one.shape == images.shape and one.dtype == np.float32
    assert len({image.tobytes() for image in one}) > 4
    np.testing.assert_array_equal(one, augment(images, name, draw()))
    assert not np.array_equal(one, augment(images, name, draw(step=1)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_gradient_passes(name):
    images = tf.constant(ramp())
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(augment(images, name, draw()))
    gradient = np.array(tape.gradient(value, images))
    assert np.all(np.isfinite(gradient))
    assert np.all(np.abs(gradient).sum((1, 2, 3)) > 0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_compiled_equals_eager(name, channels):
    images = ramp()[..., :channels]
    compiled = tf.function(lambda step: augment(images, name, draw(step=step)))
    np.testing.assert_allclose(
        compiled(tf.constant(3, tf.int64)),
        augment(images, name, draw(step=3)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_none_is_none():
    images = ramp()
    assert augment(images, "none", draw()) is images


def offsets(moved, fill):
    """The shift (rows, columns) that explains each image, by trying all of them."""
    found = []
    for image in moved[..., 0]:
        explained = []
        for dy in range(-4, 5):
            for dx in range(-4, 5):
                rows, columns = np.arange(SIDE) + dy, np.arange(SIDE) + dx
                clipped = ramp(1)[0, np.clip(rows, 0, SIDE - 1)]
                clipped = clipped[:, np.clip(columns, 0, SIDE - 1), 0]
                if fill == "zero":
                    inside = ((rows >= 0) & (rows < SIDE))[:, None] & (
                        (columns >= 0) & (columns < SIDE)
                    )
                    clipped = clipped * inside
                if np.array_equal(image, clipped):
                    explained.append((dy, dx))
        assert len(explained) == 1
        found += explained
    return found


@pytest.mark.parametrize("name, reach, fill", [("translation", 2, "zero"), ("shift", 1, "edge")])
def test_shifts_reach_every_offset_and_no_further(name, reach, fill):
    found = offsets(np.array(augment(ramp(150), name, draw(150))), fill)
    expected = {(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)}
    assert set(found) == expected


def test_cutout_is_a_square_of_half_the_size_at_most():
    cut = np.array(augment(ramp(100), "cutout", draw(100)))
    zero = np.all(cut == 0, axis=-1)
    np.testing.assert_array_equal(cut[~zero], ramp(100)[~zero])
    sizes = []
    for mask in zero:
        rows, columns = mask.any(1), mask.any(0)
        np.testing.assert_array_equal(mask, rows[:, None] & columns)  # one rectangle
        assert np.abs(np.diff(np.flatnonzero(rows))).max(initial=1) == 1  # without gaps
        sizes.append((rows.sum(), columns.sum()))
    # Centres lie anywhere in the image, so that at the border a part of the square is outside.
    assert np.max(sizes) <= SIDE // 2 + 1 and np.min(sizes) >= SIDE // 4 - 1
    assert {int(m.argmax()) % SIDE for m in zero} >= set(range(10))


def test_color_keeps_the_picture():
    """An affine map of the values: where gray pixels were equal they still are."""
    images = np.random.default_rng(0).uniform(-1, 1, (50, SIDE, SIDE, 1)).astype(np.float32)
    gray = np.repeat(images, 3, axis=-1)
    changed = np.array(augment(gray, "color", draw(50)), np.float64)
    for before, after in zip(images.astype(np.float64), changed, strict=True):
        np.testing.assert_allclose(after, np.repeat(after[..., :1], 3, -1), atol=1e-5)
        slope, offset = np.polyfit(before.ravel(), after[..., 0].ravel(), 1)
        np.testing.assert_allclose(after[..., :1], slope * before + offset, atol=1e-5)
        assert 0.5 - 1e-6 <= slope <= 1.5 + 1e-6
        assert abs(after.mean() - before.mean()) <= 0.5 + 1e-6


def test_color_changes_saturation_around_the_mean_of_the_channels():
    images = np.zeros((60, 4, 4, 3), np.float32)
    images[..., 0] = 0.5
    changed = np.array(augment(images, "color", draw(60)))
    spread = changed[..., 0] - changed[..., 1]
    # Constant images have no contrast of their own to scale: what is left is saturation in [0, 2].
    ratio = spread[:, 0, 0] / 0.5
    assert 0 <= ratio.min() < 0.5 and 1.5 < ratio.max() <= 3.0


def test_names_are_applied_in_order():
    images = ramp()
    own = draw()
    expected = AUGMENTATIONS["cutout"](AUGMENTATIONS["translation"](images, own), own)
    np.testing.assert_array_equal(augment(images, "translation,cutout", draw()), expected)


def test_random_erasing_follows_zhong():
    """A rectangle of 2 to 40 % of the image, height to width 0.3 to 1/0.3, of uniform noise."""
    count, side = 400, 40
    images = tf.fill((count, side, side, 3), 5.0)
    made = erase(images, 0.5, Draw(3, tf.constant(0, tf.int64), count)).numpy()
    changed = (made != 5.0).all(-1)
    assert not (made != 5.0).any(-1)[~changed].any()
    touched = changed.any((1, 2))
    assert 0.4 < touched.mean() < 0.6
    corners = set()
    for one, mask in zip(made[touched], changed[touched], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert len(rows) * len(columns) == mask.sum()
        assert 0.01 <= mask.mean() <= 0.43
        inside = len(rows) < side and len(columns) < side
        assert not inside or 0.2 < len(rows) / len(columns) < 5
        assert one[mask].min() >= -1 and one[mask].max() < 1
        corners.add((rows[0], columns[0]))
    assert len(corners) > 100
    noise = made[changed]
    assert abs(noise.mean()) < 0.05 and noise.std() == pytest.approx(3**-0.5, rel=0.05)


def test_erasing_of_probability_zero_draws_nothing():
    images = tf.ones((2, 8, 8, 3))
    assert erase(images, 0.0, None) is images


def test_recolour_keeps_what_a_gray_image_shows():
    """Per channel an affine map, with enough contrast left and both signs of it."""
    images = np.random.default_rng(0).uniform(-1, 1, (200, 6, 6, 1)).astype(np.float32)
    changed = np.array(augment(np.repeat(images, 3, -1), "recolour", draw(200)), np.float64)
    slopes = []
    for before, after in zip(images.astype(np.float64), changed, strict=True):
        fits = [np.polyfit(before.ravel(), after[..., c].ravel(), 1) for c in range(3)]
        for c, (slope, offset) in enumerate(fits):
            np.testing.assert_allclose(after[..., c], (slope * before + offset)[..., 0], atol=1e-5)
        slopes.append([2 * slope for slope, _ in fits])
    slopes = np.array(slopes)
    # Gray levels differ by 0.4 to 1.6, each end of each channel by 0.3 from its level.
    assert np.abs(slopes).max() <= 1.6 + 0.6 and np.abs(slopes.mean(1)).min() < 0.6
    assert 0.3 < np.mean(slopes.mean(1) > 0) < 0.7
    assert np.abs(changed).max() <= 1.3 + 1e-6
    assert np.ptp(slopes, axis=1).max() > 0.5


def test_zoom_scales_around_the_middle():
    """A ramp stays a ramp: its slope is the factor, its middle stays where it was."""
    places = np.arange(33, dtype=np.float32) - 16
    factors = []
    for axis in (1, 2):
        shape = [1, 1, 1, 1]
        shape[axis] = 33
        ramps = np.broadcast_to(places.reshape(shape), (300, 33, 33, 1))
        changed = np.array(augment(ramps, "zoom", draw(300)))
        line = changed[:, :, 16, 0] if axis == 1 else changed[:, 16, :, 0]
        np.testing.assert_allclose(line[:, 16], 0.0, atol=1e-5)
        factor = line[:, 17]
        np.testing.assert_allclose(line, np.clip(factor[:, None] * places, -16, 16), atol=1e-4)
        factors.append(factor)
    rows, columns = factors
    assert 0.8 <= rows.min() < 0.85 and 1.4 < rows.max() <= 1.45
    narrow = columns / rows
    assert 0.85 - 1e-5 <= narrow.min() < 0.9 and 1.15 < narrow.max() <= 1.2 + 1e-5


def test_neighbours_stand_on_either_side_and_the_brighter_pixel_is_seen():
    """Image n, a bright column in the middle, beside image N - 1 - n."""
    count, width = 200, 32
    images = np.full((count, 4, width, 1), -1.0, np.float32)
    images[:, :, 15] = np.linspace(0.1, 0.9, count)[:, None, None]
    images[:, :, 3] = 1.0  # what is brighter than a neighbour stays
    changed = np.array(augment(images, "neighbours", draw(count)))
    assert (changed >= images).all()
    assert (changed[:, :, 3] == 1.0).all()
    distances = {-1: set(), 1: set()}
    for n, image in enumerate(changed):
        other = images[count - 1 - n, 0, 15, 0]
        for x in np.flatnonzero(image[0, :, 0] == other):
            if x not in (3, 15):
                distances[1 if x > 15 else -1].add(int(x - 15))
    # From 17 of 32 pixels on; at most 16 lie between the middle and the edge.
    assert not distances[1] and not distances[-1]
    changed = np.array(augment(np.roll(images, 12, 2), "neighbours", draw(count)))
    found = set()
    for n, image in enumerate(changed):
        other = images[count - 1 - n, 0, 15, 0]
        found |= {27 - int(x) for x in np.flatnonzero(image[0, :, 0] == other) if x != 27}
    assert found == set(range(17, 28))
    assert np.isin(changed, images).all()


def test_blur_lies_between_the_image_and_its_binomial_mean():
    rng = np.random.default_rng(0)
    images = np.repeat(rng.normal(size=(1, SIDE, SIDE, 3)), 50, 0).astype(np.float32)
    changed = np.array(augment(images, "blur", draw(50)))
    weights, padded = (
        np.array([1, 4, 6, 4, 1]) / 16,
        np.pad(images[0], [(2, 2), (2, 2), (0, 0)], "edge"),
    )
    rows = sum(w * padded[k : k + SIDE] for k, w in enumerate(weights))
    blurred = sum(w * rows[:, k : k + SIDE] for k, w in enumerate(weights))
    part = ((changed - images) / (blurred - images[0])).reshape(50, -1)
    np.testing.assert_allclose(
        part, np.broadcast_to(np.median(part, 1)[:, None], part.shape), atol=1e-2
    )
    assert 0 <= np.median(part, 1).min() < 0.15 and 0.85 < np.median(part, 1).max() < 1
    flat = np.full((4, SIDE, SIDE, 1), 0.3, np.float32)
    np.testing.assert_allclose(augment(flat, "blur", draw(4)), flat, rtol=1e-6)
