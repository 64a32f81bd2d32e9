"""The notebook page of the docs, block by block, on images and steps that take seconds."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import config
from gantrain.data.datasets import DATASETS, Dataset
from gantrain.errors import UserError
from gantrain.runs.directory import RunDirectory
from gantrain.stages import open_run, prepare
from gantrain.use.samples import samples

PAGE = Path(__file__).resolve().parents[1] / "docs" / "notebook.md"


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The same options on fewer steps and on random images under the same names."""
    configure = config.configure
    monkeypatch.setattr(config, "configure", lambda options: configure(
        {}, given=options | dict(steps=2, batch_size=4, classifier_steps=2, classifier_net="plain",
                       n_critic=1)))
    monkeypatch.setitem(DATASETS, "pen2street", Dataset(
        "tests", lambda request: [tiny.domain("pen"), tiny.domain("street")]))
    monkeypatch.chdir(tmp_path)
    tf.config.run_functions_eagerly(True)
    import matplotlib
    matplotlib.use("agg")


def test_the_notebook_page_runs_as_it_stands(small, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    photos, drawings = (tiny.domain(n).images for n in ("photos", "drawings"))
    names = {"photos": photos, "drawings": drawings}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert RunDirectory("runs/notebook").summary()["steps"] == 2
    made = names["pen"]
    assert made.dtype == np.float32 and made.shape[1:] == (32, 32, 3)
    assert -1 <= made.min() <= made.max() <= 1
    # The file of a generator gives the images that the session gave for the same z.
    z = names["z"]
    opened = open_run("runs/notebook")
    np.testing.assert_allclose(names["images"], samples(opened, z)[1], atol=1e-5)
    # The last block trains on arrays of one's own.
    assert [d.name for d in names["run"].domains] == ["photos", "drawings"]


def test_the_first_block_is_a_dozen_lines():
    first = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in first[1].splitlines() if line.strip()]) <= 12


def test_two_runs_in_one_process_do_not_disturb_each_other(tmp_path):
    """Seeds, precision and names of one session leave no trace in the next."""
    tf.config.run_functions_eagerly(True)
    logs = []
    for precision in ("float32", "mixed_bfloat16", "float32"):
        session = prepare(tiny.config(tmp_path, gan_type="cogan", precision=precision),
                          domains=tiny.domains(2))
        logs.append({k: float(v) for k, v in session.iterate(0).items()})
    assert logs[0] == logs[2] != logs[1]


def test_a_notebook_sees_an_ordinary_exception(tmp_path):
    with pytest.raises(UserError, match="--loss hing: unknown; did you mean hinge"):
        config.configure(dict(loss="hing"))
