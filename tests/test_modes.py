"""Mode coverage by hand-made samples."""

import math

import numpy as np
import pytest

from gantrain.data.ring import DEVIATION, centres, ring
from gantrain.measures.modes import label_coverage, ring_coverage


def test_the_data_cover_the_ring():
    points, _ = ring(5_000, 3)
    found = ring_coverage(points, centres(), DEVIATION)
    assert (found["covered"], found["modes"]) == (10, 10)
    # Within three deviations in the plane: 1 - exp(-9/2).
    assert found["near"] == pytest.approx(1 - math.exp(-4.5), abs=0.005)
    assert found["entropy"] == pytest.approx(1, abs=1e-3)


def test_a_collapsed_generator_covers_one_mode():
    found = ring_coverage(np.repeat(centres()[:1], 50, axis=0), centres(), DEVIATION)
    assert found == {"covered": 1, "modes": 10, "near": 1, "entropy": 0}


def test_strays_and_rare_modes_do_not_count():
    points = np.concatenate([np.repeat(centres()[:2], [99, 0], axis=0), centres()[2:3] * 0])
    found = ring_coverage(points, centres(), DEVIATION)
    assert (found["covered"], found["near"]) == (1, 0.99)
    points = np.repeat(centres()[:2], [995, 5], axis=0)
    assert ring_coverage(points, centres(), DEVIATION)["covered"] == 1
    assert ring_coverage(points, centres(), DEVIATION, least=0.005)["covered"] == 2


def test_nothing_near_any_mode():
    found = ring_coverage(np.zeros((5, 2)), centres(), DEVIATION)
    assert found == {"covered": 0, "modes": 10, "near": 0, "entropy": 0}


def test_classes_in_use():
    data = np.arange(100) % 4
    found = label_coverage(np.array([0] * 50 + [1] * 50), data, 4)
    assert found["covered"] == 2 and found["modes"] == 4
    assert found["entropy"] == pytest.approx(0.5)
    assert found["kl"] == pytest.approx(math.log(2))
    assert label_coverage(data, data, 4)["kl"] == 0
    assert "kl" not in label_coverage(np.array([3]), np.array([0, 1]), 4)
