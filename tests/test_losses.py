"""Adversarial losses against float64 NumPy, and their behaviour at the ends of the range."""

import numpy as np
import pytest
import tensorflow as tf

from gantrain.terms.losses import LOSSES

REAL = np.array([[2.0], [-0.5], [0.25]])
FAKE = np.array([[-1.0], [0.5], [3.0]])


def log_sigmoid(logits):
    return -np.log1p(np.exp(-logits))


def binary(real, fake, target=1.0):
    """-E[t log s(x) + (1 - t) log(1 - s(x))] - E[log(1 - s(fake))], 1 - s(l) = s(-l)."""
    on_real = target * log_sigmoid(real) + (1 - target) * log_sigmoid(-real)
    return -on_real.mean() - log_sigmoid(-fake).mean()


def distances(real, fake, target=1.0):
    return ((real - target) ** 2).mean() / 2 + (fake**2).mean() / 2


def difference(real, fake, target=1.0):
    return fake.mean() - real.mean()


def margins(real, fake, target=1.0):
    return np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()


# Per loss: the two equations, and their values on REAL and FAKE, written down.
GOLDEN = {
    "minimax": (binary, lambda fake: log_sigmoid(-fake).mean(), 2.0042901, -1.4453087),
    "non_saturating": (binary, lambda fake: -log_sigmoid(fake).mean(), 2.0042901, 0.6119753),
    "least_squares": (distances, lambda fake: ((fake - 1) ** 2).mean() / 2, 2.34375, 1.375),
    "wasserstein": (difference, lambda fake: -fake.mean(), 0.25, -0.8333333),
    "hinge": (margins, lambda fake: -fake.mean(), 2.5833333, -0.8333333),
}


def tensors(*arrays, dtype=tf.float32):
    return [tf.constant(a, dtype) for a in arrays]


def test_every_loss_has_golden_values():
    assert set(GOLDEN) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_golden_values(name):
    discriminator, generator, on_both, on_fake = GOLDEN[name]
    assert discriminator(REAL, FAKE) == pytest.approx(on_both, rel=1e-6)
    assert generator(FAKE) == pytest.approx(on_fake, rel=1e-6)
    real, fake = tensors(REAL, FAKE)
    loss = LOSSES[name]
    assert float(loss.discriminator(real, fake)) == pytest.approx(on_both, rel=1e-6)
    assert float(loss.generator(fake)) == pytest.approx(on_fake, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_real_comes_before_fake(name):
    """Each side is asked for what it should do: real up, fake down, and the generator fake up."""
    real, fake = tensors(REAL, FAKE)
    loss = LOSSES[name]
    up = [float(loss.discriminator(real + s, fake)) for s in (0.0, 0.1)]
    down = [float(loss.discriminator(real, fake - s)) for s in (0.0, 0.1)]
    # Least squares wants real logits at one, so start below.
    if name == "least_squares":
        up = [float(loss.discriminator(real - 3 + s, fake)) for s in (0.0, 0.1)]
        fake = fake - 3
    better = [float(loss.generator(fake + s)) for s in (0.0, 0.1)]
    assert up[1] < up[0] and down[1] < down[0] and better[1] < better[0]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_give_finite_losses_and_gradients(name, size, dtype):
    real, fake = tensors([[size]], [[-size]], dtype=dtype)
    loss = LOSSES[name]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        values = loss.discriminator(real, fake), loss.generator(fake)
    for value in values:
        assert value.dtype == tf.float32 and np.isfinite(value)
    for gradient in (*tape.gradient(values[0], [real, fake]), tape.gradient(values[1], fake)):
        assert np.all(np.isfinite(tf.cast(gradient, tf.float32)))


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_sure_logits_are_exact_in_the_limit(name):
    real, fake = tensors([[-30.0]], [[40.0]], dtype=tf.float16)
    assert float(LOSSES[name].discriminator(real, fake)) == pytest.approx(70, rel=1e-3)
    sure = tf.constant([[-40.0]])
    expected = {"minimax": 0.0, "non_saturating": 40.0}[name]
    assert float(LOSSES[name].generator(sure)) == pytest.approx(expected, abs=1e-6)


def test_minimax_saturates_where_non_saturating_does_not():
    fake = tf.constant([[-20.0]])
    gradients = {}
    for name in ("minimax", "non_saturating"):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            value = LOSSES[name].generator(fake)
        gradients[name] = float(tape.gradient(value, fake)[0, 0])
    assert abs(gradients["minimax"]) < 1e-8
    assert gradients["non_saturating"] == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_label_smoothing_is_one_sided(name):
    real, fake = tensors(REAL, FAKE)
    reference, loss = GOLDEN[name][0], LOSSES[name]
    smoothed = float(loss.discriminator(real, fake, 0.9))
    assert smoothed == pytest.approx(reference(REAL, FAKE, 0.9), rel=1e-6)
    assert smoothed != pytest.approx(reference(REAL, FAKE), rel=1e-3)
    # What fake images cost is the same with and without smoothing.
    other = tf.constant(FAKE - 1.0, tf.float32)
    changes = [
        float(loss.discriminator(real, other, t)) - float(loss.discriminator(real, fake, t))
        for t in (1.0, 0.9)
    ]
    assert changes[0] == pytest.approx(changes[1], abs=1e-6)


@pytest.mark.parametrize("name", ["wasserstein", "hinge"])
def test_losses_without_a_target_ignore_it(name):
    real, fake = tensors(REAL, FAKE)
    loss = LOSSES[name].discriminator
    assert float(loss(real, fake, 0.9)) == float(loss(real, fake))
