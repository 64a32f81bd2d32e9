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
.lock                who writes here, while somebody does (`gantrain.runs.lock`)

Files with other names are somebody else's: neither read nor counted nor removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from gantrain.config import config_text, read_config, refuse_open
from gantrain.core import Config
from gantrain.data import stored
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.files import Unwritten, replacing, sweep, to_json, unwritten, write_text
from gantrain.progress import say
from gantrain.reading import natural, opened, parse_json, read_arrays, read_json, regular
from gantrain.runs.lock import NAME, Lock

CHECKPOINT, SAMPLE = re.compile(r"(\d{8,})\.npz"), re.compile(r"(\d{6,})\.png")
DAMAGED = ".damaged"
# Entry of a checkpoint: log lines that could not be written.
LOG = "log"
# Entries of a checkpoint of version 0: the place of a variable in a fixed order, and its name.
NUMBERED = re.compile(r"\d{5}:.+")
# {absolute path: the lock that this process holds there}.
_locks: dict[str, Lock] = {}


class RunDirectory:
    """Paths of one run, its checkpoints and its metrics.

    Args:
        path: the directory; it is made when something is first written.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        # Log lines that could not be written; they are kept in the next checkpoint.
        self._waiting: list[dict] = []

    @contextmanager
    def writing(self, wait: bool = False) -> Iterator[None]:
        """Keeps everybody else from writing here while the block runs.

        Args:
            wait: for the end of another process that does, else that is refused.

        Raises:
            UserError: another process writes here, or nobody can.
        """
        key = os.path.abspath(self.path)
        if key in _locks:
            yield
            return
        lock = Lock(self.path)
        lock.take(wait)
        _locks[key] = lock
        try:
            sweep(self.path)
            for part in ("checkpoints", "samples", "models"):
                sweep(self.path / part, alone=True)
            yield
        finally:
            del _locks[key]
            lock.release()

    def tidy(self) -> None:
        """Removes what a process that was killed at its very end has left in a finished run."""
        left = (NAME, ".writing-*")
        if any(next(self.path.glob(name), None) for name in left) and os.access(self.path, os.W_OK):
            with self.writing():
                pass

    def check(self) -> None:
        """Raises Unwritten if the directory was taken away from the run that writes it."""
        lock = _locks.get(os.path.abspath(self.path))
        if lock is None or lock.held:
            return
        before, place = self.path, lock.moved
        if place:
            # Once more, so that the last state is saved where the others are.
            self.path, lock.path = place, place / NAME
            raise Unwritten(
                f"{before}: was moved to {place} while the run wrote there; --run_dir {place} "
                f"goes on with it"
            )
        if not self.exists or not lock.regain():
            raise Unwritten(
                f"{before}: was moved, deleted or taken over while the run wrote there; its last "
                f"checkpoint is as it was"
            )

    @property
    def exists(self) -> bool:
        return (self.path / "config.json").exists()

    def config(self) -> Config:
        path = self.path / "config.json"
        return refuse_open(read_config(path), path)

    def summary(self) -> dict | None:
        """`summary.json` of a run that reached its last step, else None."""
        return self._read_json("summary.json", {"steps": natural})

    def _read_json(self, name, form):
        """A file that `write_json` wrote, or None."""
        try:
            return read_json(self.path / name, form)
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
        last = self._read_json("environment.json", {"before?": [dict]})
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
            entries = read_json(path, [dict])
            if not 0 < len(entries) <= stored.MOST:
                raise ValueError(f"it has {len(entries)} domains")
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
        lock = _locks.get(os.path.abspath(self.path))
        if lock:
            (aside / NAME).unlink()
            lock.again()
        return aside

    def sample_path(self, step: int) -> Path:
        return self.path / "samples" / f"{step:06d}.png"

    def samples(self) -> list[Path]:
        """Sample grids, oldest first."""
        return _numbered(self.path / "samples", SAMPLE)

    # --- checkpoints -----------------------------------------------------------------------------

    def checkpoints(self) -> list[Path]:
        """Checkpoint files, oldest first."""
        return _numbered(self.path / "checkpoints", CHECKPOINT)

    def save(self, step: int, state: Mapping[str, Any], keep: int) -> Path:
        """Writes the complete state at `step`, then deletes all but the newest `keep` files.

        Args:
            step: updates that led to it.
            state: {name: variable}, as `gantrain.trainer.Trainer.state` gives it.
            keep: number of files.

        Raises:
            Unwritten: it cannot be written; those before are whole.
        """
        self.check()
        # No checkpoint is ahead of the log, whatever a power cut leaves.
        with suppress(OSError), open(self.metrics_path, "rb") as log:
            os.fsync(log.fileno())
        path = self.path / "checkpoints" / f"{step:08d}.npz"
        _write_state(path, step, state, self._waiting)
        for old in self.checkpoints()[:-keep]:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                say(f"{old}: cannot be removed ({error.strerror})")
        return path

    @property
    def best(self) -> Path:
        """The state with the best score, where `--keep_best` or `--early_stopping` keeps one."""
        return self.path / "checkpoints" / "best.npz"

    def save_best(self, step: int, state: Mapping[str, Any]) -> None:
        """Writes the complete state at `step` as the best one. Raises as `save`."""
        self.check()
        _write_state(self.best, step, state)

    def restore(self, state: Mapping[str, Any], best: bool = False) -> int:
        """Assigns a checkpoint, the newest that is whole, to the variables of a state.

        One that is damaged is passed over and, where this process writes, set aside.

        Args:
            state: {name: variable}.
            best: True for the best state, where it is kept and whole.

        Returns:
            The step of the checkpoint; 0, with nothing assigned, if there is none.

        Raises:
            UserError: all files are damaged, or one belongs to other networks.
        """
        found = ([self.best] if best and self.best.exists() else []) + self.checkpoints()[::-1]
        for path in found:
            try:
                step, values, self._waiting = _read_state(path)
            except FileNotFoundError:
                # A run that goes on has removed it: it keeps newer ones.
                return self.restore(state, best)
            except ValueError as error:
                self._pass_over(path, error)
                continue
            if values and all(map(NUMBERED.fullmatch, values)):
                values = _by_order(values, state)
            _refuse_others(path, values, state)
            for name, variable in state.items():
                variable.assign(values[name])
            return step
        if found or _numbered(self.path / "checkpoints", CHECKPOINT, DAMAGED):
            raise UserError(
                f"{self.path}: none of its checkpoints is whole; put one back, or keep what is "
                f"there aside and start anew by --no-resume"
            )
        return 0

    def _pass_over(self, path, error):
        aside = ""
        if os.path.abspath(self.path) in _locks:
            with suppress(OSError):
                os.replace(path, f"{path}{DAMAGED}")
                aside = f", is kept as {path.name}{DAMAGED}"
        say(f"{path}: damaged checkpoint ({error}){aside}; the one before it is taken")

    def refuse_lost(self, start: int) -> None:
        """Raises UserError if a run would start anew whose log says that it had checkpoints.

        Args:
            start: step that was restored.
        """
        if start or not self.exists:
            return
        logged = max((line["step"] for line in self.metrics()), default=0)
        if logged > self.config().run.checkpoint_every or self.summary():
            raise UserError(
                f"{self.path}: its checkpoints are gone, and its log reaches step {logged}; put "
                f"them back, or keep what is there aside and start anew by --no-resume"
            )

    # --- metrics ---------------------------------------------------------------------------------

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    def log(self, record: dict) -> None:
        """Adds a line to metrics.jsonl.

        Raises:
            Unwritten: it cannot be written; the next checkpoint holds it.
        """
        self._waiting.append(record)
        self.check()
        left = memoryview(to_json(record).encode())
        try:
            if self.metrics_path.exists():
                regular(self.metrics_path)
            with open(self.metrics_path, "ab", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    while left:
                        left = left[file.write(left) :]
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise unwritten(self.metrics_path, error) from error
        self._waiting.pop()

    def metrics(self) -> list[dict]:
        """The lines of metrics.jsonl; what is garbled is passed over."""
        return [record for _, record in self._lines() if record] + self._waiting

    def _lines(self):
        """(text, what it says or None) of each line but one that has no end."""
        try:
            with opened(self.metrics_path) as file:
                *whole, _ = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        return [(text, _record(text)) for text in whole if text.strip()]

    def rewind_metrics(self, step: int) -> None:
        """Drops what was logged after `step`: a resumed run logs it again.

        What the checkpoint held of it is added, and what is garbled stays as it is.
        """
        lines = self._lines()
        kept = [text for text, record in lines if not record or record["step"] <= step]
        there = {record["step"] for _, record in lines if record}
        kept += [to_json(r).strip().encode() for r in self._waiting if r["step"] not in there]
        text = b"".join(line + b"\n" for line in kept)
        if lines or text:
            with replacing(self.metrics_path) as temporary:
                temporary.write_bytes(text)
        self._waiting = []


def _numbered(folder, pattern, end=""):
    """Files of a folder that are called so, by their number."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [(pattern.fullmatch(n.removesuffix(end)), n) for n in names if n.endswith(end)]
    return [folder / name for _, name in sorted((int(m[1]), name) for m, name in found if m)]


