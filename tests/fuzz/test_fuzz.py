"""A sample of damaged files for every reader; `fuzz.py` goes on as long as it is told."""

import subprocess
import sys

import fuzz
import pytest


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_whole_files_are_read(tmp_path, reader):
    write, read = fuzz.READERS[reader]
    write(tmp_path)
    read(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_one_line_or_what_it_promises(tmp_path, seed):
    for number in range(len(fuzz.READERS)):
        fuzz.case(seed, number, tmp_path)


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    words = ["--seed", "11", "--cases", "4000", "--minutes", "3", "--place", str(tmp_path)]
    done = subprocess.run([sys.executable, fuzz.__file__, *words], capture_output=True, text=True)
    assert done.returncode == 0 and " 0 wrong" in done.stdout, done.stdout + done.stderr
