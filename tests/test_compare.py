"""`gantrain compare`: ideal and hand-made values, names that pair up, what is refused."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny import write_lpips

from gantrain.compare import COMPARISONS, Comparison, comparison
from gantrain.main import main
from gantrain.measures import frechet
from gantrain.measures.streams import Weights
from gantrain.nets.inception import Inception


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No Inception weights lie in the Keras cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def pixels(count, side=16, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def folder(path, arrays, names=None, suffix=".png"):
    """Writes images without loss; returns the path."""
    path.mkdir(parents=True)
    for number, array in enumerate(arrays):
        name = names[number] if names else f"{number:03d}"
        Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(
            path / f"{name}{suffix}"
        )
    return path


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    """A classifier whose features are the pixels of images of 8 x 8."""
    path = tmp_path_factory.mktemp("looks") / "pixels.keras"
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image))).save(path)
    return str(path)


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("lpips") / "alexnet_lpips.npz"
    write_lpips(path)
    return str(path)


def run(*words, code=0):
    assert main(["compare", *map(str, words)]) == code


def measured(tmp_path, *words, code=0):
    """What the command stores, which JSON of a strict reader can hold."""
    run(*words, "--output", tmp_path / "made.json", code=code)
    return json.loads((tmp_path / "made.json").read_text(), parse_constant=lambda word: 1 / 0)


def refused(capsys, words, *parts):
    capsys.readouterr()
    run(*words, code=2)
    said = capsys.readouterr().err
    assert said.startswith("gantrain: ") and said.count("\n") == 1
    for part in parts:
        assert str(part) in said


# --------------------------------------------------------------------------------------- the values


@pytest.fixture(scope="module")
def all_weights(looks, alexnet):
    return ["--lpips_weights", alexnet, "--classifier", looks, "--inception_weights", "stub.h5"]


@pytest.fixture
def stub_inception(monkeypatch):
    """Features that are means over a raster of 4 x 4; the network itself takes seconds."""

    def features(images):
        assert images.shape[1:] == (299, 299, 3)
        return tf.reshape(tf.image.resize(images, (4, 4), antialias=True), (-1, 48))

    monkeypatch.setattr(
        comparison,
        "inception",
        lambda path, offline: Inception(features, {"network": "stub", "sha256": str(path)}),
    )


def test_a_folder_equals_itself_by_every_measure(tmp_path, all_weights, stub_inception):
    made = folder(tmp_path / "a", pixels(9, 40))
    stored = measured(tmp_path, made, made, *all_weights, "--batch_size", 4)
    assert stored["metrics"] == list(COMPARISONS) and not stored["left_out"]
    values = stored["values"]
    ideal = {"pixels/l1": 0, "pixels/ssim": 1, "lpips": 0, "lpips_std": 0}
    for network in ("inception", "alexnet", "classifier"):
        ideal |= {f"{network}_frechet": 0, f"{network}_precision": 1, f"{network}_recall": 1}
        assert values[f"{network}_real"] == values[f"{network}_fake"] == 9
        assert abs(values[f"{network}_kernel"]) < 4 * values[f"{network}_kernel_std"]
    for name, value in ideal.items():
        assert values[name] == pytest.approx(value, abs=1e-5), name
    assert values["pixels/psnr"] > 90 and np.isfinite(values["pixels/psnr"])


def test_a_brighter_copy_is_as_far_as_it_is_brighter(tmp_path, looks):
    """Equal covariances: the Frechet distance is the squared length of the shift."""
    dark = pixels(12, 8) // 2
    one = folder(tmp_path / "dark", dark)
    other = folder(tmp_path / "bright", dark + 51, suffix=".bmp")
    values = measured(tmp_path, one, other, "--classifier", looks)["values"]
    shift = 2 * 51 / 255
    assert values["classifier_frechet"] == pytest.approx(8 * 8 * 3 * shift**2, rel=1e-5)
    assert values["pixels/l1"] == pytest.approx(shift, rel=1e-5)
    assert values["pixels/psnr"] == pytest.approx(20 * np.log10(255 / 51), rel=1e-5)
    # Eight pixels hold no window of eleven.
    assert "pixels/ssim" not in values


def test_measures_are_those_of_the_modules(tmp_path, looks):
    """Two halves of one set, read, scaled, gray beside colour: the numbers are `distances`'s."""
    one, other = pixels(20, 8, 1, seed=1), pixels(14, 8, 3, seed=2)
    stored = measured(
        tmp_path,
        folder(tmp_path / "a", one),
        folder(tmp_path / "b", other),
        "--classifier",
        looks,
        "--batch_size",
        3,
        "--seed",
        5,
    )
    features = [
        (np.broadcast_to(x, (len(x), 8, 8, 3)).reshape(len(x), -1) / 127.5 - 1)[
            np.random.default_rng(5).permutation(len(x))
        ]
        for x in (one, other)
    ]
    expected = frechet.distances(*features, "classifier", seed=5)
    found = {k: v for k, v in stored["values"].items() if k.startswith("classifier")}
    assert found == pytest.approx(expected, rel=1e-4)
    assert stored["counts"]["classifier/reference"] == 20
    assert any("classifier_frechet is far too high" in note for note in stored["notes"])


