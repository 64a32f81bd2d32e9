"""Mutations of the algorithms and of the road to a number: each has to be seen by a test.

    python -m tests.mutate [NAME ...]

copies the tree to a temporary folder, applies one entry of `tests/mutations.py` at a time and runs
the tests that it names, the first to fail being enough. It prints a line per mutation and ends with
1 if one survives, or if the text that it replaces is not in its file exactly once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("gantrain", "tests", "docs", "README.md", "pyproject.toml", "setup.cfg")


def misfit(mutation, root=ROOT):
    """Why a mutation cannot be applied, or ""."""
    path = Path(root) / mutation.file
    if not path.is_file():
        return f"{mutation.file} is not there"
    count = path.read_text().count(mutation.old)
    return "" if count == 1 else f"its old text is in {mutation.file} {count} times, not once"


def survives(mutation, root):
    """What pytest says where no test fails in the copy of the tree at `root`; "" where one does."""
    path = Path(root) / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(text)
    if ran.returncode == 1:
        return ""
    # Anything else than a failed test is no death: no test was found, or the tree is broken.
    return (ran.stdout + ran.stderr)[-2_000:] or f"pytest ended with {ran.returncode}"


def run(mutations, say=print):
    """Applies all of them, one at a time. Returns the names of those that survive or do not fit."""
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            source, target = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, target)
        for mutation in mutations:
            reason = misfit(mutation, folder)
            output = "" if reason else survives(mutation, folder)
            say(
                f"{'MISFIT' if reason else 'survived' if output else 'died':9s}{mutation.name}"
                + (f": {reason}" if reason else ""),
                flush=True,
            )
            if reason or output:
                bad.append(mutation.name)
                say(output, flush=True)
    return bad


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from mutations import MUTATIONS

    wanted = sys.argv[1:]
    chosen = [m for m in MUTATIONS if not wanted or any(word in m.name for word in wanted)]
    sys.exit(1 if run(chosen) or not chosen else 0)
