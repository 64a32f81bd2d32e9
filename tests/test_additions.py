"""What docs/adding.md says: a thing is added by one file that ends with its entry in a registry.

The five files are those of the page. Each is run through flag, help, the page of options,
conformance, log, resume and report.
"""

import ast
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tiny
from conformance import CHECKS, Played
from test_metric_ideals import HELD
from test_penalties import GOLDEN

from gantrain.data.datasets import DATASETS
from gantrain.main import main
from gantrain.measures import METRICS
from gantrain.nets import NETS
from gantrain.stages import prepare
from gantrain.trainers import TRAINERS
from gantrain.trainers.scogan import COUPLINGS

DOCS = Path(__file__).resolve().parent.parent / "docs"
# {file of the page: (registry, key of its entry)}.
ADDED = {
    "mean_colour": (COUPLINGS, "colour_loss"),
    "stripes": (DATASETS, "stripes"),
    "acgan": (TRAINERS, "acgan"),
    "plain32": (NETS, "plain32"),
    "brightness": (METRICS, "brightness"),
}
FILES = dict(
    re.findall(
        r"^```python\n# (\w+)\.py\n(.*?)^```$",
        (DOCS / "adding.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)


@pytest.fixture(scope="module", autouse=True)
def added(tmp_path_factory):
    """The files of the page, written into a folder of one's own and imported."""
    folder = tmp_path_factory.mktemp("additions")
    before = {name: dict(registry) for name, (registry, _) in ADDED.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for name, text in FILES.items():
            (folder / f"{name}.py").write_text(text)
            importlib.import_module(name)
        yield folder
    for name, (registry, _) in ADDED.items():
        registry.clear()
        registry.update(before[name])
        del sys.modules[name]


TINY = ["--width", "0.015625", "--batch_size", "4", "--n_critic", "1", "--log_every", "1"]
COUPLED = ["--dataset", "stripes", "--net", "plain32", "--noise_dim", "6", "--colour_loss", "3"]
CLASSES = [
    "--gan_type",
    "acgan",
    "--dataset",
    "stripes",
    "--domains",
    "across",
    "--noise_categories",
    "4",
    "--noise_dim",
    "6",
]


def test_each_is_one_file_that_ends_with_its_one_line():
    assert set(FILES) == set(ADDED)
    for name, text in FILES.items():
        registry, key = ADDED[name]
        entries = [
            node
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
        ]
        assert (len(entries) == 1 and entries[0] is ast.parse(text).body[-1]) or (
            ast.dump(entries[0]) == ast.dump(ast.parse(text).body[-1])
        ), name
        assert key in registry


@pytest.mark.parametrize(
    "words, shown",
    [
        (["train", "--help"], ["--colour_loss", "plain32", "acgan"]),
        (
            ["--gan_type", "acgan", "--help"],
            ["--class_loss", "--noise_categories 10 --class_loss 0.5"],
        ),
        (["evaluate", "--help"], ["brightness"]),
        (["list"], ["colour_loss", "stripes across and upright", "plain32", "acgan", "brightness"]),
        (["check", "--dataset", "stripes"], ["stripes"]),
    ],
)
def test_the_command_line_knows_them(words, shown, capsys):
    try:
        assert main(words) == 0
    except SystemExit as stop:
        assert stop.code == 0
    text = capsys.readouterr().out
    assert all(part in text for part in shown)


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--gan_type", "cogan", "--colour_loss"], ["--colour_loss", "--gan_type scogan"]),
        (["--class_loss", "2"], ["--class_loss", "--gan_type acgan"]),
        (["--colour_loss", "-1"], ["--colour_loss", "at least 0"]),
        (CLASSES[:6], ["--noise_categories 4"]),
        (["--coupling_ramp", "3"], ["--coupling_ramp", "--colour_loss"]),
    ],
)
def test_an_option_of_theirs_that_nothing_heeds_is_refused(words, parts, capsys):
    assert main(words) == 2
    text = capsys.readouterr().err
    assert all(part in text for part in parts)


def test_they_are_on_the_page_of_options():
    spec = importlib.util.spec_from_file_location("options_page", DOCS / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.page()
    assert "### MC, equal mean colours\n\nOf scogan." in page
    assert "### AC-GAN\n\nOf acgan." in page
    assert all(f"`{name}`" in page for name in ("acgan", "plain32", "brightness", "--colour_loss"))


@pytest.mark.parametrize(
    "options, number",
    [
        (dict(colour_loss=3.0, coupling_ramp=2), 3),
        (dict(gan_type="acgan", noise_categories=10, n_critic=2), 1),
    ],
)
def test_they_keep_what_every_trainer_keeps(options, number):
    config = tiny.config("unused", **dict(net="plain", n_critic=1) | options)
    played = Played(prepare(config, domains=tiny.domains(number)))
    for check in CHECKS:
        check(played)


def test_the_class_that_is_asked_for_reaches_the_game():
    """Labels and latent vectors are there for whoever wants them, without another hook."""
    config = tiny.config("unused", gan_type="acgan", noise_categories=10, net="plain")
    trainer = prepare(config, domains=tiny.domains(1)).trainer
    z = tf.one_hot([3, 1, 4, 1], 16) * 2.0
    assert trainer.asked(z).numpy().tolist() == [3, 1, 4, 1]


@pytest.mark.parametrize(
    "name, words, logged",
    [
        ("coupled", COUPLED, {"generators/mean_colour", "brightness/across", "brightness/upright"}),
        (
            "classes",
            CLASSES,
            {"discriminators/class_real", "generators/class_fake", "brightness/across"},
        ),
    ],
)
def test_a_run_is_logged_resumed_measured_and_reported(name, words, logged, tmp_path, capsys):
    tf.config.run_functions_eagerly(True)
    measured = [
        "--evaluate_every",
        "2",
        "--evaluate_metrics",
        "brightness",
        "--evaluate_num",
        "10",
        "--keep_best",
        "brightness",
    ]

    def train(where, steps):
        assert (
            main(
                [
                    *words,
                    *TINY,
                    *measured,
                    "--run_dir",
                    str(tmp_path / where),
                    "--steps",
                    str(steps),
                ]
            )
            == 0
        )
        lines = (tmp_path / where / "metrics.jsonl").read_text().splitlines()
        return tiny.timeless([json.loads(line) for line in lines])

    straight = train("straight", 4)
    assert train("resumed", 2) == straight[:2]
    assert train("resumed", 4) == straight
    assert logged <= set(straight[-1])
    report = (tmp_path / "resumed" / "report.html").read_text()
    assert "brightness" in report and words[-2] in report and "losses.png" in report
    capsys.readouterr()
    assert (
        main(
            [
                "evaluate",
                "--run_dir",
                str(tmp_path / "resumed"),
                "--metrics",
                "brightness",
                "--num",
                "10",
            ]
        )
        == 0
    )
    assert "brightness/across" in capsys.readouterr().out


def test_the_registries_ask_for_golden_values():
    """The tests of terms and of metrics refuse what has none, by name."""
    assert "colour_loss" not in GOLDEN and "brightness" not in HELD
    assert set(COUPLINGS) - set(GOLDEN) == {"colour_loss"}
    assert set(METRICS) - set(HELD) == {"brightness"}