def test_features_of_lpips_are_the_mean_of_its_last_layer(tmp_path, alexnet):
    x = pixels(6, 224)
    c = Comparison(
        folder(tmp_path / "a", x), tmp_path / "a", batch_size=4, weights=Weights(lpips=alexnet)
    )
    maps = c.lpips_net.model(x / np.float32(127.5) - 1)["relu5"]
    assert c.lpips_features.name == "alexnet"
    np.testing.assert_allclose(
        c.features_of(1, c.lpips_features),
        np.mean(maps, axis=(1, 2))[c.order(6)],
        rtol=1e-4,
        atol=1e-4,
    )


def test_precision_is_of_the_second_folder_and_recall_of_the_first(tmp_path, looks):
    """The second folder shows one of the two kinds of images that the first has."""
    rng = np.random.default_rng(0)
    dark, bright = (rng.integers(low, low + 20, (10, 8, 8, 3)).astype(np.uint8) for low in (0, 230))
    both = folder(tmp_path / "both", np.concatenate([dark, bright]))
    half = folder(tmp_path / "half", np.concatenate([dark, dark]))
    values = measured(tmp_path, both, half, "--classifier", looks)["values"]
    assert (values["classifier_precision"], values["classifier_recall"]) == (1.0, 0.5)
    values = measured(tmp_path, half, both, "--classifier", looks)["values"]
    assert (values["classifier_precision"], values["classifier_recall"]) == (0.5, 1.0)


@pytest.mark.parametrize("counts", [(1, 1), (1, 9), (2, 2), (3, 2), (4, 3)])
def test_few_images_are_finite_or_absent(tmp_path, looks, counts):
    paths = [
        folder(tmp_path / name, pixels(count, 40, seed=count))
        for name, count in zip("ab", counts, strict=True)
    ]
    stored = measured(tmp_path, *paths, "--classifier", looks)
    assert all(np.isfinite(value) for value in stored["values"].values())
    assert ("classifier_frechet" in stored["values"]) == (min(counts) > 1)
    assert ("classifier" in stored["left_out"]) == (min(counts) < 2)
    assert not any("kernel" in name or "recall" in name for name in stored["values"])


def test_constant_images_are_finite(tmp_path, all_weights, stub_inception):
    flat = np.full((4, 40, 40, 3), 77, np.uint8)
    one, other = folder(tmp_path / "a", flat), folder(tmp_path / "b", flat + 60)
    values = measured(tmp_path, one, other, *all_weights)["values"]
    assert len(values) > 20 and all(np.isfinite(v) for v in values.values())


# ---------------------------------------------------------------------------------------- the files


