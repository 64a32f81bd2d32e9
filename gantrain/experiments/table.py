"""What a published table is made of, and how its runs are trained, measured and merged."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gantrain.config import differences, make
from gantrain.core import MEASURED_SEED, Config
from gantrain.data.datasets import fetch, find
from gantrain.deferred import keras
from gantrain.errors import UserError
from gantrain.files import Unwritten, file_name, short
from gantrain.measures import METRICS
from gantrain.measures.evaluate import evaluate as evaluate_run
from gantrain.measures.evaluate import hashes, stored
from gantrain.measures.streams import Weights
from gantrain.progress import clock
from gantrain.runs.callbacks import Diverged
from gantrain.runs.directory import RunDirectory
from gantrain.runs.train import fit
from gantrain.stages import open_run, prepare, train
from gantrain.terms.adversarial import AdversarialOptions
from gantrain.use.measured import streams

LOGGED, GROWN = "log:", "growth:"
Flags = dict[str, Any]  # values by the names of flags
Scales = dict[str, Flags]  # by scale
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # {label: (x, y)}


@dataclass(frozen=True)
class Arm:
    """One column of a table: one run per seed.

    Attributes:
        name: as the source prints it.
        slug: last part of the run's name; equal slugs on one data set are one run.
        options: `{scale: {flag name: value}}`, differences from the experiment's.
        published: `{row label: number}`, or a verdict in words.
        dataset: data set, if it is another than the experiment's.
        num: samples of the published measurement, if they are others than the experiment's.
    """

    name: str
    slug: str
    options: Mapping[str, Flags]
    published: Mapping[str, float | str] = field(default_factory=dict)
    dataset: str | None = None
    num: int | None = None


@dataclass(frozen=True)
class TableRow:
    """One line of a table.

    Attributes:
        label: as the source prints it.
        key: name of an evaluated value, with {0} and {1} for the domains' names; after "log:" the
            name of a value of metrics.jsonl, of which the last is taken, after "growth:" what it
            has grown by since the first.
    """

    label: str
    key: str

    def logged(self, run: RunDirectory) -> tuple[list, list] | None:
        """(steps, values) of a row that reads metrics.jsonl, else None."""
        kind, colon, key = self.key.partition(":")
        if kind + colon not in (LOGGED, GROWN):
            return None
        key = key.format(*(d.name for d in run.domains()), *[""] * 2)
        lines = [line for line in run.metrics() if key in line]
        first = lines[0][key] if lines and kind + colon == GROWN else 0.0
        return [line["step"] for line in lines], [line[key] - first for line in lines]


@dataclass(frozen=True)
class Experiment:
    """One table or figure.

    Attributes:
        summary: its title, one line.
        source: document and place.
        dataset: the published data set.
        substitute: `{scale: stand-ins}` for `--substitute`, the nearest first; one is taken where
            the published set is not here.
        scales: `{scale: options that all arms share}`.
        arms, rows: columns and lines.
        metrics: keys of `gantrain.measures.METRICS`.
        num: `{scale: samples}`.
        note: how the settings of the scales differ from the published ones.
        picture: bars, samples or curves.
        axes: labels of the axes of curves.
        computed: for a figure without runs: () -> `{series: (x, y)}`.
        listing: options of a published run -> those by which it computes what the source's code
            listings do, where they are not its text.
    """

    summary: str
    source: str
    dataset: str = ""
    substitute: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scales: Mapping[str, Flags] = field(default_factory=dict)
    arms: tuple[Arm, ...] = ()
    rows: tuple[TableRow, ...] = ()
    metrics: tuple[str, ...] = ()
    num: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    picture: str = "bars"
    axes: tuple[str, str] = ("step", "")
    computed: Callable[[], Series] | None = None
    listing: Callable[[Flags], Flags] | None = None

    def samples(self, arm: Arm, scale: str) -> int:
        """Samples of a measurement."""
        return arm.num if arm.num and scale == "full" else self.num[scale]


@dataclass(frozen=True)
class Reproduction:
    """How an experiment is asked for: the flags of `gantrain reproduce`, and the command line.

    Attributes:
        arms: names of the arms that are trained, all if empty; of the others what is there is used.
        reading: text, or listing for what the source's code listings compute.
        how: options of every run that say how it runs, not what it trains.
    """

    scale: str = "cpu"
    seeds: int = 1
    substitute: bool = False
    data_dir: str = "data"
    lpips_weights: str | None = None
    fcn_weights: str | None = None
    runs: str = "runs/reproduce"
    offline: bool = False
    arms: tuple[str, ...] = ()
    command: str | None = None
    reading: str = "text"
    vgg_weights: str | None = None
    how: Flags = field(default_factory=dict)

    def wants(self, arm: Arm) -> bool:
        """Whether an arm is to be trained."""
        return not self.arms or arm.name in self.arms

    @property
    def apart(self) -> str:
        """What tells runs and tables of another reading apart by name."""
        return "" if self.reading == "text" else f"-{self.reading}"


@dataclass(frozen=True)
class Cell:
    """What was measured: one value per seed, or why there is none."""

    values: tuple[float, ...] = ()
    missing: str = ""

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds; None for fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Result:
    """A finished table.

    Attributes:
        cells: `cells[row label, arm name]`.
        runs: run directories by arm.
        datasets: of the runs.
        networks: by arm, what its values were measured by: "name hash", each once.
        lacking: by data set that cannot be had, why.
    """

    cells: Mapping[tuple[str, str], Cell]
    runs: Mapping[str, Sequence[str]]
    datasets: tuple[str, ...]
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


def dataset_of(experiment: Experiment, arm: Arm, asked: Reproduction) -> str:
    """The data set that an arm is trained on, or its stand-in under `--substitute`."""
    wanted = arm.dataset or experiment.dataset
    if not asked.substitute or is_here(wanted, asked.data_dir):
        return wanted
    stand_ins = experiment.substitute.get(asked.scale, ())
    here = [name for name in stand_ins if is_here(name, asked.data_dir)]
    return here[0] if here else wanted


def is_here(dataset: str, data_dir: str) -> bool:
    """Whether a data set can be trained on without the network."""
    return find(dataset).is_here(Path(data_dir).expanduser())


def run_name(dataset: str, arm: Arm) -> str:
    """`<data set>-<arm>`, without what a path cannot hold."""
    return short(f"{file_name(dataset)}-{arm.slug}")


def options(experiment: Experiment, arm: Arm, asked: Reproduction, seed: int) -> Flags:
    """All options of the run of one arm with one seed, as flags of `gantrain train`."""
    dataset = dataset_of(experiment, arm, asked)
    name = f"{run_name(dataset, arm)}{asked.apart}-seed{seed}"
    chosen = (
        experiment.scales[asked.scale]
        | arm.options[asked.scale]
        | {
            "dataset": dataset,
            "seed": seed,
            "run_dir": str(Path(asked.runs) / asked.scale / name),
            "data_dir": asked.data_dir,
            "offline": asked.offline,
            # The table measures what it shows.
            "evaluate_end": False,
        }
        | asked.how
    )
    if asked.reading == "listing" and experiment.listing:
        chosen = experiment.listing(chosen)
    # VGG19, as published, is for the full scale, and for who gives its weights.
    perceptual = any(chosen.get("perceptual_loss", ()))
    if perceptual and asked.vgg_weights:
        chosen["vgg_weights"] = asked.vgg_weights
    elif perceptual and asked.scale != "full" and asked.lpips_weights:
        chosen["lpips_weights"] = asked.lpips_weights
    return chosen


def _train(config):
    """Trains one run. Returns why it cannot be had here, or ""."""
    try:
        prepared = prepare(config)
    except Unwritten:
        # Of a full disk the next run would find no more.
        raise
    except UserError as error:
        return f"not here: {error}"
    try:
        fit(prepared)
    except Diverged as error:
        return f"diverged: {error}"
    return ""


def _evaluator(asked):
    def evaluate(run_dir, metrics, num, seed):
        opened = open_run(run_dir, with_data=True)
        weights = Weights(lpips=asked.lpips_weights, fcn=asked.fcn_weights)
        return evaluate_run(
            opened, streams(opened, num, seed, weights, train), metrics, command=asked.command
        )["values"]

    return evaluate


def run(
    experiment: Experiment,
    asked: Reproduction,
    say: Callable[[str], Any] = lambda line: None,
    train: Callable[[Config], str] = _train,
    evaluate: Callable[..., dict[str, float]] | None = None,
) -> Result:
    """Trains what is not there yet, measures it and merges the seeds.

    Args:
        experiment: an `Experiment` with arms.
        asked: a `Reproduction`.
        say: told one line per run.
        train: (config, say) -> reason why the run cannot be had, or "".
        evaluate: (run_dir, metrics, num, seed) -> {"name/domain": float}.

    Returns:
        A `Result`.

    Raises:
        UserError: a run directory holds a run with other options, there is no such arm, or no data
            set of any can be had.
    """
    evaluate, planned = evaluate or _evaluator(asked), _planned(experiment, asked)
    lacking = _lacking(experiment, planned, asked, say)
    cells, runs, datasets, networks = {}, {}, [], {}
    for arm, configs in planned:
        values, reasons = [], []
        for seed, wanted in enumerate(configs):
            path = wanted.run.run_dir
            datasets.append(wanted.data.dataset)
            say(f"{arm.name}, seed {seed}: {path}")
            reason = "" if finished(wanted) else f"seed {seed} not trained"
            if reason and asked.wants(arm):
                without = wanted.data.dataset in lacking
                reason = f"{wanted.data.dataset} is not here" if without else train(wanted)
            if reason:
                reasons.append(reason)
                continue
            runs.setdefault(arm.name, []).append(path)
            values.append(_measured(experiment, arm, asked, path, evaluate))
            networks.setdefault(arm.name, []).extend(_consulted(path))
            # The graphs and weights of a run that is done.
            keras.utils.clear_session()
            gc.collect()
        for row in experiment.rows:
            cells[row.label, arm.name] = _cell(values, row.label, reasons)
    return Result(
        cells,
        runs,
        tuple(dict.fromkeys(datasets)),
        {name: tuple(dict.fromkeys(found)) for name, found in networks.items()},
        lacking,
    )


def plan(experiment: Experiment, asked: Reproduction) -> list[str]:
    """What `run` would train, in lines: data set, steps, how far it is and how long it will take.

    Nothing is trained or downloaded. How long is known where a run of the same arm, of whatever
    seed, knows its speed.

    Raises:
        UserError: as `run`.
    """
    if experiment.computed:
        return [f"{experiment.summary}: computed, nothing to train"]
    lines, seen, known, without = [], {}, [], 0
    for arm, configs in _planned(experiment, asked):
        for seed, config in enumerate(configs):
            path, dataset = config.run.run_dir, config.data.dataset
            head = f"{arm.name}, seed {seed}: {dataset}"
            published = arm.dataset or experiment.dataset
            head += f" for {published}" if dataset != published else ""
            head += f", {config.run.steps:,} steps, "
            if path in seen:
                lines.append(f"{head}the same run as {seen[path]}")
                continue
            seen[path] = f"{arm.name}, seed {seed}"
            if finished(config):
                lines.append(f"{head}done: {path}")
            elif not asked.wants(arm):
                lines.append(f"{head}not asked for")
            elif not is_here(dataset, asked.data_dir):
                without += 1
                lines.append(f"{head}to train, but {dataset} is not here")
            else:
                seconds = _left(config, path.removesuffix(f"-seed{seed}"))
                known.append(seconds)
                lines.append(
                    f"{head}to train"
                    + (f" from step {_reached(path):,}" if _reached(path) else "")
                    + (f", about {clock(seconds)}" if seconds is not None else "")
                )
    total = [seconds for seconds in known if seconds is not None]
    said = [f"{len(known)} run(s) to train" + (f", about {clock(sum(total))}" if total else "")]
    if len(total) < len(known):
        said.append(f"the speed of {len(known) - len(total)} is not known")
    if without:
        said.append(f"{without} without their data")
    lines.append("; ".join(said))
    return lines


def _planned(experiment, asked):
    """[(arm, its configs by seed)]."""
    if asked.reading != "text" and (not experiment.listing or asked.scale != "full"):
        raise UserError(
            f"--reading {asked.reading}: is of the thesis's trained tables at --scale full alone; "
            "drop it or add that"
        )
    names = [arm.name for arm in experiment.arms]
    for name in asked.arms:
        if name not in names:
            raise UserError(f"--arms {name}: choose from {', '.join(names) or 'none, no runs'}")
    return [
        (arm, [_config(options(experiment, arm, asked, seed)) for seed in range(asked.seeds)])
        for arm in experiment.arms
    ]


def _config(chosen):
    directory = RunDirectory(chosen["run_dir"])
    if chosen.get("precision") == "auto" and directory.exists:
        # What the first device of the run chose holds on every other.
        chosen = chosen | {"precision": directory.config().runtime.precision}
    return make(**chosen)


def _reached(path):
    """The last step that a run has logged."""
    logged = RunDirectory(path).metrics() if RunDirectory(path).exists else []
    return logged[-1]["step"] if logged else 0


def _left(config, stem):
    """Seconds that a run needs for the steps that it lacks, by the speed of one of any seed."""
    own = Path(config.run.run_dir)
    for path in (own, *sorted(own.parent.glob(f"{Path(stem).name}-seed*"))):
        run = RunDirectory(path)
        speeds = [
            line["images_per_second"]
            for line in (run.metrics() if run.exists else ())
            if line.get("images_per_second")
        ]
        if speeds:
            updates = config.of(AdversarialOptions) if config.has(AdversarialOptions) else None
            images = config.data.batch_size * len(run.domains())
            images *= updates.n_critic if updates else 1
            lacking = config.run.steps - _reached(config.run.run_dir)
            return max(lacking, 0) * images / statistics.median(speeds)
    return None


def _lacking(experiment, planned, asked, say):
    """{data set: why it cannot be had} of what is to be trained, after downloading what can be."""
    done = [finished(config) for _, configs in planned for config in configs]
    wanted = dict.fromkeys(
        config.data.dataset
        for arm, configs in planned
        for config in configs
        if not finished(config) and asked.wants(arm)
    )
    folder, reasons = Path(asked.data_dir).expanduser(), {}
    for name in wanted:
        try:
            fetch([name], folder, asked.offline)
        except UserError as error:
            reasons[name] = str(error)
    if reasons and len(reasons) == len(wanted) and not any(done):
        try:
            fetch(wanted, folder, asked.offline)
        except UserError as error:
            stand_ins = {
                dataset_of(experiment, arm, replace(asked, substitute=True)) for arm, _ in planned
            }
            instead = ", ".join(sorted(stand_ins - set(wanted)))
            more = f"; --substitute runs {instead} instead" if instead else ""
            # All that is lacking in one line.
            raise UserError(f"{error}{more}") from None
    for reason in reasons.values():
        say(reason)
    return reasons


def finished(config: Config) -> bool:
    """Whether the run of a config is there and at its last step.

    Raises:
        UserError: the directory holds a run with other options, or a longer one.
    """
    directory = RunDirectory(config.run.run_dir)
    if not directory.exists:
        return False
    others = differences(directory.config(), config)
    if others:
        raise UserError(
            f"--runs: {directory.path} holds a run with other options ({'; '.join(others)}); "
            "choose another --runs, or move it away"
        )
    summary = directory.summary()
    if summary is None:
        return False
    directory.tidy()
    if summary["steps"] > config.run.steps:
        raise UserError(
            f"--runs: {directory.path} is at step {summary['steps']}, and the table "
            f"asks for {config.run.steps}; choose another --runs"
        )
    return bool(summary.get("stopped_early")) or summary["steps"] == config.run.steps


def _measured(experiment, arm, asked, path, evaluate):
    """{row label: value or reason} of one run."""
    # Without the weights of their network the others are measured.
    found, reasons = {}, []
    names = [m for m in experiment.metrics if asked.lpips_weights or not _reads_lpips(m)]
    if len(names) < len(experiment.metrics):
        reasons.append("needs --lpips_weights")
    num = experiment.samples(arm, asked.scale)
    try:
        found = evaluate(path, tuple(names), num, MEASURED_SEED) if names else {}
    except Unwritten:
        raise
    except UserError:
        # Which one it was; the others are measured.
        for name in names:
            try:
                found = found | evaluate(path, (name,), num, MEASURED_SEED)
            except UserError as error:
                reasons.append(f"not here: {error}")
    directory = RunDirectory(path)
    domains, values = [d.name for d in directory.domains()], {}
    for row in experiment.rows:
        logged = row.logged(directory)
        if logged:
            values[row.label] = logged[1][-1] if logged[1] else "not logged"
        else:
            key = row.key.format(*domains, *[""] * 2)
            values[row.label] = found.get(key, "; ".join(reasons) or "not measured")
    return values


def _consulted(path):
    """The networks that a run was measured by, as "name hash"."""
    held = stored(RunDirectory(path)) or {}
    return [f"{name} {digits}" for name, digits in hashes(held.get("networks", {})).items()]


def _reads_lpips(metric):
    return metric in METRICS and METRICS[metric].weights == "lpips"


def _cell(values, label, reasons):
    numbers = tuple(v[label] for v in values if not isinstance(v[label], str))
    texts = [v[label] for v in values if isinstance(v[label], str)]
    return Cell(numbers, "; ".join(dict.fromkeys(texts + reasons)))
