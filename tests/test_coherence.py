"""Joint coherence on logits made by hand, and what has to stand beside it."""

import numpy as np
import pytest
import tiny
from scipy.stats import binomtest

from gantrain.measures.coherence import joint_coherence
from gantrain.measures.cross import cross_coherence
from gantrain.measures.shares import normalised_entropy, wilson

CLASSES = 10


def logits(labels, size=8.0, classes=CLASSES):
    return size * np.eye(classes)[np.asarray(labels)]


def balanced(count=500):
    return np.arange(count) % CLASSES


def test_agreement_by_hand():
    result = joint_coherence([logits([0, 1, 2, 3]), logits([0, 1, 5, 3])], ["a", "b"])
    assert result["coherence"] == 0.75
    # Two histograms of quarters share three classes.
    assert result["chance"] == pytest.approx(3 / 16)
    assert result["entropy/a"] == pytest.approx(np.log(4) / np.log(10))


def test_a_collapsed_pair_scores_one_and_shows_it():
    result = joint_coherence([logits(np.full(300, 7))] * 2, ["a", "b"])
    assert result["coherence"] == 1.0
    assert result["entropy/a"] == result["entropy/b"] == 0.0
    assert result["chance"] == 1.0


def test_a_perfect_pair_scores_one_with_full_entropy():
    result = joint_coherence([logits(balanced())] * 2, ["a", "b"])
    assert result["coherence"] == 1.0
    assert result["entropy/a"] == pytest.approx(1.0)
    assert result["chance"] == pytest.approx(0.1)


def test_a_shuffled_pair_scores_near_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 5000)
    result = joint_coherence([logits(labels), logits(rng.permutation(labels))], ["a", "b"])
    assert result["coherence"] == pytest.approx(0.1, abs=0.015)
    assert result["chance"] == pytest.approx(0.1, abs=0.002)
    assert result["coherence_low"] < 0.1 < result["coherence_high"]


def test_all_of_three_domains_have_to_agree():
    a, b, c = logits([0, 1, 2, 3]), logits([0, 1, 2, 4]), logits([0, 9, 2, 4])
    assert joint_coherence([a, b, c], "abc")["coherence"] == 0.5


def test_confidence_is_the_mean_probability_of_the_choice():
    values = np.array([[0.0, np.log(3)], [np.log(4), 0.0]])
    result = joint_coherence([values, values], ["a", "b"])
    assert result["confidence/a"] == pytest.approx((0.75 + 0.8) / 2)
    unsure = joint_coherence([np.zeros((5, 4))] * 2, ["a", "b"])
    assert unsure["confidence/a"] == pytest.approx(0.25)


def test_extreme_logits_are_finite():
    values = np.array([[1e5, -1e5], [-1e5, 1e5]])
    for multi in (False, True):
        result = joint_coherence([values, -values], ["a", "b"], multi)
        assert all(np.isfinite(v) for v in result.values())


def test_attributes_are_counted_each():
    a = np.array([[1.0, -1.0, 2.0], [-1.0, -1.0, 2.0]])
    b = np.array([[1.0, 1.0, 2.0], [-1.0, -1.0, -2.0]])
    result = joint_coherence([a, b], ["a", "b"], multi_label=True)
    assert result["coherence"] == pytest.approx(4 / 6)
    # Attribute by attribute: sum over yes and no of the product of both shares.
    assert result["chance"] == pytest.approx(np.mean([0.5, 0.5, 0.5]))
    # In bits: an attribute that half of the images have has one bit, one that all have none.
    assert result["entropy/a"] == pytest.approx((1 + 0 + 0) / 3)
    assert result["confidence/a"] == pytest.approx(np.mean(1 / (1 + np.exp(-np.abs(a)))))
    assert result["coherence_low"], result["coherence_high"] == wilson(4, 6)


