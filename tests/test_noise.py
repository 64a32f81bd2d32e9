"""Random numbers: the same under every compiler, and what they claim to be."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from gantrain import noise

SEED = (3, 4)


@pytest.mark.parametrize("shape", ((7,), (4, 3, 5)))
def test_uniform_numbers_have_the_same_bits_under_xla(shape):
    plain, fused = (
        tf.function(lambda: noise.uniform(shape, SEED), jit_compile=xla)().numpy()
        for xla in (False, True)
    )
    assert np.array_equal(plain, fused) and plain.dtype == np.float32


def test_normal_numbers_are_the_same_under_xla():
    plain, fused = (
        tf.function(lambda: noise.normal((1000,), SEED), jit_compile=xla)().numpy()
        for xla in (False, True)
    )
    np.testing.assert_allclose(plain, fused, rtol=1e-5, atol=1e-6)


def test_distributions():
    drawn = noise.uniform((100_000,), SEED).numpy()
    assert drawn.min() >= 0 and drawn.max() < 1
    assert scipy.stats.kstest(drawn, "uniform").pvalue > 0.01
    assert scipy.stats.kstest(noise.normal((100_000,), SEED).numpy(), "norm").pvalue > 0.01
    other = noise.uniform((100_000,), (3, 5)).numpy()
    assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.01
