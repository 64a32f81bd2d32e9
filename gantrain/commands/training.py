"""`gantrain train`: trains, or goes on with, one run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from gantrain import devices, stop
from gantrain.commands.command import Explicit
from gantrain.errors import UserError
from gantrain.options import Options
from gantrain.progress import phase, say


class TrainOptions:
    """The records of `train`: all trainers' are understood, those of one are shown."""

    @staticmethod
    def parsed() -> tuple[type[Options], ...]:
        """Every kind of record, so that an option of another trainer is refused by name."""
        from gantrain.config import records_of
        from gantrain.trainers import TRAINERS

        return tuple(dict.fromkeys(record for kind in TRAINERS for record in records_of(kind)))

    @staticmethod
    def choices() -> dict[str, list[str]]:
        """The names that options of the core may have, which the core itself does not know."""
        from gantrain.presets import PRESETS
        from gantrain.trainers import TRAINERS

        return {"gan_type": sorted(TRAINERS), "preset": sorted(PRESETS)}

    @staticmethod
    def shown(words: list[str]) -> tuple[tuple[type[Options], ...], Sequence[str]]:
        """(kinds of records, examples) that `--help` shows beside these words."""
        from gantrain.config import gan_type_of, records_of
        from gantrain.trainers import TRAINERS

        kind = gan_type_of(words)
        return records_of(kind), TRAINERS[kind].examples


def train(explicit: Explicit) -> int:
    """Trains, or goes on with, one run."""
    from gantrain.config import configure, refuse_changes, resolve
    from gantrain.data.datasets import fetch, find
    from gantrain.runs.directory import RunDirectory

    config = configure(explicit)
    run = RunDirectory(
        resolve(config).run.run_dir if "run_dir" not in explicit else explicit["run_dir"]
    )
    dry = config.run.dry_run
    stored = run.config() if run.exists and config.run.resume and not dry else None
    wanted = resolve(configure(explicit | {"run_dir": str(run.path)}, stored))
    runtime = wanted.runtime
    devices.ask(runtime.gpus, runtime.devices, runtime.gpu_mem_mb)
    stop.current().limit(wanted.run.time_limit * 60)
    if stored is not None:
        refuse_changes(stored, wanted, run.path)
        summary = run.summary()
        if summary:
            run.tidy()
            _refuse_other_data(run, wanted)
        if summary and summary.get("stopped_early"):
            print(
                f"{run.path}: ended at step {summary['steps']}: {summary['stopped_early']}; "
                f"--no-resume starts anew"
            )
            return 0
        if summary and summary["steps"] >= wanted.run.steps:
            print(
                f"{run.path}: already at step {summary['steps']}; give more --steps to go on, or "
                f"--no-resume to start anew"
            )
            return 0
    # What is not here is said at once: before TensorFlow is loaded, and an old run moved aside.
    data = wanted.data
    find(data.dataset, data.place)
    with nullcontext() if dry else run.writing():
        fetch([data.dataset], Path(data.data_dir).expanduser(), data.offline or dry)
        if run.exists and stored is None and not dry:
            print(f"the old run is kept in {run.move_aside()}")
        return _rehearse(wanted) if dry else _fit(wanted)


def _refuse_other_data(run, config):
    """Refuses to leave a finished run as it is where its data have changed, if they are there."""
    from gantrain.runs.domains import chosen_domains

    try:
        domains, unsure = chosen_domains(config, "train", decoded=False)
    except UserError:
        return
    run.refuse_other_data(domains, unsure)


def _fit(config) -> int:
    from gantrain.runs import told
    from gantrain.runs.train import fit
    from gantrain.stages import prepare

    run = prepare(config, tell=say)
    _describe_networks(run)
    for line in told.after(run, fit(run)):
        say(line)
    return 0


def _rehearse(config) -> int:
    from gantrain.stages import rehearse

    run = rehearse(config, tell=say)
    _describe_networks(run)
    with phase("compile", "compiling the step"):
        logs = {name: float(value) for name, value in run.iterate(0).items()}
    say(
        "dry run: one step, nothing trained, nothing written  "
        + "  ".join(f"{k} {v:.3g}" for k, v in logs.items())
    )
    return 0


def _describe_networks(run):
    if run.trainer.described():
        say(run.trainer.described())
