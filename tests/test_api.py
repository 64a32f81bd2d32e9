"""The public names, and the notebook page of the docs, on images and steps that take seconds."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny

import gantrain
from gantrain.data.datasets import DATASETS, Dataset
from gantrain.stages import prepare

PAGE = Path(gantrain.__file__).resolve().parents[1] / "docs" / "notebook.md"
NAMES = set(gantrain.__all__)
# What makes the page's runs small.
SHORT = {
    "steps=2_000,": "",
    "run_dir=": "steps=2, batch_size=4, n_critic=1, run_dir=",
    "semantic_loss=1.0,": "semantic_loss=1.0, classifier_steps=2, classifier_net='plain',",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder and the names that the page leaves behind, on few steps and random images."""
    import matplotlib

    matplotlib.use("agg")
    photos, drawings = (tiny.domain(n).images for n in ("photos", "drawings"))
    names = {"photos": photos, "drawings": drawings}
    folder = tmp_path_factory.mktemp("notebook")
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            DATASETS,
            "pen2street",
            Dataset("tests", lambda request: [tiny.domain("pen"), tiny.domain("street")]),
        )
        patch.chdir(folder)
        blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        for block in blocks:
            for typed, short in SHORT.items():
                block = block.replace(typed, short)
            exec(compile(block, PAGE.name, "exec"), names)
    assert len(blocks) >= 5
    return folder, names


def test_the_notebook_page_runs_as_it_stands(page):
    folder, names = page
    assert names["summary"]["steps"] == 2
    assert (folder / "runs" / "notebook" / "summary.json").exists()
    assert len(names["losses"]) >= 1 and np.isfinite(names["losses"]).all()
    assert 0 <= names["result"]["values"]["joint/coherence"] <= 1
    assert names["config"].flat()["semantic_form"] == "agreement"


def test_samples_are_the_generators_images_of_the_same_latent_vectors(page):
    folder, names = page
    made = [names["pen"], names["street"]]
    assert [m.shape for m in made] == [(40, 32, 32, 3)] * 2
    assert all(m.dtype == np.float32 and -1 <= m.min() <= m.max() <= 1 for m in made)
    # The file of a generator gives what the run gives for the same z.
    np.testing.assert_allclose(names["images"], made[1], atol=1e-5)
    other = gantrain.sample(folder / "runs" / "notebook", 40)
    assert np.abs(other[1] - made[1]).max() > 1e-3, "another seed, other images"


def test_translated_pictures_keep_their_size_and_take_bytes(page):
    _, names = page
    assert [m.shape for m in names["made"]] == [(32, 32, 3)] * 2
    pixels = np.rint((names["pen"][0] + 1) * 127.5).astype(np.uint8)
    short = dict(steps=3, restarts=1)
    of_bytes, of_floats = (
        gantrain.translate(names["run"], [given], "a2b", **short)[0]
        for given in (pixels, pixels / np.float32(127.5) - 1)
    )
    np.testing.assert_allclose(of_bytes, of_floats, atol=1e-3)
    (larger,) = gantrain.translate(names["run"], [np.zeros((40, 48, 1))], "street2pen", **short)
    assert larger.shape == (40, 48, 3)


def test_training_goes_on_and_refuses_other_options(page, monkeypatch):
    folder, _ = page
    monkeypatch.chdir(folder)
    domains = [tiny.domain("photos"), tiny.domain("drawings")]
    options = dict(gan_type="scogan", dataset="folder:mine", run_dir="runs/mine")
    tf.config.run_functions_eagerly(True)
    with pytest.raises(gantrain.UserError, match="other options.*--cycle_loss"):
        gantrain.train(domains=domains, cycle_loss=1.0, steps=3, **options)
    assert gantrain.train(domains=domains, steps=3, **options).directory.summary()["steps"] == 3
    with pytest.raises(gantrain.UserError, match="dry_run"):
        gantrain.train(domains=domains, dry_run=True, **options)
    assert [line["step"] for line in gantrain.read_log("runs/mine")][-1] == 3


def test_the_first_block_is_a_dozen_lines():
    first = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in first[1].splitlines() if line.strip()]) <= 12


def test_two_runs_in_one_process_do_not_disturb_each_other(tmp_path):
    """Seeds, precision and names of one session leave no trace in the next."""
    tf.config.run_functions_eagerly(True)
    logs = []
    for precision in ("float32", "mixed_bfloat16", "float32"):
        run = prepare(
            tiny.config(tmp_path, gan_type="cogan", precision=precision), domains=tiny.domains(2)
        )
        logs.append({k: float(v) for k, v in run.iterate(0).items()})
    assert logs[0] == logs[2] != logs[1]


def test_a_notebook_sees_an_ordinary_exception():
    for call in (gantrain.make_config, gantrain.train):
        with pytest.raises(gantrain.UserError, match="--loss hing: unknown; did you mean hinge"):
            call(loss="hing")


# --- the names -----------------------------------------------------------------------------------


def test_importing_and_looking_load_no_tensorflow():
    """Neither the package, nor its names, nor the errors a program catches."""
    code = (
        "import sys, gantrain; dir(gantrain); gantrain.UserError, gantrain.__version__; "
        "print([m for m in ('tensorflow', 'keras', 'numpy', 'gantrain.notebook') "
        "if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    table = PAGE.read_text()
    assert set(dir(gantrain)) >= NAMES
    for name in NAMES:
        value = getattr(gantrain, name)
        assert name == "__version__" or value.__doc__, name
        assert f"`{name}" in table, name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        gantrain.trian  # noqa: B018


def test_type_checkers_are_told_the_same_names():
    """The imports of the package for type checkers and its table agree."""
    tree = ast.parse(Path(gantrain.__file__).read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {name.asname: node.module for node in checked.body for name in node.names}
    assert told == gantrain._HOMES


def test_no_public_name_is_that_of_a_module():
    """Importing such a module would put it in the place of the function."""
    assert not NAMES & {module.name for module in pkgutil.iter_modules(gantrain.__path__)}
    assert callable(importlib.import_module("gantrain").translate)
