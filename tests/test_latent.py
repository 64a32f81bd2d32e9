"""The prior of z and the paths through it."""

import numpy as np
import pytest
import tensorflow as tf

from gantrain import latent
from gantrain.nets import NoiseNets
from gantrain.noise import Draw


def prior(count=4000, **options):
    options = NoiseNets(noise_dim=3, **options)
    z = np.array(latent.prior(options, Draw(0, tf.constant(0, tf.int64), count)))
    assert z.shape == (count, latent.size(options)) and z.dtype == np.float32
    return z


def test_uniform_noise():
    z = prior()
    assert -1 <= z.min() < -0.99 and 0.99 < z.max() <= 1
    assert np.abs(z.mean(0)).max() < 0.05


def test_normal_noise():
    z = prior(noise_type="normal")
    assert np.abs(z.mean(0)).max() < 0.06 and np.abs(z.std(0) - 1).max() < 0.05


def test_categories_stand_in_front_of_the_noise():
    z = prior(noise_categories=5)
    block, noise = z[:, :5], z[:, 5:]
    assert set(np.unique(block)) == {0.0, latent.CATEGORY}
    np.testing.assert_array_equal((block > 0).sum(1), 1)
    assert np.bincount(block.argmax(1), minlength=5).min() > 4000 / 5 * 0.85
    assert noise.shape == (4000, 3) and np.abs(noise).max() <= 1


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def test_slerp_starts_and_ends_where_asked():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 8)), rng.standard_normal((5, 8))
    path = latent.slerp(a, b, 7).reshape(5, 7, 8)
    np.testing.assert_allclose(path[:, 0], a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(path[:, -1], b, rtol=1e-5, atol=1e-6)


def test_slerp_turns_evenly_and_changes_length_linearly():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((5, 8)), 3 * rng.standard_normal((5, 8))
    path = latent.slerp(a, b, 9).reshape(5, 9, 8).astype(np.float64)
    lengths = np.linalg.norm(path, axis=-1)
    np.testing.assert_allclose(
        np.diff(lengths, axis=1),
        (lengths[:, -1:] - lengths[:, :1]) / 8 * np.ones((1, 8)),
        rtol=1e-3,
        atol=1e-5,
    )
    directions = unit(path)
    angles = np.arccos((directions[:, 1:] * directions[:, :-1]).sum(-1))
    total = np.arccos((unit(a) * unit(b)).sum(-1))
    np.testing.assert_allclose(angles, total[:, None] / 8 * np.ones((1, 8)), rtol=1e-3)


def test_slerp_by_hand():
    path = latent.slerp([[1.0, 0.0]], [[0.0, 2.0]], 3)
    np.testing.assert_allclose(path, [[1, 0], 1.5 * np.array([1, 1]) / 2**0.5, [0, 2]], atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_slerp_of_parallel_vectors_is_a_straight_line(scale):
    a = np.array([[0.3, -0.4, 1.2]])
    path = latent.slerp(a, scale * a, 5)
    np.testing.assert_allclose(path, a * np.linspace(1, scale, 5)[:, None], rtol=1e-5)
    assert np.all(np.isfinite(latent.slerp(a, -a, 5)))
