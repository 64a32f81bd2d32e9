"""The commands as a person runs them: exit codes, files, and one line for every mistake."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import consulted, flags, nets
from gantrain.commands import COMMANDS
from gantrain.config import configure, resolve
from gantrain.data.datasets import DATASETS, Dataset
from gantrain.main import FIRST, main
from gantrain.presets import PRESETS
from gantrain.runs.directory import RunDirectory
from gantrain.stages import open_run
from gantrain.use.samples import noise, picture, samples

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def eager():
    tf.config.run_functions_eagerly(True)


def words(run_dir, **options):
    """A command line of a tiny coupled run."""
    usual = dict(
        gan_type="scogan",
        dataset="tiny",
        net="plain",
        width=tiny.WIDTH,
        batch_size=4,
        noise_dim=6,
        n_critic=1,
        steps=4,
        log_every=2,
        run_dir=run_dir,
    )
    if options.get("semantic_loss") and "classifier" not in options:
        usual |= dict(classifier_net="plain", classifier_steps=2)
    if options.get("gan_type") == "classifier":
        for name in ("net", "noise_dim", "n_critic"):
            del usual[name]
    elif options.get("gan_type", "scogan") in ("scogan", "cogan"):
        # A test of what a run ends with asks for it.
        usual["evaluate_end"] = False
    chosen = usual | options
    switches = [f"--{'' if v else 'no-'}{k}" for k, v in chosen.items() if isinstance(v, bool)]
    return switches + [
        w for k, v in chosen.items() if not isinstance(v, bool) for w in (f"--{k}", str(v))
    ]


@pytest.fixture(scope="module")
def coupled(tmp_path_factory):
    """The directory of a finished run with a semantic loss, and what it said."""
    import contextlib
    import io

    path = tmp_path_factory.mktemp("coupled") / "run"
    tf.config.run_functions_eagerly(True)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(words(path, semantic_loss=1, evaluate_every=2, sample_every=2)) == 0
    return path, said.getvalue()


def refused(capsys, argv, *parts):
    """The command exits with 2 and one line that holds all parts."""
    capsys.readouterr()
    assert main([str(w) for w in argv]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gantrain: ") and said.count("\n") == 1
    for part in parts:
        assert str(part) in said


def pixels(path):
    return cv2.imread(str(path))[..., ::-1]


# ----------------------------------------------------------------------------------------- training


def test_training_says_what_it_does(coupled):
    path, said = coupled
    lines = said.splitlines()
    assert sum("training a classifier of a, b" in line for line in lines) == 1
    assert sum("on the test part" in line for line in lines) == 1 + 2 * len(consulted.PANEL)
    assert any(line.startswith("scogan on tiny (a 24, b 27), 1 x CPU") for line in lines)
    last = said[said.index("step 4/4") :]
    assert "semantic" in last and "done: step 4\n" in last and f"{path}/report.html" in last


def test_evaluations_join_the_log(coupled):
    path, _ = coupled
    for line in RunDirectory(path).metrics():
        assert {
            "joint/coherence",
            "joint/coherence_low",
            "joint/chance",
            "joint/entropy/a",
            "joint/entropy/b",
            "joint/confidence/a",
            "joint/accuracy/b",
        } <= set(line)
        assert 0 <= line["joint/coherence"] <= 1
        # Which judges said so.
        assert {n: len(d) for n, d in line["networks"].items()} == {
            f"evaluation_classifiers/{name}/{judge}": 12
            for name in "ab"
            for judge in consulted.PANEL
        }
        assert all(
            digits in (path / "report.html").read_text() for digits in line["networks"].values()
        )


def test_a_coupled_run_ends_with_its_coherence(coupled, tmp_path, capsys):
    """By the judges, without --every; where it is known already it is not measured again."""
    path, _ = coupled
    own = path.parent / "ends"
    assert main(words(own, feature_loss=1, evaluate_end=True)) == 0
    said = capsys.readouterr().out
    summary, first = RunDirectory(own).summary(), RunDirectory(own).metrics()
    low, share, high = (summary[f"joint/coherence{end}"] for end in ("_low", "", "_high"))
    assert 0 <= low <= share <= high <= 1 and len(summary["networks"]) == 4
    most, part = summary["joint/ceiling"], summary["joint/of_ceiling"]
    assert part == pytest.approx(share / most)
    assert f"coherence {share:.3f} ({part:.3f} of the {most:.3f} that real images reach" in said
    assert f"95 % interval {low:.3f} to {high:.3f}" in said and "entropy of classes a " in said
    assert f"all judges unanimous {summary['joint/unanimous']:.3f}, sure " in said
    assert "<td>joint/coherence</td>" in (own / "report.html").read_text()
    # The log is that of a run without it, so that a longer one goes on as if it had been longer.
    assert not [name for line in first for name in line if name.startswith("joint/")]
    assert main(words(own, feature_loss=1, steps=6, evaluate_end=False)) == 0
    assert "joint/coherence" not in RunDirectory(own).summary()
    assert RunDirectory(own).metrics()[:2] == first
    capsys.readouterr()
    # What is logged at the last step is that of the end.
    logged = RunDirectory(path).summary()
    assert "joint/coherence" in logged["last"] and "joint/coherence" not in logged
    # Without labels there is nothing to measure, and nothing is said.
    assert main(words(tmp_path / "u", dataset="tiny_unlabelled", evaluate_end=True, steps=1)) == 0
    assert "coherence" not in capsys.readouterr().out and not (tmp_path / "classifiers").exists()


def test_classifiers_are_kept_and_reused(coupled, tmp_path, capsys):
    path, _ = coupled
    kept = sorted((path.parent / "classifiers").iterdir())
    # One for the semantic loss, and a panel of other seeds for each domain.
    assert [p.name.rpartition("_")[0] for p in kept] == ["a_b_plain"] + [
        f"{name}_plain" for name in "ab" for _ in consulted.PANEL
    ]
    seeds = [RunDirectory(p).config().run.seed for p in kept]
    own = {options["seed"] for options in consulted.PANEL.values()}
    assert seeds[0] == 0 and set(seeds[1:3]) == set(seeds[3:]) == own and len(own) == 2
    assert main(words(path.parent / "second", semantic_loss=2, feature_loss=1)) == 0
    assert "training a classifier" not in capsys.readouterr().out
    assert sorted((path.parent / "classifiers").iterdir()) == kept


def test_a_run_that_trained_its_classifier_resumes(coupled, capsys):
    """The second process finds the classifier instead of training it."""
    path, _ = coupled
    assert main(["--run_dir", str(path), "--steps", "6"]) == 0
    assert "done: step 6" in capsys.readouterr().out
    assert [line["step"] for line in RunDirectory(path).metrics()] == [2, 4, 6]


def test_a_classifier_of_ones_own(tmp_path, classifier_file, capsys):
    assert main(words(tmp_path / "run", semantic_loss=1, classifier=classifier_file)) == 0
    assert not (tmp_path / "classifiers").exists()


def test_a_classifier_run_reports_its_accuracy_and_serves_as_one(tmp_path, capsys):
    own = words(tmp_path / "own", gan_type="classifier", classifier_net="plain", steps=2)
    assert main(own) == 0
    summary = RunDirectory(tmp_path / "own").summary()
    assert {"accuracy/a", "accuracy/b"} <= set(summary)
    assert main(words(tmp_path / "run", semantic_loss=1, classifier=tmp_path / "own")) == 0


# -------------------------------------------------------------------------------- sample and others


def test_sample(coupled, tmp_path, capsys):
    path, _ = coupled
    one, other, third = (tmp_path / "new" / f"{i}.png" for i in range(3))
    command = ["sample", "--run_dir", str(path), "--count", "6", "--columns", "3"]
    assert main([*command, "--output", str(one)]) == 0
    assert f"{one}: 96 x 130 pixels" in capsys.readouterr().out
    # Two rows of each domain and the gap between the domains.
    assert pixels(one).shape == (2 * 32 + 2 + 2 * 32, 3 * 32, 3)
    assert main([*command, "--output", str(other), "--scale", "2"]) == 0
    np.testing.assert_array_equal(pixels(other)[::2, ::2], pixels(one))
    assert main([*command, "--output", str(third), "--seed", "1"]) == 0
    assert not np.array_equal(pixels(third), pixels(one))


def test_interpolate_starts_and_ends_at_samples(coupled, tmp_path):
    path, _ = coupled
    assert (
        main(
            [
                "interpolate",
                "--run_dir",
                str(path),
                "--rows",
                "2",
                "--columns",
                "5",
                "--seed",
                "3",
                "--output",
                str(tmp_path / "path.png"),
            ]
        )
        == 0
    )
    strips = pixels(tmp_path / "path.png")
    assert strips.shape == (130, 5 * 32, 3)
    session = open_run(path)
    ends = picture(session, samples(session, noise(session, 4, seed=3)), columns=1)
    # Domain a: rows 0 and 1 start at samples 0 and 1 and end at samples 2 and 3.
    for row, (start, end) in enumerate(((0, 2), (1, 3))):
        strip = strips[32 * row : 32 * row + 32].astype(int)
        assert np.abs(strip[:, :32] - ends[32 * start : 32 * start + 32]).max() <= 1
        assert np.abs(strip[:, -32:] - ends[32 * end : 32 * end + 32]).max() <= 1


def test_samples_need_neither_the_data_nor_the_classifiers(coupled, tmp_path, monkeypatch):
    path, _ = coupled
    monkeypatch.setitem(DATASETS, "tiny", Dataset("gone", lambda request: 1 / 0))
    monkeypatch.setattr("gantrain.stages.consult", lambda *args: 1 / 0)
    assert main(["sample", "--run_dir", str(path), "--output", str(tmp_path / "s.png")]) == 0


def test_samples_of_points_are_a_plot(tmp_path):
    assert (
        main(
            [
                "--gan_type",
                "gan",
                "--dataset",
                "ring",
                "--steps",
                "1",
                "--run_dir",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    assert (
        main(["sample", "--run_dir", str(tmp_path / "run"), "--output", str(tmp_path / "s.png")])
        == 0
    )
    assert pixels(tmp_path / "s.png").shape[0] > 100


def test_evaluate(coupled, capsys):
    path, _ = coupled
    assert main(["evaluate", "--run_dir", str(path), "--metrics", "coherence", "--num", "50"]) == 0
    said = capsys.readouterr().out
    stored = json.loads((path / "metrics.json").read_text())
    step = RunDirectory(path).checkpoints()[-1].stem
    assert (stored["num"], stored["seed"], stored["step"]) == (50, 12345, int(step))
    names = {
        "coherence",
        "coherence_low",
        "coherence_high",
        *(f"coherence_by/{judge}" for judge in consulted.PANEL),
        "unanimous",
        "sure",
        "ceiling",
        "ceiling_unanimous",
        "ceiling_sure",
        "of_ceiling",
        "chance",
        "entropy/a",
        "entropy/b",
        "confidence/a",
        "confidence/b",
        "accuracy/a",
        "accuracy/b",
    }
    assert set(stored["values"]) == {f"joint/{name}" for name in names}
    assert stored["command"].endswith("--num 50") and stored["environment"]["tensorflow"]
    assert stored["counts"] == {"joint/coherence": 50, "joint/ceiling/a": 24, "joint/ceiling/b": 27}
    for name in names:
        assert f"joint/{name}" in said
    panels = stored["networks"]["evaluation_classifiers"]
    for name, panel in panels.items():
        assert list(panel) == list(consulted.PANEL)
        for title, judge in panel.items():
            assert f"by evaluation_classifiers/{name}/{title}" in said
            assert judge["sha256"][:12] in said
            assert (path.parent / "classifiers" / judge["version"]).is_dir()
        assert stored["values"][f"joint/accuracy/{name}"] == pytest.approx(
            np.mean([judge["accuracy"] for judge in panel.values()])
        )
    assert list(panels) == ["a", "b"]
    low, share, high = (stored["values"][f"joint/coherence{end}"] for end in ("_low", "", "_high"))
    assert 0 <= low <= share <= high <= 1
    assert f"{share:.4f}" in said


@pytest.mark.parametrize("dataset, names", [("tiny3", "abc"), ("tiny_attributes", "ab")])
def test_evaluate_any_number_of_domains_and_attributes(dataset, names, tmp_path):
    path = tmp_path / "run"
    assert (
        main(words(path, dataset=dataset, semantic_loss=1, semantic_form="agreement", steps=1)) == 0
    )
    assert main(["evaluate", "--run_dir", str(path), "--num", "30"]) == 0
    stored = json.loads((path / "metrics.json").read_text())["values"]
    for name in names:
        assert 0 <= stored[f"joint/entropy/{name}"] <= 1
        assert 0 <= stored[f"joint/accuracy/{name}"] <= 1
    assert stored["joint/coherence_low"] <= stored["joint/coherence"]


def test_list_names_everything_with_a_line(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in (*PRESETS, *DATASETS, *nets.NETS, "wasserstein", "semantic_loss", "scogan"):
        lines = [line.split() for line in said.splitlines() if line.split()[0] == name]
        assert lines and all(len(line) > 1 for line in lines), name


def test_list_one_table(capsys):
    assert main(["list", "--what", "presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "presets" and len(lines) == 1 + len(PRESETS)
    assert [line.split()[0] for line in lines[1:]] == sorted(PRESETS)


def test_check_says_what_is_missing(tmp_path, capsys):
    assert main(["check", "--dataset", "mnist", "--data_dir", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert "train-images" in said and str(tmp_path) in said
    assert main(["check", "--dataset", "ring", "--data_dir", str(tmp_path)]) == 0


# ----------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    "argv, parts",
    [
        (["--stpes", "3"], ["--stpes", "train --help"]),
        (["sampel"], ["sampel"]),
        (["--dataset", "mnst"], ["--dataset mnst"]),
        (["--gan_type", "cogn"], ["--gan_type cogn", "did you mean cogan?"]),
        (["--preset", "nothing"], ["--preset nothing", "quick"]),
        (["sample"], ["--run_dir"]),
        (["interpolate"], ["--run_dir"]),
        (["evaluate"], ["--run_dir"]),
        (["check"], ["--dataset"]),
        (["prepare"], ["--dataset"]),
        (
            ["--gan_type", "gan", "--dataset", "tiny"],
            ["--gan_type gan takes one domain", "--domains a"],
        ),
        (["--gan_type", "cogan", "--dataset", "tiny", "--domains", "a"], ["two or more"]),
        (["--dataset", "tiny", "--domains", "a,c"], ["--domains c", "a, b"]),
        (["--dataset", "ring", "--image_size", "32"], ["--image_size", "ring"]),
        (["--dataset", "tiny", "--net", "cogan128"], ["cogan128", "--image_size 128"]),
        (["--dataset", "tiny", "--shared_layers", "9"], ["--shared_layers 9"]),
        (["--dataset", "mnist", "--offline"], ["mnist"]),
        (["--dataset", "folder:nowhere"], ["nowhere"]),
        (
            ["--dataset", "tiny", "--semantic_loss", "--classifier", "nowhere.keras"],
            ["nowhere.keras", "not there"],
        ),
        (
            ["--dataset", "tiny", "--perceptual_loss", "--lpips_weights", "nowhere.npz"],
            ["nowhere.npz"],
        ),
        (["--dataset", "tiny", "--perceptual_loss", "--offline"], ["--vgg_weights"]),
        (["--dataset", "tiny", "--devices", "64"], ["--devices 64"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_remedy(argv, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    refused(capsys, argv, *parts)
    assert not list(tmp_path.rglob("config.json"))


def test_a_semantic_loss_without_labels_is_refused_with_the_reason(tmp_path, capsys):
    refused(
        capsys,
        words(tmp_path / "run", dataset="tiny_unlabelled", semantic_loss=1),
        "--semantic_loss needs class labels",
        "domain a",
        "--feature_loss",
    )
    refused(
        capsys,
        words(tmp_path / "run", dataset="tiny_unlabelled", evaluate_every=2),
        "labelled domains",
        "--evaluate_every",
    )


def test_a_classifier_of_other_images_is_refused(tmp_path, capsys):
    nets.build_classifier("plain", (16, 16, 3), 10, seed=0).save(tmp_path / "c.keras")
    refused(
        capsys,
        words(tmp_path / "run", semantic_loss=1, classifier=tmp_path / "c.keras"),
        "--classifier",
        "(16, 16, 3)",
        "(32, 32, 3)",
    )


def test_a_broken_classifier_file_is_refused(tmp_path, capsys):
    (tmp_path / "c.keras").write_bytes(b"no model")
    refused(
        capsys,
        words(tmp_path / "run", semantic_loss=1, classifier=tmp_path / "c.keras"),
        "c.keras",
        "not a readable .keras model",
    )


@pytest.mark.parametrize("command", ["sample", "interpolate", "evaluate"])
def test_commands_on_something_else_than_a_run(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capsys, [command, "--run_dir", tmp_path / "nowhere"], "nowhere", "--run_dir")
    # A run that has started and saved nothing yet.
    run = RunDirectory(tmp_path / "new")
    run.begin(tiny.config(tmp_path / "new", gan_type="cogan", net="plain"), {}, tiny.domains(2))
    refused(capsys, [command, "--run_dir", tmp_path / "new"], "no checkpoint yet")
    # A run that makes no images.
    path = tmp_path / "classifier"
    assert main(words(path, gan_type="classifier", steps=1)) == 0
    refused(capsys, [command, "--run_dir", path], "classifier makes no images")


def test_evaluating_what_cannot_be_judged(tmp_path, capsys):
    assert main(words(tmp_path / "run", dataset="tiny_unlabelled", steps=1)) == 0
    refused(capsys, ["evaluate", "--run_dir", tmp_path / "run"], "labelled domains")


def test_a_picture_that_cannot_be_written(coupled, tmp_path, capsys):
    path, _ = coupled
    (tmp_path / "file").write_text("no folder")
    refused(
        capsys,
        ["sample", "--run_dir", path, "--output", tmp_path / "file" / "s.png"],
        "s.png",
        "cannot be written",
    )


def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(tmp_path, capsys):
    command = words(tmp_path / "run", gan_type="cogan", checkpoint_every=2, steps=4)
    assert main(command) == 0
    newest = RunDirectory(tmp_path / "run").checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    (tmp_path / "run" / "summary.json").unlink()
    capsys.readouterr()
    assert main(command) == 0
    assert f"kept as {newest.name}.damaged" in "".join(capsys.readouterr())
    assert newest.with_name(f"{newest.name}.damaged").exists() and newest.exists()
    assert [line["step"] for line in RunDirectory(tmp_path / "run").metrics()] == [2, 4]


def test_a_bug_is_a_traceback(monkeypatch):
    def broken(options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setitem(COMMANDS, "list", (*COMMANDS["list"][:2], broken))
    with pytest.raises(ZeroDivisionError):
        main(["list"])


@pytest.mark.parametrize(
    "error", (MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM"))
)
def test_too_little_memory_is_one_line(monkeypatch, capsys, error):
    def large(options):
        raise error

    monkeypatch.setitem(COMMANDS, "list", (*COMMANDS["list"][:2], large))
    refused(capsys, ["list"], "memory", "--batch_size")


def test_an_interrupt_outside_the_loop_is_75(monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "list", (*COMMANDS["list"][:2], interrupted))
    assert main(["list"]) == 75
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv, meant",
    [
        (["--batch-size", "8"], "did you mean --batch_size?"),
        (["--batch-size=8", "--stpes", "3"], "did you mean --batch_size, --steps?"),
        (["--dataset", "ring", "--epochs", "3"], "did you mean --steps (updates"),
        (["--learning-rate", "1e-4"], "did you mean --g_lr and --d_lr?"),
        (["--dataroot", "photos"], "did you mean --dataset folder:PATH?"),
        (["evaluate", "--run-dir", "x"], "did you mean --run_dir?"),
        (["evaluate", "--epochs", "3"], "--epochs 3 (see"),
        (["--nothing_like_it", "1"], "--nothing_like_it 1 (see"),
    ],
)
def test_a_misspelled_flag_gets_a_hint(argv, meant, capsys):
    refused(capsys, argv, meant)


@pytest.mark.parametrize("argv", [[], ["train"]])
def test_bare_words_show_a_page_and_train_nothing(argv, capsys, monkeypatch, tmp_path):
    """Each of the commands that the page gives someone new is one that the program takes."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(argv)
    said = capsys.readouterr().out
    assert end.value.code == 0 and not list(tmp_path.iterdir())
    assert len(FIRST) == 3
    for line in FIRST:
        assert line in said
        known = {name: value[:2] for name, value in COMMANDS.items()}
        resolve(configure(flags.parse("", known, "train", shlex.split(line, comments=True))[1]))


