"""Evaluation: streams, provenance, what is kept and what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tiny

from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.main import main
from gantrain.measures import METRICS, streams
from gantrain.measures.lpips import LPIPS, together
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Weights
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import open_run, prepare, train
from gantrain.use.measured import streams as streams_of
from gantrain.use.samples import noise, samples


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_registries):
    """A run of two steps on two labelled domains."""
    path = tmp_path_factory.mktemp("evaluation") / "run"
    train(tiny.config(path, steps=2))
    return path


@pytest.fixture
def opened(finished):
    return open_run(finished, with_data=True)


def made(stream):
    return np.concatenate(list(stream))


def test_generated_images_of_all_domains_have_the_same_latent_vectors(opened, monkeypatch):
    monkeypatch.setattr(streams, "BATCH", 7)
    e = streams_of(opened, 20, seed=3)
    both = list(e.generated())
    assert [len(batch[0]) for batch in both] == [7, 7, 6]
    wanted = samples(opened, noise(opened, 20, 3))
    for i in range(2):
        np.testing.assert_allclose(made(b[i] for b in both), wanted[i], atol=1e-5)
        np.testing.assert_array_equal(made(e.of_domain(i)), made(b[i] for b in both))


def test_real_images_are_each_seen_once_in_a_seeded_order(opened, monkeypatch):
    monkeypatch.setattr(streams, "BATCH", 7)
    e = streams_of(opened, 1_000, seed=3)
    first, same, again = made(e.real(0)), made(e.real(0)), made(e.real(0, again=1))
    assert first.dtype == np.float32 and abs(first).max() <= 1
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, again)
    pixels = np.round((first + 1) * 127.5).astype(np.uint8)
    domain = opened.domains[0].images
    assert sorted(p.tobytes() for p in pixels) == sorted(p.tobytes() for p in domain)
    assert len(made(streams_of(opened, 5, seed=3).real(1))) == 5


def test_streams_are_cut_to_the_shorter_one():
    left = (np.full(n, 1.0) for n in (4, 4, 4))
    right = (np.full(n, 2.0) for n in (4, 3))
    one, other = together(left, right)
    assert [(len(a), len(b)) for a, b in zip(one, other, strict=True)] == [(4, 4), (3, 3)]


def test_lpips_has_the_measurements_of_the_thesis_and_their_floors(finished, tmp_path, monkeypatch):
    weights, traced, distance = tmp_path / "lpips.npz", [], LPIPS.distance
    tiny.write_lpips(weights)
    monkeypatch.setattr(LPIPS, "distance", lambda *both: traced.append(1) or distance(*both))
    result = tiny.evaluated(finished, ["lpips", "lpips_cross"], 12, 0, Weights(lpips=str(weights)))
    names = {
        "generated_a~generated_b",
        "real_a~real_b",
        "generated_a~real_a",
        "generated_b~real_b",
        "real_a~real_a",
        "real_b~real_b",
        "generated_a~real_b",
        "generated_b~real_a",
    }
    values = result["values"]
    assert {k for k in values if k.startswith("lpips/")} == {f"lpips/{n}" for n in names}
    assert all(values[f"lpips/{n}"] > 0 for n in names)
    assert set(result["counts"].values()) == {12}
    assert len(traced) == 1  # one program for all pairs of streams
    assert result["networks"]["lpips"]["sha256"]


def test_what_was_measured_is_kept_and_not_measured_again(finished, monkeypatch):
    calls = []
    metric = Metric(
        "counts", lambda e: calls.append(1) or {"own/value": 1.5}, lambda e: "", ("own/value", max)
    )
    monkeypatch.setitem(METRICS, "own", metric)
    first = tiny.evaluated(finished, ["own"], 11, 1)
    assert first == json.loads((finished / "metrics.json").read_text())
    assert tiny.evaluated(finished, ["own"], 11, 1) == first and len(calls) == 1
    tiny.evaluated(finished, ["own"], 11, 1, again=True)
    assert len(calls) == 2
    other = tiny.evaluated(finished, ["own"], 11, 2)
    assert len(calls) == 3 and (other["seed"], other["num"]) == (2, 11)


def test_another_file_of_weights_is_measured_anew(finished, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setitem(
        METRICS,
        "lpips",
        Metric(
            "counts",
            lambda e: calls.append(e.weights.lpips) or {"lpips/x": 1.0},
            lambda e: "",
            ("lpips", min),
            weights="lpips",
        ),
    )
    for name in ("one", "one", "two"):
        tiny.evaluated(finished, ["lpips"], 13, 1, Weights(lpips=name))
    assert calls == ["one", "two"]


@pytest.mark.parametrize("metric, part", [("lpips", "--lpips_weights"), ("pixels", "translation")])
def test_a_metric_that_does_not_fit_says_why(finished, metric, part):
    tiny.refused(lambda: tiny.evaluated(finished, [metric], 10, 0), f"--metrics {metric}", part)


def test_an_unlabelled_set_has_no_coherence(tmp_path):
    train(tiny.config(tmp_path / "run", dataset="tiny_unlabelled", steps=1))
    tiny.refused(lambda: tiny.evaluated(tmp_path / "run"), "no metric fits", "labelled")


def test_pixels_of_a_translator(tmp_path):
    train(tiny.config(tmp_path / "run", gan_type="pix2pix", steps=1))
    result = tiny.evaluated(tmp_path / "run", num=100)
    assert set(result["values"]) >= {"pixels/l1", "pixels/psnr", "pixels/ssim"}
    session = open_run(tmp_path / "run", with_data=True)
    e = streams_of(session, 100, 0)
    errors = [np.mean(abs(out - y)) for _, out, y in e.translations()]
    assert len(errors) == result["counts"]["pixels"] == 12
    assert result["values"]["pixels/l1"] == pytest.approx(np.mean(errors), rel=1e-4)
    ((name, (out, real)),) = e.sets().items()
    assert name == "b" and made(out).shape == made(real).shape
    tiny.refused(lambda: next(e.generated()), "Pix2Pix cannot do this", "of a latent vector")


def test_keep_best_ends_with_the_best_state(tmp_path, monkeypatch):
    """A score that rises and falls again: the run's models are those of its peak."""
    scores = iter((0.1, 0.7, 0.4))
    states = []

    def measure(e):
        states.append(tiny.values(e.trainer.G[0].trainable_variables))
        return {"own/score": next(scores)}

    monkeypatch.setitem(
        METRICS, "own", Metric("a score", measure, lambda e: "", ("own/score", max))
    )
    session = prepare(
        tiny.config(
            tmp_path / "run", steps=3, evaluate_every=1, evaluate_metrics="own", keep_best="own"
        )
    )
    fit(session)
    for kept, best in zip(session.trainer.G[0].trainable_variables, states[1], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert RunDirectory(tmp_path / "run").best.exists()
    assert open_run(tmp_path / "run").step == 2


def test_every_is_the_short_name_and_keep_best_needs_a_measurement(tmp_path, capsys):
    words = ["--dataset", "tiny", "--run_dir", str(tmp_path / "run")]
    assert main([*words, "--keep_best", "coherence"]) == 2
    assert "--every" in capsys.readouterr().err
    _, options = flags.parse(
        "gantrain", {k: v[:2] for k, v in COMMANDS.items()}, "train", ["--every", "5"]
    )
    assert options == {"evaluate_every": 5}


def test_modes_and_set_distances_of_labelled_domains(finished):
    values = tiny.evaluated(finished, ["modes", "classifier_frechet"], 30, 0)["values"]
    for name in "ab":
        assert values[f"modes/modes/{name}"] == 10 and values[f"modes/covered/{name}"] >= 1
        assert values[f"classifier_frechet/{name}"] > 0
        assert 0 <= values[f"classifier_recall/{name}"] <= 1


def test_modes_of_points(tmp_path):
    train(tiny.ring_config(tmp_path / "run", steps=1))
    values = tiny.evaluated(tmp_path / "run", num=50)["values"]
    assert values["modes/modes/ring"] == 10 and set(values) == {
        f"modes/{k}/ring" for k in ("covered", "modes", "near", "entropy")
    }


def test_cross_coherence_goes_both_ways(finished):
    result = tiny.evaluated(finished, ["cross"], 5, 0)
    values = result["values"]
    for way, name in (("a2b", "a"), ("b2a", "b")):
        assert 0 <= values[f"cross_low/{way}"] <= values[f"cross/{way}"] <= 1
        assert values[f"inversion_error/{name}"] > 0
        assert result["counts"][f"cross/{name}"] == 5


@pytest.mark.parametrize("kind, metric", [("classifier", "coherence"), ("segmenter", "fcn")])
def test_a_run_without_images_says_where_its_scores_are(tmp_path, kind, metric):
    """And begins no other run: what judges is trained for runs that can be judged."""
    train(tiny.config(tmp_path / "runs" / "own", gan_type=kind, steps=1))
    for metrics in (None, [metric]):
        tiny.refused(
            lambda m=metrics: tiny.evaluated(tmp_path / "runs" / "own", m),
            f"a {kind} makes no images",
            "summary.json",
            "--run_dir",
        )
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["own"]


def test_a_run_that_cannot_be_measured_so_is_refused_at_its_start(tmp_path):
    config = tiny.config(tmp_path / "run", evaluate_every=5, evaluate_metrics="pixels")
    tiny.refused(lambda: prepare(config), "--evaluate_metrics pixels", "translation")
    assert not (tmp_path / "run").exists()


def test_every_metric_has_its_row_in_the_docs():
    rows = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    assert [name for name in METRICS if f"| `{name}` |" not in rows] == []


def test_metrics_ask_a_trainer_for_abilities_and_leave_it_as_it_is():
    """No trainer, run or command is known below, and nothing of a trainer is assigned to."""
    for path in Path(streams.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert not re.search(
            r"(from|import) gantrain\.(trainers|runs|session|config|commands)\b", text
        ), path.name
        assert not re.search(r"e\.trainer[.\w]* = |^ +from gantrain", text, re.MULTILINE), path.name
