"""Output that fails ends nothing: closed pipes, full disks, missing streams, strange alphabets."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tiny
from tiny import refused

from gantrain import images
from gantrain import main as program
from gantrain.files import unwritten
from gantrain.main import main
from gantrain.output import Output, bearing
from gantrain.progress import say
from gantrain.runs import callbacks
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import prepare

ROOT = Path(__file__).resolve().parents[1]


class Broken(io.StringIO):
    """A stream of which every writing fails."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    flush = None

    def isatty(self):
        return False


def full():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "error, lost", [(full(), True), (BrokenPipeError(errno.EPIPE, "x"), False), (ValueError(), 0)]
)
def test_what_is_said_is_lost_and_nothing_else(error, lost):
    output = Output(Broken(error), "standard output")
    assert output.write("words") == 5 and output.write("more") == 4
    output.flush()
    assert bool(output.lost) == bool(lost) and not output.isatty()
    if lost:
        assert output.lost.startswith("standard output: cannot be written (No space left")


def test_a_process_may_have_no_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with bearing() as output:
        say("words")
        print("words", flush=True)
        assert not output.isatty() and not output.lost
    assert sys.stdout is None


@pytest.mark.parametrize("name, code", [("list", 2), ("train", 0)])
def test_a_full_disk_under_the_output_is_one_line(monkeypatch, capsys, name, code):
    """A log does not end a run; what was asked for and is lost is no success."""
    monkeypatch.setattr(program, "_run", lambda *args: print("words", flush=True) or (name, 0))
    monkeypatch.setattr(sys, "stdout", Broken(full()))
    assert main(["list"]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "standard output: cannot be written" in said


def test_an_error_of_the_system_is_one_line_that_names_the_file(monkeypatch, capsys):
    for error, part in (
        (OSError(errno.EACCES, "Permission denied", "one", None, "two"), "one to two: cannot"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a/b"), "a/b: cannot be read or written"),
        (OSError("short\nread"), "(short read)"),
    ):
        monkeypatch.setattr(
            program, "_run", lambda *args, error=error: (_ for _ in ()).throw(error)
        )
        assert main(["list"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and part in said


def test_closed_streams_and_pipes_of_a_process():
    """Real ones: a reader that leaves, and descriptors that are closed."""
    place = os.environ | {"PYTHONPATH": str(ROOT)}
    for redirection in ("| head -n 1 >&2", ">&-", "2>&-", "> /dev/full"):
        code = "from gantrain.main import main; raise SystemExit(main())"
        line = (
            f"'{sys.executable}' -c '{code}' list {redirection}; echo code ${{PIPESTATUS[0]}} >&2"
        )
        done = subprocess.run(["bash", "-c", line], env=place, capture_output=True, text=True)
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr
        if redirection != "2>&-":
            expected = 2 if "full" in redirection else 0
            assert f"code {expected}" in done.stderr, (redirection, done.stderr)


def ring(path):
    tf.config.run_functions_eagerly(True)
    return prepare(tiny.ring_config(path, steps=4, sample_every=2, checkpoint_every=100))


def raising(at):
    """A function that fails once, the `at`-th time."""
    calls = []

    def act(own, *args, **options):
        calls.append(1)
        if len(calls) == at:
            raise unwritten("the file", full())
        return own(*args, **options)

    return act


@pytest.mark.parametrize(
    "owner, name", [(RunDirectory, "log"), (images, "write_png"), (callbacks.Checkpoints, "write")]
)
def test_a_full_disk_between_steps_saves_and_ends_the_run(tmp_path, monkeypatch, owner, name):
    own, act = getattr(owner, name), raising(at=1)
    monkeypatch.setattr(owner, name, lambda *args, **options: act(own, *args, **options))
    run = ring(tmp_path / "run")
    if name == "write":
        # There is no room for the state itself: the log says no more than it has.
        refused(lambda: fit(run), "the file: cannot be written (No space left")
    else:
        step = 1 if name == "log" else 2
        refused(lambda: fit(run), "the file: cannot be written", f"saved at step {step}")
    monkeypatch.undo()
    tf.config.run_functions_eagerly(True)
    fit(ring(tmp_path / "run"))
    run = RunDirectory(tmp_path / "run")
    steps = [line["step"] for line in run.metrics()]
    # The function that fails here does not keep what it was given, as `log` does.
    assert steps == ([2, 3, 4] if name == "log" else [1, 2, 3, 4])
    assert [path.stem for path in run.samples()] == ["000002", "000004"]


def test_an_old_checkpoint_that_stays_ends_no_run(tmp_path, monkeypatch, capsys):
    run, state = RunDirectory(tmp_path), {}

    def kept(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    run.save(1, state, keep=1)
    monkeypatch.setattr(Path, "unlink", kept)
    run.save(2, state, keep=1)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "00000001.npz: cannot be removed (Permission denied)" in said
