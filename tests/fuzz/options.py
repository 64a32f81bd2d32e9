"""Random pairs of options for every trainer: `python options.py --cases 5000 [--steps]`.

A pair is refused in one line, or planned; with --steps what is planned is also built and makes a
real step.
"""

import argparse
import collections
import contextlib
import dataclasses
import faulthandler
import io
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny

from gantrain import flags, nets
from gantrain.commands import COMMANDS
from gantrain.config import configure, records_of, resolve
from gantrain.data.datasets import DATASETS
from gantrain.data.palettes import PALETTES
from gantrain.errors import UserError
from gantrain.main import main as gantrain
from gantrain.options import choices_of, option_type
from gantrain.runs.plan import plan
from gantrain.trainers import TRAINERS

SECONDS = 240
SETS = ("ring", *tiny.DATASETS)
# What makes a run larger, asks for what is not there, or ends this program, and is no pair of ours.
LARGE = ("steps", "batch_size", "image_size", "load_size", "devices", "gpus", "gpu_mem_mb", "width",
         "run_dir", "gan_type", "dry_run", "preset", "time_limit")  # fmt: skip


def registered():
    """The tiny networks and sets, by name, beside those of the program."""
    for table, own in (
        (nets.NETS, tiny.NETS), (nets.CLASSIFIERS, tiny.CLASSIFIERS),
        (nets.TRANSLATORS, tiny.TRANSLATORS), (DATASETS, tiny.DATASETS), (PALETTES, tiny.PALETTES),
    ):  # fmt: skip
        table.update(own)


def drawn(record, field, rng):
    """Words of an option with some value, mostly an allowed one."""
    low, high, above = (field.metadata[name] for name in ("low", "high", "above"))
    kind = option_type(record, field.name)
    if kind is bool:
        return [f"--{'no-' * bool(rng.integers(2))}{field.name}"]
    allowed = choices_of(field)
    if allowed:
        values = [*allowed, *(["a,a", ",".join(allowed[:2])] if field.metadata["several"] else [])]
    elif kind is str:
        values = ["nowhere", "a", "a,b", "a,a", "b,a", "", "../x", "é", "a b"]
    else:
        values = [0, 1, 2, 3, 0.5, -1, 7, 1e-9, 10**9, 1e30, "nan", "inf", low, high, above]
        values = [v for v in values if v is not None]
    count = int(rng.integers(1, 3)) if field.metadata["two"] else 1
    return [f"--{field.name}"] + [str(values[rng.integers(len(values))]) for _ in range(count)]


def words_of(seed, number):
    """(trainer, command line) of a case."""
    rng = np.random.default_rng([seed, number])
    kind = list(TRAINERS)[number % len(TRAINERS)]
    fields = [
        (record, field)
        for record in records_of(kind)
        for field in dataclasses.fields(record)
        if field.name not in (*LARGE, "dataset")
    ]
    pair = rng.choice(len(fields), 2, replace=False)
    words = ["--gan_type", kind]
    if rng.integers(3):
        words += ["--dataset", SETS[rng.integers(len(SETS))]]
    return kind, words + [word for i in pair for word in drawn(*fields[i], rng)]


def planned(kind, words, run_dir):
    """The config of a command line, resolved and planned."""
    commands = {name: entry[:2] for name, entry in COMMANDS.items()}
    _, options = flags.parse("gantrain", commands, "train", words)
    usual = tiny.config(run_dir, gan_type=kind).flat()
    given = {
        name: usual[name]
        for name in ("dataset", "width", "batch_size", "image_size", "load_size", "noise_dim",
                     "generator", "patch")
        if usual.get(name) is not None and name not in options
    }  # fmt: skip
    if options.get("dataset") == "ring":
        given = {k: v for k, v in given.items() if k in ("width", "batch_size")}
    config = resolve(configure(options | {"run_dir": str(run_dir), "steps": 2}, given=given))
    plan(config)
    return config, given


def case(seed, number, steps=False):
    """Runs one case; returns how it ended."""
    kind, words = words_of(seed, number)
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _, given = planned(kind, words, Path(folder) / "run")
            if not steps:
                return "planned"
            own = [w for name, value in given.items() for w in (f"--{name}", str(value))]
            words = [*words, *own, "--run_dir", f"{folder}/run"]
            said = io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                code = gantrain([*words, "--dry_run"])
            assert code in (0, 2) and said.getvalue().count("\n") <= 1, (code, said.getvalue())
            return "refused" if code else "stepped"
        except UserError as error:
            assert str(error), words
            return "refused"
        except BaseException:
            print("gantrain", *words, file=sys.stderr)
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", action="store_true")
    options = parser.parse_args()
    registered()
    end, wrong, counts = time.monotonic() + 60 * options.minutes, 0, collections.Counter()
    for number in range(options.first, options.first + options.cases):
        if time.monotonic() > end:
            break
        try:
            counts[case(options.seed, number, options.steps)] += 1
        except (Exception, SystemExit):
            wrong += 1
            print(f"--seed {options.seed} --first {number} --cases 1", file=sys.stderr)
            traceback.print_exc(limit=-6)
    print(f"{counts.total() + wrong} cases: {dict(counts)}, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
