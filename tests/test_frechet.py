"""Distances of features against closed forms, double loops and hand-made sets."""

import itertools
import math

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from gantrain.core import RuntimeOptions
from gantrain.errors import UserError
from gantrain.measures import frechet
from gantrain.measures.frechet import (
    collect,
    distances,
    frechet_distance,
    frechet_from_moments,
    kernel_distance,
    moments,
    precision_recall,
    subset_size,
)
from gantrain.nets import build_classifier
from gantrain.nets.classifiers import CLASSIFIERS, penultimate
from gantrain.runtime import start


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def with_moments(mean, covariance, count=60, seed=0):
    """Points that have exactly these moments."""
    x = normal((count, len(mean)), seed)
    x -= x.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(x.T)), x.T).T
    return white @ np.linalg.cholesky(covariance).T + mean


def published(m_x, s_x, m_y, s_y):
    """Heusel et al. 2017 by a general matrix root."""
    root = scipy.linalg.sqrtm(s_x @ s_y)
    return (m_x - m_y) @ (m_x - m_y) + np.trace(s_x + s_y - 2 * root.real)


# ------------------------------------------------------------------------------------------ Frechet


@pytest.mark.parametrize(
    "shift, one, other",
    [
        ([0.0, 0.0], [1.0, 1.0], [1.0, 1.0]),
        ([3.0, -4.0], [1.0, 2.0], [1.0, 2.0]),
        ([0.5, 0.0], [4.0, 0.25], [1.0, 9.0]),
    ],
)
def test_gaussians_along_the_axes(shift, one, other):
    """|m|^2 + sum_i (s_i - t_i)^2 for diagonal covariances."""
    expected = np.sum(np.square(shift)) + np.sum((np.sqrt(one) - np.sqrt(other)) ** 2)
    x = with_moments(np.zeros(2), np.diag(one), seed=1)
    y = with_moments(np.array(shift), np.diag(other), seed=2)
    assert frechet_distance(x, y) == pytest.approx(expected, abs=1e-9)
    assert frechet_from_moments(np.zeros(2), np.diag(one), shift, np.diag(other)) == pytest.approx(
        expected, abs=1e-9
    )


def test_correlated_gaussians_are_those_of_the_published_formula():
    a, b = normal((7, 4), 1), normal((7, 4), 2)
    given = normal(4, 3), a.T @ a, normal(4, 4), b.T @ b
    expected = published(*given)
    assert frechet_from_moments(*given) == pytest.approx(expected, rel=1e-9)
    assert frechet_from_moments(*given[2:], *given[:2]) == pytest.approx(expected, rel=1e-9)
    x, y = with_moments(*given[:2], seed=5), with_moments(*given[2:], seed=6)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_moments_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(frechet, "_ROWS", 7)
    x = (normal((50, 3)) * [1, 10, 0.1] + 100).astype(np.float32)
    mean, covariance = moments(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(x.astype(np.float64).T), rtol=1e-10)


@pytest.mark.parametrize("counts", [(5, 5), (5, 9), (5, 200), (200, 5), (64, 65), (80, 70)])
def test_fewer_images_than_features(counts):
    """Singular covariances: the same value as by moments, and a rotation changes nothing."""
    x, y = normal((counts[0], 64), 1), 0.5 * normal((counts[1], 64), 2) + 0.3
    value = frechet_distance(x, y)
    assert value == pytest.approx(frechet_from_moments(*moments(x), *moments(y)), rel=1e-6)
    turn, _ = np.linalg.qr(normal((64, 64), 3))
    assert frechet_distance(x @ turn + 1, y @ turn + 1) == pytest.approx(value, rel=1e-9)


def test_two_images_by_hand():
    """Two points each: covariances of rank one, d d'/2, on lines at an angle of 60 degrees."""
    x = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
    y = np.array([[0.5, math.sqrt(0.75), 0], [-0.5, -math.sqrt(0.75), 0]])
    assert frechet_distance(x, y) == pytest.approx(2 + 2 - 2 * 2 * 0.5)
    assert frechet_distance(x, y + np.array([0, 0, 3])) == pytest.approx(9 + 2)


@pytest.mark.parametrize("count", [5, 300])
def test_identical_images_have_no_distance(count):
    x = 100 * normal((count, 64))
    assert frechet_distance(x, x) < 1e-9 * np.sum(np.var(x, axis=0))
    assert frechet_distance(x, x[::-1]) < 1e-9 * np.sum(np.var(x, axis=0))


