"""argparse, generated from the dataclasses of `gantrain.config`: no flag is typed twice."""

from __future__ import annotations

import argparse
import dataclasses
import typing

from gantrain import config as cfg
from gantrain.errors import UserError


class Parser(argparse.ArgumentParser):
    """One line per error, and no abbreviations: `--wid` never silently means `--width`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message):
        raise UserError(f"{message} (see `{self.prog} --help`)")


def _number(kind):
    def parse(text):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None
    return parse


def _sections(of):
    """(title, dataclass) for every group of options of a command."""
    hints = typing.get_type_hints(of)
    nested = [hint for hint in hints.values() if dataclasses.is_dataclass(hint)]
    return [(section.__doc__, section) for section in nested] or [(None, of)]


def _add(group, section, f, with_choices):
    m, kind = f.metadata, cfg.option_type(section, f.name)
    names = cfg.names_of(m) if with_choices or m["choices"] else None
    text = m["help"] + (f" ({', '.join(names)})" if names else "")
    if f.default not in (None, False, "", 0, 0.0, (0.0, 0.0)):
        text += f" [{f.default}]"
    flags = [f"--{name}" for name in (f.name, m["alias"]) if name]
    common = dict(dest=f.name, default=argparse.SUPPRESS,
                  help=text.replace("%", "%%"))
    if kind is bool:
        group.add_argument(*flags, action=argparse.BooleanOptionalAction, **common)
    elif m["pair"]:
        group.add_argument(*flags, nargs="*", type=_number(float), metavar="W", **common)
    else:
        kind = _number(kind) if kind in (int, float) else kind
        bare = dict(nargs="?", const=m["const"]) if m["const"] is not None else {}
        group.add_argument(*flags, type=kind, metavar=f.name.upper().split("_")[-1], **bare,
                           **common)


def parse(program, commands, default, argv):
    """Parses a command line.

    Args:
        program: name shown in messages.
        commands: `{name: (help, dataclass of its options)}`.
        default: the command meant when the line starts with a flag or is empty.
        argv: the words after the program's name.

    Returns:
        (command, {option: value}) with only the options that were written.

    Raises:
        UserError: one line that names the flag.
    """
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version")):
        argv = [default, *argv]
    help_wanted = "-h" in argv or "--help" in argv
    top = Parser(prog=program, description=f"No COMMAND means {default}; "
                 f"`{program} COMMAND --help` lists its flags.")
    top.add_argument("--version", action="version", version=_version(program))
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, (text, of) in commands.items():
        bare = " ".join(n.upper() for n in getattr(of, "positional", ()))
        sub = subparsers.add_parser(name, help=text, description=text,
                                    usage=f"%(prog)s {bare} [options]" if bare else None)
        if name != argv[0]:
            continue
        for title, section in _sections(of):
            group = sub.add_argument_group(title) if title else sub
            for f in dataclasses.fields(section):
                _add(group, section, f, with_choices=help_wanted)
    known, unknown = top.parse_known_args(argv)
    values = vars(known)
    command = values.pop("command")
    for name in getattr(commands[command][1], "positional", ()):
        if name not in values and unknown and not unknown[0].startswith("-"):
            values[name] = unknown.pop(0)
    if unknown:
        subparsers.choices[command].error(f"unrecognized arguments: {' '.join(unknown)}")
    fields = {f.name: f for f in cfg.options(commands[command][1])}
    for name, value in values.items():
        if fields[name].metadata["pair"]:
            values[name] = _pair(name, value, fields[name].metadata["pair"])
        cfg.validate_field(fields[name], values[name])
    return command, values


def _pair(name, numbers, bare):
    if len(numbers) not in (0, 2):
        raise UserError(f"--{name}: takes no number or two, got {len(numbers)}")
    return tuple(numbers) or bare


def _version(program):
    from importlib import metadata
    try:
        return f"{program} {metadata.version('gantrain')}"
    except metadata.PackageNotFoundError:
        return f"{program} (not installed)"
