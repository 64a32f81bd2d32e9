"""A run directory: what a run leaves behind, written so that no moment loses anything.

config.json          every option, resolved
environment.json     versions, machine, job, command, git commit; of earlier starts too
domains.json         name, shape, size and classes of every domain
metrics.jsonl        one object per log interval
samples/000500.png   grids from fixed noise
checkpoints/         complete states, newest `--keep`
models/              final .keras files
losses.png report.html summary.json
metrics.json         what `evaluate` measured, with its provenance
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gantrain.config import config_text, read_config
from gantrain.core import Config
from gantrain.data import stored
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.files import replacing, to_json, write_text

# Entries of a checkpoint of version 0: the place of a variable in a fixed order, and its name.
NUMBERED = re.compile(r"\d{5}:.+")


class RunDirectory:
    """Paths of one run, its checkpoints and its metrics.

    Args:
        path: the directory; it is made when something is first written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @property
    def exists(self) -> bool:
        return (self.path / "config.json").exists()

    def config(self) -> Config:
        return read_config(self.path / "config.json")

    def summary(self) -> dict | None:
        """`summary.json` of a run that reached its last step, else None."""
        return self._read_json("summary.json")

    def _read_json(self, name):
        """A file that `write_json` wrote, or None."""
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise UserError(
                f"{self.path}/{name}: not readable ({error}); remove it and run the command again"
            ) from None

    def write_json(self, name: str, value: Any) -> None:
        write_text(self.path / name, to_json(value, indent=2))

    def begin(self, config: Config, environment: dict, domains: Sequence[Domain]) -> None:
        """Writes what the run is: options of the latest start, environment and domains.

        Under `before` the environments of earlier starts are kept: a run may go on elsewhere.
        """
        last = self._read_json("environment.json")
        if last:
            before = [*last.pop("before", []), last]
            environment = environment | {"before": before}
        self.write_json("environment.json", environment)
        self.write_json("domains.json", [stored.entry(d) for d in domains])
        # Last: a directory with a config is a run.
        write_text(self.path / "config.json", config_text(config))

    def domains(self) -> list[Domain]:
        """The domains of the run with one blank example each: enough to build its networks."""
        return self._domains()[1]

    def refuse_other_data(self, domains: list[Domain], uncounted: str | None = None) -> None:
        """Raises UserError unless these are the domains that the run was trained on.

        See `gantrain.data.stored.refuse_other`.
        """
        stored.refuse_other(self._domains()[0], domains, self.path, uncounted)

    def _domains(self):
        """The entries of domains.json, and the blank domain of each."""
        path = self.path / "domains.json"
        try:
            entries = json.loads(path.read_text())
            if not isinstance(entries, list) or not entries:
                raise ValueError("no list of domains")
            return entries, [stored.blank(entry) for entry in entries]
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: not readable ({error}); is --run_dir the directory of a run "
                f"that has started?"
            ) from None

    def move_aside(self) -> Path:
        """Renames the directory to `<name>.old-N`; nothing is ever overwritten."""
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        os.replace(self.path, aside)
        return aside

    def sample_path(self, step: int) -> Path:
        return self.path / "samples" / f"{step:06d}.png"

    # --- checkpoints -----------------------------------------------------------------------------

    def checkpoints(self) -> list[Path]:
        """Checkpoint files, oldest first."""
        return sorted((self.path / "checkpoints").glob("[0-9]*.npz"))

    def save(self, step: int, state: Mapping[str, Any], keep: int) -> Path:
        """Writes the complete state at `step`, then deletes all but the newest `keep` files.

        Args:
            step: updates that led to it.
            state: {name: variable}, as `gantrain.trainer.Trainer.state` gives it.
            keep: number of files.
        """
        path = self.path / "checkpoints" / f"{step:08d}.npz"
        _write_state(path, step, state)
        for old in self.checkpoints()[:-keep]:
            old.unlink(missing_ok=True)
        return path

    @property
    def best(self) -> Path:
        """The state with the best score, where `--keep_best` or `--early_stopping` keeps one."""
        return self.path / "checkpoints" / "best.npz"

    def save_best(self, step: int, state: Mapping[str, Any]) -> None:
        """Writes the complete state at `step` as the best one."""
        _write_state(self.best, step, state)

    def restore(self, state: Mapping[str, Any], path: Path | None = None) -> int:
        """Assigns a checkpoint (the newest by default) to the variables of a state.

        Returns:
            The step of the checkpoint; 0, with nothing assigned, if there is none.

        Raises:
            UserError: the file is damaged or belongs to other networks.
        """
        if path is None:
            found = self.checkpoints()
            if not found:
                return 0
            path = found[-1]
        try:
            with np.load(path, allow_pickle=False) as stored:
                values = {name: stored[name] for name in stored.files}
            step = int(values.pop("step"))
        except Exception as error:  # which one depends on the byte that is wrong
            raise UserError(
                f"{path}: damaged checkpoint ({error}); delete it to go on from the one before"
            ) from None
        if values and all(map(NUMBERED.fullmatch, values)):
            values = _by_order(values, state)
        _refuse_others(path, values, state)
        for name, variable in state.items():
            variable.assign(values[name])
        return step

    # --- metrics ---------------------------------------------------------------------------------

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    def metrics(self) -> list[dict]:
        """All whole lines of metrics.jsonl."""
        if not self.metrics_path.exists():
            return []
        lines = []
        for line in self.metrics_path.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                # The last line of a killed run may be cut; every line before it is whole.
                break
        return lines

    def rewind_metrics(self, step: int) -> None:
        """Drops what was logged after `step`: a resumed run logs it again."""
        if self.metrics_path.exists():
            kept = [line for line in self.metrics() if line["step"] <= step]
            write_text(self.metrics_path, "".join(map(to_json, kept)))


def _write_state(path, step, state):
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, step=step, **{name: np.asarray(v) for name, v in state.items()})


def _by_order(values, state):
    """The values of a checkpoint of version 0, whose entries are numbered, under today's names."""
    names = list(state)
    found = {}
    for key, value in values.items():
        number, _, own = key.partition(":")
        known = int(number) < len(names) and own == state[names[int(number)]].name
        found[names[int(number)] if known else key] = value
    return found


def _refuse_others(path, values, state):
    """Refuses a checkpoint of other networks, by the first entry that does not fit."""
    missing = [name for name in state if name not in values]
    unknown = [name for name in values if name not in state]
    other = [
        f"{name} has the shape {values[name].shape} and not {tuple(v.shape)}"
        for name, v in state.items()
        if name in values and tuple(v.shape) != values[name].shape
    ]
    found = (
        ([f"has no {missing[0]}"] if missing else [])
        + ([f"has {unknown[0]}, which they have not"] if unknown else [])
        + other[:1]
    )
    if found:
        count = len(missing) + len(unknown) + len(other)
        raise UserError(
            f"{path}: holds other networks than this config builds (it "
            f"{'; it '.join(found)}; {count} such); was it written by another version?"
        )
