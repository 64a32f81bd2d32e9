"""The command that takes a run's networks elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gantrain.commands.command import Explicit, OfRun, opened, registry
from gantrain.options import option


@dataclass(frozen=True)
class Export(OfRun):
    """Options of `gantrain export`."""

    format: str = option(
        "keras,saved_model",
        "kinds of files, comma separated",
        choices=lambda: registry("use.export", "FORMATS"),
        several=True,
    )
    output: str | None = option(
        None, "folder for the files and their README.md; default: export in the run's own"
    )
    pixels: str = option(
        "signed",
        "how the files have pixels: in [-1, 1] as trained, in [0, 1], or uint8",
        choices=lambda: registry("use.export", "PIXELS"),
    )
    channels: str = option(
        "rgb",
        "order of colours in the files: red first, or blue first as OpenCV has them",
        choices=lambda: registry("use.export", "ORDERS"),
    )
    tolerance: float = option(
        1e-3,
        "largest difference from the run on real inputs, in units of [-1, 1]; bytes may be half "
        "a level off",
        above=0.0,
    )
    count: int = option(4, "images of every domain, or latent vectors, compared", low=1, high=1_000)
    discriminators: bool = option(False, "write the discriminators too")


def export(explicit: Explicit) -> int:
    """Writes the networks of a run for programs without this one, with a model card."""
    from gantrain.use.card import card
    from gantrain.use.export import export as write
    from gantrain.use.export import missing

    o = Export(**explicit)
    formats = list(dict.fromkeys(o.format.split(",")))
    # Before TensorFlow and a run are loaded.
    missing(formats)
    # Other programs compute in float32, whatever this one trained in.
    run = opened(o.run_dir, precision="float32", data_dir=o.data_dir, dataset=o.dataset)
    output = Path(o.output) if o.output else run.directory.path / "export"
    made = write(
        run,
        output,
        formats,
        pixels=o.pixels,
        channels=o.channels,
        tolerance=o.tolerance,
        discriminators=o.discriminators,
        count=o.count,
        card=lambda made: card(run, made, formats, o.pixels, o.channels),
    )
    for network in made:
        for file, error in network.errors.items():
            print(f"{output / file}: largest error {error:.2g}")
    print(f"{output / 'README.md'}: what they are and how they are called")
    return 0
