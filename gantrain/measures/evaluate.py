"""A run's metrics: which of them fit, their values, and what these depend on.

`metrics.json` keeps the values together with step, seed, sample counts, versions, and the hash of
every network that was consulted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gantrain.core import MEASURED, Config, LpipsWeights
from gantrain.errors import UserError
from gantrain.files import finite
from gantrain.measures import METRICS
from gantrain.measures.streams import Streams
from gantrain.options import Options, option
from gantrain.progress import phase
from gantrain.reading import read_json
from gantrain.runtime import Runtime, environment
from gantrain.terms.perceptual import PerceptualOptions

STORED = "metrics.json"
# What of it is read again.
FORM = {
    "metrics?": [str],
    **{f"{name}?": dict for name in ("weights", "networks", "counts", "values")},
}


class Directory(Protocol):
    """Where measurements are kept: a `gantrain.runs.directory.RunDirectory`."""

    path: Path

    def write_json(self, name: str, value: Any) -> None: ...


class Opened(Protocol):
    """What is measured: a `gantrain.runs.build.OpenRun` with its data."""

    step: int

    @property
    def directory(self) -> Directory: ...

    @property
    def runtime(self) -> Runtime: ...


@dataclass(frozen=True)
class Measuring(Options):
    """Measurements while training."""

    switch = "evaluate_every"

    evaluate_every: int = option(
        0,
        "steps between two measurements of --evaluate_metrics (0: never)",
        low=0,
        resumable=True,
        alias="every",
    )
    evaluate_metrics: str = option(
        "coherence",
        "what --evaluate_every measures, comma separated",
        choices=lambda: METRICS,
        several=True,
        resumable=True,
    )
    evaluate_num: int = option(
        MEASURED, "samples of a measurement while training", low=10, resumable=True
    )
    keep_best: str | None = option(
        None,
        "keep the state at which this metric of --evaluate_metrics was best, and end with "
        "it; default: the run ends with its last state",
        choices=lambda: METRICS,
    )

    @property
    def names(self) -> list[str]:
        """The metrics that join the log."""
        return self.evaluate_metrics.split(",") if self.evaluate_every else []

    def check(self, config: Config) -> None:
        if self.keep_best and self.keep_best not in self.names:
            raise UserError(
                f"--keep_best {self.keep_best}: is not measured; give --every N and "
                f"--evaluate_metrics {self.keep_best}"
            )
        reads_lpips = any(METRICS[name].weights == "lpips" for name in self.names)
        if config.of(LpipsWeights).lpips_weights and not (
            reads_lpips or config.on(PerceptualOptions)
        ):
            raise UserError(
                "--lpips_weights is used by --perceptual_loss and by "
                "--evaluate_metrics lpips; add one of them"
            )


@dataclass(frozen=True)
class Ending(Options):
    """Measurement at the end."""

    switch = "evaluate_end"

    evaluate_end: bool = option(
        True,
        "end with the joint coherence of labelled domains, by judges that are trained once and "
        "kept; --no-evaluate_end leaves it to `gantrain evaluate`",
        resumable=True,
    )


def hashes(networks: Mapping[str, dict]) -> dict[str, str]:
    """{network: first digits of its hash}, what stands beside a number where there is little room.

    Args:
        networks: description of every network that was consulted; those of several domains are
            dicts of descriptions.
    """
    found = {}
    for name, described in networks.items():
        if "sha256" in described:
            found[name] = described["sha256"][:12]
        else:
            found |= hashes({f"{name}/{k}": d for k, d in described.items() if isinstance(d, dict)})
    return found


def require(e: Streams, names: Sequence[str], flag: str = "--metrics") -> None:
    """Raises UserError unless the run can be measured by all of these metrics."""
    for name in names:
        reason = METRICS[name].unfit(e)
        if reason:
            raise UserError(f"{flag} {name}: {reason}")


def measure(e: Streams, names: Sequence[str]) -> dict[str, float]:
    """The values of some metrics, {"name/domain": float}, without those that are undefined.

    Args:
        e: `gantrain.measures.streams.Streams`.
        names: keys of METRICS.

    Raises:
        UserError: a metric does not fit the run.
    """
    require(e, names)
    values = {}
    for name in names:
        with phase("measuring", f"measuring {name}"):
            values |= METRICS[name].measure(e)
    return finite(values)


def evaluate(
    run: Opened,
    e: Streams,
    metrics: Sequence[str] | None = None,
    again: bool = False,
    command: str | None = None,
) -> dict:
    """Measures a run and writes its `metrics.json`.

    What the file already holds for the same step, number, seed, weights and judges is kept, and
    measured anew only where `again` says so.

    Args:
        run: the open run.
        e: its `gantrain.measures.streams.Streams`.
        metrics: keys of METRICS; None is every one that fits and takes no minutes.
        again: True measures what is there already once more.
        command: the command line, to be stored.

    Returns:
        The contents of `metrics.json`.

    Raises:
        UserError: a metric does not fit the run, or weights are missing.
    """
    files = {n: m.weights and getattr(e.weights, m.weights) for n, m in METRICS.items()}
    names: Sequence[str] = metrics or [
        n for n, m in METRICS.items() if not m.asked and not m.unfit(e)
    ]
    if not names:
        reasons = "; ".join(f"{n}: {m.unfit(e)}" for n, m in METRICS.items() if not m.asked)
        raise UserError(f"--run_dir {run.directory.path}: no metric fits ({reasons})")
    depends = {"step": run.step, "num": e.num, "seed": e.seed}
    held = stored(run.directory) or {}
    if {k: held.get(k) for k in depends} != depends:
        held = {}
    # A value measured with one file of weights says nothing about another.
    same = {n for n, w in held.get("weights", {}).items() if n in files and w == files[n]}
    wanted: Sequence[str] = [n for n in names if again or n not in same]
    values = measure(e, wanted)
    known = held.get("networks", {})
    if "evaluation_classifiers" in known and any(METRICS[n].judged for n in names):
        e.judges()  # who they are now, where nothing that was measured has asked them
    if any(known.get(name, described) != described for name, described in e.networks.items()):
        # The values beside were measured by another judge.
        values |= measure(e, [n for n in names if n not in wanted])
        wanted, held = names, {}
    if wanted or not held:
        held = depends | {
            "command": command,
            "environment": environment(run.runtime.device),
            "metrics": sorted({*held.get("metrics", ()), *wanted}),
            "weights": held.get("weights", {}) | {n: files[n] for n in wanted},
            "networks": held.get("networks", {}) | e.networks,
            "counts": held.get("counts", {}) | e.counts,
            "values": held.get("values", {}) | values,
        }
        run.directory.write_json(STORED, held)
    return held


def stored(run: Directory) -> dict | None:
    """The `metrics.json` of a `RunDirectory`, or None. Raises UserError."""
    path = run.path / STORED
    try:
        return read_json(path, FORM)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not readable ({error}); remove it and run the command again"
        ) from None