def _record(text):
    """What a line of the log says, or None if it is no such line."""
    try:
        record = parse_json(text, {"step": natural})
    except ValueError:
        return None
    # The names of what was measured have a slash.
    numbers = (value for name, value in record.items() if "/" in name)
    return record if all(type(value) in (int, float) for value in numbers) else None


def _read_state(path):
    """(step, {name: array}, log lines that wait) of a checkpoint.

    Raises:
        ValueError: the file is damaged.
        FileNotFoundError: it is not there any more.
    """
    try:
        values = dict(read_arrays(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); try again") from None
    step, log = values.pop("step", np.zeros(0)), values.pop(LOG, np.zeros(0, np.uint8)).tobytes()
    if step.shape != () or step.dtype.kind not in "iu" or step < 0:
        raise ValueError("it has no step")
    return int(step), values, [parse_json(line, {"step": natural}) for line in log.splitlines()]


def _write_state(path, step, state, log=()):
    entries = {name: np.asarray(v) for name, v in state.items()}
    if log:
        entries[LOG] = np.frombuffer("".join(map(to_json, log)).encode(), np.uint8)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, step=step, **entries)


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
    ] + [
        f"{name} is {value.dtype}, no real numbers"
        for name, value in values.items()
        if value.dtype.kind not in "?iufV"
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
