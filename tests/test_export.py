"""Networks taken elsewhere: what each kind of file computes, its pixels, its card, refusals."""

import json
import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny

from gantrain import images
from gantrain.main import main
from gantrain.stages import open_run, train
from gantrain.use import card
from gantrain.use import export as use
from gantrain.use.export import FORMATS, PIXELS

ROOT = Path(__file__).resolve().parent.parent
TRAINED = {
    "scogan": dict(net="plain", cycle_loss=1.0),
    "gan": dict(dataset="ring", net="toy", n_critic=1, precision="mixed_bfloat16"),
    "pix2pix": dict(generator="unet", dropout=0.5),
    "cyclegan": {},
    "classifier": dict(classifier_net="plain"),
    "segmenter": {},
}
RELATIVE = dict(rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{trainer: directory of a run of two steps}, trained when first asked for."""

    class Runs(dict):
        def __missing__(self, kind):
            path = tmp_path_factory.mktemp(kind) / "run"
            train(tiny.config(path, gan_type=kind, steps=2, batch_size=2, **TRAINED[kind]))
            self[kind] = path
            return path

    return Runs()


HERE = [
    kind
    for kind, entry in FORMATS.items()
    if all(any(use.installed(p) for p in packages) for packages in entry.packages)
]


def exported(run, folder, *words):
    assert main(["export", "--run_dir", str(run), "--output", str(folder), *words]) == 0
    return folder


@pytest.mark.parametrize("kind", TRAINED)
def test_files_do_what_the_run_does(runs, tmp_path, capsys, kind):
    """In Keras alone, TensorFlow alone, ..., on a batch of another size than was compared."""
    formats = HERE if kind in ("gan", "pix2pix", "cyclegan") else HERE[:2]
    folder = exported(runs[kind], tmp_path / "out", "--format", ",".join(formats))
    # As other programs compute, whatever the run was trained in.
    run = open_run(runs[kind], precision="float32")
    names = [n for n in run.trainer.models() if not n.startswith("discriminator")]
    endings = {kind: FORMATS[kind].ending or f"_{kind}" for kind in formats}
    files = {name + ending for name in names for ending in endings.values()}
    assert {f.name for f in folder.iterdir()} == {"README.md", *files}
    said = capsys.readouterr().out
    for name in names:
        model = run.trainer.models()[name]
        x = use.examples(run, name, model, run.test_domains(), 3)
        wanted = use.trained(run)[name](x)
        assert b"gantrain" not in zipfile.ZipFile(folder / f"{name}.keras").read("config.json")
        for kind, ending in endings.items():
            made = FORMATS[kind].read(str(folder / (name + ending)))(x)
            np.testing.assert_allclose(made, wanted, **RELATIVE)
            assert f"{folder / (name + ending)}: largest error " in said


def pixels_of(path, x):
    return keras.saving.load_model(path, compile=False).predict(x, verbose=0)


@pytest.mark.parametrize("channels", use.ORDERS)
@pytest.mark.parametrize("pixels", PIXELS)
def test_pixels_and_colours_are_inside(runs, tmp_path, pixels, channels):
    """Equal to the byte: what the run makes of an image, in the range and order asked for."""
    network = open_run(runs["cyclegan"]).trainer.models()["generator_a2b"]
    made = use.pack(network, "generator_a2b", PIXELS[pixels], channels, (32, 32, 3)).model
    x = tiny.domain("photo", 2).images
    turn = slice(None, None, -1 if channels == "bgr" else 1)
    wanted = np.asarray(network(images.to_float(x)))
    given = {"signed": x / 127.5 - 1, "unit": x / 255, "bytes": x}[pixels][..., turn]
    y = made.predict(given.astype(PIXELS[pixels].dtype), verbose=0)[..., turn]
    if pixels == "bytes":
        assert y.dtype == np.uint8
        assert np.mean(y == images.to_uint8(wanted)) > 0.999
    else:
        back = y * 2 - 1 if pixels == "unit" else y
        np.testing.assert_allclose(back, wanted, **RELATIVE)


def test_a_translator_takes_sizes_that_the_network_allows(runs):
    models = open_run(runs["cyclegan"]).trainer.models()
    assert models["generator_a2b"].input_shape == (None, None, None, 3)
    # Masks of dropout are those of the size that it was trained on.
    assert open_run(runs["pix2pix"]).trainer.models()["generator"].input_shape == (None, 32, 32, 3)


def test_what_differs_is_refused_and_leaves_nothing(runs, tmp_path, monkeypatch, capsys):
    wrong = FORMATS["keras"]._replace(read=lambda path: lambda x: pixels_of(path, x) + 0.01)
    monkeypatch.setitem(FORMATS, "keras", wrong)
    words = ["export", "--run_dir", str(runs["gan"]), "--output", str(tmp_path / "out")]
    words += ["--format", "keras"]
    assert main(words) == 2
    assert "--tolerance 0.001: generator_ring.keras differs" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main([*words, "--tolerance", "0.02"]) == 0
    assert main(words) == 2 and "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, parts",
    [
        (["--format", "keras,torch"], ["--format", "torch"]),
        (["--format", "onnx"], ["--format onnx", "package onnx-absent", "pip install"]),
        (["--pixels", "bytes"], ["--pixels bytes", "no images"]),
        (["--channels", "bgr"], ["--channels bgr", "no images in colour"]),
    ],
)
def test_refusals(runs, tmp_path, monkeypatch, capsys, words, parts):
    absent = FORMATS["onnx"]._replace(packages=(("onnx_absent",),))
    monkeypatch.setitem(FORMATS, "onnx", absent)
    folder = tmp_path / "out"
    assert main(["export", "--run_dir", str(runs["gan"]), "--output", str(folder), *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(part in said for part in parts)
    assert not list(tmp_path.iterdir())


def blocks():
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.S)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_page_runs_as_it_stands(runs, tmp_path, monkeypatch, kind):
    """Its first lines, those of a format and its last ones make a picture of a picture."""
    for alternatives in FORMATS[kind].packages:
        pytest.importorskip(alternatives[0])
    folder = exported(runs["pix2pix"], tmp_path / "out", "--format", kind)
    monkeypatch.chdir(folder)
    photo = tiny.domain("photo", 1)
    images.write_png("photo.png", photo.images[0])
    file = "generator" + (FORMATS[kind].ending or f"_{kind}")
    call = FORMATS[kind].example.format(file=file)
    before, *calls, after = blocks()
    assert call in calls and call in (folder / "README.md").read_text()
    exec(before + call + after, {})
    x = images.to_float(photo.images)
    wanted = images.to_uint8(use.trained(open_run(runs["pix2pix"]))["generator"](x))[0]
    assert np.abs(images.read_image("made.png").astype(int) - wanted).max() <= 1


def test_the_card(runs, tmp_path):
    """Front matter of a hub, data with their licence, measurements with what they depend on."""
    (runs["cyclegan"] / "metrics.json").write_text(
        json.dumps(
            {
                "step": 2,
                "num": 12,
                "seed": 5,
                "values": {"ssim/b": 0.25},
                "networks": {"lpips": {"sha256": "abc"}},
            }
        )
    )
    folder = exported(runs["cyclegan"], tmp_path / "out", "--pixels", "bytes", "--channels", "bgr")
    text = (folder / "README.md").read_text()
    head = text.split("---\n")[1]
    assert "library_name: keras\n" in head and "pipeline_tag: image-to-image\n" in head
    for part in (
        "| `generator_a2b.keras` | uint8 [any, any, any, 3] | uint8 [any, any, any, 3] |",
        "Pixels are uint8 from 0 to 255; blue first",
        "multiples of 2",
        "step 2, num 12, seed 5",
        "| ssim/b | 0.25 |",
        '"sha256": "abc"',
    ):
        assert part in text, part
    assert str(runs["cyclegan"].parent) not in text
    assert "does not know their licence" in text


def test_the_card_names_the_licences_of_the_sources():
    config = tiny.config("run", gan_type="gan", dataset="mnist", net="plain")
    said = "\n".join(card.of_data(config, [tiny.domain("mnist", channels=1)]))
    assert "[mnist](http://yann.lecun.com/exdb/mnist/) | CC BY-SA 3.0 |" in said
