"""Joint coherence on logits made by hand, and what has to stand beside it."""

import numpy as np
import pytest
import tiny
from scipy.stats import binomtest

from gantrain.measures.coherence import SURE, ceiling, joint_coherence
from gantrain.measures.cross import cross_coherence
from gantrain.measures.shares import normalised_entropy, wilson

CLASSES = 10


def joint(logits, names, *options, **also):
    """`joint_coherence` of one judge of every domain."""
    return joint_coherence([v[None] for v in logits], names, ["judge"], *options, **also)


def crossed(labels, logits, *options, **also):
    """`cross_coherence` of one judge of every domain."""
    return cross_coherence(labels, [v[None] for v in logits], *options, **also)


def logits(labels, size=8.0, classes=CLASSES):
    return size * np.eye(classes)[np.asarray(labels)]


def balanced(count=500):
    return np.arange(count) % CLASSES


def test_agreement_by_hand():
    result = joint([logits([0, 1, 2, 3]), logits([0, 1, 5, 3])], ["a", "b"])
    assert result["coherence"] == 0.75
    # Two histograms of quarters share three classes.
    assert result["chance"] == pytest.approx(3 / 16)
    assert result["entropy/a"] == pytest.approx(np.log(4) / np.log(10))


def test_a_collapsed_pair_scores_one_and_shows_it():
    result = joint([logits(np.full(300, 7))] * 2, ["a", "b"])
    assert result["coherence"] == 1.0
    assert result["entropy/a"] == result["entropy/b"] == 0.0
    assert result["chance"] == 1.0


def test_a_perfect_pair_scores_one_with_full_entropy():
    result = joint([logits(balanced())] * 2, ["a", "b"])
    assert result["coherence"] == 1.0
    assert result["entropy/a"] == pytest.approx(1.0)
    assert result["chance"] == pytest.approx(0.1)


def test_a_shuffled_pair_scores_near_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 5000)
    result = joint([logits(labels), logits(rng.permutation(labels))], ["a", "b"])
    assert result["coherence"] == pytest.approx(0.1, abs=0.015)
    assert result["chance"] == pytest.approx(0.1, abs=0.002)
    assert result["coherence_low"] < 0.1 < result["coherence_high"]


def test_all_of_three_domains_have_to_agree():
    a, b, c = logits([0, 1, 2, 3]), logits([0, 1, 2, 4]), logits([0, 9, 2, 4])
    assert joint([a, b, c], "abc")["coherence"] == 0.5


def test_confidence_is_the_mean_probability_of_the_choice():
    values = np.array([[0.0, np.log(3)], [np.log(4), 0.0]])
    result = joint([values, values], ["a", "b"])
    assert result["confidence/a"] == pytest.approx((0.75 + 0.8) / 2)
    unsure = joint([np.zeros((5, 4))] * 2, ["a", "b"])
    assert unsure["confidence/a"] == pytest.approx(0.25)


def test_extreme_logits_are_finite():
    values = np.array([[1e5, -1e5], [-1e5, 1e5]])
    for multi in (False, True):
        result = joint([values, -values], ["a", "b"], multi)
        assert all(np.isfinite(v) for v in result.values())


def test_attributes_are_counted_each():
    a = np.array([[1.0, -1.0, 2.0], [-1.0, -1.0, 2.0]])
    b = np.array([[1.0, 1.0, 2.0], [-1.0, -1.0, -2.0]])
    result = joint([a, b], ["a", "b"], multi_label=True)
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
    result = joint([np.ones((50, 1))] * 2, ["p", "q"])
    assert result["entropy/p"] == 0 and result["coherence"] == result["chance"] == 1
    assert all(np.isfinite(v) for v in result.values())


def test_domains_of_other_labels_are_refused():
    both = [logits([0, 1], classes=3), logits([0, 1], classes=2)]
    for measure in (
        lambda: joint(both, ["p", "q"]),
        lambda: crossed([0, 1], both, [0, 0], ["p", "q"], 0),
    ):
        tiny.refused(measure, "same labels", "3 of p, 2 of q")


