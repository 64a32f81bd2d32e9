"""Kills and faults of storage at seeded moments; what is left is what nobody disturbed.

    python tests/torture/torture.py kills --seed 0 --minutes 5 --place FOLDER
    python tests/torture/torture.py faults --seed 0 --minutes 5 --place FOLDER

`kills` starts a command again and again and ends it by a random signal after a random time, until
it comes to its end. `faults` raises an OSError before one operation on a file, each in its turn, or
limits the size of files, and then starts the command once more without. In the end weights, log,
tables and the names of the files must be those of the undisturbed run, bit for bit.

Processes are forked from one that has TensorFlow loaded and not used, which saves most of their
time; every tenth is a fresh one, so that loading is disturbed, too.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

FATAL = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL)
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
# What depends on the clock, the place or the number of starts.
TIMES = ("images_per_second", "input_wait")

TRAIN = (
    "--gan_type gan --dataset ring --batch_size 8 --steps 12 --log_every 1 --sample_every 4 "
    "--checkpoint_every 3 --keep 2 --run_dir run"
)


def register():
    """A table of two quick runs, for `reproduce`."""
    from gantrain.experiments import EXPERIMENTS
    from gantrain.experiments.table import Arm, Experiment, TableRow

    options = dict(
        gan_type="gan", net="toy", batch_size=8, steps=4, log_every=1, sample_every=4,
        checkpoint_every=2,
    )  # fmt: skip
    EXPERIMENTS["torture"] = Experiment(
        summary="two quick runs",
        source="tests",
        dataset="ring",
        scales={"smoke": options},
        arms=(
            Arm("hinge", "hinge", {"smoke": {"loss": "hinge"}}),
            Arm("wasserstein", "wasserstein", {"smoke": {"loss": "wasserstein"}}),
        ),
        rows=(TableRow("covered", "modes/covered/{0}"),),
        metrics=("modes",),
        num={"smoke": 50},
    )


def command(what, place):
    """(words, folder with all that the command leaves)."""
    if what == "reproduce":
        words = ["reproduce", "torture", "--scale", "smoke", "--runs", "runs", "--output", "tables"]
        return words, place
    if what == "evaluate":
        return ["evaluate", "--run_dir", "run", "--num", "50"], place / "run"
    return TRAIN.split(), place


def child(words, place, log, fault=None):
    """Runs a command in a forked process; returns its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(place)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        from gantrain.main import main

        register()
        sys.argv = ["gantrain", *words]
        if fault:
            fault(place)
        code = main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def fresh(words, place, log):
    """As `child`, in a process that loads everything itself."""
    pid = os.fork()
    if pid:
        return pid
    os.chdir(place)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    own = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
    own += "import torture; from gantrain.main import main\n"
    own += "if 'torture' in sys.argv: torture.register()\nsys.exit(main())"
    return os.execv(sys.executable, [sys.executable, "-c", own, *words])


def ended(pid, after=None, number=None, again=None):
    """The exit code of a process, negative for a signal, which is sent to it after some seconds."""
    deadline = time.monotonic() + after if after is not None else None
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(pid, number)
            deadline = None
            if again:
                time.sleep(again)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        time.sleep(0.002)


# --- what is left --------------------------------------------------------------------------------


