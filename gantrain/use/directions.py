"""Translation by a run, from one of its domains to another: its directions and their networks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gantrain import images, nets
from gantrain.data.palettes import Palette
from gantrain.errors import UserError
from gantrain.inversion import Inverter, encoder_of, generators_of
from gantrain.runs.build import OpenRun
from gantrain.runs.domains import turned
from gantrain.trainer import Generates, Translates, able
from gantrain.trainers import TRAINERS

# Image files of one size whose latent vectors descend together; no image has a side as long as
# this, so that none is cut into tiles.
INVERTED_TOGETHER, WHOLE = 64, 2**30


class Translation(NamedTuple):
    """One direction of a trained run.

    Attributes:
        apply: float32 [B, H, W, channels] in [-1, 1] -> [B, H, W, C], compiled.
        channels: of the images it takes.
        multiple: H and W have to be multiples of it.
        batch_size: most images per call; 0 is any. Batch statistics of several images would let
            one change another.
        tile: side of the tiles it needs; 0 leaves that to the caller.
        errors: of the images translated so far, where the run translates by latent inversion:
            RMSE in units of [-1, 1].
        palette: of the images it takes, where these are label maps: only its exact colours.
        levels: `gantrain.images.Levels` or None of the images it takes, and of those it makes.
    """

    apply: Callable
    channels: int
    multiple: int
    batch_size: int
    tile: int = 0
    errors: list | None = None
    palette: Palette | None = None
    levels: tuple = (None, None)


def translation(run: OpenRun, direction: str | None = None, **inversion: Any) -> Translation:
    """The `Translation` of a direction, by default the run's own.

    Args:
        run: `gantrain.runs.build.OpenRun`.
        direction: "a2b", or the names of two domains, as in "mnist2street"; with more than two
            domains the letters go on: "a2c".
        inversion: options of `gantrain.inversion.Inverter`, for coupled generators.

    Raises:
        UserError: the run translates no images, or not in this direction.
    """
    trainer, domains, path = run.trainer, run.domains, run.directory.path
    inverts = isinstance(trainer, Generates) and len(domains) > 1 and len(domains[0].shape) == 3
    if not (isinstance(trainer, Translates) or inverts):
        kinds = [name for name, kind in TRAINERS.items() if issubclass(kind, Translates)]
        raise UserError(
            f"--run_dir {path}: a {run.config.run.gan_type} of "
            f"{', '.join(d.name for d in domains)} translates no images; give the run "
            f"of a {', '.join(kinds)}, or of a cogan or scogan of images"
        )
    ways = directions(run)
    direction = direction or (trainer.way if isinstance(trainer, Translates) else "a2b")
    if direction not in ways:
        raise UserError(
            f"--direction {direction}: the run in {path} knows {', '.join(sorted(ways))}"
        )
    source, target = ways[direction]
    if not isinstance(trainer, Translates):
        return _crossing(run, source, target, inversion)
    applies, way = trainer.translators(), trainer.way
    own = way if source < target else way[::-1]
    if own not in applies:
        raise UserError(
            f"--direction {direction}: the run in {path} was trained for {way} only; "
            f"drop the flag, or train one for {direction}"
        )
    o, start = run.config.of(nets.TranslatorNets), domains[source]
    return Translation(
        run.runtime.function(applies[own]),
        start.shape[-1],
        nets.multiple(o.generator, start.shape[0]),
        int(o.test_mode == "training"),
        palette=start.palette,
        levels=(start.levels, domains[target].levels),
    )


def directions(run: OpenRun) -> dict[str, tuple[int, int]]:
    """{name of a direction: (number of the source domain, of the target)}."""
    letters = [chr(ord("a") + i) for i in range(len(run.domains))]
    if turned(run.config):
        # They follow the data set, which such a run turns round.
        letters = letters[::-1]
    return {
        f"{names[i]}2{names[j]}": (i, j)
        for names in (letters, [d.name for d in run.domains])
        for i, j in itertools.permutations(range(len(names)), 2)
    }


def _crossing(run, source, target, options):
    """The `Translation` from one domain of coupled generators to another."""
    trainer, compile, domains = able(run.trainer, Generates), run.runtime.function, run.domains
    into, encodes = generators_of(trainer), encoder_of(trainer)
    invert = Inverter(into[source], trainer.latent, compile, **options)
    encode, generate = encodes and compile(encodes), compile(into[target])
    size, channels = domains[source].shape[1:]
    palette, errors = domains[source].palette, []

    def apply(x):
        """The networks know one size, to which images are squeezed and from which back."""
        height, width = x.shape[1:3]
        x = palette.exact(x, size, size) if palette else images.resize(x, size)
        found = invert(x, encode(x) if encode else None)
        errors.extend(found.error.tolist())
        return images.scale(np.asarray(generate(found.z)), height, width)

    return Translation(
        apply,
        channels,
        1,
        INVERTED_TOGETHER,
        WHOLE,
        errors,
        palette,
        (domains[source].levels, domains[target].levels),
    )
