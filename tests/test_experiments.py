"""Published tables: numbers as printed, options that resolve, runs that are shared and reused."""

import csv
import io

import pytest
import tiny

from gantrain.config import make
from gantrain.data.datasets import find
from gantrain.data.facades import LARGEST, SMALLEST
from gantrain.errors import UserError
from gantrain.experiments import EXPERIMENTS, table, write
from gantrain.experiments.table import Arm, Cell, Experiment, Reproduction, TableRow
from gantrain.main import main
from gantrain.measures.evaluate import measure
from gantrain.nets import NoiseNets, build_gan
from gantrain.nets.options import Sharing
from gantrain.runs.directory import RunDirectory
from gantrain.stages import prepare
from gantrain.use.measured import streams as streams_of

RUNS = [(n, s) for n, e in EXPERIMENTS.items() if not e.computed for s in e.scales]


def all_options():
    for name, scale in RUNS:
        experiment = EXPERIMENTS[name]
        for arm in experiment.arms:
            for substitute in (False, True):
                yield (
                    name,
                    table.options(experiment, arm, Reproduction(scale, substitute=substitute), 0),
                )


def test_published_numbers_are_those_of_the_source():
    printed = {  # thesis, tables 5.2 and 3.7, row by row
        "table5.2": [
            "0.3400 0.2434 0.3016 0.3093 0.3022 0.2948",
            "0.1126 0.1194 0.1162 0.1153 0.1146 0.1120",
            "0.2151 0.1941 0.2046 0.2083 0.2094 0.2117",
        ],
        "table3.7": ["0.6676", "0.7472", "0.7101", "0.6824"],
    }
    for name, rows in printed.items():
        e = EXPERIMENTS[name]
        for row, line in zip(e.rows, rows, strict=False):
            assert [f"{a.published[row.label]:.4f}" for a in e.arms] == line.split()


def test_every_run_resolves_and_its_name_means_its_options():
    seen = {}
    for name, options in all_options():
        find(options["dataset"])
        flat = make(**options).flat()
        assert seen.setdefault(options["run_dir"], flat) == flat, name


def test_every_pair_of_networks_can_be_built():
    """What only the network itself refuses: its size, and how many rows it can share."""
    wanted = set()
    for _, options in all_options():
        c = make(**options)
        if c.has(NoiseNets):
            n = c.of(NoiseNets)
            s = c.of(Sharing) if c.has(Sharing) else Sharing(0, 0)
            wanted.add(
                (
                    n.net,
                    c.data.image_size or find(c.data.dataset).image_size,
                    s.shared_layers,
                    s.d_shared_layers,
                )
            )
    for net, size, shared, d_shared in wanted:
        shape = (size, size, 3) if size else (2,)
        build_gan(
            net,
            2,
            shape,
            noise_dim=6,
            width=0.02,
            shared_layers=shared,
            d_shared_layers=d_shared,
            seed=0,
        )


def test_what_is_drawn_is_drawn_large_enough():
    for name, options in all_options():
        if options["dataset"] == "plan2facade":
            c = make(**options)
            size = c.data.image_size or find(c.data.dataset).image_size
            assert SMALLEST <= size <= LARGEST, name


@pytest.mark.parametrize("gan_type", ("pix2pix", "cyclegan"))
def test_rows_of_translators_are_measured(tmp_path, gan_type):
    session = prepare(tiny.config(tmp_path, gan_type=gan_type))
    e = streams_of(session, 2, 0)
    found = measure(e, ["pixels"])
    asked = {
        row.key.format(*e.names)
        for x in EXPERIMENTS.values()
        for row in x.rows
        if x.scales and x.scales["cpu"].get("gan_type") == gan_type
    }
    asked = {key for key in asked if key.startswith("pixels/")}
    assert len(asked) >= 3 and asked <= found.keys()


def test_a_stand_in_is_taken_only_where_the_set_is_not_here(monkeypatch):
    e = EXPERIMENTS["table5.2"]

    def taken(here, **asked):
        monkeypatch.setattr(table, "is_here", lambda name, data_dir: name in here)
        return table.dataset_of(e, e.arms[0], Reproduction("cpu", **asked))

    assert taken({"mnist2street", "pen2street"}) == "mnist2svhn_prune"
    assert taken({"mnist2street", "pen2street"}, substitute=True) == "mnist2street"
    assert taken({"pen2street"}, substitute=True) == "pen2street"
    assert taken({"mnist2svhn_prune", "mnist2street"}, substitute=True) == "mnist2svhn_prune"
    assert taken(set(), substitute=True) == "mnist2svhn_prune"