def test_what_a_file_means_is_what_training_sees(tmp_path):
    """Gray, colour, transparency on white, 16 bits: all equal the plain colour image."""
    gray = pixels(1, 16, 1)[0]
    plain = folder(tmp_path / "plain", [np.repeat(gray, 3, -1)] * 4)
    path = tmp_path / "others"
    path.mkdir()
    Image.fromarray(gray[..., 0]).save(path / "000.png")
    Image.fromarray(np.repeat(gray, 3, -1)).save(path / "001.TIFF")
    Image.fromarray(gray[..., 0].astype(np.uint16) * 257).save(path / "002.png")
    shown = np.dstack([np.zeros_like(gray)] * 3 + [255 - gray])
    Image.fromarray(shown).save(path / "003.png")
    values = measured(tmp_path, plain, path)["values"]
    assert values["pixels/l1"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("archive", [False, True])
def test_deep_images_are_compared_in_the_range_of_the_reference(tmp_path, looks, archive):
    """Twelve bits in files of sixteen: eight would not see the difference."""
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4096, (6, 8, 8), np.uint16)
    one[0, 0, :2] = 0, 4095
    other = np.minimum(one + 40, 4095).astype(np.uint16)
    for name, arrays in (("a", one), ("b", other)):
        (tmp_path / name).mkdir()
        for i, array in enumerate(arrays):
            Image.fromarray(array).save(tmp_path / name / f"{i}.png")
    if archive:
        np.savez(tmp_path / "a.npz", images=one)
    first = tmp_path / ("a.npz" if archive else "a")
    stored = measured(tmp_path, first, tmp_path / "b", "--classifier", looks)
    assert stored["levels"] == [0, 4095, "uint16"]
    shift = 2 * (other.astype(float) - one) / 4095
    expected = frechet.frechet_distance(
        *(np.repeat(x.reshape(6, -1), 3, 1) * 2 / 4095 for x in (one, other))
    )
    assert stored["values"]["classifier_frechet"] == pytest.approx(expected, rel=1e-2)
    if not archive:
        assert stored["values"]["pixels/l1"] == pytest.approx(shift.mean(), rel=1e-3)


def test_names_pair_up_without_suffixes_and_what_is_alone_is_counted(tmp_path):
    x = pixels(5)
    one = folder(tmp_path / "a", x, ["1", "2", "10", "x", "y"])
    other = folder(tmp_path / "b", x[[2, 0, 1, 1]], ["10", "1", "3", "z"], suffix=".webp")
    for path in other.iterdir():
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    stored = measured(tmp_path, one, other)
    assert stored["counts"]["pairs"] == stored["counts"]["pixels/l1"] == 2
    assert stored["notes"] == [f"2 pairs of equal names; 3 of {one} and 2 of {other} are in none"]


def test_endings_a_and_b_pair_up_where_no_names_are_equal(tmp_path):
    x = pixels(3)
    one = folder(tmp_path / "a", x, ["1_A", "2_A", "3_A"])
    other = folder(tmp_path / "b", x, ["1_B", "2_B", "3_B"])
    assert measured(tmp_path, one, other)["values"]["pixels/l1"] == 0
    same = folder(tmp_path / "c", x, ["1_A", "2_A", "3_A"])
    assert measured(tmp_path, one, same)["counts"]["pairs"] == 3


def test_folders_of_folders_pair_by_folder_and_name(tmp_path):
    x = pixels(4)
    for name in ("one", "other"):
        for kind, part in (("cat", x[:2]), ("dog", x[2:])):
            folder(tmp_path / name / kind, part)
    stored = measured(tmp_path, tmp_path / "one", tmp_path / "other")
    assert stored["counts"]["pairs"] == 4 and stored["values"]["pixels/l1"] == 0
    assert stored["notes"][0] == f"{tmp_path / 'one'}: the images of its folders cat, dog together"
    (tmp_path / "one" / "notes.txt").write_text("nothing")
    (tmp_path / "one" / "cat" / "more").mkdir()
    (tmp_path / "one" / "cat" / "more" / "x.png").write_bytes(b"unread")
    stored = measured(tmp_path, tmp_path / "one", tmp_path / "other")
    assert stored["notes"][1] == f"left out of {tmp_path / 'one'}: 1 .txt, 1 in more/"


def test_without_pairs_sets_are_still_compared(tmp_path, alexnet, capsys):
    x = pixels(6, 40)
    one = folder(tmp_path / "a", x)
    other = folder(tmp_path / "b", x, list("uvwxyz"))
    stored = measured(tmp_path, one, other, "--lpips_weights", alexnet)
    assert {"pixels", "lpips"} <= set(stored["left_out"]) and "pairs" not in stored["counts"]
    assert stored["values"]["alexnet_frechet"] == pytest.approx(0, abs=1e-5)
    refused(capsys, [one, other, "--metrics", "pixels"], "--metrics pixels", "equal names")
    # Two files of one name make no pair with a third.
    Image.fromarray(x[0]).save(one / "000.bmp")
    stored = measured(tmp_path, one, other, "--lpips_weights", alexnet)
    assert "two images named 000" in stored["left_out"]["pixels"]
    assert stored["counts"]["alexnet/reference"] == 7
    refused(capsys, [one, other, "--metrics", "pixels"], one, "two images named 000")


