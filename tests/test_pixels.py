"""Pixel scores against scikit-image and closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gantrain.data.transforms import TRANSFORMS, edge
from gantrain.images import to_float
from gantrain.measures.agreement import map_agreement
from gantrain.measures.pixels import distances, nearest, pixel_scores


def pair(channels=3, side=32, noise=0.2):
    rng = np.random.default_rng(channels)
    ramp = np.linspace(-0.8, 0.8, side)
    base = np.stack([np.outer(ramp, np.cos(3 * ramp + i)) for i in range(channels)], -1)
    made = np.clip(base + noise * rng.normal(size=base.shape), -1, 1)
    return made.astype(np.float32)[None], base.astype(np.float32)[None]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [11, 12, 16, 32])
def test_scores_are_those_of_scikit_image(channels, side):
    made, target = pair(channels, side)
    scores = {k: float(v) for k, v in pixel_scores(made, target).items()}
    assert scores["l1"] == pytest.approx(np.abs(made - target).mean(), rel=1e-5)
    assert scores["psnr"] == pytest.approx(
        peak_signal_noise_ratio(intensities(target[0]), intensities(made[0]), data_range=1.0),
        rel=1e-4,
    )
    assert scores["ssim"] == pytest.approx(similarity(made[0], target[0]), abs=1e-5)


def intensities(images):
    """What [-1, 1] stands for, from 0 to 1."""
    return (np.asarray(images, np.float64) + 1) / 2


def similarity(made, target):
    """SSIM as Wang et al. 2004 define it; the mean leaves out the border of five pixels."""
    return structural_similarity(
        intensities(target),
        intensities(made),
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


@pytest.mark.parametrize("one, other", [(121, 134), (0, 255), (0, 30), (250, 220), (60, 60)])
@pytest.mark.parametrize("channels", [1, 3])
def test_flat_images_leave_the_luminance_of_intensities_from_zero(one, other, channels):
    """Neither symmetric around mid-gray nor around anything else: (2ab + C1) / (a^2 + b^2 + C1)."""
    images = [to_float(np.full((1, 16, 16, channels), v, np.uint8)) for v in (one, other)]
    a, b, c1 = one / 255, other / 255, 0.01**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert float(pixel_scores(*images)["ssim"]) == pytest.approx(expected, abs=1e-6)
    error = max((a - b) ** 2, 1e-10)
    assert float(pixel_scores(*images)["psnr"]) == pytest.approx(-10 * np.log10(error), rel=1e-5)


def test_a_scaled_and_shifted_texture_by_its_statistics():
    """Scikit-image on 8-bit pixels as they lie in files, bright and dark halves unlike."""
    rng = np.random.default_rng(4)
    target = rng.integers(10, 90, (40, 32, 3)).astype(np.uint8)
    target[:20] += 150
    made = (target * 0.6 + 12).astype(np.uint8)
    expected = structural_similarity(
        target,
        made,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    scores = pixel_scores(to_float(made[None]), to_float(target[None]))
    assert float(scores["ssim"]) == pytest.approx(expected, abs=1e-5)
    assert float(scores["psnr"]) == pytest.approx(
        peak_signal_noise_ratio(target, made, data_range=255), rel=1e-5
    )
    negative = pixel_scores(to_float(255 - target[None]), to_float(target[None]))
    assert float(negative["ssim"]) < -0.3


@pytest.mark.parametrize("side", [11, 48])
def test_scores_of_several_images_are_means_over_the_images(side):
    made, target = (
        np.concatenate(v)
        for v in zip(*(pair(side=side, noise=noise) for noise in (0.02, 0.3, 1.0)), strict=True)
    )
    scores = {k: float(v) for k, v in pixel_scores(made, target).items()}
    assert scores["ssim"] == pytest.approx(
        np.mean([similarity(*v) for v in zip(made, target, strict=True)]), abs=1e-5
    )
    assert scores["psnr"] == pytest.approx(
        np.mean(
            [
                peak_signal_noise_ratio(t, m, data_range=2.0)
                for m, t in zip(made, target, strict=True)
            ]
        ),
        rel=1e-4,
    )


def test_unrelated_images_have_no_structure_in_common():
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 4, 48, 48, 1)).astype(np.float32)
    assert abs(float(pixel_scores(*noise)["ssim"])) < 0.05


def test_equal_images_score_best():
    made, _ = pair()
    scores = pixel_scores(made, made)
    assert float(scores["l1"]) == 0 and float(scores["ssim"]) == pytest.approx(1)
    assert float(scores["psnr"]) == pytest.approx(100)  # the floor under the error, not infinity
    almost = made + np.float32(1e-6)
    assert float(pixel_scores(almost, made)["psnr"]) == pytest.approx(100)
    # One image of two that is hit exactly does not make the mean infinite.
    black, gray = -np.ones((2, 12, 12, 1), np.float32), np.zeros((1, 12, 12, 1), np.float32)
    mixed = pixel_scores(np.concatenate([black[:1], gray]), black)
    assert float(mixed["psnr"]) == pytest.approx((100 + 10 * np.log10(4)) / 2)


def test_small_images_have_no_ssim():
    made, target = pair(side=8)
    assert set(pixel_scores(made, target)) == {"l1", "psnr"}


def test_of_several_targets_the_nearest_counts():
    made = np.zeros((2, 12, 12, 3), np.float32)
    targets = np.stack([np.full((3, 12, 12, 3), 0.0)] * 2).astype(np.float32)
    targets += np.array([[0.3, -0.1, 0.2], [0.05, 0.4, -0.6]], np.float32)[..., None, None, None]
    np.testing.assert_allclose(
        distances(made, tf.constant(targets)), [[0.3, 0.1, 0.2], [0.05, 0.4, 0.6]], rtol=1e-5
    )
    chosen = nearest(made, tf.constant(targets))
    np.testing.assert_allclose(chosen[:, 0, 0, 0], [-0.1, 0.05], rtol=1e-5)
    assert float(pixel_scores(made, targets)["l1"]) == pytest.approx(0.075, rel=1e-5)


# ------------------------------------------------------------------------------------- known maps


def digits(count=60, side=16):
    """White bars on black, uint8: each at a place of its own."""
    rng = np.random.default_rng(0)
    images = np.zeros((count, side, side, 1), np.uint8)
    for image in images:
        top, left = rng.integers(1, side - 7, 2)
        image[top : top + rng.integers(3, 7), left : left + rng.integers(3, 7)] = 255
    return images


def stream(images, *sizes):
    """Batches of these sizes, then all that is left, in [-1, 1]."""
    images, start = np.asarray(to_float(images)), 0
    for size in (*sizes, len(images)):
        if start < len(images):
            yield images[start : start + size]
        start += size


@pytest.mark.parametrize("name", TRANSFORMS)
def test_real_pairs_agree_in_every_pixel_and_others_do_not(name):
    x = digits()
    y = TRANSFORMS[name](x)
    result = map_agreement(stream(x, 20, 20), stream(y, 20, 20), TRANSFORMS[name])
    assert (result["pixel_agreement"], result["pixel_agreement_std"]) == (1.0, 0.0)
    chance = result["pixel_agreement_chance"]
    assert 0.5 < chance < 0.95
    shuffled = np.random.default_rng(1).permutation(len(y))
    moved = map_agreement(stream(x), stream(y[shuffled]), TRANSFORMS[name])
    assert moved["pixel_agreement"] == pytest.approx(chance, abs=0.02)
    assert moved["pixel_agreement_std"] > 0
    assert all(type(v) is float for v in result.values())


def test_agreement_by_hand():
    """Three images of four pixels against the negative; the next image's map, around the end."""
    x = np.array([[0, 0, 255, 255], [0, 0, 0, 0], [255, 255, 255, 255]], np.uint8)
    y = np.array([[255, 255, 0, 255], [255, 255, 255, 255], [255, 0, 0, 0]], np.uint8)
    shape = (3, 2, 2, 1)
    for sizes in ((), (1,), (2,), (1, 1)):
        result = map_agreement(
            stream(x.reshape(shape), *sizes),
            stream(y.reshape(shape), *sizes),
            TRANSFORMS["negative"],
        )
        assert result["pixel_agreement"] == pytest.approx((3 + 4 + 3) / 12)
        assert result["pixel_agreement_std"] == pytest.approx(np.std([0.75, 1, 0.75]))
        # y_1 with the map of x_2 (white), y_2 with that of x_3 (black), y_3 with that of x_1.
        assert result["pixel_agreement_chance"] == pytest.approx((3 + 0 + 3) / 12)