def test_every_value_is_a_plain_float():
    result = joint([logits(balanced(20))] * 2, ["a", "b"])
    assert all(type(v) is float for v in result.values())
    assert list(result)[:3] == ["coherence", "coherence_low", "coherence_high"]


# ------------------------------------------------------------------------------- several judges


def panels(*labels, **options):
    """Logits [J, N, C] of the labels that each judge reads."""
    return np.stack([logits(v, **options) for v in labels])


def test_a_panel_by_hand():
    """Pairs: all agree on one label; each judge on one of its own; the first alone; none."""
    a, b = panels([0, 1, 2, 3], [0, 2, 2, 4]), panels([0, 1, 2, 5], [0, 2, 3, 3])
    result = joint_coherence([a, b], ["a", "b"], ["first", "second"])
    assert result["coherence_by/first"] == 0.75 and result["coherence_by/second"] == 0.5
    assert result["coherence"] == 0.625 and result["unanimous"] == 0.25
    # Eight answers of two judges are no more than four samples.
    assert (result["coherence_low"], result["coherence_high"]) == wilson(2.5, 4)
    halves = (np.log(4) / np.log(10), 1.5 * np.log(2) / np.log(10))
    assert result["entropy/a"] == pytest.approx(np.mean(halves))
    # Quarters of 0, 1, 2 in common; quarters of 0, 3 and a half with a quarter, of 2.
    assert result["chance"] == pytest.approx(np.mean([3 / 16, (1 + 2) / 16]))


def test_all_judges_of_all_domains_have_to_be_sure():
    odds = np.log(9 * SURE / (1 - SURE))  # of ten classes
    a = np.stack([logits([0, 1, 2], size=odds + step) for step in (0.01, 0.01)])
    b = a.copy()
    b[1, 2] = logits([2], size=odds - 0.01)
    assert joint_coherence([a, b], ["a", "b"], ["p", "q"])["sure"] == pytest.approx(2 / 3)
    attributes = np.array([[[2.2, -2.2], [2.1, -9.0]]])  # sigmoid(2.1972) is 0.9
    result = joint_coherence([attributes] * 2, ["a", "b"], ["p"], multi_label=True)
    assert result["sure"] == pytest.approx(3 / 4)


# ----------------------------------------------------------------------------------- the ceiling


def test_perfect_judges_reach_one():
    labels = [balanced(50), balanced(30)]
    found = ceiling([panels(v, v) for v in labels], labels)
    assert found == pytest.approx({"ceiling": 1, "ceiling_unanimous": 1, "ceiling_sure": 1})


def test_the_ceiling_by_hand():
    """Class 0: domain a is read right in 1 of 2 images, b in 2 of 3, always otherwise as 1."""
    true = [np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])]
    read = [panels([0, 1, 1, 1]), panels([0, 0, 1, 1])]
    both = 1 / 2 * 2 / 3 + 1 / 2 * 1 / 3
    weight = np.mean([1 / 2, 3 / 4])
    found = ceiling(read, true)
    assert found["ceiling"] == pytest.approx(weight * both + (1 - weight) * 1)
    assert found["ceiling_unanimous"] == found["ceiling"] and found["ceiling_sure"] == 1
    # A second judge that reads all right is unanimous with the first where that is right too.
    read = [np.concatenate([v, panels(t)]) for v, t in zip(read, true, strict=True)]
    found = ceiling(read, true)
    assert found["ceiling"] == pytest.approx(weight * (both + 1) / 2 + 1 - weight)
    assert found["ceiling_unanimous"] == pytest.approx(weight * 1 / 2 * 2 / 3 + 1 - weight)


