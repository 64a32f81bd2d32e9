"""What commands have in common: the tables they choose from, the run they open, their own line."""

from __future__ import annotations

import importlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gantrain.errors import UserError
from gantrain.options import option

if TYPE_CHECKING:
    from gantrain.runs.build import OpenRun

Explicit = dict[str, Any]  # the options that were written, by name


def registry(module: str, name: str) -> Any:
    """A table of the program, read when it is needed: `--help` waits for no TensorFlow."""
    return getattr(importlib.import_module(f"gantrain.{module}"), name)


@dataclass(frozen=True)
class OfRun:
    """A run, and where its data lie: of commands that look at both."""

    run_dir: str = option("", "directory of a run")
    data_dir: str | None = option(
        None, "folder that holds <name>/ with the original files, if not where the run had them"
    )
    dataset: str | None = option(
        None,
        "where the run's folder:, pairs:, ... lies now, written as "
        "for train; the content must be the same",
    )


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
