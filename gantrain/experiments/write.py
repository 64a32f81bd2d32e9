"""A finished table on the screen, as Markdown, as CSV and as a picture, ours beside theirs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from gantrain.experiments.table import Cell, Experiment, Reproduction, Result, Series
from gantrain.files import replacing, write_text
from gantrain.runs.directory import RunDirectory


def number(value: float | str | None) -> str:
    """Four decimals, as the sources print; text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    # A rounded zero has no sign.
    return f"{round(value, 4) + 0.0:.4f}"


def cell_text(cell: Cell) -> str:
    """Mean, ± spread, and what is missing."""
    text = number(cell.mean)
    if cell.spread is not None:
        text += f" ± {cell.spread:.4f}"
    return "; ".join(part for part in (text, cell.missing) if part)


def caption(name: str, experiment: Experiment, asked: Reproduction, result: Result) -> str:
    """What the numbers depend on, in sentences."""
    used = ", ".join(result.datasets)
    published = {arm.dataset or experiment.dataset for arm in experiment.arms}
    stands_in = (
        ""
        if set(result.datasets) <= published
        else (f" (a stand-in for {', '.join(sorted(published))})")
    )
    steps = experiment.scales[asked.scale].get("steps")
    samples = dict.fromkeys(experiment.samples(arm, asked.scale) for arm in experiment.arms)
    parts = [
        f"{name}: {experiment.summary} ({experiment.source}).",
        f"Scale {asked.scale}{asked.apart and ', as the listings compute'}; {asked.seeds} seed(s); "
        f"data set {used}{stands_in}"
        + (f"; {steps} steps" if steps else "; steps of the preset")
        + f"; {' or '.join(map(str, samples))} samples.",
        experiment.note,
        measured_by(result),
        *(f"Not here: {reason}." for reason in result.lacking.values()),
        f"Command: {asked.command}",
    ]
    return " ".join(part for part in parts if part)


def measured_by(result: Result) -> str:
    """The networks behind the numbers; by arm where not all were measured by the same."""
    if len(set(result.networks.values())) < 2:
        found = next(iter(result.networks.values()), ())
        return f"Measured by {', '.join(found)} (SHA-256)." if found else ""
    return (
        "Measured by other networks in each: "
        + "; ".join(
            f"{arm}: {', '.join(found) or 'none'}" for arm, found in result.networks.items()
        )
        + " (SHA-256)."
    )


def missing(experiment: Experiment, asked: Reproduction, result: Result) -> list[str]:
    """The cells of the arms asked for that hold fewer seeds than asked for, a line per reason."""
    rows = tuple(row.label for row in experiment.rows)
    of_arms: dict[tuple, list[str]] = {}
    for arm in experiment.arms:
        own: dict[str, tuple[str, ...]] = {}
        for label in rows if asked.wants(arm) else ():
            reason = result.cells[label, arm.name].missing
            if reason:
                own[reason] = (*own.get(reason, ()), label)
        for reason, labels in own.items():
            of_arms.setdefault((reason, labels), []).append(arm.name)
    return [
        f"missing: {', '.join(names)}"
        + ("" if labels == rows else f" ({', '.join(labels)})")
        + f": {reason}"
        for (reason, labels), names in of_arms.items()
    ]


def lines(experiment: Experiment, result: Result) -> list[list[str]]:
    """Header and body: (row, ours and theirs of every arm)."""
    head = ["", *(f"{arm.name}{who}" for arm in experiment.arms for who in (" ours", " theirs"))]
    body = [
        [
            row.label,
            *(
                text
                for arm in experiment.arms
                for text in (
                    cell_text(result.cells[row.label, arm.name]),
                    number(arm.published.get(row.label)),
                )
            ),
        ]
        for row in experiment.rows
    ]
    return [head, *body]


def screen(table: list[list[str]]) -> list[str]:
    """Aligned text; the arms stand below each other, which any width of terminal holds."""
    head, *body = table
    out = []
    for row in body:
        out.append(row[0])
        for i in range(1, len(head), 2):
            theirs = f"   published {row[i + 1]}" if row[i + 1] else ""
            out.append(f"  {head[i].removesuffix(' ours'):16s} {row[i] or '-':24s}{theirs}")
    return out


def markdown(text: str, table: list[list[str]]) -> str:
    """The caption, then a table."""
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join([text, "", rows[0], "|" + "---|" * len(table[0]), *rows[1:]]) + "\n"