def test_the_ceiling_is_what_generators_that_copy_real_pairs_reach():
    rng = np.random.default_rng(1)
    true = balanced(400)
    read = [
        panels(*(np.where(rng.random(400) < 0.2, rng.integers(0, 10, 400), true) for _ in "ab"))
        for _ in "pqr"
    ]
    found = ceiling(read, [true] * 3)
    order = np.argsort(true, kind="stable").reshape(10, 40)
    pairs = [[rng.permutation(c) for c in order for _ in range(40)] for _ in read]
    made = [v[:, np.concatenate(p)] for v, p in zip(read, pairs, strict=True)]
    copied = joint_coherence(made, "pqr", "ab")
    assert copied["coherence"] == pytest.approx(found["ceiling"], abs=0.015)
    assert copied["unanimous"] == pytest.approx(found["ceiling_unanimous"], abs=0.015)
    assert found["ceiling"] < 0.7


def test_a_class_that_a_domain_lacks_is_in_no_pair():
    true = [np.array([0, 1, 2]), np.array([0, 1, 1])]
    assert ceiling([panels(t) for t in true], true)["ceiling"] == 1
    wrong = [panels([0, 1, 5]), panels([0, 1, 1])]
    assert ceiling(wrong, true)["ceiling"] == 1
    assert ceiling([panels([0]), panels([1])], [np.array([0]), np.array([1])]) == {}


def test_attributes_are_paired_one_by_one():
    """The first is read right in 3 of 4; of the second the domains have no value in common."""
    true = [np.array([[0, 1], [1, 1], [0, 1], [1, 1]]), np.array([[0, 0], [1, 0]])]
    read = [np.where(t, 4.0, -4.0)[None] for t in true]
    read[0][0, 0, 0] = 4.0
    read[1][0, 1, 1] = 4.0
    found = ceiling(read, true, multi_label=True)
    # No value of the second attribute is in both: pairs of any, one of two read alike by mistake.
    assert found["ceiling"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found["ceiling_sure"] == 1


# ----------------------------------------------------------------------------------- real images


def test_cross_coherence_by_hand():
    labels = [3, 1, 4, 1, 5]
    made = [logits([3, 1, 4, 1, 7]), logits([3, 1, 1, 0, 5]), logits([0, 0, 0, 0, 5])]
    result = crossed(labels, made, [0.1, 0.2, 0.3, 0.0, 0.4], ["m", "s", "t"], 0)
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
    result = crossed([1, 2], made, [0.0, 0.0], ["a", "b"], source=1)
    assert result["cross/b2a"] == 1.0 and result["reconstructed/b"] == 0.5
    assert not any("a2b" in name for name in result)


def test_perfect_collapsed_and_shuffled_translations():
    labels, names, errors = balanced(), ["a", "b"], np.zeros(500)
    rng = np.random.default_rng(0)
    result = {
        name: crossed(labels, [logits(labels), logits(made)], errors, names, 0)
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
    result = crossed(labels, made, [0.1, 0.3], ["a", "b"], 0, multi_label=True)
    assert result["cross/a2b"] == pytest.approx(4 / 6) and result["reconstructed/a"] == 1.0
    assert (result["cross_low/a2b"], result["cross_high/a2b"]) == pytest.approx(wilson(4, 6))
    assert result["cross_chance/a2b"] == pytest.approx(0.5)
    assert result["inversion_error/a"] == pytest.approx(0.2)


def test_judges_of_a_translation_are_averaged():
    made = [panels([1, 2], [1, 2]), panels([1, 2], [1, 0])]
    result = cross_coherence([1, 2], made, [0.0, 0.0], ["a", "b"], 0)
    assert result["cross/a2b"] == 0.75 and result["reconstructed/a"] == 1.0
    assert (result["cross_low/a2b"], result["cross_high/a2b"]) == wilson(1.5, 2)
    # Labels 1 and 2, a half each; read are 1 in a half, 2 and 0 in a quarter each.
    assert result["cross_chance/a2b"] == pytest.approx(1 / 2 * 1 / 2 + 1 / 2 * 1 / 4)
