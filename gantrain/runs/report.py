"""`report.html` of a run: curves, samples over time, measurements and options on one static page.

It refers to the pictures beside it, so the run directory can be copied anywhere and the page opens
without a server or a network.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from gantrain.config import default_config
from gantrain.core import Config
from gantrain.runs.directory import RunDirectory

STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:75em}img{image-rendering:pixelated;"
    "max-width:100%}td,th{padding:.2em .8em;text-align:left}figure{display:inline-block;"
    "margin:.5em}figcaption{color:#555}"
)
TITLES = {"joint": "Joint coherence", "held_out": "Held-out images"}
SHOWN = 8  # sample pictures on the page, evenly spread over the run


def page(run: RunDirectory, config: Config, metrics: Sequence[dict], summary: dict) -> str:
    """The page.

    Args:
        run: `RunDirectory`.
        config: resolved `Config`.
        metrics: log lines.
        summary: contents of `summary.json`.
    """
    title = f"{config.run.gan_type} on {config.data.dataset}, {summary['steps']} steps"
    own = {k: v for k, v in summary.items() if isinstance(v, float)}
    parts = [f"<h1>{html.escape(title)}</h1>", _samples(run)]
    for prefix in _measured(metrics):
        lines = [line for line in metrics if any(k.startswith(prefix + "/") for k in line)]
        names = [k for k in lines[-1] if k.startswith(prefix + "/")]
        rows = [
            [line["step"], *(f"{line[k]:.3f}" if k in line else "" for k in names)]
            for line in lines
        ]
        parts.append(
            f"<h2>{html.escape(TITLES.get(prefix, prefix))}</h2>"
            + _table(["step", *(k.removeprefix(prefix + "/") for k in names)], rows)
        )
    judged = [line["networks"] for line in metrics if "networks" in line]
    if judged:
        parts.append(_table(["measured by", "sha256"], judged[-1].items()))
    if own:
        rows = [[name, f"{value:.4f}"] for name, value in own.items()]
        parts.append("<h2>At the end</h2>" + _table(["measured", "value"], rows))
    if metrics:
        parts.append('<h2>Losses</h2><img src="losses.png" alt="loss curves">')
    parts.append(
        "<h2>Options that differ from the defaults</h2>"
        + _table(["flag", "value"], [[f"--{k}", v] for k, v in unusual(config).items()])
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def unusual(config: Config) -> dict[str, Any]:
    """The options of a run that differ from the defaults."""
    plain = default_config(config.run.gan_type).flat()
    return {k: v for k, v in config.flat().items() if v != plain[k]}


def _measured(metrics):
    """First words of what log lines hold beside the terms of the players, each once."""
    words = dict.fromkeys(k.split("/")[0] for line in metrics for k in line if "/" in k)
    return [word for word in words if not any(f"{word}/loss" in line for line in metrics)]


def _samples(run):
    files = run.samples()
    if not files:
        return ""
    steps = sorted({round(i * (len(files) - 1) / (SHOWN - 1)) for i in range(SHOWN)})
    return "<h2>Samples of the same inputs over the run</h2>" + "".join(
        f'<figure><img src="samples/{f.name}" alt="samples"><figcaption>step {int(f.stem)}'
        f"</figcaption></figure>"
        for f in (files[i] for i in steps)
    )


def _table(head, rows):
    def line(cells, kind):
        inner = "".join(f"<{kind}>{html.escape(str(c))}</{kind}>" for c in cells)
        return f"<tr>{inner}</tr>"

    return "<table>" + line(head, "th") + "".join(line(r, "td") for r in rows) + "</table>"