def csv_text(experiment: Experiment, result: Result) -> str:
    """One line per row and arm, at full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("row", "arm", "mean", "std", "seeds", "published", "missing", "networks"))
    for row in experiment.rows:
        for arm in experiment.arms:
            cell = result.cells[row.label, arm.name]
            writer.writerow(
                (
                    row.label,
                    arm.name,
                    cell.mean,
                    cell.spread,
                    len(cell.values),
                    arm.published.get(row.label),
                    cell.missing,
                    ", ".join(result.networks.get(arm.name, ())),
                )
            )
    return out.getvalue()


def series_csv(series: Series) -> str:
    """One line per point of a computed figure."""
    return "series,x,y\n" + "".join(
        f'"{name}",{x},{y}\n'
        for name, (xs, ys) in series.items()
        for x, y in zip(xs, ys, strict=True)
    )


def curves(experiment: Experiment, result: Result) -> Series:
    """{label: (steps, values)} of the logged rows of every run."""
    found: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for arm in experiment.arms:
        for path in result.runs.get(arm.name, ()):
            for row in experiment.rows:
                points = row.logged(RunDirectory(path))
                if points and points[0]:
                    found[f"{arm.name}: {row.label} ({Path(path).name})"] = points
    return found


def picture(experiment: Experiment, result: Result, path: str) -> None:
    """Bars of ours beside theirs, sample grids below each other, or curves, as PNG."""
    if experiment.picture == "curves":
        plot(curves(experiment, result), path, experiment)
    elif experiment.picture == "samples":
        _samples(experiment, result, path)
    else:
        _bars(experiment, result, path)


def plot(series: Series, path: str, experiment: Experiment) -> None:
    """Curves of {label: (x, y)} under the experiment's title and labels."""
    figure, axes = _figure(1, 6, 4)
    for label, (x, y) in series.items():
        axes[0].plot(x, y, label=label, linewidth=1)
    axes[0].set_title(experiment.summary, fontsize=9)
    axes[0].set(**dict(zip(("xlabel", "ylabel"), experiment.axes, strict=True)))
    if series:
        axes[0].legend(fontsize=7)
    _save(figure, path)


def _bars(experiment, result, path):
    figure, axes = _figure(len(experiment.rows), 7, 1.8)
    names = [arm.name for arm in experiment.arms]
    for axis, row in zip(axes, experiment.rows, strict=True):
        cells = [result.cells[row.label, name] for name in names]
        theirs = [_value(arm.published.get(row.label)) for arm in experiment.arms]
        places = range(len(names))
        axis.bar(
            [p - 0.2 for p in places],
            [c.mean or 0.0 for c in cells],
            0.4,
            label="ours",
            yerr=[c.spread or 0.0 for c in cells],
        )
        axis.bar([p + 0.2 for p in places], [t or 0.0 for t in theirs], 0.4, label="published")
        axis.set_xticks(list(places), names, fontsize=7)
        axis.set_title(row.label, fontsize=8)
    axes[0].legend(fontsize=7)
    _save(figure, path)


def _value(published):
    """The first number of a published cell, or None for words."""
    try:
        return float(str(published).split()[0])
    except (ValueError, IndexError):
        return None


def _samples(experiment, result, path):
    from gantrain import images

    found = []
    for arm in experiment.arms:
        for run in result.runs.get(arm.name, ())[:1]:
            grids = RunDirectory(run).samples()
            found += [(arm.name, images.read_image(grids[-1], 3))] if grids else []
    figure, axes = _figure(max(len(found), 1), 6, 2.4)
    for axis in axes:
        axis.axis("off")
    for axis, (name, grid) in zip(axes, found, strict=False):
        axis.imshow(grid)
        axis.set_title(name, fontsize=8)
    _save(figure, path)


def _figure(rows, width, height):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, 1, i + 1) for i in range(rows)]


def _save(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def write(
    name: str, experiment: Experiment, asked: Reproduction, result: Result, output: str | PathLike
) -> list[str]:
    """Writes `<name>-<scale>.md`, `.csv` and `.png`; returns the lines for the screen."""
    base = Path(output) / f"{name}-{asked.scale}{asked.apart}"
    text, table = caption(name, experiment, asked, result), lines(experiment, result)
    write_text(f"{base}.md", markdown(text, table))
    write_text(f"{base}.csv", csv_text(experiment, result))
    picture(experiment, result, f"{base}.png")
    return [text, *screen(table), f"{base}.md, .csv and .png written"]


def write_computed(
    name: str, experiment: Experiment, asked: Reproduction, series: Series, output: str | PathLike
) -> list[str]:
    """Writes a figure that needs no run; returns the lines for the screen."""
    base = Path(output) / f"{name}-{asked.scale}"
    text = (
        f"{name}: {experiment.summary} ({experiment.source}). Computed, no runs; the same at "
        f"every scale. Command: {asked.command}"
    )
    table = [
        ["series", "first", "last"],
        *([label, number(float(y[0])), number(float(y[-1]))] for label, (_, y) in series.items()),
    ]
    write_text(f"{base}.md", markdown(text, table))
    write_text(f"{base}.csv", series_csv(series))
    plot(series, f"{base}.png", experiment)
    return [
        text,
        *(f"{label:24s} {a} .. {b}" for label, a, b in table[1:]),
        f"{base}.md, .csv and .png written",
    ]
