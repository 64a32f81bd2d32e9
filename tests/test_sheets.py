"""Sheets of pairs: how sure judges are of one label, what is chosen, what stands below."""

import numpy as np
import pytest

from gantrain.data.domain import Domain
from gantrain.measures.coherence import readings
from gantrain.use.sheets import ReadPairs, chosen, sheet, sureness, table, text


def odds(*probabilities):
    return np.log(np.asarray(probabilities, float))


def test_sure_is_the_least_probability_of_the_best_label():
    a = np.stack([odds([0.9, 0.1], [0.9, 0.1]), odds([0.8, 0.2], [0.2, 0.8])])
    b = np.stack([odds([0.7, 0.3], [0.9, 0.1]), odds([0.95, 0.05], [0.9, 0.1])])
    # All best agree on the first label; of the second pair one judge of four says another.
    assert sureness([a, b], False) == pytest.approx([0.7, 0.2])


def test_attributes_are_averaged():
    yes, no = np.log(0.9 / 0.1), np.log(0.2 / 0.8)
    values = [np.array([[[yes, no]]]), np.array([[[yes, yes]]])]
    # Both say yes to the first; to the second one says no: 0.2 of yes, 0.1 of no.
    assert sureness(values, True) == pytest.approx([(0.9 + 0.2) / 2])


def test_the_sheets_hold_the_ends_and_a_draw():
    found = chosen(np.array([0.5, 0.9, 0.1, 0.7]), 2, 0)
    assert found["surest"].tolist() == [1, 3] and found["least_sure"].tolist() == [2, 0]
    assert len(set(found["random"])) == 2
    assert len(chosen(np.ones(3), 10, 0)["random"]) == 3


def test_attributes_are_told_as_digits():
    names, logits = ("Smiling", "Young"), np.array([[[2.0, -1.0]], [[-3.0, 1.0]]])
    domains = [
        Domain(n, np.zeros((1, 8, 8, 1), np.uint8), np.zeros((1, 2), np.int32), names)
        for n in ("a", "b")
    ]
    read = [readings(logits, True)] * 2
    assert [text(domains[0], read[0], judge, 0) for judge in (0, 1)] == ["10", "01"]
    pairs = ReadPairs([np.zeros((1, 8, 8, 1), np.float32)] * 2, read, np.array([0.25]))
    head, row = table(pairs, domains, ["p", "q"], [0]).splitlines()
    assert head.startswith("sample,sureness,read/a/p,probability/a/p,read/a/q,")
    mean = np.mean(1 / (1 + np.exp([-2.0, -1.0])))
    assert row.startswith(f"0,0.2500,10,{mean:.4f},01,")
    made = sheet(pairs, domains, [0], 3)
    # Images of 8 pixels eight times as large, the missing pairs of the row white.
    assert made.shape[1] % 3 == 0 and np.all(made[:, made.shape[1] // 3 :] == 255)
    assert np.all(abs(made[:64, 4:68].astype(int) - 128) <= 1)
