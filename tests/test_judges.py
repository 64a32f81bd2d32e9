"""Judges are the same for every run on a set at one size, and no number outlives its judge."""

import dataclasses

import keras
import pytest
import tiny
from tensorflow.python.framework import config as tf_config

from gantrain import consulted
from gantrain.config import every_option, make
from gantrain.data.datasets import DATASETS, Dataset
from gantrain.measures import METRICS
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.nets.frozen import weights_hash
from gantrain.options import choices_of
from gantrain.runs.plan import own_run
from gantrain.stages import prepare, train
from gantrain.trainers import TRAINERS
from gantrain.use.measured import streams

# What a judge takes over: which images, how they are scaled, and what changes no number.
TAKEN_OVER = {
    "dataset",
    "place",
    "data_dir",
    "offline",
    "image_size",
    "fit",
    "gpu_mem_mb",
    "gpus",
    "run_dir",
}


def another(f):
    """A value of an option that is not its default; most are 8 to 64 in another unit."""
    if isinstance(f.default, bool):
        return not f.default
    if names := choices_of(f):
        return next(name for name in names if name != f.default)
    if f.metadata["two"]:
        return (0.5, 0.5)
    if isinstance(f.default, (int, float)):
        return f.default + 1
    return {"load_size": 40, "flip": True, "xla": True, "domains": "b"}.get(f.name, 3)


MAPS = [dataclasses.replace(tiny.maps()[0], palette=tiny.PALETTE), tiny.maps()[1]]
JUDGES = {
    **{
        judge: lambda config, judge=judge: own_run(
            config, consulted.evaluation_classifiers([tiny.domain("b")])["b"][judge]
        )
        for judge in list(consulted.PANEL)[:2]
    },
    "segmenter": lambda config: own_run(config, consulted.segmenter(config, MAPS, "a2b")),
}


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)
def test_no_option_of_a_run_reaches_its_judge(judge):
    """Every option of the program, one by one, and those that do are the images' own."""
    runs = {
        kind: make(gan_type=kind, dataset="tiny", image_size=32, run_dir="runs/one")
        for kind in TRAINERS
    }
    run, reached = runs["scogan"], set()
    usual = judge(run).flat()
    for name, f in every_option().items():
        if name not in TAKEN_OVER | {"gan_type"}:
            own = next(r for r in runs.values() if name in r.flat())
            found = judge(own.with_options(**{name: another(f)})).flat()
            reached |= {name} if found != usual else set()
    assert not reached
    assert judge(run.with_options(image_size=64)).flat()["image_size"] == 64
    assert (
        judge(run.with_options(data_dir="moved", place="there")).flat()["run_dir"]
        == usual["run_dir"]
    )
    assert judge(run.with_options(fit="none")).flat()["run_dir"] != usual["run_dir"]
    assert usual["devices"] == 1 and usual["xla"] is False and usual["precision"] == "float32"


@pytest.fixture
def quick(monkeypatch):
    """Segmenters of three steps too; kernels are as before afterwards."""
    monkeypatch.setitem(consulted.SEGMENTER, "steps", 3)
    monkeypatch.setitem(consulted.SEGMENTER, "width", tiny.WIDTH)
    yield
    tf_config.disable_op_determinism()


def classifiers(path, **options):
    e = streams(prepare(tiny.config(path / "run", **options)), 10, 0, train=train)
    e.judges()
    described = e.networks["evaluation_classifiers"]
    judges = [d for panel in described.values() for d in panel.values()]
    assert {d["version"] for d in judges} <= {p.name for p in (path / "classifiers").iterdir()}
    return {name: [d["sha256"] for d in panel.values()] for name, panel in described.items()}


def test_classifiers_of_runs_that_differ_in_everything_are_the_same_weights(quick, tmp_path):
    found = classifiers(tmp_path / "one")
    # Of a domain each, and another one each.
    assert len({digest for panel in found.values() for digest in panel}) == 4
    other = classifiers(
        tmp_path / "two",
        batch_size=8,
        seed=5,
        load_size=40,
        flip=True,
        width=0.5,
        precision="mixed_bfloat16",
        devices=2,
    )
    alone = classifiers(
        tmp_path / "three", domains="b", gan_type="gan", n_critic=1, deterministic=True
    )
    assert other == found and alone == {"b": found["b"]}


