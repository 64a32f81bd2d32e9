"""What a run makes of latent vectors, and pictures of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gantrain import images, plots
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.runs.build import OpenRun
from gantrain.trainer import Generates, able

# Latent vectors of a sample grid, of a plot of points.
SHOWN_IMAGES, SHOWN_POINTS = 40, 2_000


def noise(run: OpenRun, count: int, seed: int | None = None) -> tf.Tensor:
    """float32 [count, size of z]: fixed latent vectors, by default the sample grids'.

    Args:
        run: `gantrain.runs.build.OpenRun`.
        count: of vectors.
        seed: None is the run's own.

    Raises:
        UserError: the run makes no images of latent vectors.
    """
    if not isinstance(run.trainer, Generates):
        raise UserError(
            f"--run_dir {run.directory.path}: a {run.config.run.gan_type} makes no "
            f"images; give the run of a GAN"
        )
    return run.trainer.latents(count, run.config.run.seed if seed is None else seed)


def samples(run: OpenRun, z: tf.Tensor, batch_size: int = 250) -> list[np.ndarray]:
    """Images [-1, 1] of latent vectors: a float32 NumPy array per domain."""
    sample = run.compiled(able(run.trainer, Generates).samples)
    parts = [sample(z[i : i + batch_size]) for i in range(0, len(z), batch_size)]
    return [
        np.concatenate([np.asarray(x, np.float32) for x in made])
        for made in zip(*parts, strict=True)
    ]


def picture(run: OpenRun, made: Sequence[np.ndarray], columns: int = 10) -> np.ndarray:
    """Samples as uint8 [H, W, 3]: a grid of images, or a plot of points in the plane."""
    if made[0].ndim == 4:
        return images.grid(made, columns)
    return plots.points(made, [d.images for d in run.domains])


def fixed_picture(run: OpenRun) -> np.ndarray:
    """The picture of the latent vectors that every sample grid of a run shows."""
    count = SHOWN_POINTS if len(run.domains[0].shape) == 1 else SHOWN_IMAGES
    return picture(run, samples(run, noise(run, count)))
