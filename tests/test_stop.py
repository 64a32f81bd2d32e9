"""Signals and the time limit, from the first line of a program to its last."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gantrain import main as program
from gantrain import stop as stops
from gantrain.main import main
from gantrain.stop import SIGNALS, STEPS, WRITING, Interrupted, Stop, current, listening

ROOT = Path(__file__).resolve().parents[1]


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_at_once_where_all_is_saved(number):
    before, stop = signal.getsignal(number), Stop()
    said = f"{number.name}: .* the same command goes on"
    with pytest.raises(Interrupted, match=said), listening(stop):
        send(number)
        time.sleep(5)
    assert stop.reason == number.name and stop.code == 75
    assert signal.getsignal(number) is before


def test_steps_are_brought_to_their_end():
    stop = Stop()
    with listening(stop):
        with stop.holding():
            send()
            assert stop.wanted == "SIGTERM"
            # A scheduler that signals the group and its processes.
            send()
            send(signal.SIGUSR1)
        assert stop.reason == "SIGTERM"


def test_a_second_signal_leaves_the_step_and_never_a_file(monkeypatch):
    monkeypatch.setattr(stops, "REPEAT", 0.05)
    stop = Stop()
    with listening(stop), stop.holding(STEPS):
        send()
        time.sleep(0.1)
        with stop.holding(WRITING):
            send()
        with pytest.raises(Interrupted, match="at once, the last checkpoint is whole"):
            send()


def test_a_terminal_may_be_closed_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with listening(Stop()):
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_ends_keeps_its_exit_code():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with listening(Stop(), ends=True):
            pass
        send()
    finally:
        for number in SIGNALS:
            signal.signal(number, before if number == signal.SIGTERM else signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_time_limit_comes_by_itself():
    """Where nobody asks for it, as while data are read."""
    stop = Stop(0.1)
    said = "--time_limit: over before a step was made"
    with pytest.raises(Interrupted, match=said), listening(stop):
        time.sleep(5)
    assert stop.code == 2
    stop.steps = 1
    assert stop.code == 75 and Stop().wanted is None


def test_one_stop_is_of_the_whole_program():
    stop = Stop()
    with listening(stop):
        assert current() is stop
        with listening(stop):
            assert current() is stop
        assert current(5.0) is stop
    assert current() is not stop


def test_another_thread_listens_to_nothing():
    seen = []

    def inside():
        with listening(Stop()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_a_signal_in_any_command_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(program, "_run", lambda *args: send() or time.sleep(5))
    assert main(["list"]) == 75
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("gantrain: SIGTERM: ")


def test_an_exception_that_gets_lost_comes_again(capfd):
    class Loses:
        def __del__(self):
            send()

    stop = Stop()
    with pytest.raises(Interrupted), listening(stop):
        Loses()
        time.sleep(5)
    assert capfd.readouterr().err == ""


STUCK = """
import sys, time
import numpy
from gantrain import main, stop
stop.PATIENCE = 0.3
def stuck(*words):
    print("stuck", flush=True)
    # What does not come back to Python until it is done.
    numpy.linalg.svd(numpy.ones((3000, 3000)) + numpy.eye(3000))
    return "list", 0
main._run = stuck
sys.exit(main.main())
"""


def test_a_library_that_does_not_come_back_is_left():
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75 and said.startswith("gantrain: SIGTERM: ")
    assert time.monotonic() - began < 10


def test_a_program_listens_from_its_first_line_on():
    """It is signalled while it loads; what listens is in place before TensorFlow is there."""
    words = ["--gan_type", "gan", "--dataset", "ring", "--steps", "100000"]
    code = (
        "import sys; from gantrain import main; print('begins', flush=True); sys.exit(main.main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--run_dir", os.devnull + "/run"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begins\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert said.count("\n") == 1 and "SIGUSR1" in said
