"""Set distances against closed forms, double loops and the ends of their ranges."""

import numpy as np
import pytest
import scipy.linalg

from gantrain.metrics import frechet


def normal(count, dim=6, seed=0, shift=0.0, scale=1.0):
    return shift + scale * np.random.default_rng(seed).standard_normal((count, dim))


def published(x, y):
    """Equation 6 of Heusel et al. as their code has it: a matrix square root."""
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t)
    return np.sum((x.mean(0) - y.mean(0))**2) + np.trace(s + t - 2 * root.real)


def whitened(count, mean, root, seed):
    """Points whose sample mean and covariance are exactly those asked for."""
    x = normal(count, len(mean), seed)
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.asarray(root).T + mean


def test_gaussians_have_the_closed_form():
    """Diagonal covariances: |m|^2 + sum (s_i - t_i)^2."""
    x = whitened(50, np.zeros(3), np.diag([1.0, 2.0, 3.0]), 0)
    y = whitened(70, np.array([1.0, 0.0, -2.0]), np.diag([2.0, 2.0, 0.5]), 1)
    assert frechet.frechet_distance(x, y) == pytest.approx(5 + 1 + 0 + 6.25, rel=1e-9)


def test_it_is_the_published_formula_where_that_is_stable():
    x, y = normal(300, seed=1), normal(200, seed=2, shift=0.3, scale=1.7)
    assert frechet.frechet_distance(x, y) == pytest.approx(published(x, y), rel=1e-8)
    assert frechet.frechet_distance(y, x) == pytest.approx(published(x, y), rel=1e-8)


@pytest.mark.parametrize("count", [2, 5, 63, 64, 65])
def test_few_images_and_singular_covariances(count):
    x = normal(count, 64, seed=3)
    assert frechet.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    y = normal(count, 64, seed=4, shift=5)
    value = frechet.frechet_distance(x, y)
    assert np.isfinite(value) and value == frechet.frechet_distance(x, y) > 64 * 20
    flat = np.zeros((count, 64))
    assert frechet.frechet_distance(x, flat) == pytest.approx(
        np.sum(x.mean(0)**2) + np.trace(np.cov(x, rowvar=False)), rel=1e-9)


def test_one_image_has_no_covariance():
    with pytest.raises(ValueError, match="two images"):
        frechet.frechet_distance(normal(1), normal(9))


def test_kernel_distance_is_the_double_sum():
    x, y = normal(7, 4, 0), normal(7, 4, 1, shift=1.0)

    def k(a, b):
        return (a @ b / 4 + 1)**3

    n = len(x)
    within = sum(k(v[i], v[j]) for v in (x, y) for i in range(n) for j in range(n) if i != j)
    between = sum(k(a, b) for a in x for b in y)
    wanted = within / (n * (n - 1)) - 2 * between / n**2
    assert frechet.kernel_distance(x, y)[0] == pytest.approx(wanted, rel=1e-10)


def test_kernel_distance_is_unbiased_and_sees_a_shift():
    equal = [frechet.kernel_distance(normal(60, seed=2 * s), normal(60, seed=2 * s + 1))[0]
             for s in range(60)]
    assert abs(np.mean(equal)) < 3 * np.std(equal) / np.sqrt(60)
    assert min(equal) < 0
    shifted = frechet.kernel_distance(normal(60), normal(60, seed=1, shift=2.0))[0]
    assert shifted > 10 * np.std(equal)


def test_kernel_distance_gives_its_spread_over_seeded_subsets():
    x, y = normal(500), normal(400, seed=1, shift=0.5)
    mean, spread = frechet.kernel_distance(x, y, subsets=20, size=50, seed=3)
    assert spread > 0
    assert (mean, spread) == frechet.kernel_distance(x, y, subsets=20, size=50, seed=3)
    assert mean != frechet.kernel_distance(x, y, subsets=20, size=50, seed=4)[0]


def test_precision_and_recall_at_their_ends(monkeypatch):
    monkeypatch.setattr(frechet, "CHUNK", 32)
    x = normal(100)
    assert frechet.precision_recall(x, x) == (1.0, 1.0)
    assert frechet.precision_recall(x, normal(100, seed=1, shift=50)) == (0.0, 0.0)
    collapsed = np.repeat(x[:1], 100, axis=0)
    precision, recall = frechet.precision_recall(x, collapsed)
    assert precision == 1.0 and recall <= 0.02


def test_half_the_modes_halve_the_recall():
    real = np.concatenate([normal(200), normal(200, seed=1, shift=100)])
    precision, recall = frechet.precision_recall(real, normal(200, seed=2))
    assert precision > 0.85 and 0.4 < recall <= 0.5


def test_precision_counts_by_hand():
    """On the line: real 0 1 2 10; the radius of the first neighbour of 10 is 8."""
    real = np.array([[0.0], [1.0], [2.0], [10.0]])
    fake = np.array([[0.5], [5.0], [-3.0], [30.0]])
    assert frechet.precision_recall(real, fake, k=1)[0] == 0.5  # 0.5 and, within 8 of 10, 5


def test_features_are_collected_from_a_stream():
    batches = [np.ones((3, 2, 2, 1)), 2 * np.ones((1, 2, 2, 1))]
    made = frechet.collect(lambda x: x.reshape(len(x), -1), iter(batches))
    np.testing.assert_array_equal(made, [[1] * 4] * 3 + [[2] * 4])
    assert set(frechet.scores(normal(20), normal(20, seed=1))) == {
        "frechet", "kernel", "kernel_std", "precision", "recall"}
