"""Writes the commands of reproducing.md from the arms: `python docs/reproducing.py`."""

from __future__ import annotations

import re
from pathlib import Path

from gantrain.commands.command import command_line
from gantrain.config import configure, resolve
from gantrain.experiments import EXPERIMENTS
from gantrain.experiments.table import Arm, Experiment, Flags, Reproduction, options

PAGE = Path(__file__).with_suffix(".md")
# Everything between these lines is written here.
BEGIN, END = "<!-- written by `python docs/reproducing.py` -->\n", "<!-- up to here -->\n"
# Where a run lies is no part of what it trains, nor is when it is measured.
PLACES = ("run_dir", "data_dir", "offline", "seed", "evaluate_end")


def page(text: str) -> str:
    """The page with its commands written anew."""
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + commands() + END + rest.partition(END)[2]


def commands() -> str:
    """One row per published run."""
    rows = ["| `gantrain reproduce` | column | one run of it | steps |", "|---|---|---|---|"]
    for name, experiment in sorted(EXPERIMENTS.items(), key=_place):
        title = f"`{name}`: {experiment.source.rpartition(', ')[2]}"
        if experiment.computed:
            rows.append(f"| {title} | | computed, no run | |")
        for arm in experiment.arms:
            own = typed(experiment, arm)
            line = command_line("", own).replace("  ", " ")
            rows.append(f"| {title} | {arm.name} | `{line}` | {resolved(own)['steps']:,} |")
            title = ""
    return "\n".join(["", *rows, "", ""])


def typed(experiment: Experiment, arm: Arm) -> Flags:
    """The options of an arm at full scale that do not follow from the others."""
    chosen = {
        name: value
        for name, value in options(experiment, arm, Reproduction("full"), 0).items()
        if name not in PLACES
    }
    head = {name: chosen[name] for name in ("preset", "gan_type") if name in chosen}
    if resolved(head)["dataset"] != chosen["dataset"]:
        head["dataset"] = chosen["dataset"]
    usual = resolved(head)
    kept = head | {k: v for k, v in chosen.items() if k in usual and usual[k] != v}
    assert resolved(kept) == resolved(chosen), (experiment.source, arm.name)
    return kept


def resolved(given: Flags) -> Flags:
    """What these options train."""
    flat = resolve(configure({}, given=given)).flat()
    return {k: v for k, v in flat.items() if k not in PLACES}


def _place(entry):
    """By document, then by number."""
    name, experiment = entry
    digits = [int(n) for n in re.findall(r"\d+", name)]
    return experiment.source.partition(",")[0], digits or [0], name


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
