"""What a run needs is named before it is made, made in its order, and made by nobody else."""

import json
import socket
from pathlib import Path

import keras
import pytest
import tensorflow as tf
import tiny
from test_data_readers import write_celeba, write_images, write_mnist, write_svhn

from gantrain import make_config, stages
from gantrain.consulted import FromFile
from gantrain.data import datasets, named, tfds
from gantrain.data.datasets import DATASETS, Dataset
from gantrain.data.named import ATTRIBUTES
from gantrain.main import main
from gantrain.presets import PRESETS
from gantrain.runs import loop
from gantrain.runs.consult import consult
from gantrain.runs.directory import RunDirectory
from gantrain.runs.plan import OwnRun, plan
from gantrain.stages import prepare, train
from gantrain.stop import Interrupted
from gantrain.trainers import TRAINERS
from gantrain.use.measured import asked


@pytest.fixture(autouse=True)
def eager():
    tf.config.run_functions_eagerly(True)


def semantic(path, **options):
    return tiny.config(
        path / "run",
        **dict(
            net="plain",
            semantic_loss=1.0,
            classifier_steps=2,
            classifier_net="plain",
            n_critic=1,
            steps=1,
        )
        | options,
    )


PANELS = [f"{judge} of {name}" for name in "ab" for judge in ("evaluation", "evaluation_pooled")]


def test_the_plan_names_runs_and_files_and_makes_none(tmp_path, monkeypatch, lpips_file):
    for kind in TRAINERS.values():
        monkeypatch.setattr(kind, "__init__", lambda *args: 1 / 0)
    config = semantic(
        tmp_path, evaluate_every=1, perceptual_loss=(1.0, 1.0), lpips_weights=str(lpips_file)
    )
    needs = plan(config, asked=asked).needs
    assert list(needs) == ["classifier", "extractor", *PANELS]
    assert [type(n) for n in needs.values()] == [OwnRun, FromFile, *[OwnRun] * 4]
    assert str(lpips_file) in str(needs["extractor"])
    runs = [n for n in needs.values() if isinstance(n, OwnRun)]
    paths = [n.directory.path for n in runs]
    assert {p.parent for p in paths} == {tmp_path / "classifiers"} and len(set(paths)) == 5
    assert [n.config.run.steps for n in runs] == [2] * 5
    assert not any(n.there for n in runs)
    tiny.refused(lambda: consult(runs[0]), "no classifier of a, b yet", "gantrain evaluate")
    assert not any(tmp_path.iterdir())


def test_judges_are_planned_where_something_asks_for_them(tmp_path):
    assert list(plan(semantic(tmp_path), asked=asked).needs) == ["classifier"]
    ends = semantic(tmp_path).with_options(evaluate_end=True)
    assert list(plan(ends, asked=asked).needs) == ["classifier", *PANELS]
    unlabelled = tiny.config(tmp_path, dataset="tiny_unlabelled", evaluate_end=True)
    assert not plan(unlabelled, asked=asked).needs
    assert not plan(tiny.ring_config(tmp_path), asked=asked).needs
    paired = tiny.config(
        tmp_path,
        gan_type="pix2pix",
        dataset="tiny_maps",
        evaluate_every=1,
        evaluate_metrics="pixels",
    )
    assert not plan(paired, asked=asked).needs
    scored = paired.with_options(evaluate_metrics="pixels,fcn")
    (need,) = plan(scored, asked=asked).needs.values()
    assert need.config.run.gan_type == "segmenter" and "tiny_maps" in need.config.run.run_dir