def test_a_collapsed_generator_is_as_far_as_the_spread_of_the_data():
    x, y = normal((50, 8), 1), np.tile(normal(8, 2), (50, 1))
    expected = np.sum((x.mean(0) - y[0]) ** 2) + np.sum(np.var(x, axis=0, ddof=1))
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_the_bias_falls_as_one_over_the_number_of_images():
    """Two draws of one distribution: what the module's docstring warns of."""
    x, y = normal((4000, 16), 1), normal((4000, 16), 2)
    few, many = frechet_distance(x[:200], y[:200]), frechet_distance(x, y)
    assert few > 0.1 and few / many == pytest.approx(20, rel=0.35)


# ------------------------------------------------------------------------------------------- kernel


def double_loop(x, y):
    """Binkowski et al. 2018, equation 4, term by term."""

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z):
        pairs = list(itertools.permutations(range(len(z)), 2))
        return sum(k(z[i], z[j]) for i, j in pairs) / len(pairs)

    return within(x) + within(y) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_kernel_distance_of_all_images_is_the_double_loop():
    x, y = normal((9, 4), 1), 1.5 * normal((9, 4), 2) + 0.2
    mean, spread = kernel_distance(x, y, subsets=3, size=50)
    assert mean == pytest.approx(double_loop(x, y), rel=1e-9)
    assert spread == pytest.approx(0, abs=1e-9)


def test_subsets_are_drawn_without_repeats_and_by_the_seed():
    x, y = normal((12, 4), 1), normal((10, 4), 2) + 1
    mean, spread = kernel_distance(x, y, subsets=2000, size=5, seed=3)
    # A mean of U-statistics over subsets estimates the U-statistic of all.
    assert mean == pytest.approx(double_loop(x, y), abs=4 * spread / math.sqrt(2000))
    assert spread > 0
    assert kernel_distance(x, y, 4, seed=1) == kernel_distance(x, y, 4, seed=1)
    assert kernel_distance(x, y, 4, seed=1) != kernel_distance(x, y, 4, seed=2)


def test_kernel_distance_is_unbiased():
    """Many pairs of few images of one distribution: zero within four errors, on both sides of 0."""
    values = [
        kernel_distance(normal((8, 4), 2 * s), normal((8, 4), 2 * s + 1), 1, 8)[0]
        for s in range(400)
    ]
    error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error
    assert min(values) < 0 < max(values)
    # The diagonal that the estimator leaves out would shift the mean by far more than that.
    x = normal((8, 4), 1)
    assert ((np.sum(x * x, 1) / 4 + 1) ** 3).mean() / 8 > 10 * error


def test_usual_subsets_are_half_of_few_images_and_a_thousand_of_many():
    assert subset_size(np.zeros((30, 2)), np.zeros((50, 2))) == 15
    assert subset_size(np.zeros((10**5, 1)), np.zeros((3000, 1))) == 1000
    assert kernel_distance(normal((30, 4), 1), normal((30, 4), 2), 5)[1] > 0


# ----------------------------------------------------------------------------- precision and recall


def by_hand(real, fake, k):
    """Kynkaanniemi et al. 2019, equations 1 and 2, point by point."""

    def covered(points, manifold):
        inside = []
        for p in points:
            reaches = [sorted(np.linalg.norm(m - o) for o in manifold)[k] for m in manifold]
            inside.append(
                any(np.linalg.norm(p - m) <= r for m, r in zip(manifold, reaches, strict=True))
            )
        return np.mean(inside)

    return covered(fake, real), covered(real, fake)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("entries", [1, 60, 10**6])
def test_precision_and_recall_point_by_point(monkeypatch, k, entries):
    monkeypatch.setattr(frechet, "_ENTRIES", entries)
    real, fake = normal((25, 3), 1), 1.4 * normal((18, 3), 2) + 0.5
    expected = by_hand(real, fake, k)
    assert 0 < expected[0] < 1 and 0 < expected[1] < 1
    assert precision_recall(real, fake, k) == pytest.approx(expected)


def test_identical_and_disjoint_sets():
    x = normal((60, 5)).astype(np.float32)
    assert precision_recall(x, x) == (1.0, 1.0)
    assert precision_recall(x, x[::-1]) == (1.0, 1.0)
    assert precision_recall(x, x + 100) == (0.0, 0.0)
    # Far from the origin, where products cancel.
    assert precision_recall(x + 1000, x + 1000) == (1.0, 1.0)


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    real = normal((200, 5), 1)
    precision, recall = precision_recall(real, np.tile(real[:1], (200, 1)))
    assert precision == 1.0 and recall <= 1 / 200
    precision, recall = precision_recall(real, real[0] + 1e-3 * normal((200, 5), 2))
    assert precision == 1.0 and recall <= 1 / 200