def test_segmenters_of_runs_that_differ_in_everything_are_the_same_weights(quick, tmp_path):
    def judge(path, **options):
        session = prepare(tiny.config(path / "run", dataset="tiny_maps", **options))
        e = streams(session, 10, 0, train=train)
        e.segmenter()
        return e.networks["fcn"]["sha256"]

    assert judge(tmp_path / "one", gan_type="pix2pix") == judge(
        tmp_path / "two",
        gan_type="cyclegan",
        batch_size=3,
        seed=5,
        load_size=40,
        flip=True,
        precision="mixed_bfloat16",
        deterministic=True,
    )


def test_the_hash_is_of_the_weights_alone(tmp_path):
    """A file holds its date, and layers the names of whatever was built before them."""

    def model():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu")])

    one, other = model(), model()
    assert weights_hash(one) != weights_hash(other)
    other.set_weights(one.get_weights())
    one.save(tmp_path / "one.keras")
    assert (
        weights_hash(one)
        == weights_hash(other)
        == weights_hash(consulted.load_model(tmp_path / "one.keras"))
    )


def test_values_of_another_judge_do_not_stand_beside(tmp_path, monkeypatch):
    train(tiny.ring_config(tmp_path / "run", steps=1))
    weights = {"sha256": "1" * 64}

    def metric(name):
        def measure(e):
            e.networks["judge"] = dict(weights)
            return {f"{name}/value": float(weights["sha256"][0])}

        return Metric(name, measure, lambda e: "", (name, max))

    for name in ("one", "two"):
        monkeypatch.setitem(METRICS, name, metric(name))
    tiny.evaluated(tmp_path / "run", ["one"], 10, 0)
    weights["sha256"] = "2" * 64
    result = tiny.evaluated(tmp_path / "run", ["one", "two"], 10, 0)
    assert result["values"] == {"one/value": 2.0, "two/value": 2.0}
    assert result["metrics"] == ["one", "two"] and result["networks"]["judge"] == weights
    weights["sha256"] = "3" * 64
    result = tiny.evaluated(tmp_path / "run", ["two"], 10, 0, again=True)
    assert result["values"] == {"two/value": 3.0} and result["metrics"] == ["two"]


def test_values_of_earlier_judges_are_not_taken_for_those_of_the_panel(tmp_path, monkeypatch):
    """Where nothing else is measured, as in a table of runs that were measured before, too."""
    train(tiny.ring_config(tmp_path / "run", steps=1))
    judges = {"ring": {"version": "before", "sha256": "1" * 64}}
    monkeypatch.setattr(
        Streams, "judges", lambda e: e.networks.update(evaluation_classifiers=dict(judges))
    )

    def measure(e):
        e.judges()
        return {"one/value": float(len(judges))}

    metric = Metric("one", measure, lambda e: "", ("one", max), judged=True)
    monkeypatch.setitem(METRICS, "one", metric)
    assert tiny.evaluated(tmp_path / "run", ["one"], 10, 0)["values"] == {"one/value": 1}
    judges["another"] = {"first": {"version": "now", "sha256": "2" * 64}}
    result = tiny.evaluated(tmp_path / "run", ["one"], 10, 0)
    assert result["values"] == {"one/value": 2}
    assert result["networks"]["evaluation_classifiers"] == judges


def test_which_images_a_pruned_set_has_is_no_choice_of_a_run(tmp_path, monkeypatch):
    """By the same classifier of the whole set, whatever a run chooses, crops and draws."""
    monkeypatch.setitem(consulted.PRUNING, "steps", 2)
    monkeypatch.setitem(consulted.PRUNING, "classifier_net", "plain")
    monkeypatch.setitem(
        DATASETS,
        "pruned",
        Dataset("tests", lambda request: tiny.domains(2, labels=2), prune_domain=1),
    )

    def classifier(path, **options):
        prepare(
            tiny.config(
                path / "run", gan_type="gan", dataset="pruned", domains="b", n_critic=1, **options
            )
        )
        (kept,) = (path / "classifiers").iterdir()
        return kept.name, weights_hash(consulted.load_model(kept))

    name, digest = classifier(tmp_path / "one")
    assert name.startswith("a_b_plain_")
    assert classifier(tmp_path / "two", load_size=40, seed=3, batch_size=8) == (name, digest)