def test_a_dry_run_prints_the_plan_and_trains_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [
        "--dataset",
        "tiny",
        "--net",
        "plain",
        "--width",
        str(tiny.WIDTH),
        "--batch_size",
        "4",
        "--semantic_loss",
        "--classifier_net",
        "plain",
        "--every",
        "2",
        "--run_dir",
        "runs/x",
        "--evaluate_num",
        "10",
        "--n_critic",
        "1",
        "--steps",
        "1",
        "--classifier_steps",
        "2",
    ]
    assert main([*words, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert not any(tmp_path.iterdir())
    assert [
        line.split(":")[0].split(maxsplit=1) for line in said.splitlines() if line[:2] == "  "
    ] == [
        ["train", "classifier of a, b"],
        *[["train", "classifier of a"]] * 2,
        *[["train", "classifier of b"]] * 2,
        ["train", "scogan"],
    ]
    assert "one step, nothing trained, nothing written" in said and "generators/semantic" in said
    # Once it was trained, the same networks are found under the names of the plan.
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, "--dry_run"]) == 0
    again = capsys.readouterr().out
    assert again.count("  found  classifier") == 5
    for line in said.splitlines():
        if line.startswith("  train  classifier"):
            assert line.split(", ")[-2].split(" ")[-1] in again


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A few original files of every set that a preset needs."""
    folder = tmp_path_factory.mktemp("data")
    for split in ("train", "test"):
        write_mnist(folder / "mnist", split, 20)
        write_svhn(folder / "svhn", split, 20)
    write_celeba(folder / "celeba", range(1, 41), ("Eyeglasses", *ATTRIBUTES, "Blond_Hair"))
    for name in ("apple2orange", "horse2zebra"):
        for part in ("trainA", "trainB", "testA", "testB"):
            write_images(folder / name / part, ("1.jpg", "2.jpg"), (16, 16, 3))
    return folder


@pytest.fixture
def dry(monkeypatch, tmp_path):
    """Whoever trains a step, downloads or asks the network fails the test."""

    def never(*arguments, **options):
        raise AssertionError("trained or downloaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for place in (loop, "fit"), (tfds, "download"), (keras.utils, "get_file"):
        monkeypatch.setattr(*place, never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(named, "EMBEDDED_COUNT", {"train": 40, "test": 20})
    monkeypatch.setattr(named, "FACADE_COUNT", {"train": 4, "test": 2})
    tf.config.run_functions_eagerly(True)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_dry_run_of_a_preset_trains_and_downloads_nothing(preset, dry, originals, capsys):
    """A plan, one step on the real data, and nothing left: neither weights nor a run."""
    words = ["--preset", preset, "--dry_run", "--data_dir", str(originals)]
    small = {"batch_size": 2, "n_critic": 1, "width": 1 / 32}
    heeds = make_config(preset=preset).flat()
    words += [w for name in small.keys() & heeds for w in (f"--{name}", str(small[name]))]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "plan:" in said and "one step, nothing trained, nothing written" in said
    assert not list(Path().iterdir())


def test_a_dry_run_without_its_data_says_so_and_asks_nobody(dry, tmp_path, capsys):
    for preset in PRESETS:
        dataset = datasets.find(make_config(preset=preset).data.dataset)
        if dataset.sources:
            assert main(["--preset", preset, "--dry_run", "--data_dir", str(tmp_path)]) == 2
            said = capsys.readouterr().err
            assert said.count("\n") == 1 and all(name in said for name in dataset.sources)
    assert not list(tmp_path.iterdir())


def test_a_consulted_network_is_a_run_that_signals_interrupt(tmp_path):
    config = semantic(tmp_path)
    with pytest.raises(Interrupted, match="saved at step 1 of 2"):
        train(config, stop=tiny.After(1))
    (classifier,) = (tmp_path / "classifiers").iterdir()
    assert RunDirectory(classifier).checkpoints() and not RunDirectory(classifier).summary()
    assert not RunDirectory(config.run.run_dir).exists
    run = train(config)
    assert RunDirectory(classifier).summary()["steps"] == 2
    assert run.directory.summary()["steps"] == 1


def test_names_are_known_before_a_set_is_pruned(tmp_path, monkeypatch):
    """What is consulted on a pruned set is named by the whole one."""
    pruned = []
    monkeypatch.setattr(
        stages, "prune", lambda d, confidence: pruned.append(d.name) or d.subset(range(10))
    )
    monkeypatch.setitem(
        DATASETS,
        "pruned",
        Dataset("tests", lambda request: tiny.domains(2, labels=2), prune_domain=1),
    )
    config = semantic(tmp_path, dataset="pruned", classifier_steps=1)
    monkeypatch.setattr("gantrain.consulted.PRUNING", dict(classifier_net="plain", steps=1))
    chosen = plan(config, asked=asked)
    assert list(chosen.needs) == ["pruning", "classifier"]
    assert [d.size for d in chosen.domains] == [24, 27]
    run = prepare(config)
    assert [d.size for d in run.domains] == [24, 10] and set(pruned) == {"b"}
    assert {p.name for p in (tmp_path / "classifiers").iterdir()} == {
        RunDirectory(n.config.run.run_dir).path.name for n in chosen.needs.values()
    }
    classifier = RunDirectory(chosen.needs["classifier"].config.run.run_dir)
    stored = json.loads((classifier.path / "domains.json").read_text())
    assert [entry["size"] for entry in stored] == [24, 10]
    assert plan(config, run.domains).needs["classifier"].config == chosen.needs["classifier"].config


def test_what_does_not_fit_is_refused_before_a_classifier_is_trained(tmp_path):
    wrong = semantic(tmp_path, shared_layers=9, evaluate_end=True)
    tiny.refused(lambda: prepare(wrong), "--shared_layers 9")
    assert not list(tmp_path.iterdir())
