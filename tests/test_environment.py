"""What a number is stored with: versions, machine, job, command, and whose commit; and that
setup.cfg names every package that is imported."""

import ast
import configparser
import functools
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import tensorflow as tf
import tiny

import gantrain
from gantrain import config, runtime
from gantrain.runs.directory import RunDirectory

PACKAGE = Path(gantrain.__file__).parent
# Distributions that are called otherwise than what they are imported by.
IMPORTED_BY = {
    "ai_edge_litert": "ai-edge-litert",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "google": "protobuf",
    "pillow_heif": "pillow-heif",
    "tensorflow_datasets": "tensorflow-datasets",
}

OPTIONAL = {"ai-edge-litert", "onnxruntime", "pillow-heif"}  # used where it is there


@functools.cache
def imported():
    """Top-level names that modules of the package import from elsewhere."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"gantrain"}


def test_every_imported_package_is_declared():
    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    needed = config["options"]["install_requires"]
    extra = "\n".join(config["options.extras_require"].values())
    needed, extra = (set(re.findall(r"^[\w.-]+", text, re.M)) for text in (needed, extra))
    found = {IMPORTED_BY.get(name, name) for name in imported()}
    assert "numpy" in found and found - needed <= OPTIONAL & extra


def test_every_declared_package_that_is_imported_is_in_the_provenance():
    named = {name for names in runtime.PACKAGES for name in names}
    assert {IMPORTED_BY.get(name, name) for name in imported()} <= named


def test_an_environment_says_where_a_number_comes_from(monkeypatch):
    for name in runtime.JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["gantrain", "--run_dir", "a b"])
    found = runtime.environment("1 x CPU")
    assert found["job"] == {} and found["command"] == "gantrain --run_dir 'a b'"
    assert found["device"] == "1 x CPU" and found["host"] and found["gpus"] == []
    for name in ("gantrain", "tensorflow", "keras", "numpy", "scipy", "h5py"):
        assert found[name] == metadata.version(name)
    assert any(name.startswith("opencv") for name in found)
    json.dumps(found)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert runtime.environment("")["job"] == {"SLURM_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}


def repository(path, name=None):
    """A git repository of one commit, with a package `gantrain`; returns (package, commit)."""
    (path / "gantrain").mkdir(parents=True)
    (path / "gantrain" / "a.py").write_text("")
    if name:
        (path / "setup.cfg").write_text(f"[metadata]\nname = {name}\n")

    def git(*words):
        plain = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        return subprocess.run(
            ["git", "-C", path, "-c", "user.name=a", "-c", "user.email=a@b", *words],
            check=True,
            capture_output=True,
            text=True,
            env=plain,
        ).stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    return path / "gantrain", git("rev-parse", "HEAD")


def test_a_commit_is_that_of_this_project_only(tmp_path, monkeypatch):
    package, commit = repository(tmp_path / "own", "gantrain")
    said = runtime._commit(package)
    assert said and commit.startswith(said)
    (package / "a.py").write_text("x = 1\n")
    assert runtime._commit(package) == said + "-dirty"
    # A hook of another repository.
    other, _ = repository(tmp_path / "other", "thesis")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert runtime._commit(package) == said + "-dirty"
    monkeypatch.delenv("GIT_DIR")
    # Copied into somebody's repository, installed into its environment, or nowhere.
    assert runtime._commit(other) is None
    bare, _ = repository(tmp_path / "bare")
    assert runtime._commit(bare) is None
    for inside in (
        tmp_path / "own" / ".venv" / "lib" / "gantrain",
        tmp_path / "other" / ".venv" / "lib" / "gantrain",
        tmp_path / "gantrain",
    ):
        inside.mkdir(parents=True)
        assert runtime._commit(inside) is None


def test_a_run_that_goes_on_elsewhere_keeps_where_it_was(tmp_path):
    run = RunDirectory(tmp_path / "run")
    for host in ("one", "two", "three"):
        run.begin(tiny.config(run.path), {"host": host}, tiny.domains(2))
    assert json.loads((run.path / "environment.json").read_text()) == {
        "host": "three",
        "before": [{"host": "one"}, {"host": "two"}],
    }


@pytest.mark.parametrize("text", ["", "{"])
def test_a_damaged_environment_is_one_line(tmp_path, text):
    (tmp_path / "environment.json").write_text(text)
    run = RunDirectory(tmp_path)
    tiny.refused(lambda: run.begin(tiny.config(tmp_path), {}, []), "environment.json", "remove it")


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 amx_tile", "mixed_bfloat16"),
        ("flags\t\t: fpu amx_bf16", "mixed_bfloat16"),
        ("flags\t\t: fpu avx2 avx512f", "float32"),
        ("Features\t: asimd", "float32"),
    ],
)
def test_auto_is_half_precision_where_the_cpu_has_instructions(
    flags, precision, tmp_path, monkeypatch
):
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\n{flags}\nbugs\t\t:\n")
    names = runtime._instructions(listed)
    monkeypatch.setattr(runtime, "_instructions", lambda: names)
    assert runtime.best_precision() == precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [([(8, 0)], "mixed_bfloat16"), ([(9, 0), (7, 5)], "float32"), ([None], "float32")],
)
def test_auto_is_half_precision_where_every_gpu_has_it(capabilities, precision, monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: capabilities)
    details = {"get_device_details": lambda gpu: {"compute_capability": gpu} if gpu else {}}
    for name, value in details.items():
        monkeypatch.setattr(tf.config.experimental, name, value)
    assert runtime.best_precision() == precision


def test_a_cpu_without_a_list_of_instructions_computes_in_float32(tmp_path):
    assert runtime._instructions(tmp_path / "none") == set()


def test_the_chosen_precision_is_stored_and_a_resume_keeps_it(monkeypatch):
    monkeypatch.setattr(config, "best_precision", lambda: "mixed_bfloat16")
    first = config.resolve(config.configure({"dataset": "ring", "precision": "auto"}))
    assert first.runtime.precision == "mixed_bfloat16"
    monkeypatch.setattr(config, "best_precision", lambda: "float32")
    again = config.resolve(config.configure({"precision": "auto"}, first))
    assert again.runtime.precision == "mixed_bfloat16"
    assert config.differences(first, again) == []
