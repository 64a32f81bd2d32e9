"""What each command does. Every function takes its parsed options and returns an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantrain.core import MEASURED, MEASURED_SEED, PRECISIONS
from gantrain.errors import EXIT_SKIPPED, EXIT_USER, UserError
from gantrain.options import Options, option
from gantrain.progress import phase, say

Explicit = dict[str, Any]  # the options that were written, by name


def _registry(module, name):
    """A table of the program, read when it is needed: `--help` waits for no TensorFlow."""
    return getattr(importlib.import_module(f"gantrain.{module}"), name)


LONG = 1_000  # images whose reading is worth a line about its progress


@dataclass(frozen=True)
class Sample:
    """Options of `gantrain sample`."""

    run_dir: str = option("", "directory of a run")
    output: str = option("samples.png", "picture to write")
    count: int = option(40, "latent vectors", low=1, high=10_000)
    scale: int = option(1, "enlarge the picture by whole pixels", low=1, high=16)
    columns: int = option(10, "pictures in a row", low=1, high=1_000)
    seed: int = option(0, "seed of the latent vectors", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class Interpolate:
    """Options of `gantrain interpolate`."""

    run_dir: str = option("", "directory of a run")
    output: str = option("interpolation.png", "picture to write")
    rows: int = option(4, "pairs of latent vectors", low=1, high=100)
    scale: int = option(1, "enlarge the picture by whole pixels", low=1, high=16)
    columns: int = option(10, "pictures from the first to the second", low=2, high=100)
    seed: int = option(0, "seed of the latent vectors", low=0, high=2**31 - 1)


@dataclass(frozen=True)
class Evaluate:
    """Options of `gantrain evaluate`."""

    run_dir: str = option("", "directory of a run")
    metrics: str | None = option(
        None,
        "what is measured, comma separated; default: what fits the run and takes no minutes",
        choices=lambda: _registry("measures", "METRICS"),
        several=True,
    )
    num: int = option(MEASURED, "latent vectors; most real images and test examples", low=10)
    seed: int = option(
        MEASURED_SEED,
        "seed of the latent vectors and of the order of real images",
        low=0,
        high=2**31 - 1,
    )
    lpips_weights: str | None = option(
        None, "LPIPS weights: .npz, a folder with the official files, or BACKBONE.pth,LINEAR.pth"
    )
    inception_weights: str | None = option(
        None, "InceptionV3 weights of Keras; default: its cache or download"
    )
    fcn_weights: str | None = option(
        None,
        "segmentation network (.keras) for the FCN score; "
        "default: train one on the real pairs and keep it",
    )
    data_dir: str | None = option(
        None, "folder that holds <name>/ with the original files, if not where the run had them"
    )
    dataset: str | None = option(
        None,
        "where the run's folder:, pairs:, ... lies now, written as "
        "for train; the content must be the same",
    )


@dataclass(frozen=True)
class Compare:
    """Two folders; the flags that bare words are for are named as in `Reproduce`."""

    positional = ("reference", "images")

    reference: str = option(
        "",
        "folder of the real images or targets, .npz archive of `images`, "
        "or what --save_features wrote",
    )
    images: str = option("", "folder or archive of the images that are judged")
    metrics: str | None = option(
        None,
        "what is measured, comma separated; default: what can be without a download",
        choices=lambda: _registry("compare", "COMPARISONS"),
        several=True,
    )
    num: int = option(0, "most images of each, and most pairs, taken at random (0: all)", low=0)
    image_size: int | None = option(None, "scale all images to this square first", low=8, high=2048)
    seed: int = option(
        MEASURED_SEED,
        "seed of what --num takes and of the kernel distance's subsets",
        low=0,
        high=2**31 - 1,
    )
    lpips_weights: str | None = option(
        None, "LPIPS weights: .npz, a folder with the official files, or BACKBONE.pth,LINEAR.pth"
    )
    inception_weights: str | None = option(None, "InceptionV3 weights of Keras; default: its cache")
    classifier: str | None = option(
        None, "classifier (.keras, or a finished run) for set distances on its features"
    )
    batch_size: int = option(50, "images per call of a network", low=1, high=10_000)
    output: str | None = option(None, "JSON file for the values and all they depend on")
    save_features: str | None = option(
        None, "file (.npz) for the reference's features, which then stands for the folder"
    )
    offline: bool = option(False, "never touch the network")


@dataclass(frozen=True)
class Translate:
    """Options of `gantrain translate`."""

    run_dir: str = option("", "directory of a run of pix2pix, cyclegan, cogan or scogan")
    input: str = option("", "image file, or folder of images, of any size")
    output: str = option("", "folder for the results, which keep their names")
    direction: str | None = option(
        None,
        "which way, a2b, b2a, or by the names of two domains as "
        "in mnist2street; default the run's own, or a2b",
    )
    tile: int = option(
        0,
        "side of overlapping tiles in pixels (0: whole images where they fit)",
        low=0,
        high=65_536,
    )
    alpha: str = option(
        "keep",
        "transparency of the input, which is seen on white: the result has it too, or none",
        choices=("keep", "drop"),
    )
    steps: int = option(
        300, "cogan, scogan: steps of the descent to the latent vector of an image", low=1
    )
    restarts: int = option(
        10, "cogan, scogan: paths that begin the descent for an image", low=1, high=1_000
    )
    seed: int = option(
        0, "cogan, scogan: seed of the latent vectors that paths begin from", low=0, high=2**31 - 1
    )


@dataclass(frozen=True)
class Stylize:
    """Options of `gantrain stylize`."""

    content: str = option("", "image whose content the result has")
    style: str = option("", "image whose style the result has")
    output: str = option("stylized.png", "image to write")
    stylizer: str | None = option(
        None,
        "folder of the SavedModel of Ghiasi et al.; without it the "
        "picture follows Gatys et al. by descent",
    )
    size: int = option(
        0, "longer side of the result in pixels (0: that of the content)", low=0, high=8_192
    )
    alpha: str = option(
        "keep",
        "transparency of the input, which is seen on white: the result has it too, or none",
        choices=("keep", "drop"),
    )
    steps: int = option(300, "steps of the optimizer", low=1)
    optimizer: str = option(
        "lbfgs", "how the image descends", choices=lambda: _registry("use.stylize", "OPTIMIZERS")
    )
    start: str = option("content", "first image", choices=("content", "noise"))
    content_weight: float = option(1.0, "weight of the content", low=0.0)
    style_weight: float = option(10.0, "weight of the style", low=0.0)
    smooth_weight: float = option(10.0, "weight of the differences of neighbouring pixels", low=0.0)
    seed: int = option(0, "seed of the noise", low=0, high=2**31 - 1)
    vgg_weights: str | None = option(None, "VGG19 weights file; default: the Keras download")
    lpips_weights: str | None = option(None, "AlexNet/LPIPS .npz: offline alternative to VGG19")
    offline: bool = option(False, "never touch the network")


@dataclass(frozen=True)
class Prepare:
    """Options of `gantrain check` and `gantrain prepare`."""

    positional = ("dataset",)

    dataset: str = option("", "name of a data set, or folder:PATH")
    data_dir: str = option("data", "folder that holds <name>/ with the original files")


@dataclass(frozen=True)
class List:
    """Options of `gantrain list`."""

    positional = ("what",)

    what: str | None = option(
        None,
        "only this table",
        choices=(
            "datasets",
            "nets",
            "classifiers",
            "losses",
            "penalties",
            "couplings",
            "presets",
            "trainers",
            "augmentations",
            "translators",
            "patches",
            "metrics",
            "comparisons",
            "tables",
        ),
    )


@dataclass(frozen=True)
class Reproduce:
    """Options of `gantrain reproduce`."""

    # The flags that bare words are for.
    positional = ("table",)

    table: str = option(
        "",
        "table or figure of the source documents",
        choices=lambda: _registry("experiments", "EXPERIMENTS"),
    )
    scale: str = option(
        "cpu",
        "smoke: minutes; cpu: an evening on two cores; full: the published settings",
        choices=("smoke", "cpu", "full"),
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
    fcn_weights: str | None = option(
        None, "segmentation network of the FCN score; default: train one on the real pairs"
    )
    runs: str = option("runs/reproduce", "folder for the runs; those that exist are reused")
    output: str = option("reproduced", "folder for the table as .md, .csv and .png")
    offline: bool = option(False, "never touch the network")


@dataclass(frozen=True)
class Bench:
    """Options of `gantrain bench`."""

    width: float = option(
        0.0, "width of the networks compared with the peak (0: the program's)", low=0.0, high=8.0
    )
    program: str = option(
        "scogan", "what is measured", choices=lambda: _registry("bench.programs", "PROGRAMS")
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
    from gantrain.runs.directory import RunDirectory

    config = configure(explicit)
    run = RunDirectory(
        resolve(config).run.run_dir if "run_dir" not in explicit else explicit["run_dir"]
    )
    dry = config.run.dry_run
    if run.exists and not config.run.resume and not dry:
        print(f"the old run is kept in {run.move_aside()}")
    stored = run.config() if run.exists and config.run.resume and not dry else None
    wanted = resolve(configure(explicit | {"run_dir": str(run.path)}, stored))
    if stored is not None:
        refuse_changes(stored, wanted, run.path)
        summary = run.summary()
        if summary:
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
    from gantrain.runs.loop import Stop
    from gantrain.runs.train import fit
    from gantrain.stages import prepare

    stop = Stop(config.run.time_limit * 60)
    run = prepare(config, stop=stop, tell=say)
    _describe_networks(run)
    for line in told.after(run, fit(run, stop)):
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


def _open(run_dir, **options):
    from gantrain.stages import open_run

    if not run_dir:
        raise UserError("--run_dir is needed: the directory of a run")
    return open_run(run_dir, **options)


def _write_picture(path, picture, scale):
    from gantrain import images

    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    images.write_png(Path(path), picture)
    print(f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels")
    return 0


def sample(explicit: Explicit) -> int:
    """A grid of samples: same latent vectors in every domain."""
    from gantrain.use.samples import noise, picture, samples

    o = Sample(**explicit)
    run = _open(o.run_dir)
    made = samples(run, noise(run, o.count, o.seed))
    return _write_picture(o.output, picture(run, made, o.columns), o.scale)


def interpolate(explicit: Explicit) -> int:
    """Paths between latent vectors on the sphere, all domains side by side."""
    from gantrain import latent
    from gantrain.use.samples import noise, picture, samples

    o = Interpolate(**explicit)
    run = _open(o.run_dir)
    ends = noise(run, 2 * o.rows, o.seed)
    z = latent.slerp(ends[: o.rows], ends[o.rows :], o.columns)
    return _write_picture(o.output, picture(run, samples(run, z), o.columns), o.scale)


def translate(explicit: Explicit) -> int:
    """Translates image files by a trained run."""
    from gantrain.data import parts
    from gantrain.use.directions import translation
    from gantrain.use.files import translate_files

    o = Translate(**explicit)
    for flag, what in (("input", "an image file or a folder"), ("output", "a folder")):
        if not getattr(o, flag):
            raise UserError(f"--{flag} is needed: {what}")
    run = _open(o.run_dir)
    way = translation(run, o.direction, steps=o.steps, restarts=o.restarts, seed=o.seed)
    inverts = way.errors is not None
    for flag in ("tile",) if inverts else ("steps", "restarts", "seed"):
        if flag in explicit:
            raise UserError(
                f"--{flag} has no part in translation by a {run.config.run.gan_type}; drop it"
            )
    report = translate_files(
        way.apply,
        o.input,
        o.output,
        channels=way.channels,
        multiple=way.multiple,
        tile=way.tile or o.tile,
        batch_size=way.batch_size,
        palette=way.palette,
        levels=way.levels,
        alpha=o.alpha,
        progress=_progress(),
    )
    for message in report.skipped:
        print(f"gantrain: skipped {message}", file=sys.stderr)
    no_images = f", {parts.described(report.left_out)} left out" if report.left_out else ""
    print(f"{o.output}: {report.done} written, {len(report.skipped)} skipped{no_images}")
    if way.errors:
        print(
            f"inversion error (RMSE, pixels in [-1, 1]) of {len(way.errors)} images: mean "
            f"{sum(way.errors) / len(way.errors):.3f}, largest "
            f"{max(way.errors):.3f}"
        )
    return EXIT_SKIPPED if report.skipped else 0


def stylize(explicit: Explicit) -> int:
    """Writes the picture of one image in the style of another."""
    from gantrain.core import RuntimeOptions
    from gantrain.nets import frozen
    from gantrain.runtime import start
    from gantrain.use import stylize as transfer

    o = Stylize(**explicit)
    for flag in ("content", "style"):
        if not getattr(o, flag):
            raise UserError(f"--{flag} is needed: an image file")
        # Before a network is fetched.
        if not Path(getattr(o, flag)).exists():
            raise UserError(f"--{flag} {getattr(o, flag)}: there is no such file; check the path")
    if o.stylizer:
        of_gatys = {
            "steps",
            "optimizer",
            "start",
            "content_weight",
            "style_weight",
            "smooth_weight",
            "seed",
            "vgg_weights",
            "lpips_weights",
        }
        for flag in sorted(of_gatys & set(explicit)):
            raise UserError(f"--{flag} has no part in the network of --stylizer; drop one of them")
        transfer.by_network(o.content, o.style, o.output, o.stylizer, size=o.size, alpha=o.alpha)
    else:
        if o.vgg_weights and o.lpips_weights:
            raise UserError("--vgg_weights and --lpips_weights exclude each other; give one")
        runtime = start(RuntimeOptions(), o.seed)
        extractor = (
            frozen.lpips(o.lpips_weights)
            if o.lpips_weights
            else frozen.vgg19(o.vgg_weights, o.offline)
        )
        every = max(o.steps // 10, 1)
        transfer.by_descent(
            o.content,
            o.style,
            o.output,
            extractor,
            runtime,
            size=o.size,
            alpha=o.alpha,
            steps=o.steps,
            optimizer=o.optimizer,
            start=o.start,
            seed=o.seed,
            content_weight=o.content_weight,
            style_weight=o.style_weight,
            smooth_weight=o.smooth_weight,
            progress=lambda step, loss: (
                step % every or print(f"step {step}/{o.steps}  loss {loss:.4g}", flush=True)
            ),
        )
    print(f"{o.output}: written")
    return 0


def _progress():
    """(files finished, files) -> None: one line, rewritten on a terminal and sparse elsewhere."""
    live = sys.stderr.isatty()

    def tell(done, total):
        if live:
            end = "\n" if done == total else ""
            print(f"\r{done}/{total}", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(total // 10, 1) == 0:
            print(f"{done}/{total}", file=sys.stderr, flush=True)

    return tell


def evaluate(explicit: Explicit) -> int:
    """Metrics of a finished or running run, with what they depend on."""
    from gantrain.measures.evaluate import STORED
    from gantrain.measures.evaluate import evaluate as measure
    from gantrain.measures.streams import Weights
    from gantrain.stages import train
    from gantrain.use.measured import streams

    o = Evaluate(**explicit)
    run = _open(o.run_dir, with_data=True, data_dir=o.data_dir, dataset=o.dataset)
    weights = Weights(o.lpips_weights, o.inception_weights, o.fcn_weights)
    result = measure(
        run,
        streams(run, o.num, o.seed, weights, train),
        o.metrics.split(",") if o.metrics else None,
        again=True,
        command=_command_line("evaluate", explicit),
    )
    _print_values(result)
    print(
        f"step {result['step']}, {result['num']} samples; with its provenance in "
        f"{Path(o.run_dir) / STORED}"
    )
    return 0


def _print_values(result):
    """Values, and the networks that they were measured by."""
    from gantrain.measures.evaluate import hashes

    for name, value in result["values"].items():
        print(f"{name:40s} {value:.4f}")
    for name, digits in hashes(result["networks"]).items():
        print(f"by {name:37s} sha256 {digits}")


def compare(explicit: Explicit) -> int:
    """Metrics of two folders of images, without a run."""
    from gantrain import compare as folders
    from gantrain.files import to_json, write_text
    from gantrain.measures.streams import Weights

    o = Compare(**explicit)
    if not (o.reference and o.images):
        raise UserError("two folders are needed: gantrain compare REFERENCE IMAGES")
    tell = _progress()
    result = folders.compare(
        o.reference,
        o.images,
        o.metrics.split(",") if o.metrics else None,
        save_features=o.save_features,
        command=_command_line("compare", explicit),
        num=o.num,
        seed=o.seed,
        image_size=o.image_size,
        batch_size=o.batch_size,
        offline=o.offline,
        weights=Weights(o.lpips_weights, o.inception_weights, classifier=o.classifier),
        progress=lambda done, total: total >= LONG and tell(done, total),
    )
    _print_values(result)
    for note in result["notes"]:
        print(f"note: {note}")
    for name, reason in result["left_out"].items():
        print(f"{name} left out: {reason}")
    for message in result["skipped"]:
        print(f"gantrain: skipped {message}", file=sys.stderr)
    if o.output:
        write_text(Path(o.output), to_json(result, indent=2))
    where = [
        f"{what} in {path}"
        for what, path in (
            ("values with their provenance", o.output),
            ("the reference's features", o.save_features),
        )
        if path
    ]
    print("; ".join(where) or "--output FILE keeps this with all it depends on")
    return EXIT_SKIPPED if result["skipped"] else 0


def _command_line(command, explicit):
    """The command line of explicit options, as a shell would take it."""
    import shlex

    words = []
    for name, value in explicit.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", str(value)]
    return " ".join(["gantrain", command, shlex.join(words)]).strip()


def check(explicit: Explicit) -> int:
    """Says what is found of a data set, what is missing, and what the layout should be."""
    from gantrain.data.check import check as look

    o = Prepare(**explicit)
    with phase("data", f"reading {_named(o.dataset)}"):
        report = look(o.dataset, o.data_dir)
    print(report)
    return 0 if report.complete else EXIT_USER


def prepare(explicit: Explicit) -> int:
    """Downloads, verifies and converts a data set, so that a node without a network can train."""
    from gantrain.data.check import prepare as fetch

    o = Prepare(**explicit)
    with phase("data", f"reading {_named(o.dataset)}"):
        report = fetch(o.dataset, o.data_dir)
    print(report)
    return 0


def _named(dataset):
    if not dataset:
        raise UserError("--dataset is needed; `gantrain list datasets` names them")
    return dataset


def list_(explicit: Explicit) -> int:
    """Names with one line each."""
    from gantrain import nets, presets, trainers
    from gantrain.compare import COMPARISONS
    from gantrain.data.datasets import DATASETS
    from gantrain.experiments import EXPERIMENTS
    from gantrain.measures import METRICS
    from gantrain.terms.augmentation import AUGMENTATIONS
    from gantrain.terms.losses import LOSSES
    from gantrain.terms.penalties import DISCRIMINATOR_PENALTIES
    from gantrain.trainers.scogan import COUPLINGS

    tables: dict[str, dict[str, Any]] = {
        "trainers": trainers.TRAINERS,
        "datasets": DATASETS,
        "nets": nets.NETS,
        "classifiers": nets.CLASSIFIERS,
        "losses": LOSSES,
        "penalties": DISCRIMINATOR_PENALTIES,
        "couplings": COUPLINGS,
        "translators": nets.TRANSLATORS,
        "patches": nets.PATCHES,
        "augmentations": AUGMENTATIONS,
        "presets": presets.PRESETS,
        "metrics": METRICS,
        "comparisons": COMPARISONS,
        "tables": EXPERIMENTS,
    }
    for title, table in tables.items():
        if explicit.get("what") in (None, title):
            print(title)
            for name in sorted(table):
                print(f"  {name:28s} {_line(table[name])}")
    return 0


def _line(entry):
    text = getattr(entry, "summary", None) or entry.__doc__ or ""
    return text.strip().splitlines()[0]


def bench(explicit: Explicit) -> int:
    """Speed of the compiled step against this machine's own peak."""
    from gantrain.bench import measure

    for line in measure.report(Bench(**explicit)):
        print(line, flush=True)
    return 0


