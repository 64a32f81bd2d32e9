"""What happens between steps: guard, scalars, progress, samples, evaluation, checkpoints.

Order matters: the guard sees the terms of the losses alone, before a score joins them; an
evaluation joins the logs before they are written; and all that before a checkpoint.
"""

from __future__ import annotations

import importlib.util
import math
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

import numpy as np

from gantrain import images
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.files import Unwritten, finite
from gantrain.progress import LIVE, clock, live, phase, say
from gantrain.runs.directory import RunDirectory
from gantrain.runs.loop import Callback, Logs
from gantrain.stop import STEPS

LINE = 100  # characters
UNBROKEN = "\xa0"  # stands for the blank at which no line is broken


class Diverged(Exception):
    """A term became NaN or infinite. The message names the term and the last good checkpoint."""


class Guard(Callback):
    """Stops a run whose terms are no longer finite; stands before what measures scores."""

    def __init__(self, run: RunDirectory):
        self.run = run

    def __call__(self, step: int, logs: Logs | None) -> None:
        logs = logs or {}
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            # A sum is not finite because one of its terms is not: the term is the news.
            first = next((n for n in bad if not n.endswith(("/loss", "/grad_norm"))), bad[0])
            raise _diverged(self.run, f"{first} is {logs[first]}", step, "weight of this term")


def _diverged(run, what, step, remedy):
    kept = run.checkpoints()
    where = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint"
    return Diverged(f"{what} at step {step}; {where}; lower the learning rate or the {remedy}")


class Scalars(Callback):
    """metrics.jsonl: one object per log interval."""

    def __init__(self, run: RunDirectory):
        self.run = run
        run.path.mkdir(parents=True, exist_ok=True)

    def __call__(self, step: int, logs: Logs | None) -> None:
        if logs:
            self.run.log({"step": step, **logs})


class TensorBoard(Callback):
    """The same scalars as TensorBoard events."""

    def __init__(self, run: RunDirectory):
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError("--tensorboard: the package is missing; pip install tensorboard")
        self.path = run.path / "tensorboard"
        with self._writing():
            self.writer = tf.summary.create_file_writer(str(self.path))

    def __call__(self, step: int, logs: Logs | None) -> None:
        if logs:
            with self._writing(), self.writer.as_default():
                for name, value in logs.items():
                    if isinstance(value, float):
                        tf.summary.scalar(name, value, step)

    def close(self, step: int, over: bool) -> None:
        with self._writing():
            self.writer.close()

    @contextmanager
    def _writing(self):
        try:
            yield
        except tf.errors.OpError as error:
            raise Unwritten(f"{self.path}: cannot be written ({error.message})") from error


class Recurring(Callback):
    """What is done every so many steps and takes time of its own.

    Attributes:
        every: steps between two times.
        took: seconds of the last time; 0 for the first, whose programs are compiled then.
    """

    every: int
    took, known = 0.0, False

    @contextmanager
    def timed(self, kind: str, text: str) -> Iterator[None]:
        """Counts a block as this kind of phase, and how long it took."""
        with phase(kind, text) as own:
            yield
        self.took, self.known = own.seconds if self.known else 0.0, True


