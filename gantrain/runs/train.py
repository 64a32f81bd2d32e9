"""The training of an open run: its loop, what happens between steps, what it leaves at its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import partial

from gantrain import nets, plots
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.files import replacing, write_text
from gantrain.progress import phase
from gantrain.runs import callbacks, loop, report, told
from gantrain.runs.build import OpenRun
from gantrain.runs.loop import Callback
from gantrain.runtime import environment
from gantrain.stop import Stop, current, listening
from gantrain.trainer import Scores


def fit(run: OpenRun, stop: Stop | None = None) -> dict:
    """Trains an open run to its config's last step, from the newest checkpoint if there is one.

    Args:
        run: `OpenRun`.
        stop: a `Stop`; None is that of the program.

    Returns:
        The contents of `summary.json`.

    Raises:
        gantrain.stop.Interrupted, gantrain.runs.callbacks.Diverged, UserError.
    """
    directory = run.directory
    with directory.writing():
        return _fit(run, stop or current(run.config.run.time_limit * 60))


def _fit(run, stop):
    config, directory, options = run.config, run.directory, run.config.run
    start = directory.restore(run.trainer.state())
    directory.refuse_lost(start)
    if start > options.steps:
        raise UserError(
            f"--steps {options.steps}: the run in {directory.path} is at step {start} "
            f"already; give more, or --no-resume"
        )
    directory.begin(config, environment(run.runtime.device), run.domains)
    directory.rewind_metrics(start)
    chosen = _callbacks(run, start)
    with listening(stop), closing(run.batches.host(start)) as host:
        with phase("steps"):
            run.step = loop.fit(
                run.iteration,
                host,
                run.compiled(run.trainer.report),
                chosen,
                start=start,
                steps=options.steps,
                log_every=options.log_every,
                also_log=lambda step: any(step % every == 0 for every, _ in run.watch.measurements),
                batch_images=config.data.batch_size * len(run.domains) * run.trainer.per_step,
                stop=stop,
            )
        return _finish(run, next((c.ended for c in chosen if c.ended), None))


def _callbacks(run, start):
    directory, watch, options = run.directory, run.watch, run.config.run
    state = run.trainer.state()
    measured = [callbacks.Measurement(*entry) for entry in watch.measurements]
    kept = [
        callbacks.Samples(directory, options.sample_every, watch.picture),
        callbacks.Checkpoints(
            directory,
            options.checkpoint_every,
            options.keep,
            state,
            lambda: all_finite(state.values()),
        ),
    ]
    chosen: list[Callback] = [callbacks.Guard(directory), *measured, callbacks.Scalars(directory)]
    if options.tensorboard:
        chosen.append(callbacks.TensorBoard(directory))
    expected = partial(told.expected, run.config, run.runtime.device)
    chosen.append(callbacks.Progress(options.steps, start, [*measured, *kept], expected))
    chosen += kept
    if watch.best:
        chosen.append(callbacks.Best(directory, watch.best, state))
    return chosen


def _finish(run, ended):
    """Models, curves, report and summary of a run that has reached its end."""
    directory, last_state = run.directory, not run.directory.best.exists()
    if not last_state:
        directory.restore(run.trainer.state(), best=True)
    directory.check()
    with phase("saving", "writing models and curves"):
        for name, model in run.trainer.models().items():
            with replacing(directory.path / "models" / f"{name}.keras") as temporary:
                nets.portable(model).save(temporary)
        metrics = directory.metrics()
        if metrics:
            plots.losses(metrics, directory.path / "losses.png")
    # What a trainer itself measures on the test part, a classifier's accuracy, and what is asked of
    # the state that the run ends with, if that is not measured yet.
    with phase("measuring", "measuring on the test part"):
        scores = run.trainer.score(run.test_domains) if isinstance(run.trainer, Scores) else {}
        last = metrics[-1] if metrics else None
        if run.watch.ending and not (last_state and last and "joint/coherence" in last):
            scores |= run.watch.ending()
    summary = {"steps": run.step, "last": last, **scores}
    if ended:
        summary["stopped_early"] = ended
    write_text(directory.path / "report.html", report.page(directory, run.config, metrics, summary))
    # Last: a directory with a summary is a finished run.
    directory.write_json("summary.json", summary)
    return summary


def all_finite(variables: Iterable) -> bool:
    """Whether every weight is finite: what a checkpoint must be."""
    return all(
        bool(tf.reduce_all(tf.math.is_finite(v)))
        for v in variables
        if v.dtype in ("float32", "float16", "bfloat16")
    )
