"""Writes options.md beside it from the options of the program: `python docs/options.py`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gantrain import flags
from gantrain.commands import COMMANDS, TrainOptions
from gantrain.config import records_of
from gantrain.options import choices_of, option_type
from gantrain.trainers import TRAINERS

PAGE = Path(__file__).with_suffix(".md")

HEAD = """\
# Options

Written by `python docs/options.py`; a test compares this page with the program.

Without a default, an option is off or follows from the others when a run starts, as its line says;
the value chosen is in the run's `config.json`. A bare flag is one given without a value. A resumed
run may have other values of the options marked with *; any other difference is refused.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for command, (text, of, _) in COMMANDS.items():
        parts.append(f"## `gantrain {command}`\n\n{text[0].upper()}{text[1:]}.\n")
        if of is not TrainOptions:
            parts += [table(record) for record in flags.records_of(of)]
            continue
        for record in of.parsed():
            title = record.__doc__.splitlines()[0].removesuffix(".")
            users = [kind for kind in TRAINERS if record in records_of(kind)]
            whose = "" if len(users) == len(TRAINERS) else f"Of {', '.join(users)}.\n\n"
            parts.append(f"### {title}\n\n{whose}{table(record)}")
    return "\n".join(parts)


def table(section) -> str:
    """One row per option of a dataclass."""
    rows = ["| flag | values | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(section):
        cells = flag(field, section), values(field, section), default(field), field.metadata["help"]
        cells = [cell.replace("|", "\\|").replace("<", "\\<") for cell in cells]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def flag(field, section) -> str:
    """An option as it is typed; a star where a resumed run may have another value."""
    switch = option_type(section, field.name) is bool
    text = f"`--{field.name}` `--no-{field.name}`" if switch else f"`--{field.name}`"
    return text + ("\\*" if field.metadata["resumable"] else "")


def default(field) -> str:
    """The default as it would be typed; empty if there is none."""
    if field.default is None or field.default == "":
        return ""
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    if isinstance(field.default, tuple):
        return " ".join(f"`{number:g}`" for number in field.default)
    return f"`{field.default}`"


def values(field, section) -> str:
    """Allowed values in words."""
    m, kind = field.metadata, option_type(section, field.name)
    names = TrainOptions.choices().get(field.name) or choices_of(field)
    if names:
        text = ", ".join(f"`{name}`" for name in names)
        return f"{text}; several, comma separated" if m["several"] else text
    if kind is bool:
        return "on or off"
    if m["two"]:
        return f"two numbers; bare flag {m['two'][0]:g} {m['two'][1]:g}"
    words = {int: "whole number", float: "number", str: "text"}[kind]
    bounds = [
        f"{word} {m[key]}"
        for key, word in (("above", "above"), ("low", "from"), ("high", "to"))
        if m[key] is not None
    ]
    bare = [f"bare flag {m['const']:g}"] if m["const"] is not None else []
    return "; ".join([" ".join([words, *bounds]), *bare])


if __name__ == "__main__":
    PAGE.write_text(page())