def test_the_cpu_runs_of_digits(monkeypatch):
    monkeypatch.setattr(table, "is_here", lambda name, data_dir: name == "mnist2street")
    arms = {a.slug: a for a in EXPERIMENTS["table5.2"].arms}
    o = table.options(
        EXPERIMENTS["table5.2"], arms["frcc"], Reproduction("cpu", substitute=True, runs="r"), 2
    )
    assert o == dict(
        preset="quick",
        classifier_steps=2_000,
        steps=2_000,
        semantic_loss=0.0,
        feature_loss=10.0,
        cycle_loss=1.0,
        dataset="mnist2street",
        seed=2,
        run_dir="r/cpu/mnist2street-frcc-seed2",
        data_dir="data",
        offline=False,
        evaluate_end=False,
    )


def ring(path="", steps=4, dataset="ring"):
    usual = dict(
        gan_type="gan",
        net="toy",
        n_critic=1,
        width=tiny.WIDTH,
        batch_size=4,
        steps=steps,
        noise_dim=6,
        log_every=1,
    )
    return Experiment(
        "a tiny table",
        "tests",
        dataset,
        {},
        {"smoke": usual},
        (Arm("A", "a", {"smoke": {}}, {"score": 0.5}),),
        (TableRow("score", "score/{0}"), TableRow("far", "lpips/{0}")),
        ("score", "lpips"),
        {"smoke": 10},
    )


def measured(path, metrics, num, seed):
    assert metrics == ("score",) and num == 10
    return {"score/ring": float(path[-1])}


def test_a_table_runs_reuses_and_resumes(tmp_path):
    request = Reproduction("smoke", seeds=2, runs=str(tmp_path))
    result = table.run(ring(), request, evaluate=measured)
    cell = result.cells["score", "A"]
    assert cell.values == (0.0, 1.0) and cell.mean == 0.5
    assert cell.spread == pytest.approx(0.5**0.5)
    assert "--lpips_weights" in result.cells["far", "A"].missing

    def never(config, say):
        raise AssertionError(config.run.run_dir)

    assert table.run(ring(), request, train=never, evaluate=measured) == result
    # Unfinished: no summary.
    trained = []
    path = tmp_path / "smoke" / "ring-a-seed1"
    (path / "summary.json").unlink()
    table.run(
        ring(),
        request,
        evaluate=measured,
        train=lambda config: trained.append(config.run.run_dir) or "",
    )
    assert trained == [str(path)]
    changed = ring().__class__(
        **{**vars(ring()), "scales": {"smoke": ring().scales["smoke"] | {"batch_size": 5}}}
    )
    with pytest.raises(UserError, match="--batch_size 4 -> 5"):
        table.run(changed, request, evaluate=measured)
    assert RunDirectory(path).metrics()


def test_columns_can_be_trained_apart(tmp_path):
    two = ring().__class__(**vars(ring()) | {"arms": (*ring().arms, Arm("B", "b", {"smoke": {}}))})
    one = Reproduction("smoke", runs=str(tmp_path), arms=("B",))
    result = table.run(two, one, evaluate=lambda *asked: {"score/ring": 1.0})
    assert result.cells["score", "B"].values == (1.0,)
    assert result.cells["score", "A"] == Cell((), "seed 0 not trained")
    result = table.run(
        ring(), Reproduction("smoke", runs=str(tmp_path), arms=()), evaluate=measured
    )
    assert result.cells["score", "A"].values == (0.0,)
    # What is there counts, whichever seed is missing.
    (tmp_path / "smoke" / "ring-b-seed0" / "summary.json").unlink()
    some = Reproduction("smoke", seeds=2, runs=str(tmp_path), arms=("B",))
    table.run(
        two,
        some,
        evaluate=lambda *asked: {"score/ring": 1.0},
        train=lambda config: "diverged" if config.run.seed == 0 else table._train(config),
    )
    result = table.run(
        two,
        Reproduction("smoke", seeds=2, runs=str(tmp_path), arms=("A",)),
        evaluate=lambda *asked: {"score/ring": 1.0},
    )
    assert result.cells["score", "B"] == Cell((1.0,), "seed 0 not trained")
    with pytest.raises(UserError, match="--arms C: choose from A, B"):
        table.run(two, Reproduction("smoke", arms=("C",)))


