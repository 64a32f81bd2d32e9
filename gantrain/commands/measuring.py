"""Commands that measure: a run, or two folders of images."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from gantrain.commands.command import Explicit, OfRun, command_line, opened, registry
from gantrain.core import MEASURED, MEASURED_SEED
from gantrain.errors import EXIT_SKIPPED, UserError
from gantrain.options import option
from gantrain.progress import phase


@dataclass(frozen=True)
class Evaluate(OfRun):
    """Options of `gantrain evaluate`."""

    metrics: str | None = option(
        None,
        "what is measured, comma separated; default: what fits the run and takes no minutes",
        choices=lambda: registry("measures", "METRICS"),
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


@dataclass(frozen=True)
class Pairs(OfRun):
    """Options of `gantrain pairs`."""

    output: str | None = option(None, "folder for the sheets; default: pairs in the run's own")
    num: int = option(MEASURED, "latent vectors that the sheets choose from", low=1)
    count: int = option(40, "pairs on a sheet", low=1, high=10_000)
    columns: int = option(10, "pairs in a row", low=1, high=1_000)
    seed: int = option(
        MEASURED_SEED, "seed of the latent vectors and of the random sheet", low=0, high=2**31 - 1
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
        choices=lambda: registry("compare", "COMPARISONS"),
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


def evaluate(explicit: Explicit) -> int:
    """Metrics of a finished or running run, with what they depend on."""
    from gantrain.measures.evaluate import STORED
    from gantrain.measures.evaluate import evaluate as measure
    from gantrain.measures.streams import Weights
    from gantrain.stages import train
    from gantrain.use.measured import streams

    o = Evaluate(**explicit)
    run = opened(o.run_dir, with_data=True, data_dir=o.data_dir, dataset=o.dataset)
    weights = Weights(o.lpips_weights, o.inception_weights, o.fcn_weights)
    result = measure(
        run,
        streams(run, o.num, o.seed, weights, train),
        o.metrics.split(",") if o.metrics else None,
        again=True,
        command=command_line("evaluate", explicit),
    )
    _print_values(result)
    print(
        f"step {result['step']}, {result['num']} samples; with its provenance in "
        f"{Path(o.run_dir) / STORED}"
    )
    return 0


def pairs(explicit: Explicit) -> int:
    """Sheets of pairs with what each judge read in them."""
    from gantrain.stages import train
    from gantrain.use.measured import streams
    from gantrain.use.sheets import write_sheets

    o = Pairs(**explicit)
    run = opened(o.run_dir, with_data=True, data_dir=o.data_dir, dataset=o.dataset)
    folder = Path(o.output or run.directory.path / "pairs")
    if folder.is_file():
        raise UserError(f"--output {folder}: is a file; give a folder for the sheets")
    e = streams(run, o.num, o.seed, None, train)
    with phase("measuring", "reading the pairs"):
        written = write_sheets(e, folder, o.count, o.columns, o.seed)
    for path in written:
        print(f"{path}: written, with {path.with_suffix('.csv').name} beside it")
    if run.domains[0].multi_label:
        print(f"attributes in this order: {', '.join(run.domains[0].classes or ())}")
    return 0


def compare(explicit: Explicit) -> int:
    """Metrics of two folders of images, without a run."""
    from gantrain import compare as folders
    from gantrain.files import to_json, write_text
    from gantrain.measures.streams import Weights

    o = Compare(**explicit)
    if not (o.reference and o.images):
        raise UserError("two folders are needed: gantrain compare REFERENCE IMAGES")
    with phase("measuring", f"comparing {o.images} with {o.reference}"):
        result = folders.compare(
            o.reference,
            o.images,
            o.metrics.split(",") if o.metrics else None,
            save_features=o.save_features,
            command=command_line("compare", explicit),
            num=o.num,
            seed=o.seed,
            image_size=o.image_size,
            batch_size=o.batch_size,
            offline=o.offline,
            weights=Weights(o.lpips_weights, o.inception_weights, classifier=o.classifier),
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


def _print_values(result):
    """Values, and the networks that they were measured by."""
    from gantrain.measures.evaluate import hashes

    for name, value in result["values"].items():
        print(f"{name:40s} {value:.4f}")
    for name, digits in hashes(result["networks"]).items():
        print(f"by {name:37s} sha256 {digits}")
