"""What a run leaves behind survives exceptions, full disks, cut lines and second starts."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny
from tiny import refused

from gantrain import files, make_config
from gantrain.files import Unwritten, replacing, short, write_text
from gantrain.game import Player
from gantrain.main import main
from gantrain.processes import MACHINE
from gantrain.runs import directory as run_directory
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import open_run, prepare
from gantrain.use.samples import noise, samples

# What the generator of the run in version0/ made of five latent vectors of seed 1.
VERSION_0 = [
    [-0.043151, -0.314665],
    [-0.241771, -0.199781],
    [-0.046448, 0.045295],
    [0.276903, 0.141725],
    [-0.248721, -0.031638],
]


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def weights(*values):
    return {f"w{i}": keras.Variable(np.array(v, np.float32)) for i, v in enumerate(values)}


# ------------------------------------------------------------------------------------------ writing


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".txt"
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert everything(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["file.txt"]


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fill(path):
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    refused(lambda: fill(path), str(path), "No space left on device", "free space")
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["file.txt"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("no folder")
    refused(
        lambda: write_text(tmp_path / "file" / "config.json", "x"),
        "config.json",
        "choose another place",
    )


def test_what_killed_processes_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_swept", set())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f".writing-{MACHINE}-{gone.pid}-0.npz"
    others = [
        tmp_path / f".writing-{MACHINE}-{os.getppid()}-0.npz",
        tmp_path / f".writing-00000000-{gone.pid}-0.npz",
        tmp_path / ".writing-mine",
    ]
    for path in (left, *others):
        path.write_text("half")
    write_text(tmp_path / "file", "x")
    assert everything(tmp_path) == sorted(["file", *(path.name for path in others)])
    os.utime(others[1], (0, 0))
    monkeypatch.setattr(files, "_swept", set())
    write_text(tmp_path / "file", "x")
    assert others[0].exists() and not others[1].exists()


def test_a_name_that_is_too_long_ends_in_a_hash():
    assert short("a" * 200) == "a" * 200
    names = {short("a" * 300 + end) for end in "bc"}
    assert len(names) == 2 and {len(name) for name in names} == {200}
    dataset = f"folder:{'a/' * 120},{'b/' * 120}"
    name = Path(make_config(gan_type="cyclegan", dataset=dataset).run.run_dir).name
    assert name.startswith("cyclegan-folder_a_a") and len(name) == 200


# -------------------------------------------------------------------------------------- checkpoints


def test_save_and_restore(tmp_path):
    run = RunDirectory(tmp_path)
    run.save(7, weights([1, 2], 3), keep=2)
    fresh = weights([0, 0], 0)
    assert run.restore(fresh) == 7
    np.testing.assert_array_equal(fresh["w0"], [1, 2])
    assert float(fresh["w1"].value) == 3


def test_without_a_checkpoint_nothing_is_assigned(tmp_path):
    fresh = weights([5, 6])
    assert RunDirectory(tmp_path).restore(fresh) == 0
    np.testing.assert_array_equal(fresh["w0"], [5, 6])


def test_the_newest_checkpoints_are_kept(tmp_path):
    run = RunDirectory(tmp_path)
    for step in (8, 9, 10, 100):
        run.save(step, weights([step]), keep=2)
    assert [int(p.stem) for p in run.checkpoints()] == [10, 100]
    fresh = weights([0])
    assert run.restore(fresh) == 100 and float(fresh["w0"][0]) == 100


def test_a_full_disk_keeps_the_previous_checkpoints(tmp_path, monkeypatch):
    """Old files are deleted after the new one is whole, not before."""
    run = RunDirectory(tmp_path)
    run.save(1, weights([1]), keep=1)

    def fill(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(run_directory.np, "savez", fill)
        refused(lambda: run.save(2, weights([2]), keep=1), "00000002.npz", "No space left")
    assert everything(tmp_path / "checkpoints") == ["00000001.npz"]
    fresh = weights([0])
    assert run.restore(fresh) == 1 and float(fresh["w0"][0]) == 1


def damaged(path, damage):
    """Damages a checkpoint."""
    whole, stepless = path.read_bytes(), io.BytesIO()
    np.savez(stepless, w0=np.arange(1000))
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "noise": b"noise" * 100,
            "member": whole[:300] + b"x" * 200 + whole[500:],
            "stepless": stepless.getvalue(),
        }[damage]
    )


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "member", "stepless"])
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(tmp_path, capsys, damage):
    run = RunDirectory(tmp_path)
    run.save(2, weights(np.ones(1000)), keep=2)
    path = run.save(3, weights(np.arange(1000)), keep=2)
    damaged(path, damage)
    state = weights(np.zeros(1000))
    # Who only looks at a run leaves it as it is.
    assert run.restore(state) == 2
    assert everything(tmp_path / "checkpoints") == ["00000002.npz", "00000003.npz"]
    capsys.readouterr()
    with run.writing():
        assert run.restore(state) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and str(path) in said and "00000003.npz.damaged" in said
    np.testing.assert_array_equal(state["w0"], np.ones(1000))
    assert everything(tmp_path / "checkpoints") == ["00000002.npz", "00000003.npz.damaged"]
    # None is left, now and at the next start.
    damaged(run.checkpoints()[0], damage)
    with run.writing():
        for _ in range(2):
            refused(lambda: run.restore(state), str(tmp_path), "none of its checkpoints is whole")
    assert len(everything(tmp_path / "checkpoints")) == 2


def test_a_damaged_best_state_gives_way_to_the_newest(tmp_path):
    run = RunDirectory(tmp_path)
    run.save(2, weights([1]), keep=1)
    run.save_best(1, weights([5]))
    state = weights([0])
    assert run.restore(state, best=True) == 1 and float(state["w0"][0]) == 5
    damaged(run.best, "cut")
    assert run.restore(state, best=True) == 2 and float(state["w0"][0]) == 1


def test_a_checkpoint_that_cannot_be_read_is_not_taken_for_damaged(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    path = run.save(2, weights([1]), keep=1)

    def broken(*args, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(run_directory, "read_arrays", broken)
    with run.writing():
        refused(lambda: run.restore(weights([0])), str(path), "Input/output error")
    assert path.exists()


def test_files_with_other_names_are_somebody_elses(tmp_path):
    run = RunDirectory(tmp_path)
    run.save(2, weights([1]), keep=1)
    own = tmp_path / "checkpoints"
    strange = ["9_mine.npz", "99999999.npz~", "copy of 00000009.npz", "9.npz", "._00000003.npz"]
    for name in strange:
        (own / name).write_text("mine")
    (own / "00000007.npz").mkdir()
    (tmp_path / "samples").mkdir()
    for name in ("000002.png", "1000000.png", "._x.png", "._000004.png", "Thumbs.db", "x.png"):
        (tmp_path / "samples" / name).write_text("")
    assert run.restore(weights([0])) == 2
    run.save(3, weights([1]), keep=1)
    assert everything(own) == sorted([*strange, "00000003.npz", "00000007.npz"])
    assert [path.name for path in run.samples()] == ["000002.png", "1000000.png"]


@pytest.mark.parametrize(
    "other, said",
    [
        (weights([1, 2]), "has w1, which they have not"),
        (weights([1, 2], 3, 4, 5), "has no w2; 2 such"),
        (weights([1, 2, 3], 3), "w0 has the shape (2,) and not (3,)"),
        ({"z": keras.Variable(np.zeros(2, np.float32)), **weights([1, 2], 3)}, "has no z"),
    ],
)
def test_a_checkpoint_of_other_networks_is_refused_by_the_first_entry(tmp_path, other, said):
    run = RunDirectory(tmp_path)
    path = run.save(3, weights([1, 2], 3), keep=1)
    before = tiny.values(other.values())
    refused(lambda: run.restore(other), str(path), "other networks", said)
    for value, old in zip(other.values(), before, strict=True):
        np.testing.assert_array_equal(value, old)


# Makers of layers: Keras counts those without a name.
NETWORK = (
    lambda: keras.layers.Dense(3),
    lambda: keras.layers.Dropout(0.5, name="drop"),
    lambda: keras.layers.Dense(2, name="head"),
)


def player(layers):
    net = keras.Sequential([keras.Input((4,)), *(make() for make in layers)], name="net")
    return Player("p", [net], keras.optimizers.Adam())


def test_entries_have_names_that_survive_an_added_layer():
    def first():
        return keras.layers.Dropout(0.1, name="first")

    small, large = player(NETWORK).state(), player((first, *NETWORK, NETWORK[0])).state()
    assert set(small) < set(large)
    assert {
        "net/dense/kernel",
        "net/head/bias",
        "optimizer/iteration",
        "optimizer/momentum/net/head/kernel",
        "optimizer/velocity/net/dense/bias",
    } < set(small)
    # Whatever Keras has counted in this process.
    assert set(player(NETWORK).state()) == set(small)
    assert len({id(v) for v in small.values()}) == len(small)


@pytest.mark.parametrize("of_version_0", [True, False])
def test_a_run_of_version_0_opens_and_goes_on(tmp_path, capsys, of_version_0):
    """Its config has no version, its checkpoint numbers its entries."""
    path = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "version0", path)
    if not of_version_0:
        # The same state under names.
        run = open_run(path)
        run.directory.save(3, run.trainer.state(), keep=1)
    (points,) = samples(open_run(path), noise(open_run(path), 5, seed=1))
    np.testing.assert_allclose(points, VERSION_0, atol=1e-5)
    assert main(["sample", "--run_dir", str(path), "--output", str(tmp_path / "s.png")]) == 0
    assert main(["evaluate", "--run_dir", str(path), "--num", "10"]) == 0
    assert "modes/covered/ring" in capsys.readouterr().out
    assert main(["--run_dir", str(path), "--steps", "5"]) == 0
    assert [line["step"] for line in RunDirectory(path).metrics()] == [1, 2, 3, 4, 5]
    with np.load(RunDirectory(path).checkpoints()[-1]) as stored:
        assert "generators/optimizer/iteration" in stored.files


def test_another_place_of_version_0_is_refused(tmp_path):
    path = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "version0", path)
    config = json.loads((path / "config.json").read_text())
    config["optimisation"]["ema"] = 0.0
    (path / "config.json").write_text(json.dumps(config))
    refused(lambda: open_run(path), "00000003.npz", "has 00052:kernel, which they have not")


# ------------------------------------------------------------------------------------------ metrics


def line(step):
    return json.dumps({"step": step, "a/loss": step / 3}) + "\n"


def test_metrics_pass_over_what_is_no_line(tmp_path):
    run = RunDirectory(tmp_path)
    assert run.metrics() == []
    strange = "\n{\n\x00\x00\n[1]\n3\n" + '{"step": "4"}\n' + "[" * 100_000 + "\n"
    run.metrics_path.write_text(line(1) + strange + line(2) + line(3)[:9])
    assert [m["step"] for m in run.metrics()] == [1, 2]
    # Nothing that follows is erased, and what was not brought to its end is.
    run.rewind_metrics(2)
    assert run.metrics_path.read_text() == line(1) + strange[1:] + line(2)
    run.log({"step": 3})
    assert [m["step"] for m in run.metrics()] == [1, 2, 3]


def test_a_line_that_cannot_be_written_is_in_the_next_checkpoint(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.log({"step": 1})
    whole = run.metrics_path.read_bytes()

    class Full(io.FileIO):
        def write(self, data):
            if len(data) > 5:
                return super().write(data[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda path, mode="r", **options: Full(path, mode))
        with pytest.raises(Unwritten, match=r"metrics\.jsonl: cannot be written \(No space left"):
            run.log({"step": 2, "a/loss": 0.5})
    assert run.metrics_path.read_bytes() == whole
    assert [m["step"] for m in run.metrics()] == [1, 2]
    run.save(2, weights([1]), keep=1)
    again = RunDirectory(tmp_path)
    assert again.restore(weights([0])) == 2
    again.rewind_metrics(2)
    assert again.metrics() == RunDirectory(tmp_path).metrics()
    assert [m["step"] for m in again.metrics()] == [1, 2]


def test_lost_checkpoints_are_no_new_beginning(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.begin(tiny.ring_config(run.path, checkpoint_every=5), {}, tiny.domains(1))
    run.log({"step": 5})
    # It was killed before, or while, it wrote its first one.
    run.refuse_lost(0)
    run.log({"step": 6})
    run.refuse_lost(6)
    refused(lambda: run.refuse_lost(0), str(run.path), "reaches step 6", "--no-resume")


@pytest.mark.parametrize("torn", ["", line(30)[:12]])
def test_rewinding_drops_what_will_be_logged_again(tmp_path, torn):
    run = RunDirectory(tmp_path)
    run.rewind_metrics(5)
    assert everything(tmp_path) == []
    run.metrics_path.write_text(line(5) + line(10) + line(20) + torn)
    run.rewind_metrics(10)
    assert run.metrics_path.read_text() == line(5) + line(10)
    run.rewind_metrics(0)
    assert run.metrics() == []


# ---------------------------------------------------------------------------------- the directory


def test_what_json_cannot_hold_is_left_out(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_json(
        "metrics.json",
        {
            "a": np.nan,
            "b": {"c": np.inf, "d": 1.5},
            "e": [1, -np.inf],
            "f": None,
            "g": np.float64("nan"),
        },
    )
    stored = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert stored == {"b": {"d": 1.5}, "e": [1, None], "f": None}


def test_moving_aside_never_overwrites(tmp_path):
    for number in range(3):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "mark").write_text(str(number))
        RunDirectory(tmp_path / "run").move_aside()
    assert not (tmp_path / "run").exists()
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 3
    assert sorted((p / "mark").read_text() for p in kept) == ["0", "1", "2"]


def test_a_directory_with_a_config_is_a_run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    assert not run.exists and run.summary() is None
    config = tiny.config(tmp_path / "run")
    run.begin(config, {"device": "none"}, tiny.domains(2))
    assert run.exists
    assert run.config() == config
    assert json.loads((run.path / "environment.json").read_text()) == {"device": "none"}


@pytest.mark.parametrize("labels", [10, None, ("Smiling", "Young")])
def test_a_run_remembers_its_domains(tmp_path, labels):
    run = RunDirectory(tmp_path / "run")
    domains = tiny.domains(2, labels=labels)
    run.begin(tiny.config(tmp_path / "run"), {}, domains)
    for blank, domain in zip(run.domains(), domains, strict=True):
        assert (blank.name, blank.shape, blank.classes) == (
            domain.name,
            domain.shape,
            domain.classes,
        )
        assert (blank.labels is None) == (domain.labels is None)
        assert blank.multi_label == domain.multi_label


@pytest.mark.parametrize("text", [None, "", "{", "3", '[{"name": "a"}]'])
def test_damaged_domains_are_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "domains.json").write_text(text)
    refused(RunDirectory(tmp_path).domains, "domains.json", "--run_dir")


@pytest.mark.parametrize("text", ["", "{"])
def test_a_damaged_summary_is_one_line(tmp_path, text):
    (tmp_path / "summary.json").write_text(text)
    refused(RunDirectory(tmp_path).summary, "summary.json", "remove it")


def test_a_finished_run_leaves_what_the_docs_list(tmp_path):
    session = prepare(
        tiny.ring_config(tmp_path / "run", steps=4, sample_every=2, checkpoint_every=2, keep=1)
    )
    summary = fit(session)
    assert everything(tmp_path / "run") == [
        "checkpoints",
        "checkpoints/00000004.npz",
        "config.json",
        "domains.json",
        "environment.json",
        "losses.png",
        "metrics.jsonl",
        "models",
        "models/discriminator_ring.keras",
        "models/generator_ring.keras",
        "report.html",
        "samples",
        "samples/000002.png",
        "samples/000004.png",
        "summary.json",
    ]
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 4 and summary["last"]["step"] == 4
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert {"device", "commit", "python", "tensorflow", "keras"} <= set(environment)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "samples/000004.png" in page and "http" not in page
