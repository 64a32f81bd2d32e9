"""What a run leaves behind survives exceptions, full disks, cut lines and second starts."""

import errno
import json
import os

import keras
import numpy as np
import pytest
import tiny
from tiny import refused

from gantrain.files import replacing, write_text
from gantrain.runs import directory as run_directory
from gantrain.runs.directory import RunDirectory
from gantrain.session import Session


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def weights(*values):
    return [keras.Variable(np.array(v, np.float32), name=f"w{i}") for i, v in enumerate(values)]


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
    refused(lambda: write_text(tmp_path / "file" / "config.json", "x"), "config.json",
            "choose another place")


# -------------------------------------------------------------------------------------- checkpoints


def test_save_and_restore(tmp_path):
    run = RunDirectory(tmp_path)
    run.save(7, weights([1, 2], 3), keep=2)
    fresh = weights([0, 0], 0)
    assert run.restore(fresh) == 7
    np.testing.assert_array_equal(fresh[0], [1, 2])
    assert float(fresh[1].value) == 3


def test_without_a_checkpoint_nothing_is_assigned(tmp_path):
    fresh = weights([5, 6])
    assert RunDirectory(tmp_path).restore(fresh) == 0
    np.testing.assert_array_equal(fresh[0], [5, 6])


def test_the_newest_checkpoints_are_kept(tmp_path):
    run = RunDirectory(tmp_path)
    for step in (8, 9, 10, 100):
        run.save(step, weights([step]), keep=2)
    assert [int(p.stem) for p in run.checkpoints()] == [10, 100]
    fresh = weights([0])
    assert run.restore(fresh) == 100 and float(fresh[0][0]) == 100
    assert run.restore(fresh, run.checkpoints()[0]) == 10 and float(fresh[0][0]) == 10


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
    assert run.restore(fresh) == 1 and float(fresh[0][0]) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "member"])
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage):
    run = RunDirectory(tmp_path)
    path = run.save(3, weights(np.arange(1000)), keep=1)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:len(whole) // 2], "noise": b"noise" * 100,
                      "member": whole[:300] + b"x" * 200 + whole[500:]}[damage])
    before = weights(np.zeros(1000))
    refused(lambda: run.restore(before), str(path), "damaged", "delete it")
    np.testing.assert_array_equal(before[0], np.zeros(1000))


@pytest.mark.parametrize("other", [
    weights([1.0]), weights([1, 2], 3, 4), weights([1, 2, 3], 3),
    [keras.Variable(np.zeros(2, np.float32), name="z"), *weights([1], 3)[1:]],
])
def test_a_checkpoint_of_other_networks_is_refused(tmp_path, other):
    run = RunDirectory(tmp_path)
    path = run.save(3, weights([1, 2], 3), keep=1)
    refused(lambda: run.restore(other), str(path), "other networks")


# ------------------------------------------------------------------------------------------ metrics


def line(step):
    return json.dumps({"step": step, "a/loss": step / 3}) + "\n"


def test_metrics_skip_a_torn_last_line(tmp_path):
    run = RunDirectory(tmp_path)
    assert run.metrics() == []
    run.metrics_path.write_text(line(1) + line(2) + line(3)[:9])
    assert [m["step"] for m in run.metrics()] == [1, 2]


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
    run.write_json("metrics.json", {"a": np.nan, "b": {"c": np.inf, "d": 1.5}, "e": [1, -np.inf],
                                    "f": None, "g": np.float64("nan")})
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
            domain.name, domain.shape, domain.classes)
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
    session = Session(tiny.ring_config(tmp_path / "run", steps=4, sample_every=2,
                                       checkpoint_every=2, keep=1))
    summary = session.fit()
    assert everything(tmp_path / "run") == [
        "checkpoints", "checkpoints/00000004.npz", "config.json", "domains.json",
        "environment.json", "losses.png", "metrics.jsonl", "models",
        "models/discriminator_ring.keras", "models/generator_ring.keras", "report.html",
        "samples", "samples/000002.png", "samples/000004.png", "summary.json"]
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 4 and summary["last"]["step"] == 4
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert {"device", "commit", "python", "tensorflow", "keras"} <= set(environment)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "samples/000004.png" in page and "http" not in page