def test_what_is_asked_about_needs_no_flag(capsys, tmp_path):
    assert main(["list", "presets"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "presets"
    assert main(["check", "mnist", "--data_dir", str(tmp_path)]) == 2
    assert "mnist: missing" in capsys.readouterr().out


# -------------------------------------------------------------------------------- as a real process


@pytest.mark.parametrize(
    "argv, code, out, err",
    [
        (["--help"], 0, "interpolate", None),
        ([], 0, "python main.py --preset quick", None),
        (["sample", "--columms", "3"], 2, None, "did you mean --columns?"),
    ],
)
def test_the_program_itself(argv, code, out, err, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *argv],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code
    assert (out or "") in done.stdout and (err or "") in done.stderr
    # Nothing but the one line, or nothing at all: TensorFlow's own start is kept quiet.
    assert done.stderr.count("\n") == (1 if err else 0)
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------- translation


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """Finished tiny runs of the translation trainers, by name."""
    runs = {}
    for kind in ("pix2pix", "cyclegan", "cut"):
        path = tmp_path_factory.mktemp("translation") / kind
        assert (
            main(
                [
                    "--gan_type",
                    kind,
                    "--dataset",
                    "tiny_pairs",
                    "--generator",
                    "plain",
                    "--patch",
                    "1",
                    "--image_size",
                    "32",
                    "--load_size",
                    "32",
                    "--steps",
                    "2",
                    "--batch_size",
                    "2",
                    "--sample_every",
                    "2",
                    "--run_dir",
                    str(path),
                ]
            )
            == 0
        )
        runs[kind] = path
    return runs


@pytest.mark.parametrize("kind, rows", [("pix2pix", 3), ("cyclegan", 8), ("cut", 4)])
def test_grids_of_translators_show_inputs_outputs_and_what_belongs_to_them(translators, kind, rows):
    grid = pixels(translators[kind] / "samples" / "000002.png")
    assert grid.shape == (rows * 32 + (rows - 1) * 2, 8 * 32, 3)
    last = RunDirectory(translators[kind]).metrics()[-1]
    wanted = {"cyclegan": "held_out/cycle_l1/a", "cut": "held_out/nce"}.get(kind, "held_out/l1")
    assert wanted in last
    assert "Held-out images" in (translators[kind] / "report.html").read_text()


def test_translate_a_folder(translators, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(source / "photo.png"), rng.integers(0, 256, (45, 30, 4), dtype=np.uint8))
    cv2.imwrite(str(source / "deep.tiff"), rng.integers(0, 65536, (17, 33), dtype=np.uint16))
    (source / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    command = ["translate", "--run_dir", str(translators["cyclegan"]), "--input", str(source)]
    assert main([*command, "--output", str(output)]) == 3
    said = capsys.readouterr()
    assert "broken.jpg" in said.err and "2 written, 1 skipped" in said.out
    assert cv2.imread(str(output / "photo.png"), cv2.IMREAD_UNCHANGED).shape == (45, 30, 4)
    deep = cv2.imread(str(output / "deep.tiff"), cv2.IMREAD_UNCHANGED)
    assert deep.shape[:2] == (17, 33) and deep.dtype == np.uint16
    # The other direction is another network.
    back = tmp_path / "back"
    assert main([*command, "--output", str(back), "--direction", "b2a"]) == 3
    assert not np.array_equal(pixels(output / "photo.png"), pixels(back / "photo.png"))


def test_translate_says_what_it_lacks(translators, coupled, tmp_path, capsys):
    photo = tmp_path / "a.png"
    cv2.imwrite(str(photo), np.zeros((8, 8, 3), np.uint8))
    out = ["--output", tmp_path / "out"]
    run = ["translate", "--run_dir", translators["pix2pix"]]
    refused(capsys, [*run, *out], "--input is needed")
    refused(capsys, [*run, "--input", photo], "--output is needed")
    refused(capsys, [*run, "--input", tmp_path / "nothing", *out], "--input", "nothing")
    refused(
        capsys, [*run, "--input", photo, *out, "--direction", "b2a"], "--direction b2a", "a2b only"
    )
    refused(
        capsys,
        ["translate", "--run_dir", coupled[0], "--input", photo, *out, "--direction", "a2z"],
        "--direction a2z",
        "a2b",
        "b2a",
    )
    refused(capsys, ["sample", "--run_dir", translators["pix2pix"]], "makes no images")


def test_options_of_another_trainer_are_refused(tmp_path, capsys):
    refused(
        capsys,
        ["--l1_loss", "5", "--run_dir", tmp_path],
        "--l1_loss is an option of",
        "pix2pix",
        "this is scogan",
    )
    refused(
        capsys,
        ["--gan_type", "cyclegan", "--semantic_loss", "--run_dir", tmp_path],
        "--semantic_loss is an option of --gan_type scogan",
    )
    refused(
        capsys,
        ["--gan_type", "pix2pix", "--noise_dim", "9", "--run_dir", tmp_path],
        "--noise_dim is an option of --gan_type gan or cogan or scogan",
    )
    refused(
        capsys,
        ["--gan_type", "pix2pix", "--l1_loss", "0", "--adversarial_weight", "0"],
        "nothing to learn from",
    )


@pytest.mark.parametrize(
    "option",
    [
        # At their defaults, too: they say nothing of points.
        ["--no-flip"],
        ["--fit", "squeeze"],
        ["--load_size", "40"],
        ["--image_size", "32"],
        ["--augment", "shift"],
    ],
)
def test_options_of_images_are_refused_for_points(option, capsys):
    words = ["--gan_type", "gan", "--dataset", "ring", "--net", "toy", "--dry_run"]
    refused(capsys, [*words, *option], option[0].replace("no-", ""), "points; drop it")


@pytest.mark.parametrize("dataset", ["pen2street", "gray2color:cifar10"])
def test_a_place_is_refused_where_no_folder_is_named(dataset, capsys):
    words = ["--gan_type", "gan", "--dataset", dataset, "--place", "elsewhere", "--dry_run"]
    refused(capsys, words, "--place elsewhere", "is no folder; drop it")


def test_stylize_from_the_command_line(tmp_path, lpips_file, capsys):
    rng = np.random.default_rng(0)
    for name in ("content", "style"):
        cv2.imwrite(
            str(tmp_path / f"{name}.png"), rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        )
    command = ["stylize", "--content", tmp_path / "content.png", "--style", tmp_path / "style.png"]
    assert (
        main(
            [
                str(w)
                for w in [
                    *command,
                    "--output",
                    tmp_path / "made.png",
                    "--steps",
                    "2",
                    "--lpips_weights",
                    lpips_file,
                ]
            ]
        )
        == 0
    )
    assert "step 2/2  loss" in capsys.readouterr().out
    assert pixels(tmp_path / "made.png").shape == (40, 48, 3)
    refused(capsys, command[:3], "--style is needed")
    refused(capsys, [*command, "--stylizer", tmp_path, "--steps", "3"], "--steps has no part")
    refused(capsys, [*command, "--stylizer", tmp_path], "--stylizer", "saved_model.pb")
