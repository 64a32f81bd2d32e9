"""Commands about what there is: data sets and their files, the names of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gantrain.commands.command import Explicit
from gantrain.errors import EXIT_USER, UserError
from gantrain.options import option
from gantrain.progress import phase


@dataclass(frozen=True)
class Prepare:
    """Options of `gantrain check` and `gantrain prepare`."""

    positional = ("dataset",)

    dataset: str = option(
        "", "name of a data set, or folder:PATH; or vgg19 or inception, weights that runs consult"
    )
    data_dir: str = option("data", "folder that holds <name>/ with the original files")


@dataclass(frozen=True)
class List:
    """Options of `gantrain list`."""

    positional, computes = ("what",), False

    what: str | None = option(None, "only this table", choices=lambda: tables())


def check(explicit: Explicit) -> int:
    """Says what is found of a data set, what is missing, and what the layout should be."""
    from gantrain.data.check import check as look
    from gantrain.nets.applications import cached

    o = Prepare(**explicit)
    weights = _weights(o.dataset)
    if weights:
        path = cached(weights)
        print(f"{path}: {'ready' if path.exists() else f'missing; gantrain prepare {o.dataset}'}")
        return 0 if path.exists() else EXIT_USER
    with phase("data", f"reading {_named(o.dataset)}"):
        report = look(o.dataset, o.data_dir)
    print(report)
    return 0 if report.complete else EXIT_USER


def prepare(explicit: Explicit) -> int:
    """Downloads, verifies and converts a data set, so that a node without a network can train."""
    from gantrain.data.check import prepare as fetch
    from gantrain.nets.applications import load

    o = Prepare(**explicit)
    weights = _weights(o.dataset)
    if weights:
        with phase("data", f"downloading {weights.file}"):
            print(f"{load(weights)[1]}: ready")
        return 0
    with phase("data", f"reading {_named(o.dataset)}"):
        report = fetch(o.dataset, o.data_dir)
    print(report)
    return 0


def _weights(name):
    """The published network of a name, or None."""
    from gantrain.nets.frozen import VGG19
    from gantrain.nets.inception import INCEPTION

    return {"vgg19": VGG19, "inception": INCEPTION}.get(name)


def _named(dataset):
    if not dataset:
        raise UserError("--dataset is needed; `gantrain list datasets` names them")
    return dataset


def tables() -> dict[str, dict[str, Any]]:
    """The registries of the program, by the name that `gantrain list` has for each."""
    from gantrain import nets, presets, trainers
    from gantrain.compare import COMPARISONS
    from gantrain.data.datasets import DATASETS
    from gantrain.experiments import EXPERIMENTS
    from gantrain.measures import METRICS
    from gantrain.terms.augmentation import AUGMENTATIONS
    from gantrain.terms.losses import LOSSES
    from gantrain.terms.mixing import MIXINGS
    from gantrain.terms.penalties import DISCRIMINATOR_PENALTIES
    from gantrain.trainers.scogan import COUPLINGS

    return {
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
        "mixings": MIXINGS,
        "presets": presets.PRESETS,
        "metrics": METRICS,
        "comparisons": COMPARISONS,
        "tables": EXPERIMENTS,
    }


def list_(explicit: Explicit) -> int:
    """Names with one line each."""
    for title, table in tables().items():
        if explicit.get("what") in (None, title):
            print(title)
            for name in sorted(table):
                print(f"  {name:28s} {_line(table[name])}")
    return 0


def _line(entry):
    text = getattr(entry, "summary", None) or entry.__doc__ or ""
    return text.strip().splitlines()[0]
