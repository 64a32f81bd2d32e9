"""One run, one writer: whoever comes second is refused, and the dead hold nothing."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
import tiny
from tiny import refused

from gantrain.files import Unwritten
from gantrain.main import main
from gantrain.processes import MACHINE, alive, started
from gantrain.runs import lock as locks
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import prepare


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(locks, "STALE", 0.5)
    monkeypatch.setattr(locks, "LOOK", 0.02)


def foreign(path, **own):
    """The lock of another process, by default of one that lives here."""
    path.mkdir(parents=True, exist_ok=True)
    pid = os.getppid()
    says = {"machine": MACHINE, "pid": pid, "start": started(pid), "host": "node7", "since": "noon"}
    (path / locks.NAME).write_text(json.dumps(says | own) + "\n")


def test_processes_are_known_by_their_beginning():
    own = started(os.getpid())
    assert alive(os.getpid(), own) and alive(os.getpid())
    assert not alive(os.getpid(), own + "1")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    # It has ended, and nobody has asked how.
    deadline = time.monotonic() + 20
    while alive(gone.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(gone.pid)
    gone.wait()
    assert not alive(gone.pid)


def test_the_second_process_is_refused_in_one_line(tmp_path, capsys):
    foreign(tmp_path / "run")
    words = ["--gan_type", "gan", "--dataset", "ring", "--run_dir", str(tmp_path / "run")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"process {os.getppid()} on node7" in said
    assert [p.name for p in (tmp_path / "run").iterdir()] == [locks.NAME]
    # It writes nothing.
    assert main([*words, "--dry_run"]) == 0


def test_a_lock_goes_with_its_process_and_what_it_made(tmp_path):
    run = RunDirectory(tmp_path / "a" / "run")
    with run.writing(), RunDirectory(run.path).writing():
        assert json.loads((run.path / locks.NAME).read_text())["pid"] == os.getpid()
        assert [p.name for p in run.path.iterdir()] == [locks.NAME]
    assert not list(tmp_path.iterdir())


def test_a_finished_run_is_tidied(tmp_path):
    """Its process was killed between the summary and its end."""
    foreign(tmp_path, start="0")
    (tmp_path / f".writing-{MACHINE}-{2**22 + 1}-0.json").write_text("half")
    (tmp_path / "summary.json").write_text("{}")
    RunDirectory(tmp_path).tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize(
    "own", [{"pid": 2**22 + 1}, {"start": "0"}, {"machine": "elsewhere"}, {"pid": "x"}]
)
def test_a_stale_lock_is_removed(tmp_path, quick, own):
    foreign(tmp_path, **own)
    run = RunDirectory(tmp_path)
    with run.writing():
        assert json.loads((tmp_path / locks.NAME).read_text())["pid"] == os.getpid()


def test_a_process_elsewhere_shows_that_it_lives(tmp_path, quick):
    foreign(tmp_path, machine="elsewhere")
    over = threading.Event()

    def renew():
        while not over.wait(0.1):
            os.utime(tmp_path / locks.NAME)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        refused(lambda: RunDirectory(tmp_path).writing().__enter__(), "node7")
    finally:
        over.set()
        thread.join()


def test_a_lock_is_renewed_and_waited_for(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.05)
    lock = locks.Lock(tmp_path)
    lock.take()
    os.utime(lock.path, (0, 0))
    time.sleep(0.3)
    assert lock.path.stat().st_mtime > 0
    threading.Timer(0.3, lock.release).start()
    other = locks.Lock(tmp_path)
    other.take(wait=True)
    assert other.held
    other.release()
    assert not lock.path.exists()


def test_without_links_a_lock_is_made_in_one_step_too(tmp_path, monkeypatch):
    def none(*args):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", none)
    run = RunDirectory(tmp_path)
    with run.writing():
        assert not locks.Lock(tmp_path)._linked()


def steps(run, at, act):
    """Acts before a step of a run."""
    iterate = run.iteration

    def acting(step, host):
        if int(step) == at:
            act()
        return iterate(step, host)

    run.iteration = acting
    return run


def ring(path):
    return prepare(tiny.ring_config(path, steps=4, sample_every=100))


def test_a_directory_that_is_moved_keeps_its_state(tmp_path):
    old, new = tmp_path / "run", tmp_path / "elsewhere"
    run = steps(ring(old), 2, lambda: old.rename(new))
    refused(lambda: fit(run), str(old), f"was moved to {new}", "saved at step 3")
    assert not old.exists()
    moved = RunDirectory(new)
    assert [p.stem for p in moved.checkpoints()] == ["00000003"]
    assert not (new / locks.NAME).exists()
    fit(prepare(tiny.ring_config(new, steps=4, sample_every=100)))
    assert [line["step"] for line in moved.metrics()] == [1, 2, 3, 4]


def test_a_directory_that_is_deleted_ends_the_run(tmp_path):
    import shutil

    path = tmp_path / "run"
    run = steps(ring(path), 2, lambda: shutil.rmtree(path))
    refused(lambda: fit(run), str(path), "deleted")
    assert not path.exists()


def test_a_lock_that_is_removed_alone_is_made_again(tmp_path):
    path = tmp_path / "run"
    fit(steps(ring(path), 2, (path / locks.NAME).unlink))
    assert RunDirectory(path).summary()["steps"] == 4


def test_a_run_that_was_taken_over_writes_no_more(tmp_path):
    run = RunDirectory(tmp_path)
    run.begin(tiny.ring_config(tmp_path), {}, tiny.domains(1))
    with run.writing():
        foreign(tmp_path)
        with pytest.raises(Unwritten, match="taken over"):
            run.log({"step": 1})
    assert (tmp_path / locks.NAME).exists() and not run.metrics_path.exists()