@pytest.mark.parametrize(
    "successes, trials", [(0, 10), (10, 10), (1, 2), (3, 7), (500, 1000), (1999, 2000), (1, 2000)]
)
def test_wilson_interval(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_entropy_is_normalised():
    assert normalised_entropy([0.25] * 4) == pytest.approx(1)
    assert normalised_entropy([1.0, 0, 0]) == 0
    p = np.array([0.5, 0.25, 0.25, 0])
    assert normalised_entropy(p) == pytest.approx(1.5 / 2)
    assert np.allclose(normalised_entropy(np.array([[0.5, 0.5], [1, 0]])), [1, 0])


def test_of_one_class_nothing_is_uncertain():
    result = joint_coherence([np.ones((50, 1))] * 2, ["p", "q"])
    assert result["entropy/p"] == 0 and result["coherence"] == result["chance"] == 1
    assert all(np.isfinite(v) for v in result.values())


def test_domains_of_other_labels_are_refused():
    both = [logits([0, 1], classes=3), logits([0, 1], classes=2)]
    for measure in (
        lambda: joint_coherence(both, ["p", "q"]),
        lambda: cross_coherence([0, 1], both, [0, 0], ["p", "q"], 0),
    ):
        tiny.refused(measure, "same labels", "3 of p, 2 of q")


def test_every_value_is_a_plain_float():
    result = joint_coherence([logits(balanced(20))] * 2, ["a", "b"])
    assert all(type(v) is float for v in result.values())
    assert list(result)[:3] == ["coherence", "coherence_low", "coherence_high"]


# ----------------------------------------------------------------------------------- real images


def test_cross_coherence_by_hand():
    labels = [3, 1, 4, 1, 5]
    made = [logits([3, 1, 4, 1, 7]), logits([3, 1, 1, 0, 5]), logits([0, 0, 0, 0, 5])]
    result = cross_coherence(labels, made, [0.1, 0.2, 0.3, 0.0, 0.4], ["m", "s", "t"], 0)
    low, high = wilson(3, 5)
    assert result == pytest.approx(
        {
            "cross/m2s": 3 / 5,
            "cross_low/m2s": low,
            "cross_high/m2s": high,
            # Shares of 1, 3, 4, 5 are 2, 1, 1, 1 fifths; those of 0, 1, 3, 5 are 1, 2, 1, 1.
            "cross_chance/m2s": (2 * 2 + 1 + 1) / 25,
            "cross/m2t": 1 / 5,
            "cross_low/m2t": wilson(1, 5)[0],
            "cross_high/m2t": wilson(1, 5)[1],
            "cross_chance/m2t": 1 / 25,
            "reconstructed/m": 4 / 5,
            "inversion_error/m": 0.2,
        }
    )
    assert all(type(v) is float for v in result.values())


def test_the_source_may_be_any_domain():
    made = [logits([1, 2]), logits([1, 0])]
    result = cross_coherence([1, 2], made, [0.0, 0.0], ["a", "b"], source=1)
    assert result["cross/b2a"] == 1.0 and result["reconstructed/b"] == 0.5
    assert not any("a2b" in name for name in result)


def test_perfect_collapsed_and_shuffled_translations():
    labels, names, errors = balanced(), ["a", "b"], np.zeros(500)
    rng = np.random.default_rng(0)
    result = {
        name: cross_coherence(labels, [logits(labels), logits(made)], errors, names, 0)
        for name, made in (
            ("perfect", labels),
            ("collapsed", np.full(500, 7)),
            ("shuffled", rng.permutation(labels)),
        )
    }
    shares = {name: r["cross/a2b"] for name, r in result.items()}
    assert shares["perfect"] == 1.0 and shares["collapsed"] == pytest.approx(0.1)
    assert shares["shuffled"] == pytest.approx(0.1, abs=0.04)
    for r in result.values():
        assert r["cross_chance/a2b"] == pytest.approx(0.1)
        assert r["cross_low/a2b"] <= r["cross/a2b"] <= r["cross_high/a2b"]


def test_attributes_that_are_kept():
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    made = [np.where(labels, 2.0, -2.0), np.array([[3.0, 1.0, 1.0], [-1.0, -2.0, -0.5]])]
    result = cross_coherence(labels, made, [0.1, 0.3], ["a", "b"], 0, multi_label=True)
    assert result["cross/a2b"] == pytest.approx(4 / 6) and result["reconstructed/a"] == 1.0
    assert (result["cross_low/a2b"], result["cross_high/a2b"]) == wilson(4, 6)
    assert result["cross_chance/a2b"] == pytest.approx(0.5)
    assert result["inversion_error/a"] == pytest.approx(0.2)
