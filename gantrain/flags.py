"""argparse, generated from records of options (`gantrain.options`): no flag is typed twice."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from gantrain import __version__
from gantrain.core import Devices
from gantrain.errors import UserError
from gantrain.options import choices_of, option_type, unknown, validate_field

# What other programs of the field call an option: the words behind "did you mean".
ELSEWHERE = {
    **dict.fromkeys(
        ("epoch", "epochs", "n_epochs", "num_epochs", "niter", "iterations", "kimg"),
        "--steps (updates; an epoch is images / batch_size of them)",
    ),
    **dict.fromkeys(("lr", "learning_rate"), "--g_lr and --d_lr"),
    **dict.fromkeys(("data", "dataroot", "data_root", "data_path"), "--dataset folder:PATH"),
    **dict.fromkeys(("out", "outdir", "output_dir", "checkpoints_dir", "name"), "--run_dir"),
    **dict.fromkeys(("num_gpus", "ngpu"), "--devices"),
    **dict.fromkeys(("gpu", "gpu_ids", "gpu_id"), "--gpus"),
    **dict.fromkeys(("batch", "bs"), "--batch_size"),
    **dict.fromkeys(("resolution", "crop_size", "size"), "--image_size"),
    **dict.fromkeys(("model", "gan", "algorithm"), "--gan_type"),
    **dict.fromkeys(("z_dim", "latent_dim", "nz"), "--noise_dim"),
}


class Parser(argparse.ArgumentParser):
    """One line per error, and no abbreviations: `--wid` never silently means `--width`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs | {"allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see `{self.prog} --help`)")


def _number(kind):
    def parse(text):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}") from None

    return parse


def _add(group, record, f, with_choices, names):
    m, kind = f.metadata, option_type(record, f.name)
    if not names and (with_choices or isinstance(m["choices"], tuple)):
        names = choices_of(f)
    text = m["help"] + (f" ({', '.join(names)})" if names else "")
    if f.default not in (None, False, "", 0, 0.0, (0.0, 0.0)):
        text += f" [{f.default}]"
    flags = [f"--{name}" for name in (f.name, m["alias"]) if name]
    common = dict(dest=f.name, default=argparse.SUPPRESS, help=text.replace("%", "%%"))
    if kind is bool:
        group.add_argument(*flags, action=argparse.BooleanOptionalAction, **common)
    elif m["two"]:
        group.add_argument(*flags, nargs="*", type=_number(float), metavar="W", **common)
    else:
        kind = _number(kind) if kind in (int, float) else kind
        bare = dict(nargs="?", const=m["const"]) if m["const"] is not None else {}
        group.add_argument(
            *flags, type=kind, metavar=f.name.upper().split("_")[-1], **bare, **common
        )


def parse(
    program: str,
    commands: Mapping[str, tuple[str, Any]],
    default: str,
    argv: Sequence[str],
    first: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Parses a command line.

    Args:
        program: name shown in messages.
        commands: `{name: (help, record)}`; in the place of a record of options something with
            `parsed() -> records`, `shown(words) -> (records, examples)` and
            `choices() -> {option: allowed names}`.
        default: the command meant when the line starts with a flag.
        argv: the words after the program's name; without any the page of help is shown.
        first: command lines for someone new, without the program's name, shown on that page.

    Returns:
        (command, {option: value}) with only the options that were written.

    Raises:
        UserError: one line that names the flag.
    """
    argv = argv or ["--help"]
    if argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        argv = [default, *argv]
    if argv[0] not in commands and not argv[0].startswith("-"):
        raise UserError(unknown("command", argv[0], commands))
    top = Parser(
        prog=program,
        description=f"No COMMAND means {default}; `{program} COMMAND --help` lists its flags.",
        epilog="to start with:\n" + "\n".join(f"  {program} {line}" for line in first),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"{program} {__version__}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    fields = {}
    for name, (text, of) in commands.items():
        bare = " ".join(n.upper() for n in getattr(of, "positional", ()))
        sub = subparsers.add_parser(
            name,
            help=text,
            description=text,
            usage=f"%(prog)s {bare} [options]" if bare else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == argv[0]:
            records, sub.epilog = _records(of, argv[1:])
            names = of.choices() if hasattr(of, "choices") else {}
            for record in records:
                title = record.__doc__.splitlines()[0].removesuffix(".")
                group = sub.add_argument_group(title) if len(records) > 1 else sub
                for f in dataclasses.fields(record):
                    _add(group, record, f, _help_wanted(argv), names.get(f.name))
                    fields[f.name] = f
    known, rest = top.parse_known_args(argv)
    values = vars(known)
    command = values.pop("command")
    for name in getattr(commands[command][1], "positional", ()):
        if name not in values and rest and not rest[0].startswith("-"):
            values[name] = rest.pop(0)
    if rest:
        meant = [_meant(w.split("=")[0], fields) for w in rest if w.startswith("-")]
        hint = f"; did you mean {', '.join(filter(None, meant))}?" if any(meant) else ""
        subparsers.choices[command].error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    for name, value in values.items():
        if fields[name].metadata["two"]:
            values[name] = _two(name, value, fields[name].metadata["two"])
        validate_field(fields[name], values[name], names.get(name))
    return command, values


def _meant(flag, fields):
    """The flag that an unknown one may stand for, or ""."""
    name = flag.lstrip("-").replace("-", "_").lower()
    if name not in fields and name in ELSEWHERE:
        known = ELSEWHERE[name].split()[0].removeprefix("--")
        return ELSEWHERE[name] if known in fields else ""
    close = difflib.get_close_matches(name, list(fields), 1)
    return f"--{close[0]}" if close else ""


def _help_wanted(words):
    return "-h" in words or "--help" in words


def records_of(of: Any) -> tuple[type, ...]:
    """The records of a command that has no trainers: its own, and where it computes."""
    return (of, Devices) if getattr(of, "computes", True) else (of,)


def _records(of, words):
    """(records of a command, what its help ends with)."""
    if not hasattr(of, "shown"):
        return records_of(of), None
    if not _help_wanted(words):
        return of.parsed(), None
    records, examples = of.shown(words)
    return records, "examples:\n" + "\n".join(f"  {line}" for line in examples)


def _two(name, numbers, bare):
    if len(numbers) not in (0, 2):
        raise UserError(f"--{name}: takes no number or two, got {len(numbers)}")
    return tuple(numbers) or bare