def test_a_missing_set_is_a_cell(tmp_path):
    """Known before the first run; what can be had is trained."""
    options = dict(gan_type="cogan", net="cogan32", noise_dim=8)
    away = Arm("B", "b", {"smoke": options}, dataset="mnist2edge")
    two = ring().__class__(**vars(ring()) | {"arms": (away, *ring().arms)})
    request = Reproduction("smoke", runs=str(tmp_path), data_dir=str(tmp_path), offline=True)
    said = []
    result = table.run(two, request, said.append, evaluate=measured)
    assert said[0].startswith("--dataset mnist2edge") and "mnist (files" in said[0]
    assert result.cells["score", "B"].missing == "mnist2edge is not here"
    assert result.cells["score", "A"].values
    lines = write.write("table5.1", two, request, result, tmp_path)
    # Why it is not here is said once.
    assert " ".join(lines).count("mnist (files") == 1
    assert (tmp_path / "table5.1-smoke.png").exists()
    assert write.missing(two, request, result) == [
        "missing: B: mnist2edge is not here",
        "missing: A (far): needs --lpips_weights",
    ]
    # What was not asked for is not missing.
    one = Reproduction("smoke", arms=("A",))
    assert write.missing(two, one, result) == ["missing: A (far): needs --lpips_weights"]


def test_a_table_says_what_it_would_train(tmp_path):
    """By the speed of a run of the same column, whatever its seed."""
    two = ring().__class__(
        **vars(ring())
        | {
            "arms": (
                *ring().arms,
                Arm("B", "b", {"smoke": {"n_critic": 2}}),
                Arm(
                    "C", "c", {"smoke": dict(gan_type="cogan", net="cogan32")}, dataset="mnist2edge"
                ),
                Arm("D", "a", {"smoke": {}}),
            )
        }
    )
    request = Reproduction(
        "smoke", seeds=2, runs=str(tmp_path / "r"), data_dir=str(tmp_path), offline=True
    )
    assert table.plan(two, request) == [
        "A, seed 0: ring, 4 steps, to train",
        "A, seed 1: ring, 4 steps, to train",
        "B, seed 0: ring, 4 steps, to train",
        "B, seed 1: ring, 4 steps, to train",
        "C, seed 0: mnist2edge, 4 steps, to train, but mnist2edge is not here",
        "C, seed 1: mnist2edge, 4 steps, to train, but mnist2edge is not here",
        "D, seed 0: ring, 4 steps, the same run as A, seed 0",
        "D, seed 1: ring, 4 steps, the same run as A, seed 1",
        "4 run(s) to train; the speed of 4 is not known; 2 without their data",
    ]
    assert not (tmp_path / "r").exists()
    for arm, seed, steps in ((two.arms[0], 0, 4), (two.arms[1], 1, 1)):
        config = table.make(**table.options(two, arm, request, seed))
        run = RunDirectory(config.run.run_dir)
        run.begin(config, {}, tiny.domains(1))
        for step in range(1, steps + 1):
            run.log({"step": step, "images_per_second": 0.01})
        if steps == 4:
            run.write_json("summary.json", {"steps": 4})
    assert table.plan(two, request)[:4] == [
        f"A, seed 0: ring, 4 steps, done: {tmp_path}/r/smoke/ring-a-seed0",
        # Four steps of four images.
        "A, seed 1: ring, 4 steps, to train, about 0:26:40",
        # Twice as many images a step; one step is made.
        "B, seed 0: ring, 4 steps, to train, about 0:53:20",
        "B, seed 1: ring, 4 steps, to train from step 1, about 0:40:00",
    ]
    assert table.plan(two, request)[-1] == "3 run(s) to train, about 2:00:00; 2 without their data"


