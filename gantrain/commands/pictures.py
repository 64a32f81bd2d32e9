"""Commands that make pictures: samples and paths of a run, translations, styles."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from gantrain.commands.command import Explicit, opened, registry
from gantrain.errors import EXIT_SKIPPED, UserError
from gantrain.options import option
from gantrain.progress import phase


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
class Translate:
    """Options of `gantrain translate`."""

    run_dir: str = option("", "directory of a run of translation, cogan or scogan")
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


# What the descent of Gatys et al. heeds, by the names of its arguments.
DESCENT = (
    "steps", "optimizer", "start", "seed", "content_weight", "style_weight", "smooth_weight",
)  # fmt: skip


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
        "lbfgs", "how the image descends", choices=lambda: registry("use.stylize", "OPTIMIZERS")
    )
    start: str = option("content", "first image", choices=("content", "noise"))
    content_weight: float = option(1.0, "weight of the content", low=0.0)
    style_weight: float = option(10.0, "weight of the style", low=0.0)
    smooth_weight: float = option(10.0, "weight of the differences of neighbouring pixels", low=0.0)
    seed: int = option(0, "seed of the noise", low=0, high=2**31 - 1)
    vgg_weights: str | None = option(None, "VGG19 weights file; default: the Keras download")
    lpips_weights: str | None = option(None, "AlexNet/LPIPS .npz: offline alternative to VGG19")
    offline: bool = option(False, "never touch the network")


def sample(explicit: Explicit) -> int:
    """A grid of samples: same latent vectors in every domain."""
    from gantrain.use.samples import noise, picture, samples

    o = Sample(**explicit)
    run = opened(o.run_dir)
    made = samples(run, noise(run, o.count, o.seed))
    return _write_picture(o.output, picture(run, made, o.columns), o.scale)


def interpolate(explicit: Explicit) -> int:
    """Paths between latent vectors on the sphere, all domains side by side."""
    from gantrain import latent
    from gantrain.use.samples import noise, picture, samples

    o = Interpolate(**explicit)
    run = opened(o.run_dir)
    ends = noise(run, 2 * o.rows, o.seed)
    z = latent.slerp(ends[: o.rows], ends[o.rows :], o.columns)
    return _write_picture(o.output, picture(run, samples(run, z), o.columns), o.scale)


def _write_picture(path, picture, scale):
    from gantrain import images

    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    images.write_png(Path(path), picture)
    print(f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels")
    return 0


def translate(explicit: Explicit) -> int:
    """Translates image files by a trained run."""
    from gantrain.data import parts
    from gantrain.use.directions import translation
    from gantrain.use.files import translate_files

    o = Translate(**explicit)
    for flag, what in (("input", "an image file or a folder"), ("output", "a folder")):
        if not getattr(o, flag):
            raise UserError(f"--{flag} is needed: {what}")
    run = opened(o.run_dir)
    way = translation(run, o.direction, steps=o.steps, restarts=o.restarts, seed=o.seed)
    inverts = way.errors is not None
    for flag in ("tile",) if inverts else ("steps", "restarts", "seed"):
        if flag in explicit:
            raise UserError(
                f"--{flag} has no part in translation by a {run.config.run.gan_type}; drop it"
            )
    with phase("other", f"translating {o.input}"):
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
        for flag in sorted({*DESCENT, "vgg_weights", "lpips_weights"} & set(explicit)):
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
            **{name: getattr(o, name) for name in DESCENT},
            progress=lambda step, loss: (
                step % every or print(f"step {step}/{o.steps}  loss {loss:.4g}", flush=True)
            ),
        )
    print(f"{o.output}: written")
    return 0
