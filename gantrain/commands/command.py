"""What commands have in common: the tables they choose from, the run they open, their own line."""

from __future__ import annotations

import importlib
import shlex
from typing import TYPE_CHECKING, Any

from gantrain.errors import UserError

if TYPE_CHECKING:
    from gantrain.runs.build import OpenRun

Explicit = dict[str, Any]  # the options that were written, by name


def registry(module: str, name: str) -> Any:
    """A table of the program, read when it is needed: `--help` waits for no TensorFlow."""
    return getattr(importlib.import_module(f"gantrain.{module}"), name)


def opened(run_dir: str, **options: Any) -> OpenRun:
    """The run of `--run_dir`."""
    from gantrain.stages import open_run

    if not run_dir:
        raise UserError("--run_dir is needed: the directory of a run")
    return open_run(run_dir, **options)


def command_line(command: str, explicit: Explicit) -> str:
    """The command line of explicit options, as a shell would take it."""
    words = []
    for name, value in explicit.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return " ".join(["gantrain", command, shlex.join(words)]).strip()
