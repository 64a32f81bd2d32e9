"""What can be measured: the programs of trainers, on a little data that needs no download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gantrain import nets
from gantrain.config import make
from gantrain.data import digits
from gantrain.data.domain import Domain
from gantrain.data.pairs import paired
from gantrain.data.sources import DIGITS
from gantrain.presets import PRESETS
from gantrain.runs.build import OpenRun, build
from gantrain.terms.semantic import SemanticOptions
from gantrain.terms.view import ClassifierOptions

IMAGES, PAIRS = 1_000, 16  # per domain, of digits and of noise
# The published SCoGAN with semantic loss and feature regulariser, and what it shares with others.
GAME = {"net": "cogan32", "loss": "wasserstein", "d_penalty": "gp", "n_critic": 5, "batch_size": 64}
SLFR = GAME | {"gan_type": "scogan", "semantic_loss": 10.0, "feature_loss": 100.0}


def program(options: Any, precision: str, width: float | None, directory: str) -> OpenRun:
    """One of `PROGRAMS`, ready to run.

    Args:
        options: `gantrain.commands.tables.Bench`.
        precision: of the layers.
        width: of the networks; None leaves the program's own.
        directory: of its run.
    """
    told = {"batch_size": options.batch_size, "n_critic": options.n_critic, "width": width}
    told = {name: value for name, value in told.items() if value}
    asked = told | {"steps": max(options.steps, 1), "run_dir": directory, "precision": precision}
    return PROGRAMS[options.program](asked)


def _digits(own: dict, sets: tuple[str, ...] = ("pen", "street")) -> Callable[[dict], OpenRun]:
    """Maker of a run on few embedded digits.

    The classifier that it consults is untrained: its arithmetic is that of a trained one.
    """

    def of(asked):
        drawn = {"pen": digits.pen_digits, "street": digits.street_digits}
        domains = [Domain(name, *drawn[name](IMAGES, i), DIGITS) for i, name in enumerate(sets)]
        if len(domains) > 1:
            domains = [domain.with_channels(3) for domain in domains]
        chosen = {"dataset": "pen2street"} | ({"domains": sets[0]} if len(sets) == 1 else {})
        config = make(**{**chosen, **own, **asked})
        consulted = {}
        if config.on(SemanticOptions):
            kind = config.of(ClassifierOptions).classifier_net
            consulted["classifier"] = nets.build_classifier(
                kind, domains[0].shape, len(DIGITS), seed=0
            )
        return build(config, domains, consulted)

    return of


def _translation(own: dict, size: int) -> Callable[[dict], OpenRun]:
    """Maker of a translation run on few pairs of noise."""

    def of(asked):
        pixels = np.random.default_rng(0).integers(0, 256, (2, PAIRS, size, size, 3), np.uint8)
        domains = paired(*(Domain(n, p) for n, p in zip("AB", pixels, strict=True)))
        sizes = {"dataset": "pairs:noise", "image_size": size, "load_size": size}
        return build(make(**{**sizes, "batch_size": 1, **own, **asked}), domains)

    return of


# By name, makers from the options that the command was told.
PROGRAMS: dict[str, Callable[[dict], OpenRun]] = {
    "gan": _digits(GAME | {"gan_type": "gan"}, ("pen",)),
    "cogan": _digits(GAME | {"gan_type": "cogan"}),
    "scogan": _digits(SLFR),
    "quick": _digits(dict(PRESETS["quick"].options)),
    "pix2pix": _translation({"gan_type": "pix2pix", "generator": "unet"}, 256),
    "cyclegan": _translation({"gan_type": "cyclegan", "generator": "resnet9"}, 128),
    "cut": _translation({"gan_type": "cut", "generator": "resnet9"}, 128),
    "classifier": _digits({"gan_type": "classifier"}, ("street",)),
}
