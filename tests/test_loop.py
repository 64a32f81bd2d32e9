"""The loop: signals, the time limit, divergence, what it logs, and running a command again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain.main import main
from gantrain.noise import Draw
from gantrain.runs import callbacks, loop
from gantrain.runs.callbacks import Diverged
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import prepare, train
from gantrain.stop import SIGNALS, Interrupted, Stop, current
from gantrain.terms.losses import LOSSES, Loss
from gantrain.use.samples import noise

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def eager():
    """Nothing here depends on how a step is compiled, which would take most of the time."""
    tf.config.run_functions_eagerly(True)


def ring(run_dir, *words):
    """A command line of the quickest run there is."""
    return [
        "--gan_type",
        "gan",
        "--dataset",
        "ring",
        "--run_dir",
        str(run_dir),
        "--batch_size",
        "4",
        "--log_every",
        "2",
        *words,
    ]


def state(run_dir):
    run = RunDirectory(run_dir)
    with np.load(run.checkpoints()[-1]) as stored:
        return {name: stored[name] for name in stored.files}


def assert_same_run(one, other):
    left, right = state(one), state(other)
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    assert tiny.timeless(RunDirectory(one).metrics()) == tiny.timeless(
        RunDirectory(other).metrics()
    )


# ---------------------------------------------------------------------------------------- the loop


class Recorder(callbacks.Callback):
    def __init__(self):
        self.seen, self.closed = [], None

    def __call__(self, step, logs):
        self.seen.append((step, logs))

    def close(self, step, over):
        self.closed = step


def run_loop(
    steps=7, start=0, log_every=3, stop=None, iterate=None, also=lambda step: False, host=None
):
    recorder = Recorder()
    reached = loop.fit(
        iterate or (lambda step, inputs: {"p/a": tf.cast(step, tf.float32)}),
        host or iter(lambda: (), None),
        lambda: {"p/b": tf.constant(2.0)},
        [recorder],
        start=start,
        steps=steps,
        log_every=log_every,
        also_log=also,
        batch_images=8,
        stop=stop or Stop(),
    )
    return reached, recorder


def test_the_loop_logs_every_so_often_and_at_the_end():
    reached, recorder = run_loop()
    assert reached == recorder.closed == 7
    assert [step for step, _ in recorder.seen] == list(range(1, 8))
    logged = {step: logs for step, logs in recorder.seen if logs}
    assert list(logged) == [3, 6, 7]
    for step, logs in logged.items():
        assert set(logs) == {"p/a", "p/b", "images_per_second", "input_wait"}
        # An iteration is numbered from zero, the step that it completes from one.
        assert logs["p/a"] == step - 1 and logs["p/b"] == 2
        assert all(type(v) is float for v in logs.values())
        assert logs["images_per_second"] > 0 and 0 <= logs["input_wait"] <= 1


def test_the_loop_starts_where_it_is_told():
    _, recorder = run_loop(start=5, also=lambda step: step == 6)
    assert [step for step, _ in recorder.seen] == [6, 7]
    assert [logs["p/a"] for _, logs in recorder.seen] == [5, 6]


def test_a_finished_loop_runs_nothing():
    reached, recorder = run_loop(start=7)
    assert reached == recorder.closed == 7 and not recorder.seen


def test_speed_leaves_out_the_compilation():
    """The first step compiles: two seconds here, in which two steps make 8 images a second."""

    def iterate(step, inputs):
        time.sleep(2.0 if step == 0 else 0.001)
        return {"p/a": tf.constant(0.0)}

    _, recorder = run_loop(steps=4, log_every=2, iterate=iterate)
    assert all(logs["images_per_second"] > 12 for _, logs in recorder.seen if logs)


@pytest.mark.parametrize("busy, idle, low, high", [(0.01, 0.2, 0.6, 1.0), (0.2, 0.0, 0.0, 0.2)])
def test_waiting_for_the_input_is_measured(busy, idle, low, high):
    def inputs():
        while True:
            time.sleep(idle)
            yield ()

    def iterate(step, inputs):
        time.sleep(busy)
        return {"p/a": tf.constant(0.0)}

    _, recorder = run_loop(steps=4, log_every=2, iterate=iterate, host=inputs())
    assert all(low <= logs["input_wait"] <= high for _, logs in recorder.seen if logs)


def test_a_stop_ends_the_loop_with_everything_closed():
    with pytest.raises(Interrupted, match="TEST: saved at step 3 of 7"):
        run_loop(stop=tiny.After(3))


def test_an_exception_closes_nothing():
    """The state may be that of half a step: nothing of it is kept."""
    closed = []

    class Watch(callbacks.Callback):
        def close(self, step, over):
            closed.append(step)

    def broken(step, inputs):
        raise RuntimeError("half a step")

    with pytest.raises(RuntimeError):
        loop.fit(
            broken,
            iter(lambda: (), None),
            dict,
            [Watch()],
            start=0,
            steps=3,
            log_every=1,
            also_log=lambda step: False,
            batch_images=1,
            stop=Stop(),
        )
    assert closed == []


# --------------------------------------------------------------------------- signals and resuming


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run of eight steps that nothing disturbs."""
    path = tmp_path_factory.mktemp("uninterrupted") / "run"
    tf.config.run_functions_eagerly(True)
    assert main(ring(path, "--steps", "8")) == 0
    return path


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path, monkeypatch, capsys, uninterrupted, number
):
    command = ring(tmp_path / "run", "--steps", "8")

    def disturbed(self, step, logs, progress=callbacks.Progress.__call__):
        progress(self, step, logs)
        if step == 3:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "__call__", disturbed)
        assert main(command) == 75
    said = capsys.readouterr().err
    assert f"{number.name}: saved at step 3 of 8" in said and "the same command" in said
    assert [p.stem for p in RunDirectory(tmp_path / "run").checkpoints()] == ["00000003"]
    assert main(command) == 0
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_signal_at_the_last_step_ends_the_program(tmp_path, monkeypatch, capsys):
    """And not this run alone: `reproduce` begins no other."""

    def disturbed(self, step, logs, progress=callbacks.Progress.__call__):
        progress(self, step, logs)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "__call__", disturbed)
        assert main(ring(tmp_path / "run", "--steps", "2")) == 75
    assert "saved at step 2 of 2" in capsys.readouterr().err
    run = RunDirectory(tmp_path / "run")
    assert not run.summary() and not run.samples()
    assert main(ring(tmp_path / "run", "--steps", "2")) == 0
    assert run.summary()["steps"] == 2 and len(run.samples()) == 1


