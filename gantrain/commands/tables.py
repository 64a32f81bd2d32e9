"""Commands that repeat what is published, and time the program."""

from __future__ import annotations

from dataclasses import dataclass

from gantrain import stop
from gantrain.commands.command import Explicit, command_line, registry
from gantrain.core import PRECISIONS
from gantrain.errors import EXIT_SKIPPED, UserError
from gantrain.options import option


@dataclass(frozen=True)
class Reproduce:
    """Options of `gantrain reproduce`."""

    # The flags that bare words are for.
    positional = ("table",)

    table: str = option(
        "",
        "table or figure of the source documents",
        choices=lambda: registry("experiments", "EXPERIMENTS"),
    )
    scale: str = option(
        "cpu",
        "smoke: a few steps of each run, once the judges are there; cpu: an evening on two cores; "
        "full: the published settings",
        choices=("smoke", "cpu", "full"),
    )
    reading: str = option(
        "text",
        "of the thesis's tables at full scale: its text, or what its code listings compute where "
        "they differ (docs/reproducing.md)",
        choices=("text", "listing"),
    )
    seeds: int = option(1, "runs per column, for mean and spread", low=1, high=100)
    arms: str | None = option(
        None,
        "columns to train, comma separated, as when each is a job of "
        "its own; of the others, runs that are there are shown",
    )
    substitute: bool = option(False, "run the stand-in of a data set that cannot be had")
    data_dir: str = option("data", "folder that holds <name>/ with the original files")
    lpips_weights: str | None = option(None, "LPIPS weights; without them its rows stay empty")
    vgg_weights: str | None = option(
        None,
        "VGG19 weights of the perceptual loss; default: the Keras cache or its download at full "
        "scale, else --lpips_weights",
    )
    fcn_weights: str | None = option(
        None, "segmentation network of the FCN score; default: train one on the real pairs"
    )
    runs: str = option("runs/reproduce", "folder for the runs; those that exist are reused")
    output: str = option("reproduced", "folder for the table as .md, .csv and .png")
    offline: bool = option(False, "never touch the network")
    list: bool = option(False, "say what would be trained, on which data, for how long; no more")
    precision: str | None = option(
        None, "arithmetic of the runs, as of train", choices=(*PRECISIONS, "auto")
    )
    devices: int | None = option(None, "replicas of the runs, as of train", low=0, high=64)
    xla: bool | None = option(None, "compile the runs' steps with XLA, as of train")
    time_limit: float = option(
        0.0, "minutes after which all is saved and the exit code is 75 (0: none)", low=0.0
    )


# Options of every run that say how it runs, not what it trains.
HOW = ("precision", "devices", "xla")


@dataclass(frozen=True)
class Bench:
    """Options of `gantrain bench`."""

    width: float = option(
        0.0, "width of the networks compared with the peak (0: the program's)", low=0.0, high=8.0
    )
    program: str = option(
        "scogan", "what is measured", choices=lambda: registry("bench.programs", "PROGRAMS")
    )
    precision: str = option(
        "float32",
        "precisions that are measured in turns, comma separated",
        choices=PRECISIONS,
        several=True,
    )
    batch_size: int = option(0, "images per update (0: the program's)", low=0)
    n_critic: int = option(0, "discriminator updates per iteration (0: the program's)", low=0)
    iterations: int = option(5, "timed iterations of each program", low=3)
    steps: int = option(2_000, "steps of the memory and input-wait measurement (0: skip)", low=0)
    only: str | None = option(None, "one measurement", choices=("peak", "eager", "memory"))
    profile: bool = option(False, "operations of an iteration by their share of its time")
    output: str | None = option(None, "file for the figures of the peak, JSON")
    compare: str | None = option(None, "file of an earlier --output, for ratios to its figures")


def reproduce(explicit: Explicit) -> int:
    """Runs a published table or figure and prints it, ours beside theirs.

    Returns:
        3 if a cell of what was asked for is missing, which it says.
    """
    from gantrain.experiments import EXPERIMENTS, table, write

    o = Reproduce(**explicit)
    if not o.table:
        raise UserError("TABLE is needed; `gantrain list tables` names them")
    experiment = EXPERIMENTS[o.table]
    command = command_line(
        f"reproduce {o.table}", {k: v for k, v in explicit.items() if k != "table"}
    )
    asked = table.Reproduction(
        o.scale,
        o.seeds,
        o.substitute,
        o.data_dir,
        o.lpips_weights,
        o.fcn_weights,
        o.runs,
        o.offline,
        tuple(o.arms.split(",")) if o.arms else (),
        command,
        o.reading,
        o.vgg_weights,
        {name: explicit[name] for name in HOW if name in explicit},
    )
    stop.current().limit(o.time_limit * 60)
    if o.list:
        for line in table.plan(experiment, asked):
            print(line)
        return 0
    missing = []
    if experiment.computed and not o.arms and o.reading == "text":
        series = experiment.computed()
        said = write.write_computed(o.table, experiment, asked, series, o.output)
    else:
        result = table.run(experiment, asked, lambda line: print(line, flush=True))
        missing = write.missing(experiment, asked, result)
        said = write.write(o.table, experiment, asked, result, o.output) + missing
    for line in said:
        print(line)
    return EXIT_SKIPPED if missing else 0


def bench(explicit: Explicit) -> int:
    """Speed of the compiled step against this machine's own peak."""
    from gantrain.bench import measure

    for line in measure.report(Bench(**explicit)):
        print(line, flush=True)
    return 0
