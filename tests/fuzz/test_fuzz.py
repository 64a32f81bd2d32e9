"""A sample of damaged files for every reader; `fuzz.py` goes on as long as it is told."""

import subprocess
import sys

import fuzz
import options
import pytest
import tiny


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_whole_files_are_read(tmp_path, reader):
    write, read = fuzz.READERS[reader]
    write(tmp_path)
    read(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_one_line_or_what_it_promises(tmp_path, seed):
    for number in range(len(fuzz.READERS)):
        fuzz.case(seed, number, tmp_path)


@pytest.mark.parametrize("number", range(24))
def test_a_pair_of_options_is_planned_or_one_line(number):
    options.case(3, number)


@pytest.mark.parametrize(
    ("kind", "words"),
    (
        ("scogan", "--domains a,a"),
        ("cyclegan", "--domains a,a"),
        ("cyclegan", "--discriminators one --lambda_cycle 0"),
        ("cyclegan", "--discriminators one --lambda_cycle 0 --lambda_identity 0"),
    ),
)
def test_options_that_leave_nothing_to_learn(tmp_path, kind, words):
    words = ["--gan_type", kind, *words.split()]
    tiny.refused(lambda: options.planned(kind, words, tmp_path), words[2])


@pytest.mark.slow
@pytest.mark.parametrize("steps", ([], ["--steps"]))
def test_many_pairs_of_options(steps):
    words = ["--seed", "11", "--cases", "2000", "--minutes", "3", *steps]
    done = subprocess.run(
        [sys.executable, options.__file__, *words], capture_output=True, text=True
    )
    assert done.returncode == 0 and " 0 wrong" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_many_damaged_files(tmp_path):
    words = ["--seed", "11", "--cases", "4000", "--minutes", "3", "--place", str(tmp_path)]
    done = subprocess.run([sys.executable, fuzz.__file__, *words], capture_output=True, text=True)
    assert done.returncode == 0 and " 0 wrong" in done.stdout, done.stdout + done.stderr