def test_half_of_the_modes():
    modes = np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]])
    real = np.repeat(modes, 100, axis=0) + normal((400, 2), 1)
    fake = np.repeat(modes[:2], 200, axis=0) + normal((400, 2), 2)
    precision, recall = precision_recall(real, fake)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.02)
    swapped = precision_recall(fake, real)
    assert swapped == (recall, precision)


# ------------------------------------------------------------------------------- streams and names


def test_features_of_a_stream_are_collected_in_order():
    images = normal((11, 4, 4, 3)).astype(np.float32)
    batches = (images[i : i + 4] for i in range(0, 11, 4))
    made = collect(lambda batch: tf.reshape(tf.cast(batch, tf.float16), (len(batch), -1)), batches)
    assert made.shape == (11, 48) and made.dtype == np.float32
    np.testing.assert_allclose(made, images.reshape(11, 48), atol=5e-3)


def test_what_cannot_be_measured_is_said_in_one_line():
    with pytest.raises(UserError, match="no images.*--num"):
        collect(lambda batch: batch, iter(()))
    with pytest.raises(UserError, match="not finite.*earlier checkpoint"):
        collect(lambda batch: batch, [np.ones((2, 3)), np.array([[1, np.nan, 2]])])
    one, two = np.zeros((1, 4)), np.zeros((2, 4))
    for pair in ((one, two), (two, one)):
        with pytest.raises(UserError, match="two images.*--num"):
            frechet_distance(*pair)
    with pytest.raises(UserError, match="four images.*--num"):
        kernel_distance(two, two)
    with pytest.raises(UserError, match="4 images.*--num"):
        precision_recall(two, two)


def test_every_name_says_whose_features_they_are():
    real, fake = normal((40, 6), 1), normal((36, 6), 2) + 0.5
    values = distances(real, fake, "classifier", seed=4, most=30)
    assert all(type(v) is float and k.startswith("classifier_") for k, v in values.items())
    assert values["classifier_frechet"] == frechet_distance(real, fake)
    assert (values["classifier_kernel"], values["classifier_kernel_std"]) == kernel_distance(
        real, fake, seed=4
    )
    assert (values["classifier_precision"], values["classifier_recall"]) == precision_recall(
        real[:30], fake[:30]
    )
    assert {k.removeprefix("classifier_"): v for k, v in values.items() if v >= 18} == {
        "real": 40,
        "fake": 36,
        "kernel_images": 18,
        "precision_images": 30,
    }


@pytest.mark.parametrize(
    "count, absent", [(2, "kernel precision recall"), (3, "kernel precision recall"), (4, "")]
)
def test_few_images_leave_out_what_they_do_not_define(count, absent):
    values = distances(normal((count, 6), 1), normal((9, 6), 2), "x")
    assert np.isfinite(list(values.values())).all() and "x_frechet" in values
    for name in ("kernel", "precision", "recall"):
        assert (f"x_{name}" in values) == (name not in absent)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_features_of_a_classifier_are_what_its_last_layer_reads(name):
    model = build_classifier(name, (32, 32, 1), 10, width=0.25, seed=0)
    images = normal((3, 32, 32, 1)).astype(np.float32)
    features = penultimate(model)
    made = np.asarray(features(images))
    kernel, bias = model.layers[-1].get_weights()
    assert made.dtype == np.float32 and made.shape == (3, len(kernel))
    np.testing.assert_allclose(made @ kernel + bias, model(images, training=False), atol=1e-4)


def test_features_compile_and_are_float32_in_half_precision():
    runtime = start(RuntimeOptions(), seed=0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build_classifier("evaluation", (32, 32, 3), 10, width=0.25, seed=0)
    features = runtime.function(penultimate(model))
    images = normal((7, 32, 32, 3)).astype(np.float32)
    made = collect(features, (images[:4], images[4:]))
    assert made.shape == (7, model.layers[-1].kernel.shape[0]) and np.ptp(made) > 0
    assert features(images).dtype == tf.float32


def test_a_model_without_a_dense_layer_gives_no_features():
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image), name="bare")
    with pytest.raises(UserError, match="'bare' has no dense layer.*--classifier"):
        penultimate(model)