def state(folder):
    """{file: what of it must not depend on who disturbed it} of a folder and all below it."""
    found = {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".npz" and "checkpoints" in path.parts:
            with np.load(path) as stored:
                # "log": lines for which there was no room; they are in metrics.jsonl since.
                found[name] = {k: stored[k].tobytes() for k in stored.files if k != "log"}
        elif path.name == "metrics.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{k: v for k, v in li.items() if k not in TIMES} for li in lines]
        elif path.name == "summary.json":
            value = json.loads(path.read_text())
            value["last"] = {k: v for k, v in value["last"].items() if k not in TIMES}
            found[name] = value
        elif path.name == "metrics.json":
            value = json.loads(path.read_text())
            found[name] = {k: value[k] for k in ("values", "networks", "step", "num", "seed")}
        elif path.suffix in (".csv", ".md") or "samples" in path.parts:
            found[name] = path.read_bytes()
        else:
            found[name] = None
    return found


def torn(folder):
    """What no moment may leave: files that are whole by name and not by content; gaps, doubles."""
    wrong = []
    for path in Path(folder).rglob("*"):
        if path.name.startswith(".writing-") or not path.is_file():
            continue
        try:
            if path.suffix == ".npz" and "checkpoints" in path.parts:
                with np.load(path) as stored:
                    for key in stored.files:
                        stored[key]
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.name == "metrics.jsonl":
                *whole, _ = path.read_text().split("\n")
                steps = [json.loads(line)["step"] for line in whole]
                if steps != list(range(1, len(steps) + 1)):
                    wrong.append(f"{path}: steps {steps}")
            elif path.suffix == ".png" and path.read_bytes()[-8:-4] != b"IEND":
                wrong.append(f"{path}: cut")
        except Exception as error:
            wrong.append(f"{path}: {error!r}")
    return wrong


def differences(one, other):
    """Names of files that differ between two states."""
    return sorted(n for n in {*one, *other} if one.get(n, "-") != other.get(n, "-"))


def said(log):
    # A process may be killed before it opens its log.
    return Path(log).read_text(errors="replace") if Path(log).exists() else ""


class Reference:
    """An undisturbed run of a command, and how long it took."""

    def __init__(self, what, place):
        self.what, self.place = what, place / f"reference-{what}"
        self.place.mkdir(parents=True)
        self.prepare(self.place)
        words, folder = command(what, self.place)
        began = time.monotonic()
        code = ended(child(words, self.place, place / "reference.log"))
        assert code == 0, said(place / "reference.log")
        self.seconds, self.state = time.monotonic() - began, state(folder)

    def prepare(self, place):
        """Lays out what a command starts from."""
        if self.what == "evaluate":
            trained = self.place.parent / "reference-train" / "run"
            shutil.copytree(trained, place / "run")


# --- kills ---------------------------------------------------------------------------------------


def kills(references, place, rng, until, count):
    """Chains of kills until a time has come or so many were made; yields what went wrong."""
    chains = 0
    while time.monotonic() < until:
        reference = references[chains % len(references)]
        chains += 1
        own = place / f"chain-{chains}"
        own.mkdir()
        reference.prepare(own)
        words, folder = command(reference.what, own)
        log, code, starts = own.with_suffix(".log"), None, 0
        while code != 0:
            starts += 1
            begin = fresh if rng.random() < 0.1 else child
            # Now and then it is left alone, so that a chain has an end.
            spared = rng.random() < 0.15 or time.monotonic() > until
            number = rng.choice(FATAL + ASKING)
            slow = 6.0 if begin is fresh else 0.0
            after = None if spared else rng.uniform(0, 1.1 * (reference.seconds + slow))
            again = rng.choice((None, 0.02)) if number in ASKING else None
            code = ended(begin(words, own, log), after, number, again)
            count[reference.what, "starts"] += 1
            if after is not None and code:
                count[reference.what, "kills"] += 1
            text = said(log)
            expected = {0} if spared else {0, 75, -signal.SIGKILL}
            if not spared and after < (2.0 if begin is fresh else 0.2):
                # Python itself was starting.
                expected.add(-number)
            if code not in expected or "Traceback" in text:
                ending = f"{number.name} at {after}: exit {code}"
                yield f"{reference.what}: {ending}: {text[-2000:]}"
                break
            wrong = torn(own)
            if wrong:
                yield f"{reference.what}: {number.name} at {after} left {wrong}"
                break
        else:
            left = differences(state(folder), reference.state)
            if left:
                yield f"{reference.what}: after {starts} starts {left} differ"
            else:
                shutil.rmtree(own)
        count[reference.what, "chains"] += 1


# --- faults --------------------------------------------------------------------------------------

EVENTS = {
    "open",
    *(f"os.{n}" for n in ("rename", "remove", "mkdir", "rmdir", "link", "scandir", "utime")),
}


def failing(number, errors, tally=None):
    """A fault: the `number`-th operation on a file of the place fails; 0 only counts them."""

    def install(place):
        seen = [0]

        def hook(event, args):
            if event not in EVENTS or not args or not isinstance(args[0], (str, Path)):
                return
            if not os.path.abspath(args[0]).startswith(f"{place}{os.sep}"):
                return
            seen[0] += 1
            if tally:
                os.pwrite(tally, b"%08d" % seen[0], 0)
            if seen[0] == number:
                raise OSError(errors, os.strerror(errors), str(args[0]))

        sys.addaudithook(hook)

    return install


def short_of(size):
    """A fault: no file may become longer than this."""

    def install(place):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return install


def faults(references, place, rng, until, count):
    """One fault in each run, every operation in a random order; yields what went wrong."""
    for reference in references:
        words, _ = command(reference.what, place)
        own = place / "count"
        own.mkdir()
        reference.prepare(own)
        tally = os.open(place / "tally", os.O_RDWR | os.O_CREAT)
        ended(child(words, own, place / "count.log", failing(0, 0, tally)))
        operations = int(os.pread(tally, 8, 0))
        count[reference.what, "operations"] = operations
        shutil.rmtree(own)
        errors = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT)
        planned = [
            (f"operation {n}", failing(n, rng.choice(errors))) for n in range(1, operations + 1)
        ]
        sizes = (0, 10, 300, 1_000, 4_000, 20_000)
        planned += [(f"files of {n} bytes", short_of(n)) for n in sizes]
        rng.shuffle(planned)
        for number, (what, fault) in enumerate(planned):
            if time.monotonic() > until:
                break
            own = place / f"fault-{reference.what}-{number}"
            own.mkdir()
            reference.prepare(own)
            words, folder = command(reference.what, own)
            log = own.with_suffix(".log")
            code = ended(child(words, own, log, fault))
            text = said(log)
            count[reference.what, f"exit {code}"] += 1
            if code not in (0, 2) or "Traceback" in text:
                yield f"{reference.what}, {what}: exit {code}: {text[-3000:]}"
                continue
            wrong = torn(own)
            code = ended(child(words, own, log))
            left = differences(state(folder), reference.state) if not code else said(log)[-1500:]
            if not code:
                # An old checkpoint that could not be removed stays, and a line says so.
                left = [name for name in left if f"{name}: cannot be removed" not in text]
            if wrong or code or left:
                then = f"{wrong}, then exit {code}, {left}"
                yield f"{reference.what}, {what}: {then}; first: {text[-500:]}"
                continue
            shutil.rmtree(own)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("kills", "faults"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--commands", default="train,evaluate,reproduce")
    o = parser.parse_args()
    count, wrong = torture(o.what, o.seed, o.minutes, o.place.resolve(), o.commands.split(","))
    for (what, kind), number in sorted(count.items()):
        print(f"{what:12s} {kind:12s} {number}")
    for line in wrong:
        print(f"WRONG {line}")
    print(f"{len(wrong)} wrong")
    return bool(wrong)


def torture(what, seed, minutes, place, commands):
    """(counts, what went wrong) of a bounded torture below `place`."""
    import tensorflow  # noqa: F401

    # What a process loads before anything is computed; TensorFlow starts no thread for it.
    import gantrain.experiments
    import gantrain.nets.layers
    import gantrain.schedules
    import gantrain.stages  # noqa: F401

    place = place / f"{what}-{seed}"
    place.mkdir(parents=True)
    needed = ["train", *commands] if "evaluate" in commands else commands
    made = {name: Reference(name, place) for name in dict.fromkeys(needed)}
    count, rng = collections.Counter(), random.Random(seed)
    act = {"kills": kills, "faults": faults}[what]
    until = time.monotonic() + 60 * minutes
    return count, list(act([made[name] for name in commands], place, rng, until, count))


if __name__ == "__main__":
    sys.exit(main())