def reproduce(explicit: Explicit) -> int:
    """Runs a published table or figure and prints it, ours beside theirs."""
    import tensorflow as tf

    from gantrain.experiments import EXPERIMENTS, table, write

    # It counts the first trace of every run's program as one trace too many.
    tf.get_logger().setLevel("ERROR")
    o = Reproduce(**explicit)
    if not o.table:
        raise UserError("TABLE is needed; `gantrain list tables` names them")
    experiment = EXPERIMENTS[o.table]
    command = _command_line(
        f"reproduce {o.table}", {k: v for k, v in explicit.items() if k != "table"}
    )
    request = table.Reproduction(
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
    )
    if experiment.computed and not o.arms:
        series = experiment.computed()
        said = write.write_computed(o.table, experiment, request, series, o.output, command)
    else:
        result = table.run(experiment, request, lambda line: print(line, flush=True))
        said = write.write(o.table, experiment, request, result, o.output, command)
    for line in said:
        print(line)
    return 0


# name: (help, dataclass of its options, function)
COMMANDS: dict[str, tuple[str, Any, Callable[[Explicit], int]]] = {
    "train": ("train a model, or go on with a run", TrainOptions, train),
    "evaluate": ("metrics of a run", Evaluate, evaluate),
    "compare": ("metrics of two folders of images, without a run", Compare, compare),
    "sample": ("a grid of samples of a run", Sample, sample),
    "interpolate": (
        "paths between latent vectors, all domains side by side",
        Interpolate,
        interpolate,
    ),
    "translate": ("translate image files of any size by a run", Translate, translate),
    "stylize": ("one image in the style of another, without training", Stylize, stylize),
    "reproduce": ("a published table or figure, ours beside theirs", Reproduce, reproduce),
    "prepare": ("download and verify a data set ahead of time", Prepare, prepare),
    "check": ("what is found of a data set and what is missing", Prepare, check),
    "bench": ("speed against this machine's own peak", Bench, bench),
    "list": ("data sets, networks, losses, presets, with one line each", List, list_),
}
