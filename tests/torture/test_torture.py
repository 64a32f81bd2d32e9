"""A bounded piece of the torture; `torture.py` goes on as long as it is told."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("what", ["kills", "faults"])
def test_what_is_left_is_what_nobody_disturbed(tmp_path, what):
    words = [what, "--seed", "3", "--minutes", "3", "--place", str(tmp_path)]
    # A process of its own: this one has used TensorFlow, and cannot be forked.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("torture.py")), *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "0 wrong" in done.stdout, done.stdout + done.stderr
