"""The model card beside exported networks: `README.md` as model hubs read it.

Front matter, then what the files are, what they were trained on and under which licence, how good
they are and by what measure, and the lines that call them (Mitchell et al. 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gantrain
from gantrain import nets
from gantrain.core import Config
from gantrain.data.datasets import find
from gantrain.data.domain import Domain
from gantrain.data.sources import SOURCES
from gantrain.files import to_json
from gantrain.latent import CATEGORY
from gantrain.measures.evaluate import stored
from gantrain.runs.build import OpenRun
from gantrain.runs.report import unusual
from gantrain.trainer import Generates, Translates
from gantrain.use.export import FORMATS, ORDERS, PIXELS, Exported

# What a measurement depends on; a command line would tell of its machine's folders.
PROVENANCE = ("step", "num", "seed")


def card(
    run: OpenRun, made: Sequence[Exported], formats: Sequence[str], pixels: str, channels: str
) -> str:
    """The text of a model card.

    Args:
        run: `OpenRun`.
        made: what was written.
        formats, pixels, channels: as for `gantrain.use.export.export`.
    """
    kind, dataset = run.config.run.gan_type, run.config.data.dataset.partition(":")[0]
    head = ["---", "library_name: keras", "license: other", f"pipeline_tag: {_task(run)}"]
    head += ["tags:", "- gantrain", f"- {kind}", "---"]
    parts = [
        "\n".join(head),
        f"# {kind} on {dataset}, {run.step} steps",
        f"Written by gantrain {gantrain.__version__}. Every file was read back and compared with "
        "the run on real inputs.",
        _table(
            ["file", "takes", "gives", "largest error"],
            [
                [f"`{file}`", _ends(run, m, pixels, 0), _ends(run, m, pixels, 1), f"{error:.2g}"]
                for m in made
                for file, error in m.errors.items()
            ],
        ),
        *_pixels(run, made, pixels, channels),
        "## Use",
        *_calls(made, formats),
        "## Data",
        *of_data(run.config, run.domains),
        "## Measurements",
        *_measurements(run),
        "## Options that differ from the defaults",
        _options(run),
    ]
    return "\n\n".join(parts) + "\n"


def _task(run):
    if isinstance(run.trainer, Translates):
        return "image-to-image"
    if isinstance(run.trainer, Generates):
        return "unconditional-image-generation"
    return (
        "image-segmentation" if run.config.run.gan_type == "segmenter" else "image-classification"
    )


def _ends(run, made, pixels, end):
    """What a network takes (0) or gives (1), in words."""
    shape = (made.model.input_shape, made.model.output_shape)[end]
    images = (made.takes_images, made.makes_images)[end]
    size = ", ".join("any" if n is None else str(n) for n in shape)
    return f"{PIXELS[pixels].dtype if images else 'float32'} [{size}]"


def _pixels(run, made, pixels, channels):
    """Paragraphs on images and latent vectors."""
    said = []
    if any(m.takes_images or m.makes_images for m in made):
        said.append(f"Pixels are {PIXELS[pixels].summary}; {ORDERS[channels]}.")
    if isinstance(run.trainer, Translates):
        o, side = run.config.of(nets.TranslatorNets), run.domains[0].shape[0]
        if any(None in m.model.input_shape[1:] for m in made):
            said.append(
                f"Height and width are any multiples of {nets.multiple(o.generator, side)}; it was "
                f"trained on {side} x {side}."
            )
        palette = next((d for d in run.domains if d.palette is not None), None)
        if palette is not None:
            said.append(
                f"Images of {palette.name} are label maps in the exact colours of training."
            )
    if isinstance(run.trainer, Generates):
        o = run.trainer.latent
        law = "standard normal" if o.noise_type == "normal" else "uniform on [-1, 1]"
        first = (
            f"first {o.noise_categories} numbers of which one is {CATEGORY:g} and the others 0, "
            f"then {o.noise_dim} "
            if o.noise_categories
            else f"{o.noise_dim} numbers "
        )
        said.append(
            f"A latent vector is {first}{law}. The same vector in all generators gives images that "
            f"belong together."
            if len(run.domains) > 1
            else f"A latent vector is {first}{law}."
        )
    return said


def _calls(made, formats):
    """How the first network is called in every format."""
    first = made[0]
    shape = [4, *(n or 256 for n in first.model.input_shape[1:])]
    yield f"`x` is an array of {shape} or any number of them, `y` what `{first.name}` makes of it."
    for kind in formats:
        file = first.name + (FORMATS[kind].ending or f"_{kind}")
        yield f"```python\n{FORMATS[kind].example.format(file=file)}```"


def of_data(config: Config, domains: Sequence[Domain]) -> Iterator[str]:
    """Paragraphs on the sets that a run was trained on, with their licences."""
    d = config.data
    sources = find(d.dataset, d.place).sources
    rows = [
        [f"[{name}]({SOURCES[name].homepage})", SOURCES[name].licence]
        for name in dict.fromkeys(sources)
    ]
    names = ", ".join(f"{x.name} {'x'.join(map(str, x.shape))}" for x in domains)
    yield f"Data set `{d.dataset.partition(':')[0]}`: {names}."
    if rows:
        yield _table(["source", "licence of the data"], rows)
    elif ":" in d.dataset:
        yield "Files of its user, who says under which licence they are."
    elif find(d.dataset).load.__module__.startswith("gantrain."):
        yield "Drawn by gantrain itself, under its MIT licence."
    else:
        yield "gantrain does not know their licence: their set was added to it."


def _measurements(run):
    """What `summary.json` and `metrics.json` say, with what it depends on."""
    summary = run.directory.summary() or {}
    rows = [[k, f"{v:.4g}"] for k, v in summary.items() if isinstance(v, float)]
    if rows:
        yield f"At the end of the run, step {summary['steps']}, on the test part:"
        yield _table(["measured", "value"], rows)
    held = stored(run.directory) or {}
    if held.get("values"):
        said = ", ".join(f"{k} {held[k]}" for k in PROVENANCE if k in held)
        yield f"By `gantrain evaluate`, {said}:"
        yield _table(["measured", "value"], [[k, _number(v)] for k, v in held["values"].items()])
        yield "What these were measured by:"
        yield f"```json\n{to_json(held.get('networks', {}), indent=2)}```"
    if not rows and not held.get("values"):
        yield "None yet: `gantrain evaluate` measures a run."


def _number(value: Any):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _options(run):
    # Places on the machine that trained it are nobody else's affair.
    said = {k: str(v) for k, v in unusual(run.config).items()}
    rows = [[f"`--{k}`", v] for k, v in said.items() if k != "run_dir" and not set(v) & set("/\\:")]
    return _table(["flag", "value"], rows)


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )
