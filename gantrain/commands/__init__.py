"""What each command does. Every function takes its parsed options and returns an exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gantrain.commands.command import Explicit
from gantrain.commands.datasets import List, Prepare, check, list_, prepare
from gantrain.commands.exporting import Export, export
from gantrain.commands.measuring import Compare, Evaluate, Pairs, compare, evaluate, pairs
from gantrain.commands.pictures import (
    Interpolate,
    Sample,
    Stylize,
    Translate,
    interpolate,
    sample,
    stylize,
    translate,
)
from gantrain.commands.tables import Bench, Reproduce, bench, reproduce
from gantrain.commands.training import TrainOptions, train

# name: (help, dataclass of its options, function)
COMMANDS: dict[str, tuple[str, Any, Callable[[Explicit], int]]] = {
    "train": ("train a model, or go on with a run", TrainOptions, train),
    "evaluate": ("metrics of a run", Evaluate, evaluate),
    "pairs": ("sheets of pairs of a coupled run, with what each judge read in them", Pairs, pairs),
    "compare": ("metrics of two folders of images, without a run", Compare, compare),
    "sample": ("a grid of samples of a run", Sample, sample),
    "interpolate": (
        "paths between latent vectors, all domains side by side",
        Interpolate,
        interpolate,
    ),
    "translate": ("translate image files of any size by a run", Translate, translate),
    "export": ("networks of a run for Keras, TensorFlow, ONNX, LiteRT", Export, export),
    "stylize": ("one image in the style of another, without training", Stylize, stylize),
    "reproduce": ("a published table or figure, ours beside theirs", Reproduce, reproduce),
    "prepare": ("download and verify a data set ahead of time", Prepare, prepare),
    "check": ("what is found of a data set and what is missing", Prepare, check),
    "bench": ("speed against this machine's own peak", Bench, bench),
    "list": ("data sets, networks, losses, presets, with one line each", List, list_),
}
