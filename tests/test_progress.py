"""What a person sees while the program works, and where it says that its time went."""

import io
import re
import sys
import time

import pytest
import tensorflow as tf
import tiny

from gantrain import progress
from gantrain.main import main
from gantrain.runs import callbacks, told


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """A clock that stands still unless it is moved."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    own = Clock()
    monkeypatch.setattr(time, "monotonic", own)
    return own


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Phases that speak after a twentieth of a second, as if that were long."""
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "LIVE", 0.05)
    progress.restart()


def test_a_phase_that_lasts_says_what_it_does_and_how_far_it_is(capsys):
    with progress.phase("data", "reading a set"):
        pass
    assert capsys.readouterr().out == ""
    with progress.phase("data", "drawing digits"):
        progress.at(1_200, 5_000)
        time.sleep(0.5)
    lines = capsys.readouterr().out.splitlines()
    # Ever more rarely: after 0.05, 0.15, 0.35 seconds.
    assert 1 <= len(lines) <= 4
    assert all(line.startswith("drawing digits: 1,200 of 5,000, 0:00:0") for line in lines)
    time.sleep(0.2)
    assert capsys.readouterr().out == ""


def test_only_the_innermost_phase_speaks(capsys):
    with progress.phase("data", "outer"), progress.phase("data", "inner"):
        for _ in progress.track("abc", 3):
            time.sleep(0.1)
    said = capsys.readouterr().out
    assert "inner: " in said and "of 3" in said and "outer" not in said


def test_on_a_terminal_a_line_is_written_anew_and_wiped(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with progress.phase("compile", "compiling the step"):
        time.sleep(0.4)
    progress.say("compiled")
    said = terminal.getvalue()
    assert said.count("compiling the step") >= 2 and "\n" not in said.rpartition("\r")[0]
    assert said.endswith("\r\x1b[Kcompiled\n")


def test_every_second_is_counted_once_under_its_kind(clock):
    progress.restart()
    clock.now += 1
    with progress.phase("steps"):
        clock.now += 2
        with progress.phase("measuring"):
            clock.now += 4
        clock.now += 8
    # What is done for a classifier is its own, the compiling too.
    with progress.phase("classifiers", whole=True), progress.phase("compile"):
        clock.now += 16
        with progress.phase("steps"):
            clock.now += 32
    assert progress.went() == "63 s: classifiers 48 s, steps 10 s, measuring 4 s, other 1 s"


@pytest.mark.parametrize("seconds, text", [(61.4, "61 s"), (150, "2.5 min"), (9_000, "2.5 h")])
def test_lengths_are_short(seconds, text, monkeypatch):
    progress._course.began -= seconds
    progress._course.spent["steps"] = seconds
    assert progress.went().startswith(f"{text}: steps {text}")


# ---------------------------------------------------------------------------------- the time left


def test_what_is_left_counts_no_compilation_and_all_that_recurs(clock):
    """10 steps of 2 s each are left, and 2 measurements of 30 s; the first took an hour."""
    measurement = callbacks.Recurring()
    measurement.every = 10
    for seconds in (3_600, 30):
        with measurement.timed("measuring", ""):
            clock.now += seconds
        told_of = callbacks.Progress(40, 0, [measurement])
        told_of.pace(2.0)
        assert told_of.left(20) == 20 * 2.0 + 2 * (0 if seconds == 3_600 else 30)


def test_between_log_steps_lines_grow_rare(clock, capsys):
    spoken = callbacks.Progress(100_000, 0)
    spoken.pace(5.0)
    for step in range(1, 4_001):
        clock.now += 5.0
        spoken(step, None)
    lines = capsys.readouterr().out.splitlines()
    # Five hours and a half in which nothing else is said.
    assert 60 < len(lines) < 140
    assert re.fullmatch(r"step \d+/100000  \d+:\d\d:\d\d left", lines[-1])


def test_a_long_run_on_a_cpu_is_told_a_shorter_way(tmp_path):
    config = tiny.config(tmp_path, steps=25_000).with_options(width=1.0)
    assert told.expected(config, "1 x CPU", 10.0) == []
    (line,) = told.expected(config, "1 x CPU", 600.0)
    assert line == "about 0:10:00 for the steps on 1 x CPU"
    line = told.expected(config, "1 x CPU", 68_400.0)[1]
    for part in ("--no-resume", "--preset quick", "--width 0.25", "--steps 1315 (an hour)"):
        assert part in line
    assert len(told.expected(config, "1 x GPU", 68_400.0)) == 1
    narrow = config.with_options(width=0.25, preset="quick")
    assert "--width" not in told.expected(narrow, "1 x CPU", 7_200.0)[1]
    assert "--preset" not in told.expected(narrow, "1 x CPU", 7_200.0)[1]


def test_the_result_is_that_of_the_end_or_the_last_that_was_measured():
    log = [
        {"step": 10, "held_out/l1": 0.5, "held_out/psnr": 12.345},
        {"step": 20, "generators/accuracy/a": 0.1},
    ]
    assert told.results({"steps": 20, "last": log[-1]}, log, []) == [
        "held-out at step 10: l1 0.5, psnr 12.3"
    ]
    (line,) = told.results({"steps": 20, "accuracy/a": 0.987}, log[1:], [])
    assert line == "accuracy on the test part: a 0.987"
    names = [tiny.domain("a", 1), tiny.domain("b", 1)]
    joint = {
        "coherence": 0.9,
        "coherence_low": 0.88,
        "coherence_high": 0.92,
        "chance": 0.1,
        "entropy/a": 0.97,
        "entropy/b": 0.96,
    }
    measured = {f"joint/{name}": value for name, value in joint.items()}
    (line,) = told.results(measured, [], names)
    assert line.startswith("coherence 0.900 (95 % interval 0.880 to 0.920, chance 0.100)")
    assert line.endswith("entropy of classes a 0.97, b 0.96")
    assert told.results({}, [measured | {"step": 3}], names) == [line]


# --------------------------------------------------------------------------------------- as a whole


def test_a_run_says_its_plan_its_time_and_what_to_do_next(tmp_path, capsys, monkeypatch):
    tf.config.run_functions_eagerly(True)
    monkeypatch.setattr(progress, "PATIENCE", 60.0)
    monkeypatch.setattr(told, "BRIEF", 0.0)
    command = (
        f"--dataset tiny --net plain --width {tiny.WIDTH} --batch_size 4 --noise_dim 6 "
        f"--n_critic 1 --steps 4 --semantic_loss 1 --classifier_net plain --classifier_steps 2"
    )
    for number in (1, 2):
        run = tmp_path / str(number)
        assert main([*command.split(), "--run_dir", str(run)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "scogan on tiny (a 24, b 27), 1 x CPU, float32"
        assert lines[1] == "plan:"
        state = "found " if number == 2 else "train "
        # Before anything is trained, with the accuracy of what is there.
        (plan,) = [line for line in lines if line.startswith(f"  {state} classifier of a, b")]
        assert plan.endswith(", 2 steps") if number == 1 else re.search(r"a \d.\d{3}, b", plan)
        place = lines.index(f"  train  scogan: {run}, 4 steps")
        trained = [i for i, line in enumerate(lines) if line.startswith("training a classifier")]
        assert (trained != []) == (number == 1) and all(i > place for i in trained)
        assert lines[-1].startswith("next: ") and f"sample --run_dir {run}" in lines[-1]
        (report,) = [line for line in lines if line.startswith("report: ")]
        assert str(run / "report.html") in report
        assert sum(line.startswith("time: ") for line in lines) == 1
        assert max(map(len, lines)) <= 100 + len(str(run))
