"""Divergences on the line against closed forms."""

import math

import numpy as np
import pytest
import scipy.spatial.distance

from gantrain.measures import divergences


def test_jensen_shannon_by_scipy_and_at_its_ends():
    rng = np.random.default_rng(0)
    p, q = rng.random(9), rng.random(9)
    wanted = scipy.spatial.distance.jensenshannon(p, q) ** 2
    assert divergences.jensen_shannon(p, q) == pytest.approx(wanted, rel=1e-10)
    assert divergences.jensen_shannon(p, 3 * p) == pytest.approx(0, abs=1e-12)
    assert divergences.jensen_shannon([1, 0], [0, 1]) == pytest.approx(math.log(2))


def test_kullback_leibler_by_hand():
    assert divergences.kullback_leibler([1, 3], [1, 1]) == pytest.approx(
        0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    )
    assert divergences.kullback_leibler([1, 1], [1, 0]) == math.inf


def test_figure_2_7_is_flat_once_the_supports_part():
    shifts, values = divergences.shifted()
    assert shifts == list(range(21)) and values[0] == pytest.approx(0, abs=1e-9)
    assert values[1:] == pytest.approx([math.log(2)] * 20, abs=1e-4)
    _, wide = divergences.shifted(deviation=1.0)
    assert np.all(np.diff(wide) > -1e-6) and 0.05 < wide[1] < 0.2


def test_figure_2_12_goes_on_growing():
    """The distance of two equal shapes is the shift."""
    shifts, values = divergences.transported(samples=20_000)
    assert values[1:] == pytest.approx(shifts[1:], abs=0.05)


def test_wasserstein_of_two_points():
    assert divergences.wasserstein([0.0, 0.0], [1.0, 3.0]) == pytest.approx(2)


def test_figure_2_8_covers_or_seeks_a_mode():
    """Forward KL matches the moments of the mixture; backward KL takes one mode."""
    mean, deviation = divergences.fitted((-2, 2), 0.5, forward=True)
    assert mean == pytest.approx(0, abs=1e-3)
    assert deviation == pytest.approx(math.sqrt(4 + 0.25), abs=1e-3)
    mean, deviation = divergences.fitted((-2, 2), 0.5, forward=False)
    assert mean == pytest.approx(2, abs=0.02) and deviation == pytest.approx(0.5, abs=0.02)