def test_gray_levels_count_by_their_side_of_the_middle():
    x = np.array([[-0.9, -0.1], [0.1, 0.9]], np.float32).reshape(1, 2, 2, 1)
    y = np.array([[0.2, 0.7], [-0.6, 0.05]], np.float32).reshape(1, 2, 2, 1)
    assert map_agreement([x], [y], TRANSFORMS["negative"])["pixel_agreement"] == 0.75


@pytest.mark.parametrize("colours", [(3, 1), (1, 3), (3, 3)])
def test_colour_beside_gray_is_compared_by_luma(colours):
    x, y = digits(), TRANSFORMS["negative"](digits())
    x, y = (np.repeat(v, c, axis=-1) for v, c in zip((x, y), colours, strict=True))
    assert map_agreement(stream(x), stream(y), TRANSFORMS["negative"])["pixel_agreement"] == 1.0
    if 1 in colours:
        outline = edge(digits())
        y = np.repeat(outline, colours[1], axis=-1)
        assert map_agreement(stream(x), stream(y), edge)["pixel_agreement"] == 1.0


def test_a_collapsed_pair_agrees_no_better_than_by_chance():
    x = np.repeat(digits(1), 20, axis=0)
    result = map_agreement(stream(x, 7), stream(edge(x), 7), edge)
    assert result["pixel_agreement"] == result["pixel_agreement_chance"] == 1.0


def test_streams_of_unequal_length_are_no_pairs():
    with pytest.raises(ValueError):
        map_agreement(stream(digits(), 30), stream(digits()), edge)
