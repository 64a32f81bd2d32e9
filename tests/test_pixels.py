"""Pixel scores against scikit-image and closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gantrain.data.transforms import TRANSFORMS
from gantrain.metrics.pixels import distances, map_agreement, nearest, pixel_scores


def pair(channels=3, side=32, noise=0.2):
    rng = np.random.default_rng(channels)
    ramp = np.linspace(-0.8, 0.8, side)
    base = np.stack([np.outer(ramp, np.cos(3 * ramp + i)) for i in range(channels)], -1)
    made = np.clip(base + noise * rng.normal(size=base.shape), -1, 1)
    return made.astype(np.float32)[None], base.astype(np.float32)[None]


@pytest.mark.parametrize("channels", [1, 3])
def test_scores_are_those_of_scikit_image(channels):
    made, target = pair(channels)
    scores = {k: float(v) for k, v in pixel_scores(made, target).items()}
    assert scores["l1"] == pytest.approx(np.abs(made - target).mean(), rel=1e-5)
    assert scores["psnr"] == pytest.approx(
        peak_signal_noise_ratio(target[0], made[0], data_range=2.0), rel=1e-4)
    expected, whole = structural_similarity(
        target[0], made[0], data_range=2.0, channel_axis=-1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True)
    # TensorFlow leaves the border out, over which scikit-image extends the image.
    assert scores["ssim"] == pytest.approx(whole[5:-5, 5:-5].mean(), abs=2e-3)


def test_equal_images_score_best():
    made, _ = pair()
    scores = pixel_scores(made, made)
    assert float(scores["l1"]) == 0 and float(scores["ssim"]) == pytest.approx(1)
    assert np.isinf(scores["psnr"])


def test_small_images_have_no_ssim():
    made, target = pair(side=8)
    assert set(pixel_scores(made, target)) == {"l1", "psnr"}


def test_of_several_targets_the_nearest_counts():
    made = np.zeros((2, 12, 12, 3), np.float32)
    targets = np.stack([np.full((3, 12, 12, 3), 0.0)] * 2).astype(np.float32)
    targets += np.array([[0.3, -0.1, 0.2], [0.05, 0.4, -0.6]], np.float32)[..., None, None, None]
    np.testing.assert_allclose(distances(made, tf.constant(targets)),
                               [[0.3, 0.1, 0.2], [0.05, 0.4, 0.6]], rtol=1e-5)
    chosen = nearest(made, tf.constant(targets))
    np.testing.assert_allclose(chosen[:, 0, 0, 0], [-0.1, 0.05], rtol=1e-5)
    assert float(pixel_scores(made, targets)["l1"]) == pytest.approx(0.075, rel=1e-5)


def test_known_maps_agree_wholly_and_shuffled_pairs_by_chance():
    rng = np.random.default_rng(5)
    first = rng.integers(0, 256, (40, 16, 16, 1), np.uint8)
    second = TRANSFORMS["negative"](first)
    floats = [np.float32(v) / 127.5 - 1 for v in (first, second)]
    stream = ((floats[0][i:i + 15], floats[1][i:i + 15]) for i in range(0, 40, 15))
    found = map_agreement(stream, TRANSFORMS["negative"])
    assert (found["agreement"], found["agreement_std"]) == (1.0, 0.0)
    assert found["chance"] == pytest.approx(0.5, abs=0.03)
    shuffled = map_agreement([(floats[0], np.roll(floats[1], 3, axis=0))], TRANSFORMS["negative"])
    assert shuffled["agreement"] == pytest.approx(0.5, abs=0.03)


def test_agreement_counts_pixels():
    first, second = np.full((2, 2, 2, 1), -1.0, np.float32), np.ones((2, 2, 2, 3), np.float32)
    second[0, 0] = -1
    found = map_agreement([(first, second)], lambda pixels: 255 - pixels)
    assert found["agreement"] == 0.75 and found["agreement_std"] == 0.25