def test_the_command_says_what_is_missing_and_how_its_runs_go(tmp_path, monkeypatch, capsys):
    """Exit code 3, the reasons, and every run with the options that were passed on."""
    asked = []
    result = table.Result({("score", "A"): Cell((0.5,)), ("far", "A"): Cell((), "no")}, {}, ())

    def run(experiment, request, say):
        asked.append(request)
        return result

    monkeypatch.setitem(EXPERIMENTS, "table5.1", ring())
    monkeypatch.setattr(table, "run", run)
    words = "--precision mixed_bfloat16 --devices 1 --no-xla --time_limit 9 --vgg_weights v.h5"
    out = ["--output", str(tmp_path), "--scale", "smoke"]
    assert main(["reproduce", "table5.1", *out, *words.split()]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "missing: A (far): no"
    own = table.options(ring(), ring().arms[0], asked[0], 0)
    assert (own["precision"], own["devices"], own["xla"]) == ("mixed_bfloat16", 1, False)
    assert "vgg_weights" not in own and "time_limit" not in own
    pl = Arm("P", "p", {"smoke": dict(perceptual_loss=(1.0, 1.0))})
    assert table.options(ring(), pl, asked[0], 0)["vgg_weights"] == "v.h5"
    result.cells["far", "A"] = Cell((0.1,))
    assert main(["reproduce", "table5.1", *out]) == 0
    assert main(["reproduce", "table5.1", *out, "--list"]) == 0
    assert "1 run(s) to train" in capsys.readouterr().out and len(asked) == 2


def test_a_table_without_any_of_its_sets_is_refused_at_once(tmp_path, capsys):
    words = ["--data_dir", str(tmp_path), "--runs", str(tmp_path / "r"), "--offline"]
    assert main(["reproduce", "table5.2", *words]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.out == "" and not list(tmp_path.iterdir())
    for part in ("mnist (files", "svhn (files", "--offline", "--substitute runs pen2street"):
        assert part in said.err
    # Of several sets all are named.
    assert main(["reproduce", "table5.4", *words]) == 2
    said = capsys.readouterr().err
    assert "lacks apple2orange" in said and "and horse2zebra (files" in said


def test_csv_and_markdown_hold_what_was_measured():
    result = table.Result(
        {("score", "A"): Cell((0.25, 0.75)), ("far", "A"): Cell((), "no | w")}, {}, ("ring",)
    )
    rows = list(csv.DictReader(io.StringIO(write.csv_text(ring(), result))))
    assert float(rows[0]["mean"]) == 0.5 and float(rows[0]["published"]) == 0.5
    assert rows[0]["seeds"] == "2" and rows[1]["missing"] == "no | w"
    assert rows[0]["networks"] == "" and write.measured_by(result) == ""
    text = write.markdown("t", write.lines(ring(), result))
    assert "| score | 0.5000 ± 0.3536 | 0.5000 |" in text and "no \\| w" in text


def test_a_table_names_the_networks_behind_its_numbers():
    """Once where they are the same; by column where one was measured by another."""
    cells = {(row, "A"): Cell((0.5,)) for row in ("score", "far")}
    same = table.Result(cells, {}, ("ring",), {"A": ("judge 12ab",), "B": ("judge 12ab",)})
    assert write.measured_by(same) == "Measured by judge 12ab (SHA-256)."
    rows = list(csv.DictReader(io.StringIO(write.csv_text(ring(), same))))
    assert {row["networks"] for row in rows} == {"judge 12ab"}
    other = write.measured_by(table.Result(cells, {}, (), {"A": ("judge 12ab",), "B": ()}))
    assert "other networks" in other and "A: judge 12ab; B: none" in other


@pytest.mark.parametrize(
    "words,part",
    [
        (["table9.9"], "--table table9.9"),
        ([], "TABLE"),
        (["table5.1", "--seeds", "0"], "--seeds 0"),
        (["table5.1", "--reading", "listing"], "--scale full"),
        *(
            ([name, "--reading", "listing", "--scale", "full"], "the thesis's trained tables")
            for name in ("objectives", "figure2.10", "figure2.7")
        ),
    ],
)
def test_mistakes_are_one_line(words, part, capsys):
    assert main(["reproduce", *words]) == 2
    said = capsys.readouterr().err
    assert part in said and said.count("\n") == 1