def test_a_run_that_ended_early_ends_there_again(tmp_path):
    """Killed between its last step and its summary."""
    run = RunDirectory(tmp_path)
    kept = callbacks.Kept("a", lambda logs: logs.get("a"), max, 2)
    for step, score in enumerate((1.0, 3.0, 2.0, 1.0), 1):
        run.log({"step": step, "a": score})
    for step, ended in ((3, None), (4, "a has not improved for 2 samplings")):
        best = callbacks.Best(run, kept, {})
        best.begin(step)
        assert best.ended == ended


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Two real processes on a long run; one gets SIGINT, one SIGTERM, once they train."""
    folder = tmp_path_factory.mktemp("killed")
    processes = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        command = ring(folder / number.name, "--steps", "1000000", "--log_every", "5")
        processes[number] = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *command],
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finished = {}
    for number, process in processes.items():
        deadline = time.monotonic() + 300
        while not RunDirectory(folder / number.name).metrics():
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.2)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
        finished[number] = process.returncode, out, err, folder / number.name
    return finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_killed_process_exits_with_75_and_resumes(killed, number, capsys):
    code, _, err, path = killed[number]
    assert code == 75
    assert "Traceback" not in err and err.count("\n") == 1
    assert f"gantrain: {number.name}: saved at step" in err.replace("main.py", "gantrain")
    # A quick machine has passed an interval and left a checkpoint there, too.
    saved = int(RunDirectory(path).checkpoints()[-1].stem)
    assert saved >= 5
    assert main(ring(path, "--steps", str(saved + 4))) == 0
    assert f"step {saved + 4}" in capsys.readouterr().out
    steps = [line["step"] for line in RunDirectory(path).metrics()]
    assert steps == sorted(set(steps)) and steps[-1] == saved + 4


def test_the_time_limit_exits_with_75_too(tmp_path, monkeypatch, capsys):
    command = ring(tmp_path / "run", "--steps", "4", "--time_limit", "1e-9")
    # Before a step is made: the scheduler would put it back into the queue for ever.
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "--time_limit: over before a step was made" in said and said.count("\n") == 1
    assert not (tmp_path / "run" / "checkpoints").exists()

    def slow(self, step, logs, progress=callbacks.Progress.__call__):
        progress(self, step, logs)
        if step == 3:
            current().limit(1e-9)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "__call__", slow)
        assert main([*command[:-1], "1000"]) == 75
    assert "time limit: saved at step 3 of 4" in capsys.readouterr().err
    assert main([*command[:-1], "0"]) == 0
    assert RunDirectory(tmp_path / "run").summary()["steps"] == 4


def test_running_a_finished_command_again_says_so(uninterrupted, capsys):
    before = {p: p.stat().st_mtime_ns for p in uninterrupted.rglob("*")}
    assert main(ring(uninterrupted, "--steps", "8")) == 0
    said = capsys.readouterr().out
    assert "already at step 8" in said and "--steps" in said and "--no-resume" in said
    assert {p: p.stat().st_mtime_ns for p in uninterrupted.rglob("*")} == before


def test_more_steps_go_on_from_the_end(tmp_path, uninterrupted):
    assert main(ring(tmp_path / "run", "--steps", "5")) == 0
    assert main(ring(tmp_path / "run", "--steps", "8")) == 0
    assert np.all(
        [
            np.array_equal(a, b)
            for a, b in zip(
                state(tmp_path / "run").values(), state(uninterrupted).values(), strict=True
            )
        ]
    )


def test_fewer_steps_than_saved_are_refused(tmp_path, capsys):
    with pytest.raises(Interrupted):
        train(tiny.ring_config(tmp_path / "run", log_every=2), stop=tiny.After(3))
    words = ["--run_dir", str(tmp_path / "run"), "--steps", "2"]
    assert main(words) == 2
    assert "--steps 2" in capsys.readouterr().err


def test_no_resume_moves_the_old_run_aside(tmp_path, capsys):
    command = ring(tmp_path / "run", "--steps", "2")
    assert main(command) == 0
    first = state(tmp_path / "run")
    assert main([*command, "--no-resume", "--seed", "5"]) == 0
    assert f"kept in {tmp_path / 'run.old-1'}" in capsys.readouterr().out
    kept = state(tmp_path / "run.old-1")
    assert all(np.array_equal(kept[name], first[name]) for name in first)
    assert RunDirectory(tmp_path / "run").config().run.seed == 5


def test_a_run_with_other_options_is_not_continued(tmp_path, uninterrupted, capsys):
    assert main(ring(uninterrupted, "--steps", "8", "--seed", "3", "--g_lr", "0.5")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--seed 0 -> 3" in said and "--g_lr" in said and "--no-resume" in said


def test_only_the_run_directory_is_needed_to_go_on(tmp_path):
    assert main(ring(tmp_path / "run", "--steps", "2", "--seed", "4")) == 0
    assert main(["--run_dir", str(tmp_path / "run"), "--steps", "4"]) == 0
    config = RunDirectory(tmp_path / "run").config()
    assert (config.run.seed, config.run.steps, config.run.gan_type) == (4, 4, "gan")


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(ring(tmp_path / "run", "--dry_run")) == 0
    said = capsys.readouterr().out
    assert "dry run" in said and "generators/loss" in said
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------- divergence


@pytest.fixture
def exploding(monkeypatch):
    """A loss whose generator part becomes NaN in the third iteration, and in no other term."""

    def register(at):
        count = tf.Variable(0.0)

        def generator(fake):
            count.assign_add(1.0)
            return tf.where(count > at, np.float32(np.nan), 1.0) * tf.reduce_mean(fake)

        monkeypatch.setitem(
            LOSSES, "exploding", Loss("tests", LOSSES["hinge"].discriminator, generator)
        )

    return register


def test_a_nan_stops_the_run_names_the_term_and_keeps_the_last_good_state(
    tmp_path, exploding, capsys
):
    exploding(at=3)
    command = ring(
        tmp_path / "run",
        "--steps",
        "9",
        "--log_every",
        "1",
        "--checkpoint_every",
        "2",
        "--loss",
        "exploding",
    )
    assert main(command) == 4
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    kept = tmp_path / "run" / "checkpoints" / "00000002.npz"
    assert "generators/adv/ring is nan at step 4" in said and str(kept) in said
    assert all(np.all(np.isfinite(v)) for v in state(tmp_path / "run").values())
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert "NaN" not in lines and lines.count("\n") == 3


def test_a_nan_between_two_log_lines_never_reaches_a_checkpoint(tmp_path, exploding, capsys):
    exploding(at=3)
    command = ring(
        tmp_path / "run",
        "--steps",
        "9",
        "--log_every",
        "9",
        "--checkpoint_every",
        "2",
        "--loss",
        "exploding",
    )
    assert main(command) == 4
    assert "a weight is not finite at step 4" in capsys.readouterr().err
    assert [p.stem for p in RunDirectory(tmp_path / "run").checkpoints()] == ["00000002"]


def test_a_run_that_diverges_at_its_last_step_is_no_success(tmp_path, exploding, capsys):
    exploding(at=3)
    command = ring(
        tmp_path / "run",
        "--steps",
        "4",
        "--log_every",
        "3",
        "--checkpoint_every",
        "100",
        "--loss",
        "exploding",
    )
    assert main(command) == 4
    assert not (tmp_path / "run" / "summary.json").exists()


def test_divergence_without_a_checkpoint_says_so():
    with pytest.raises(Diverged, match="b/adv is inf at step 1; there is no checkpoint"):
        callbacks.Guard(RunDirectory("nowhere"))(1, {"b/loss": np.nan, "b/adv": np.inf})


def test_a_sum_is_named_where_no_term_is_to_blame():
    with pytest.raises(Diverged, match="b/grad_norm"):
        callbacks.Guard(RunDirectory("nowhere"))(1, {"b/adv": 1.0, "b/grad_norm": np.inf})


@pytest.mark.parametrize("undefined", [np.nan, np.inf, -np.inf])
def test_an_undefined_score_ends_no_run_and_is_left_out(tmp_path, monkeypatch, undefined):
    """The guard judges the terms of the losses; no file of a run holds NaN or infinity."""
    session = prepare(
        tiny.ring_config(
            tmp_path / "run", steps=4, evaluate_every=2, evaluate_metrics="modes", keep_best="modes"
        )
    )
    scores = {"modes/near/ring": 0.5, "modes/covered/ring": undefined}
    session.watch = session.watch._replace(measurements=[(2, lambda: dict(scores))])
    fit(session)
    lines = session.directory.metrics()
    assert lines[1]["modes/near/ring"] == 0.5 and "modes/covered/ring" not in lines[1]
    for name in ("metrics.jsonl", "summary.json"):
        text = (tmp_path / "run" / name).read_text()
        assert "NaN" not in text and "Infinity" not in text
    summary = json.loads(text)
    assert "accuracy/ring" not in summary and summary["last"]["modes/near/ring"] == 0.5


# ---------------------------------------------------------------------------------------- callbacks


def test_progress_is_one_line_with_means_over_domains(capsys):
    progress = callbacks.Progress(100, 0)
    progress.pace(0.1)
    progress(
        50,
        {
            "generators/adv/a": 1.0,
            "generators/adv/b": 2.0,
            "generators/loss": 9.0,
            "images_per_second": 123.4,
            "input_wait": 0.1,
        },
    )
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert line.startswith("step 50/100  123 img/s  0:00:05 left  ")
    assert "generators adv 1.5" in line and "loss" not in line


def test_an_evaluation_joins_the_logs_of_its_steps():
    logs = {"a": 1.0}
    evaluation = callbacks.Measurement(2, lambda: {"joint/coherence": 0.5})
    evaluation(1, logs)
    assert logs == {"a": 1.0}
    evaluation(2, logs)
    assert logs == {"a": 1.0, "joint/coherence": 0.5}
    evaluation(4, None)


def test_tensorboard_events_are_written_when_asked_for(tmp_path):
    pytest.importorskip("tensorboard")
    train(tiny.ring_config(tmp_path / "run", steps=2, tensorboard=True))
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    read = {
        value.tag
        for record in tf.data.TFRecordDataset(str(events))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
    }
    assert {"generators/loss", "images_per_second"} <= read


def test_sample_grids_show_the_same_latent_vectors(tmp_path):
    """The grids of a run, and of a run that was resumed, are drawn from one fixed noise."""
    session = prepare(tiny.ring_config(tmp_path, seed=3))
    again = prepare(tiny.ring_config(tmp_path, seed=3))
    np.testing.assert_array_equal(noise(session, 7), noise(again, 7))
    assert not np.array_equal(noise(session, 7), noise(session, 7, seed=4))
    # No training draw is like them: those have steps from zero on.
    training = session.trainer.noise(Draw(3, tf.constant(0, tf.int64), 7))
    assert not np.array_equal(noise(session, 7), training)


def test_a_checkpoint_is_written_once_per_step(tmp_path):
    saved = []

    class Run:
        def save(self, step, variables, keep):
            saved.append(step)

    checkpoints = callbacks.Checkpoints(Run(), 2, 1, [], lambda: True)
    for step in range(1, 5):
        checkpoints(step, None)
    checkpoints.close(4, True)
    assert saved == [2, 4]


def test_config_json_is_written_before_the_first_step(tmp_path, monkeypatch):
    """A run that is killed at once can be resumed: its config is there before its weights."""
    monkeypatch.setattr(loop, "fit", lambda *args, **options: 1 / 0)
    session = prepare(tiny.ring_config(tmp_path / "run"))
    with pytest.raises(ZeroDivisionError):
        fit(session)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["run"]["steps"] == 8
