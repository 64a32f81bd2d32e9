"""What a notebook calls: the commands as functions, whose results are arrays and dicts.

`gantrain/__init__.py` exports these names. Options have the names of the flags, and wrong ones
raise `UserError` with the line that the command line would print.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gantrain import images, stages
from gantrain.config import configure, refuse_changes, resolve
from gantrain.core import MEASURED, MEASURED_SEED, Config
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.measures import evaluate as measures
from gantrain.measures.streams import Weights
from gantrain.runs.build import OpenRun
from gantrain.runs.directory import RunDirectory
from gantrain.use import samples
from gantrain.use.directions import translation
from gantrain.use.files import translate_images
from gantrain.use.measured import streams


def make_config(**options: Any) -> Config:
    """The options of a run that was not started yet, all decided.

    Args:
        options: by flag name, as typed; a preset is one of them (`preset="quick"`).

    Raises:
        UserError: an option is unknown, out of bounds, or read by nothing in such a run.
    """
    return resolve(configure(options))


def train(*, domains: Sequence[Domain] | None = None, **options: Any) -> OpenRun:
    """Trains a run to its last step, or goes on with the one in `run_dir`.

    What it consults is found or trained before, as a run of its own.

    Args:
        domains: `Domain` objects in the place of the data set, of which `dataset` then is only the
            name.
        options: by flag name, as typed.

    Returns:
        The run at its last (or best) state. `run.directory.path` is where it lies,
        `run.directory.summary()` how it ended.

    Raises:
        UserError: wrong options, or `run_dir` holds a run with others.
        Interrupted: the kernel was interrupted or `time_limit` is over; the state was saved.
        Diverged: a term became infinite or NaN; the last good checkpoint is kept.
    """
    config = configure(options)
    if config.run.dry_run:
        raise UserError("dry_run: a program sees what a run would be by `make_config`; drop it")
    directory = RunDirectory(options.get("run_dir") or resolve(config).run.run_dir)
    with directory.writing():
        if directory.exists and not config.run.resume:
            directory.move_aside()
        stored = directory.config() if directory.exists else None
        config = resolve(configure(options | {"run_dir": str(directory.path)}, stored))
        if stored is not None:
            refuse_changes(stored, config, directory.path)
        if domains and config.has(measures.Ending) and "evaluate_end" not in options:
            # Its judges would be scored on a test part, which domains in memory have not.
            config = config.with_options(evaluate_end=False)
        return stages.train(config, list(domains) if domains else None)


def open_run(run_dir: str | os.PathLike) -> OpenRun:
    """A run at its newest, or best, checkpoint; the functions below take it or its directory.

    Args:
        run_dir: directory of a run. Neither its data nor what it consulted are needed.

    Raises:
        UserError: the directory holds no run or no checkpoint.
    """
    return stages.open_run(run_dir)


def sample(
    run: OpenRun | str | os.PathLike, count: int = 40, seed: int | None = None
) -> list[np.ndarray]:
    """Images of the same latent vectors in every domain.

    Args:
        run: an open run, or its directory.
        count: latent vectors.
        seed: of the latent vectors; None is that of the run's own grids.

    Returns:
        float32 [count, H, W, C] in [-1, 1] per domain; [count, 2] of points in the plane.

    Raises:
        UserError: the run makes no images from noise.
    """
    opened = _opened(run)
    return samples.samples(opened, samples.noise(opened, count, seed))


def picture(
    run: OpenRun | str | os.PathLike, made: Sequence[np.ndarray], columns: int = 10
) -> np.ndarray:
    """Samples as one picture, in the layout of the run's grids.

    Args:
        run: an open run, or its directory.
        made: what `sample` returned.
        columns: images in a row.

    Returns:
        uint8 [H, W, 3].
    """
    return samples.picture(_opened(run), made, columns)


def translate(
    run: OpenRun | str | os.PathLike,
    pictures: Sequence[np.ndarray],
    direction: str | None = None,
    **inversion: Any,
) -> list[np.ndarray]:
    """Images of one domain as images of another, each of its own size.

    Args:
        run: an open run of translation or, by latent inversion, of coupled generators; or
            its directory.
        pictures: [H, W, 1 or 3], float in [-1, 1] or uint8.
        direction: "a2b", "b2a" or by the names of domains as in "mnist2street"; None is the run's
            own.
        inversion: `steps`, `restarts` and `seed` of coupled runs (`gantrain translate --help`).

    Returns:
        float32 [H, W, 1 or 3] in [-1, 1], one per picture.

    Raises:
        UserError: the run translates nothing, or not in this direction.
    """
    way = translation(_opened(run), direction, **inversion)
    if inversion and way.errors is None:
        raise UserError(
            f"{', '.join(inversion)}: of runs that translate by latent inversion; "
            f"this one does not, drop it"
        )

    def prepared(pixels):
        if pixels.dtype in (np.uint8, np.uint16):
            pixels = np.asarray(images.to_float(pixels))
        pixels = images.to_channels(pixels.astype(np.float32), way.channels)
        return way.palette.exact(pixels, *pixels.shape[:2]) if way.palette else pixels

    return list(
        translate_images(
            way.apply,
            (prepared(np.asarray(pixels)) for pixels in pictures),
            multiple=way.multiple,
            tile=way.tile,
            batch_size=way.batch_size,
        )
    )


def evaluate(
    run_dir: str | os.PathLike,
    metrics: Sequence[str] | None = None,
    num: int = MEASURED,
    seed: int = MEASURED_SEED,
    *,
    data_dir: str | None = None,
    dataset: str | None = None,
    lpips_weights: str | None = None,
    inception_weights: str | None = None,
    fcn_weights: str | None = None,
) -> dict:
    """Measures a run; the values and what they depend on are kept in its `metrics.json`.

    Args:
        run_dir: directory of a run.
        metrics: names of `gantrain list metrics`; None is what fits the run and takes no
            minutes.
        num: latent vectors; most real images and test examples.
        seed: of the latent vectors and of the order of real images.
        data_dir, dataset: where the data lie now, if not where the run had them.
        lpips_weights, inception_weights, fcn_weights: files, as for `gantrain evaluate`.

    Returns:
        The contents of `metrics.json`; under "values" the numbers.

    Raises:
        UserError: a metric is unknown or does not fit the run, or data or weights are missing.
    """
    run = stages.open_run(run_dir, with_data=True, data_dir=data_dir, dataset=dataset)
    weights = Weights(lpips_weights, inception_weights, fcn_weights)
    return measures.evaluate(
        run,
        streams(run, num, seed, weights, stages.train),
        list(metrics) if metrics else None,
        again=True,
    )


def read_log(run_dir: str | os.PathLike) -> list[dict]:
    """The lines of a run's `metrics.jsonl`, one dict per log interval, oldest first."""
    return RunDirectory(run_dir).metrics()


def _opened(run: OpenRun | str | os.PathLike) -> OpenRun:
    return run if isinstance(run, OpenRun) else stages.open_run(run)
