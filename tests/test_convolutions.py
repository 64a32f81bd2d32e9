"""The program's own strided convolutions against TensorFlow's, to the second derivative."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from gantrain.nets import convolutions

CASES = list(itertools.product((2, 3, 4, 5), ((8, 8), (4, 12), (32, 32)), (3, 6)))


def drawn(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float64)


def derivatives(function, *arguments):
    """The value, the gradient of a sum of its sines, and the gradient of that one's sines."""
    with tf.GradientTape() as outer:
        outer.watch(arguments)
        with tf.GradientTape() as inner:
            inner.watch(arguments)
            value = function(*arguments)
            total = tf.reduce_sum(tf.sin(value))
        first = inner.gradient(total, arguments)
        # A gradient penalty differentiates the gradient of what is read, not of the kernel.
        again = tf.reduce_sum(tf.sin(first[0]))
    return [value, *first, *outer.gradient(again, arguments)]


@pytest.mark.parametrize(("kernel", "size", "channels"), CASES)
def test_the_convolution_and_its_adjoint_are_tensorflows(kernel, size, channels, monkeypatch):
    monkeypatch.setattr(
        convolutions, "MANY", 5
    )  # both ways to the kernel's gradient, on little data
    small = tuple(side // 2 for side in size)
    weights = drawn(kernel, kernel, channels, 5, seed=1)
    x, y = drawn(2, *size, channels), drawn(2, *small, 5)
    ours = derivatives(lambda x, w: convolutions.convolve(x, w), x, weights)
    plain = derivatives(lambda x, w: tf.nn.conv2d(x, w, 2, "SAME"), x, weights)
    for got, wanted in zip(ours, plain, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    ours = derivatives(lambda y, w: convolutions.spread(y, w, size), y, weights)
    plain = derivatives(
        lambda y, w: tf.nn.conv2d_transpose(y, w, (2, *size, channels), 2, "SAME"), y, weights
    )
    for got, wanted in zip(ours, plain, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


def test_where_they_are_used():
    assert convolutions.suits((8, 8, 256), (4, 4, 512))
    assert convolutions.suits((64, 64, 3), (32, 32, 16))
    assert not convolutions.suits((64, 64, 64), (32, 32, 512))
    assert not convolutions.suits((8, 8, 64), (4, 4, 128))
    assert not convolutions.suits((9, 8, 3), (5, 4, 512))
    assert not convolutions.suits((None, 8, 3), (None, 4, 512))