class Progress(Callback):
    """Terms by player, speed and the time left at every log step; between them how far it is.

    What is left is counted from the pace of the steps, without compilation, and from what recurs.

    Args:
        steps: of the whole run.
        start: that it begins at.
        recurring: what takes time between the steps.
        expected: seconds of all steps -> what is said of it once it is known.
        stream: where it speaks, if not on the standard output.
    """

    # Lines between two log steps come after a tenth of the time so far, within these seconds.
    LEAST, MOST = 10.0, 300.0

    def __init__(
        self,
        steps: int,
        start: int,
        recurring: Sequence[Recurring] = (),
        expected: Callable[[float], list[str]] = lambda seconds: [],
        stream: TextIO | None = None,
    ):
        self.steps, self.start, self.recurring = steps, start, recurring
        self.expected, self.stream = expected, stream
        self.seconds: float | None = None
        self.began = self.spoke = self.drawn = time.monotonic()

    def pace(self, seconds: float) -> None:
        if self.seconds is None:
            for line in self.expected(seconds * (self.steps - self.start)):
                say(line, self.stream)
        self.seconds = seconds

    def __call__(self, step: int, logs: Logs | None) -> None:
        now = time.monotonic()
        if step == self.start + 1:
            self.spoke = now
        far = f"step {step}/{self.steps}"
        left = f"{clock(self.left(step))} left" if self.seconds is not None else ""
        if logs:
            speed = f"{logs['images_per_second']:.0f} img/s"
            said = "  ".join(filter(None, (far, speed, left, _terms(logs))))
            for line in textwrap.wrap(said, LINE, subsequent_indent="    ", break_on_hyphens=False):
                say(line.replace(UNBROKEN, " "), self.stream)
            self.spoke = now
        elif now - self.drawn > LIVE / 2 and live(f"{far}  {left}", self.stream):
            self.drawn = self.spoke = now
        elif now - self.spoke > min(max(0.1 * (now - self.began), self.LEAST), self.MOST):
            say(f"{far}  {left}", self.stream)
            self.spoke = now

    def left(self, step: int) -> float:
        """Seconds to the last step, what recurs until then included."""
        more = sum(c.took * (self.steps // c.every - step // c.every) for c in self.recurring)
        return (self.seconds or 0.0) * (self.steps - step) + more


def _terms(logs):
    """`generators adv 0.61 semantic 1.92 | discriminators ...`, means over the domains."""
    players = {}
    for name, value in logs.items():
        parts = name.split("/")
        if len(parts) > 1 and parts[1] not in ("loss", "grad_norm"):
            players.setdefault(parts[0], {}).setdefault(parts[1], []).append(value)
    return " | ".join(
        player
        + "".join(f" {term}{UNBROKEN}{np.mean(values):.3g}" for term, values in terms.items())
        for player, terms in players.items()
    )


class Samples(Recurring):
    """A grid from fixed noise: rows of domain 1 above rows of domain 2, same z in a column."""

    def __init__(self, run: RunDirectory, every: int, picture: Callable[[], Any]):
        self.run, self.every, self.picture = run, every, picture

    def begin(self, step: int) -> None:
        # There was no room for it when the state was saved.
        if step % self.every == 0 and not self.run.sample_path(step).exists():
            self.write(step)

    def __call__(self, step: int, logs: Logs | None) -> None:
        if step % self.every == 0:
            self.write(step)

    def write(self, step: int) -> None:
        with self.timed("saving", "drawing samples"):
            picture = self.picture()
            self.run.check()
            if picture is not None:
                images.write_png(self.run.sample_path(step), picture)

    def close(self, step: int, over: bool) -> None:
        if over and not self.run.sample_path(step).exists():
            self.write(step)


class Checkpoints(Recurring):
    """Complete states, every so often and at the end. Never one that holds a NaN."""

    def __init__(
        self,
        run: RunDirectory,
        every: int,
        keep: int,
        state: Mapping[str, Any],
        finite: Callable[[], bool],
    ):
        self.run, self.every, self.keep = run, every, keep
        self.state, self.finite = state, finite

    def __call__(self, step: int, logs: Logs | None) -> None:
        if step % self.every == 0:
            self.write(step)

    def write(self, step: int) -> None:
        if self.saved == step:
            return
        with self.timed("saving", "writing a checkpoint"):
            if not self.finite():
                # The update after the last finite loss can be the one that breaks the weights.
                raise _diverged(self.run, "a weight is not finite", step, "weights of the terms")
            self.run.save(step, self.state, self.keep)
        self.saved = step

    def close(self, step: int, over: bool) -> None:
        self.write(step)


class Measurement(Recurring):
    """Adds measured values to the logs of every K-th step; stands before what writes them.

    A score that is not finite is undefined and left out: it says nothing of the training.
    """

    level = STEPS

    def __init__(self, every: int, measure: Callable[[], Logs]):
        self.every, self.measure = every, measure

    def __call__(self, step: int, logs: Logs | None) -> None:
        if logs is not None and step % self.every == 0:
            with self.timed("measuring", "measuring held-out examples"):
                logs |= finite(self.measure())


class Kept(NamedTuple):
    """By what score the best state of a run is kept.

    Attributes:
        what: of the score, for the message that ends a run.
        score: (a log line) -> float, or None where it was not measured.
        better: max or min.
        patience: measurements without a new best after which the run ends; 0 never ends it.
    """

    what: str
    score: Callable[[Logs], float | None]
    better: Callable
    patience: int = 0


class Best(Callback):
    """Keeps the state at which a measured score was best, and may end the run when none follows.

    The scores are read from metrics.jsonl, so that a resumed run remembers; stands after what
    writes them.

    Args:
        run: `RunDirectory`.
        kept: by what score.
        state: the complete state, {name: variable}.
    """

    def __init__(self, run: RunDirectory, kept: Kept, state: Mapping[str, Any]):
        self.run, self.kept, self.state = run, kept, state

    def begin(self, step: int) -> None:
        # It may have ended there, and been killed before it said so.
        lines = self.run.metrics()
        if lines and lines[-1]["step"] == step:
            self._since(lines[-1])

    def __call__(self, step: int, logs: Logs | None) -> None:
        if logs and self._since(logs) == 0:
            self.run.save_best(step, self.state)

    def _since(self, logs):
        """Measurements since the best one, with which the run may be over; None of no score."""
        what, score, better, patience = self.kept
        if score(logs) is None:
            return None
        scores = [s for s in map(score, self.run.metrics()) if s is not None]
        since = len(scores) - 1 - scores.index(better(scores))
        if patience and since >= patience:
            self.ended = f"{what} has not improved for {patience} samplings"
        return since