def test_pairs_of_two_sizes_are_named_or_scaled(tmp_path, looks, capsys):
    one = folder(tmp_path / "a", pixels(4, 16))
    other = folder(tmp_path / "b", [*pixels(3, 16), *pixels(1, 24)])
    refused(
        capsys,
        [one, other, "--metrics", "pixels"],
        "--metrics pixels",
        "003",
        "16 x 16",
        "24 x 24",
        "--image_size",
    )
    stored = measured(tmp_path, one, other, "--classifier", looks)
    assert "003" in stored["left_out"]["pixels"] and "classifier_frechet" in stored["values"]
    stored = measured(tmp_path, one, other, "--image_size", 16)
    assert stored["counts"]["pixels/l1"] == 4 and stored["image_size"] == 16


def test_images_of_many_sizes_are_pairs_one_by_one(tmp_path, alexnet):
    x = [pixels(1, side)[0] for side in (40, 33, 33, 64, 40)]
    values = measured(
        tmp_path,
        folder(tmp_path / "a", x),
        folder(tmp_path / "b", x),
        "--lpips_weights",
        alexnet,
        "--metrics",
        "pixels,lpips",
    )["values"]
    assert values["pixels/l1"] == values["lpips"] == 0


def test_a_damaged_file_is_skipped_and_named_once(tmp_path, all_weights, stub_inception, capsys):
    one = folder(tmp_path / "a", pixels(6, 40))
    other = folder(tmp_path / "b", pixels(6, 40))
    whole = (one / "003.png").read_bytes()
    (one / "003.png").write_bytes(whole[: len(whole) // 2])
    stored = measured(tmp_path, one, other, *all_weights, code=3)
    said = capsys.readouterr().err
    assert said.count("003.png") == said.count("\n") == 1 and "skipped" in said
    assert len(stored["skipped"]) == 1 and stored["counts"]["alexnet/reference"] == 5
    assert stored["counts"]["lpips"] == stored["counts"]["pixels/l1"] == 5
    for path in one.iterdir():
        path.write_bytes(b"nothing")
    refused(capsys, [one, other], "none of the images can be read")


def test_an_archive_is_a_set_without_names(tmp_path, looks, capsys):
    x = pixels(7, 8)
    np.savez(tmp_path / "made.npz", images=x)
    one = folder(tmp_path / "a", x)
    stored = measured(tmp_path, one, tmp_path / "made.npz", "--classifier", looks)
    assert stored["values"]["classifier_frechet"] == pytest.approx(0, abs=1e-5)
    assert "archives" in stored["left_out"]["pixels"]
    refused(capsys, [one, tmp_path / "made.npz", "--metrics", "pixels"], "archives")
    np.savez(tmp_path / "gray.npz", images=x[..., 0])
    assert (
        measured(
            tmp_path,
            tmp_path / "gray.npz",
            tmp_path / "gray.npz",
            "--classifier",
            looks,
            "--image_size",
            16,
        )["values"]["classifier_recall"]
        == 1
    )


# ---------------------------------------------------------------------------- counts, kept features


def test_num_takes_a_seeded_part(tmp_path, looks):
    one, other = folder(tmp_path / "a", pixels(9, 8)), folder(tmp_path / "b", pixels(8, 8, seed=1))
    words = [one, other, "--classifier", looks, "--num", 5]
    first, same = (measured(tmp_path, *words, "--seed", 1) for _ in range(2))
    assert first["values"] == same["values"]
    assert first["values"] != measured(tmp_path, *words, "--seed", 2)["values"]
    assert first["counts"]["classifier/images"] == first["counts"]["pixels/l1"] == 5


def test_features_of_the_reference_stand_for_it(tmp_path, looks, stub_inception, capsys):
    one = folder(tmp_path / "a", pixels(8, 40))
    other = folder(tmp_path / "b", pixels(6, 40, seed=1))
    kept, words = tmp_path / "kept.npz", ["--classifier", looks, "--inception_weights", "stub.h5"]
    whole = measured(tmp_path, one, other, *words, "--save_features", kept)
    for path in one.iterdir():
        path.unlink()
    again = measured(tmp_path, kept, other, *words)
    sets = {k: v for k, v in whole["values"].items() if not k.startswith("pixels")}
    assert again["values"] == sets and len(sets) == 18
    assert again["reference"] == whole["reference"] | {"path": str(kept)}
    assert whole["reference"]["fingerprint"] != whole["images"]["fingerprint"]
    assert {"pixels", "lpips"} <= set(again["left_out"])
    refused(
        capsys,
        [kept, other, *words, "--image_size", 32, "--metrics", "classifier"],
        "kept.npz",
        "--image_size None",
    )
    refused(
        capsys,
        [kept, other, "--inception_weights", "other.h5"],
        "kept.npz",
        "inception by other weights",
    )
    run(other, other, *words, "--metrics", "inception", "--save_features", kept)
    refused(
        capsys,
        [kept, other, *words, "--metrics", "classifier"],
        "holds features of inception, not of classifier",
    )


def test_features_are_not_kept_where_none_are_made(tmp_path, capsys):
    one = folder(tmp_path / "a", pixels(3))
    refused(
        capsys,
        [one, one, "--save_features", tmp_path / "f.npz"],
        "--save_features",
        "--lpips_weights",
    )
    refused(capsys, [one, one, "--save_features", tmp_path / "f"], "--save_features", ".npz")
    np.savez(tmp_path / "fid.npz", mu=np.zeros(4), sigma=np.eye(4))
    refused(capsys, [tmp_path / "fid.npz", one], "fid.npz", "another program's network")


def test_few_images_are_held_at_a_time(tmp_path, looks, monkeypatch):
    """No more than a batch is read before the network has had the one before."""
    held, most = 0, []

    def fit(pixels):
        nonlocal held
        held += 1
        most.append(held)
        return pixels

    c = Comparison(
        folder(tmp_path / "a", pixels(40, 8)),
        tmp_path / "a",
        batch_size=5,
        weights=Weights(classifier=looks),
    )

    def features(batch):
        nonlocal held
        held -= 5
        return np.reshape(batch, (len(batch), -1))

    monkeypatch.setattr(c.runtime, "function", lambda function: function)
    network = c.classifier._replace(fit=fit, features=features)
    assert len(c.features_of(0, network)) == 40
    assert max(most) <= 2 * 5 + 1


# ---------------------------------------------------------------------------------- what is refused


def test_wrong_words_are_one_line_each(tmp_path, capsys):
    one = folder(tmp_path / "a", pixels(3))
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    image = keras.Input((None, None, 3))
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save(tmp_path / "any.keras")
    refused(capsys, [], "two folders", "compare REFERENCE IMAGES")
    refused(capsys, [one], "two folders")
    refused(capsys, [one, one, one], "unrecognized arguments")
    refused(capsys, [one, tmp_path / "nowhere"], "nowhere", "no such folder")
    refused(capsys, [tmp_path / "empty", one], "empty", "holds no images")
    refused(capsys, [one / "000.png", one], "000.png", "is a file")
    refused(capsys, [tmp_path / "bad.npz", one], "bad.npz", "not a readable .npz")
    refused(capsys, [one, one, "--metrics", "fid"], "--metrics fid", "inception")
    refused(capsys, [one, one, "--metrics", "lpips"], "--metrics lpips", "--lpips_weights")
    refused(capsys, [one, one, "--metrics", "classifier"], "--metrics classifier", "--classifier")
    refused(
        capsys,
        [one, one, "--metrics", "inception", "--offline"],
        "inception",
        "--inception_weights",
    )
    refused(capsys, [one, one, "--lpips_weights", "nowhere.npz"], "nowhere.npz", "no such file")
    refused(capsys, [one, one, "--inception_weights", "nowhere.h5"], "nowhere.h5", "no such file")
    refused(capsys, [one, one, "--classifier", "nowhere.keras"], "nowhere.keras", "not there")
    refused(
        capsys, [one, one, "--classifier", tmp_path / "any.keras"], "--classifier", "square images"
    )
    refused(
        capsys, [one, one, "--output", one / "000.png" / "x.json"], "x.json", "cannot be written"
    )


def test_the_page_of_numbers(tmp_path, looks, capsys, monkeypatch):
    """Flags before the folders; without --output nothing is written."""
    monkeypatch.chdir(tmp_path)
    one = folder(tmp_path / "a", pixels(5))
    before = sorted(tmp_path.rglob("*"))
    run("--classifier", looks, one, "--metrics", "pixels,classifier", one)
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["pixels/l1", "0.0000"]
    assert any(line.split() == ["classifier_recall", "1.0000"] for line in said)
    assert "--output FILE" in said[-1] and sorted(tmp_path.rglob("*")) == before
    run(one, one)
    said = capsys.readouterr().out
    assert "inception left out: it needs --inception_weights" in said
