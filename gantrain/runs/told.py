"""What a run tells a person: before it begins, once its speed is known, and at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gantrain import devices
from gantrain.core import Config
from gantrain.data import parts
from gantrain.data.domain import Domain
from gantrain.nets import Width
from gantrain.presets import PRESETS
from gantrain.progress import clock, went
from gantrain.runs.build import OpenRun
from gantrain.runs.plan import Plan
from gantrain.trainer import Generates, Translates

# Seconds: below them a length is not worth a line; above them, on a CPU, a shorter run is.
BRIEF, LONG = 20.0, 3_600.0


def before(config: Config, plan: Plan, device: str) -> list[str]:
    """The data that were found, and what is read, found or trained, in this order."""
    run = config.run
    sizes = ", ".join(f"{d.name} {d.size:,}" for d in plan.domains)
    own = f"  train  {run.gan_type}: {run.run_dir}, {run.steps:,} steps"
    as_usual = [f"preset {run.preset}: {PRESETS[run.preset].summary}"] if run.preset else []
    return [
        f"{run.gan_type} on {config.data.dataset} ({sizes}), {device}",
        *as_usual,
        *devices.told(),
        *parts.remarks(plan.domains),
        "plan:",
        *(f"  {need}" for need in plan.needs.values()),
        own,
    ]


def expected(config: Config, device: str, seconds: float) -> list[str]:
    """How long the steps will take, and on a CPU how a long run becomes a short one."""
    if seconds < BRIEF:
        return []
    lines = [f"about {clock(seconds)} for the steps on {device}"]
    if seconds > LONG and "CPU" in device:
        # A trainer's own preset of minutes, where it has one.
        preset = f"quick_{config.run.gan_type}"
        quick = preset if preset in PRESETS else "quick"
        ways = [f"--preset {quick}"] if config.run.preset != quick else []
        if config.has(Width) and config.of(Width).width > 0.25:
            ways.append("--width 0.25")
        hour = int(config.run.steps * LONG / seconds)
        ways.append(f"--steps {max(hour, 1)} (an hour)")
        lines.append(f"shorter: Ctrl-C, then --no-resume with {' or '.join(ways)}")
    return lines


def after(run: OpenRun, summary: dict) -> list[str]:
    """Where the time went, what was reached, where it lies and what can be done with it."""
    directory = run.directory.path
    if isinstance(run.trainer, Translates):
        use = ["evaluate --run_dir {}", "translate --run_dir {} --input PHOTOS --output FOLDER"]
    elif isinstance(run.trainer, Generates):
        use = ["evaluate --run_dir {}", "sample --run_dir {} --output samples.png"]
    else:
        use = []
    said = [f"done: step {summary['steps']}", f"time: {went()}"]
    said += results(summary, run.directory.metrics(), run.domains)
    said.append(f"report: {directory}/report.html; models, samples and summary.json beside it")
    return said + [f"next: {program()} {line.format(directory)}" for line in use]


def results(summary: dict, log: Sequence[dict], domains: Sequence[Domain]) -> list[str]:
    """The measured values that stand for a run, in lines: those of its end, else the last."""
    lines = []
    values = _latest("joint/", summary, log)
    if "joint/coherence" in values:
        v = {k.removeprefix("joint/"): v for k, v in values.items()}
        # Values of before there were panels have no ceiling.
        of = (
            f"{v['of_ceiling']:.3f} of the {v['ceiling']:.3f} that real images reach; "
            if "of_ceiling" in v
            else ""
        )
        lines.append(
            f"coherence {v['coherence']:.3f} ({of}95 % interval {v['coherence_low']:.3f} to "
            f"{v['coherence_high']:.3f}, chance {v['chance']:.3f}); entropy of classes "
            + ", ".join(f"{d.name} {v[f'entropy/{d.name}']:.2f}" for d in domains)
        )
        if of:
            lines.append(
                f"all judges unanimous {v['unanimous']:.3f}, sure {v['sure']:.3f} (of real images "
                f"{v['ceiling_unanimous']:.3f}, {v['ceiling_sure']:.3f})"
            )
    for prefix, title in (("held_out/", "held-out"), ("accuracy/", "accuracy on the test part")):
        values = _latest(prefix, summary, log)
        found = [
            f"{k.removeprefix(prefix)} {v:.3g}" for k, v in values.items() if k.startswith(prefix)
        ]
        if found:
            at = f" at step {values['step']}" if "step" in values else ""
            lines.append(f"{title}{at}: {', '.join(found)}")
    return lines


def _latest(prefix, summary, log):
    """The summary, or the last log line, that has values of this prefix."""
    return next((v for v in (summary, *log[::-1]) if any(k.startswith(prefix) for k in v)), {})


def program() -> str:
    """How this program is called."""
    name = os.path.basename(sys.argv[0])
    return f"python {name}" if name.endswith(".py") else "gantrain"
