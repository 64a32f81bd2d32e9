"""Data sets by name: their domains, where they are looked for, `check` and `prepare`."""

import logging
import socket
import sys
import time
import types
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_data_readers import (
    pixels,
    refused,
    write_celeba,
    write_cifar,
    write_faces,
    write_images,
    write_mnist,
    write_pairs,
    write_photo_sketch,
    write_sketchy,
    write_svhn,
)
from test_usps import write_usps

import gantrain.data
from gantrain import network
from gantrain.data import digits, named, raster, sources, tfds, transforms
from gantrain.data.check import check, prepare
from gantrain.data.datasets import DATASETS, load
from gantrain.data.domain import Domain, FileImages, held_out, prune
from gantrain.data.named import ATTRIBUTES
from gantrain.data.ring import centres
from gantrain.data.sources import CYCLEGAN_LICENCES, PIX2PIX_LICENCES, SOURCES

ALL_ATTRIBUTES = ("Eyeglasses", *ATTRIBUTES, "Blond_Hair", "Bald")
EMBEDDED = ("ring", "pen2street", "plan2facade")
NAMES = tuple(sorted(DATASETS))  # Before any test adds its own.


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever asks for the network fails the test."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def small_embedded_sets(monkeypatch):
    monkeypatch.setattr(named, "EMBEDDED_COUNT", {"train": 40, "test": 20})
    monkeypatch.setattr(named, "FACADE_COUNT", {"train": 12, "test": 5})


def facade_pairs(count, seed, size):
    """Stands for the generator of facades, which has tests of its own."""
    plans = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return plans, 255 - plans


@pytest.fixture(autouse=True)
def quick_facades(monkeypatch):
    module = types.ModuleType("gantrain.data.facades")
    module.facade_pairs, module.__file__ = facade_pairs, __file__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(gantrain.data, "facades", module, raising=False)
    return module


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A data directory with the original files of every source."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 60), ("test", 31)):
        write_mnist(folder / "mnist", split, count)
        write_mnist(folder / "fashion_mnist", split, count, compress=False)
        write_svhn(folder / "svhn", split, count)
        write_usps(folder / "usps", split, count)
    write_cifar(folder / "cifar10" / "cifar-10-batches-bin")
    write_images(folder / "svhn_crops", [f"image_{n:04}_class_{n % 10}.png" for n in range(20)])
    write_celeba(folder / "celeba", range(1, 41), ALL_ATTRIBUTES)
    for name in CYCLEGAN_LICENCES:
        for place, part in enumerate(("trainA", "trainB", "testA", "testB")):
            write_images(folder / name / part, ("1.jpg", "2.jpg"), (16, 16, 3), 2 * place)
    for name in set(PIX2PIX_LICENCES) - set(CYCLEGAN_LICENCES):
        for place, part in enumerate(("train", "val")):
            write_pairs(folder / name / part, ("1.jpg", "2.jpg"), first=2 * place)
    names = [f"{number:04}" for number in range(10)]
    write_photo_sketch(folder / "photo_sketch", names, train=names[:8], test=names[8:])
    write_sketchy(folder / "sketchy", photos=2, drawings=5)
    write_faces(folder / "cuhk_faces" / "photos", folder / "cuhk_faces" / "sketches")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_set_gives_domains_that_fit_together(originals, name):
    dataset = DATASETS[name]
    size = None if name == "ring" else 16
    for split in ("train", "test"):
        domains = load(name, data_dir=originals, offline=True, image_size=size, split=split)
        expected = (2,) if name == "ring" else (16, 16, domains[0].shape[-1])
        names = [domain.name for domain in domains]
        assert len(set(names)) == len(names) >= 1
        for domain in domains:
            assert domain.shape == expected and domain.size > 0
            assert domain.images.dtype == (np.float32 if name == "ring" else np.uint8)
            if domain.labels is None:
                assert domain.classes == ()
                continue
            assert len(domain.labels) == domain.size
            assert domain.labels.dtype == (np.uint8 if domain.multi_label else np.int32)
            if domain.multi_label:
                assert domain.labels.shape[1] == len(domain.classes)
                assert set(np.unique(domain.labels)) <= {0, 1}
            else:
                assert domain.labels.min() >= 0 and domain.labels.max() < len(domain.classes)
    assert dataset.summary and all(source in SOURCES for source in dataset.sources)
    assert dataset.prune_domain is None or dataset.prune_domain < len(domains)


def test_default_sizes():
    sizes = {name: DATASETS[name].image_size for name in NAMES}
    assert sizes["ring"] is None and sizes["mnist2svhn"] == sizes["pen2street"] == 32
    assert sizes["celeb_smiling"] == 128 and sizes["horse2zebra"] == sizes["maps"] == 256
    assert DATASETS["mnist2svhn_prune"].prune_domain == 1


def test_gray_sets_stay_gray_and_mixed_sets_become_colour(originals):
    def channels(name):
        return [domain.shape[-1] for domain in load(name, data_dir=originals, offline=True)]

    assert channels("mnist2edge") == [1, 1] and channels("mnist2fashion") == [1, 1]
    assert channels("mnist2svhn") == [3, 3]
    mnist, _ = load("mnist2svhn", data_dir=originals, offline=True)
    np.testing.assert_array_equal(mnist.images[..., 0], mnist.images[..., 2])


@pytest.mark.parametrize("name", ("edge", "negative", "rotate"))
def test_derived_domains_are_maps_of_disjoint_parts(originals, name):
    (mnist,) = load("mnist", data_dir=originals, offline=True)
    first, second = load(f"mnist2{name}", data_dir=originals, offline=True)
    assert first.size == second.size == mnist.size // 2
    np.testing.assert_array_equal(first.images, mnist.images[0::2])
    np.testing.assert_array_equal(first.labels, mnist.labels[0::2])
    np.testing.assert_array_equal(second.labels, mnist.labels[1::2])
    np.testing.assert_array_equal(second.images, transforms.TRANSFORMS[name](mnist.images[1::2]))


def test_three_domains_are_disjoint_thirds(originals):
    (mnist,) = load("mnist", data_dir=originals, offline=True, split="test")
    domains = load("mnist2edge2negative", data_dir=originals, offline=True, split="test")
    assert [domain.name for domain in domains] == ["mnist", "edge", "negative"]
    assert [domain.size for domain in domains] == [10, 10, 10]  # Of 31: equal thirds.
    np.testing.assert_array_equal(domains[2].images, 255 - mnist.images[2:30:3])


def test_known_maps():
    image = np.zeros((1, 5, 5, 1), np.uint8)
    image[0, 2, 2] = 200
    outline = np.zeros((5, 5), np.uint8)
    outline[1:4, 1:4] = 200
    outline[2, 2] = 0
    np.testing.assert_array_equal(transforms.edge(image)[0, :, :, 0], outline)
    np.testing.assert_array_equal(transforms.negative(image), 255 - image)
    top = np.zeros((1, 4, 4, 1), np.uint8)
    top[0, 0] = 9
    assert transforms.rotate(top)[0, :, 0, 0].tolist() == [9, 9, 9, 9]
    turned = top
    for _ in range(4):
        turned = transforms.rotate(turned)
    np.testing.assert_array_equal(turned, top)


@pytest.mark.parametrize(
    "name, attribute",
    (("smiling", "Smiling"), ("blond", "Blond_Hair"), ("eyeglasses", "Eyeglasses")),
)
def test_faces_without_and_with_an_attribute(originals, name, attribute):
    values = write_celeba(originals / "celeba", range(1, 41), ALL_ATTRIBUTES)
    train = load(f"celeb_{name}", data_dir=originals, offline=True, image_size=8)
    test = load(f"celeb_{name}", data_dir=originals, offline=True, image_size=8, split="test")
    assert [domain.name for domain in train] == [f"not_{attribute.lower()}", attribute.lower()]
    # The sizes of both parts together are those of table 2.2.
    has = values[:, ALL_ATTRIBUTES.index(attribute)]
    assert train[0].size + test[0].size == (has == 0).sum()
    assert train[1].size + test[1].size == (has == 1).sum()
    held = np.isin(np.arange(40), held_out(40, "test"))
    columns = [ALL_ATTRIBUTES.index(label) for label in ATTRIBUTES]
    for domain, value in zip(train, (0, 1), strict=True):
        assert domain.classes == ATTRIBUTES and len(ATTRIBUTES) == 13
        chosen = (has == value) & ~held
        np.testing.assert_array_equal(domain.labels, values[chosen][:, columns])
        # Every face has its number as its brightness.
        np.testing.assert_array_equal(domain.images[:, 4, 4, 0], np.arange(1, 41)[chosen])


def test_faces_that_are_all_alike_are_refused(tmp_path):
    write_celeba(tmp_path / "celeba", range(1, 3), ALL_ATTRIBUTES)
    refused(
        lambda: load("celeb_eyeglasses", data_dir=tmp_path, offline=True, image_size=8),
        "alike in Eyeglasses",
    )


def test_ring_has_ten_even_modes():
    (ring,) = load("ring", data_dir="nowhere", offline=True)
    assert ring.images.shape == (5100, 2) and ring.images.dtype == np.float32
    distances = np.linalg.norm(ring.images[:, None] - centres()[None], axis=-1)
    np.testing.assert_array_equal(distances.argmin(1), ring.labels)
    assert np.bincount(ring.labels).tolist() == [510] * 10
    (other,) = load("ring", data_dir="nowhere", split="test")
    assert not np.array_equal(ring.images, other.images)
    with pytest.raises(Exception, match="--image_size"):
        load("ring", data_dir="nowhere", image_size=32)


def test_embedded_sets_are_kept_for_the_next_run(tmp_path, monkeypatch):
    first = load("pen2street", data_dir=tmp_path, image_size=16)
    assert [domain.size for domain in first] == [40, 40] and first[0].shape == (16, 16, 3)

    def forget(*arguments):
        raise AssertionError("generated again")

    monkeypatch.setattr(digits, "pen_digits", forget)
    monkeypatch.setattr(digits, "street_digits", forget)
    again = load("pen2street", data_dir=tmp_path, image_size=16)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    for change in ({"seed": 1}, {"split": "test"}, {"image_size": 24}):
        with pytest.raises(AssertionError, match="generated again"):
            load("pen2street", **{"data_dir": tmp_path, "image_size": 16} | change)
    # Whatever decides pixels is in the name: code, the arithmetic, the masks.
    for module, name in ((digits, "__file__"), (raster, "__file__"), (digits, "GLYPHS")):
        changed = tmp_path / "changed"
        changed.write_bytes(Path(getattr(module, name)).read_bytes() + b"#")
        with monkeypatch.context() as patch, pytest.raises(AssertionError, match="generated again"):
            patch.setattr(module, name, str(changed))
            load("pen2street", data_dir=tmp_path, image_size=16)


def test_facades_are_pairs_drawn_at_the_size_they_are_used_at(tmp_path, quick_facades):
    def load_facades(**options):
        return load("plan2facade", data_dir=tmp_path, **options)

    plans, renderings = load_facades(image_size=16, load_size=20)
    assert (plans.name, renderings.name) == ("plan", "facade") and plans.crop == 16
    # Not scaled: a plan's colours are classes.
    expected = facade_pairs(12, 0, 20)
    np.testing.assert_array_equal(plans.images, expected[0])
    np.testing.assert_array_equal(renderings.images, expected[1])
    np.testing.assert_array_equal(plans.rows, renderings.rows)
    tested = load_facades(image_size=16, load_size=20, split="test")
    assert [domain.images.shape for domain in tested] == [(5, 16, 16, 3)] * 2
    middle = load_facades(image_size=16, load_size=20, fit="short_side", split="test")
    np.testing.assert_array_equal(middle[0].images, facade_pairs(5, 1, 20)[0][:, 2:18, 2:18])
    quick_facades.facade_pairs = None
    again = load_facades(image_size=16, load_size=20)
    np.testing.assert_array_equal(again[1].images, renderings.images)


def test_embedded_sets_need_no_place_to_be_kept(tmp_path):
    (tmp_path / "generated").write_text("a file where the folder should be")
    pen, street = load("pen2street", data_dir=tmp_path, image_size=16)
    assert pen.size == street.size == 40


def test_parts_and_domains_of_embedded_sets_differ(tmp_path):
    parts = [load("pen2street", data_dir=tmp_path, split=split) for split in ("train", "test")]
    assert not np.array_equal(parts[0][0].images[:20], parts[1][0].images)
    assert not np.array_equal(parts[0][1].images[:20], parts[1][1].images)


def test_prune_keeps_what_the_classifier_is_sure_of(tmp_path):
    levels = np.arange(0, 250, 10, dtype=np.uint8)
    shades = np.broadcast_to(levels[:, None, None, None], (25, 4, 4, 3)).copy()
    write_images(tmp_path, [f"{n:02}.png" for n in range(25)], (4, 4, 3))
    encoded = FileImages(sorted(tmp_path.iterdir()), 4, 3)

    def confidence(images):
        assert images.shape[0] <= 10
        return (tf.reduce_max(images, [1, 2, 3]) + 1) / 2

    for images in (shades, encoded):
        domain = Domain("svhn", images, np.arange(25, dtype=np.int32), ("x",) * 25)
        kept = prune(domain, confidence, 0.4, batch_size=10)
        # 100 of 255 is below 40 %, 110 is above; exactly 40 % would go.
        np.testing.assert_array_equal(kept.labels, np.arange(11, 25))
        np.testing.assert_array_equal(kept.in_memory().images[:, 0, 0, 0], levels[11:])
    exact = prune(Domain("svhn", shades), lambda images: np.full(len(images), 0.4), 0.4)
    assert exact.size == 0


def test_large_sets_stay_encoded(tmp_path):
    write_images(tmp_path, ("1.png", "2.png"))
    domain = Domain("large", FileImages(sorted(tmp_path.iterdir()), 8, 3))
    assert domain.in_memory(limit=2 * 8 * 8 * 3 - 1) is domain
    assert isinstance(domain.in_memory(limit=2 * 8 * 8 * 3).images, np.ndarray)
    gray = domain.with_channels(1)
    assert gray.shape == (8, 8, 1) and gray.in_memory().images.shape == (2, 8, 8, 1)


def test_folder_sets(tmp_path):
    write_images(tmp_path / "a", ("1.png", "2.png"), (8, 8))
    write_images(tmp_path / "b", ("1.png", "2.png", "3.png"))
    one, two = load(f"folder:{tmp_path / 'a'},{tmp_path / 'b'}", data_dir="nowhere", offline=True)
    assert (one.name, two.name) == ("a", "b") and one.shape == two.shape == (128, 128, 3)
    refused(lambda: load("folder:absent", data_dir=tmp_path), "absent")
    refused(lambda: load("mnist2", data_dir=tmp_path), "--dataset mnist2", "did you mean mnist")


# ------------------------------------------------------------------------------------------- TFDS


def store(folder, name, splits, features, version="1.0.0", config=None):
    """Write a small set as TFDS prepares it: dataset_info.json, features.json, records."""
    library = pytest.importorskip("tensorflow_datasets")
    library.disable_progress_bar()
    library.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        config=config and library.core.BuilderConfig(name=config),
        features=library.features.FeaturesDict(features(library.features)),
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(arrays) for split, arrays in splits.items()
        },
        data_dir=folder,
        disable_shuffling=True,
    )


def image_and_label(channels):
    return lambda features: {
        "image": features.Image(shape=(None, None, channels)),
        "label": features.ClassLabel(num_classes=10),
    }


@pytest.mark.parametrize(
    "name, builder, side, channels",
    (
        ("mnist", "mnist", 28, 1),
        ("fashion_mnist", "fashion_mnist", 28, 1),
        ("cifar10", "cifar10", 32, 3),
        ("svhn", "svhn_cropped", 32, 3),
    ),
)
def test_prepared_labelled_sets(tmp_path, name, builder, side, channels):
    arrays = {"image": pixels(12, side, side, channels), "label": np.arange(12) % 10}
    store(tmp_path, builder, {"test": arrays}, image_and_label(channels))
    (domain,) = load(name, data_dir=tmp_path, offline=True, image_size=side, split="test")
    np.testing.assert_array_equal(domain.images, arrays["image"])
    np.testing.assert_array_equal(domain.labels, arrays["label"])


def test_a_damaged_prepared_set_is_named(tmp_path):
    arrays = {"image": pixels(12, 28, 28, 1), "label": np.arange(12) % 10}
    store(tmp_path, "mnist", {"train": arrays}, image_and_label(1))
    directory = tmp_path / "mnist" / "1.0.0"
    damaged = next(directory.glob("*train.tfrecord*"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    refused(lambda: load("mnist", data_dir=tmp_path, offline=True), str(directory), "train")
    report = check("mnist", tmp_path)
    assert not report.complete and "split test cannot be read" in str(report)


def test_prepared_faces(tmp_path):
    values = pixels(8, len(ALL_ATTRIBUTES)) % 2 == 1
    values[:2, :] = [[False], [True]]

    def part(chosen):
        attributes = dict(zip(ALL_ATTRIBUTES, values[chosen].T, strict=True))
        return {"image": pixels(8, 218, 178, 3)[chosen], "attributes": attributes}

    splits = {"train": part(slice(0, 4)), "validation": part(slice(4, 6)), "test": part([6, 7])}
    store(
        tmp_path, "celeb_a", splits,
        lambda features: {
            "image": features.Image(shape=(218, 178, 3), encoding_format="png"),
            "attributes": dict.fromkeys(ALL_ATTRIBUTES, tf.bool),
        },
    )  # fmt: skip
    (faces,) = load("celeba", data_dir=tmp_path, offline=True, image_size=16)
    assert faces.shape == (16, 16, 3) and faces.classes == ATTRIBUTES
    columns = [ALL_ATTRIBUTES.index(name) for name in ATTRIBUTES]
    np.testing.assert_array_equal(faces.labels, values[:6, columns])


@pytest.mark.parametrize("name", ("horse2zebra", "facades"))
def test_prepared_unpaired_sets(tmp_path, name):
    splits = {
        f"{split}{letter}": {
            "image": pixels(count, 9, 9, 3), "label": np.full(count, number, np.int64),
        }
        for split in ("train", "test")
        for number, (letter, count) in enumerate((("A", 3), ("B", 2)))
    }  # fmt: skip
    store(
        tmp_path, "cycle_gan", splits,
        lambda features: {
            "image": features.Image(), "label": features.ClassLabel(names=["A", "B"]),
        },
        config=name,
    )  # fmt: skip
    domains = load(name, data_dir=tmp_path, offline=True, image_size=9)
    assert [(domain.name, domain.labels) for domain in domains] == [("A", None), ("B", None)]
    np.testing.assert_array_equal(domains[0].images, splits["trainA"]["image"])
    np.testing.assert_array_equal(domains[1].images, splits["trainB"]["image"])


def test_the_newest_version_is_read(tmp_path):
    assert tfds.prepared("mnist", tmp_path) is None and tfds.prepared(None, tmp_path) is None
    for version in ("3.0.1", "3.0.10", "3.0.9", "3.0.11.incomplete"):
        (tmp_path / "mnist" / version).mkdir(parents=True)
        (tmp_path / "mnist" / version / "dataset_info.json").touch()
    assert tfds.prepared("mnist", tmp_path).name == "3.0.10"


def test_original_files_come_first(originals, tmp_path):
    write_mnist(tmp_path / "mnist", count=3)
    arrays = {"image": pixels(4, 28, 28, 1), "label": np.arange(4)}
    store(tmp_path, "mnist", {"train": arrays}, image_and_label(1))
    (domain,) = load("mnist", data_dir=tmp_path, offline=True)
    assert domain.size == 3


class FakeBuilder:
    """Stands for a TFDS builder: prepares a small set, or fails halfway with a page of warnings."""

    def __init__(self, name, data_dir):
        self.name, self.data_dir = name, data_dir

    def download_and_prepare(self):
        print("Downloading and preparing dataset")
        (self.data_dir / "downloads").mkdir()
        (self.data_dir / "downloads" / "x.tmp.1234").write_bytes(b"half a file")
        logging.getLogger("urllib3.connectionpool").warning("Retrying")
        if self.name != "mnist":
            raise ConnectionError("Failed to resolve host\nwith details on more lines")
        splits = {
            split: {"image": pixels(20, 28, 28, 1) ^ place, "label": np.arange(20) % 10}
            for place, split in enumerate(("train", "test"))
        }
        store(self.data_dir, "mnist", splits, image_and_label(1))


@pytest.fixture
def fake_download(monkeypatch):
    """A network that answers, and the sets that are asked of it."""
    library = pytest.importorskip("tensorflow_datasets")
    asked = []

    def builder(name, *, data_dir):
        asked.append(name)
        return FakeBuilder(name, Path(data_dir))

    monkeypatch.setattr(library, "builder", builder)
    monkeypatch.setattr(sources, "unreachable", lambda urls: list(urls) and [])
    return asked


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_absent_sets_are_named_in_one_line_and_nothing_is_left(
    tmp_path, fake_download, monkeypatch
):
    """All that is lacking, what each needs, and a set that can be had at once."""
    refused(
        lambda: load("mnist2usps", data_dir=tmp_path, offline=True),
        f"--dataset mnist2usps: {tmp_path} lacks mnist (files, or a download) and usps (files);",
        "--offline and --dry_run download nothing",
        "`gantrain check mnist2usps` lists the files",
        "`gantrain prepare mnist2usps` downloads",
        "--dataset pen2street needs neither",
    )
    monkeypatch.setattr(sources, "unreachable", lambda urls: sorted(set(urls)))
    for call in (load, lambda name, data_dir: prepare(name, data_dir)):
        refused(
            lambda call=call: call("mnist2svhn", data_dir=tmp_path),
            "mnist (files, or a download) and svhn (files, or a download)",
            "no answer from http://ufldl.stanford.edu and https://storage.googleapis.com",
        )
    refused(
        lambda: load("cityscapes", data_dir=tmp_path),
        "lacks cityscapes (files); cityscapes cannot be downloaded;",
        "--dataset plan2facade needs neither",
    )
    # What is there is not asked for, and the nearest set is one that it is enough for.
    write_mnist(tmp_path / "mnist")
    message = refused(
        lambda: load("mnist2svhn", data_dir=tmp_path),
        "lacks svhn (files, or a download);",
        "--dataset mnist2street needs neither",
    )
    assert "storage.googleapis.com" not in message
    assert fake_download == [] and {path.split("/")[0] for path in left(tmp_path)} == {"mnist"}


def test_a_download_that_fails_leaves_nothing_behind(tmp_path, fake_download, capfd, caplog):
    place = tmp_path / "new" / "data"
    refused(
        lambda: load("horse2zebra", data_dir=place),
        f"TFDS download of cycle_gan/horse2zebra into {place} failed: Failed to resolve host with",
    )
    assert fake_download == ["cycle_gan/horse2zebra"] and left(tmp_path) == []
    assert capfd.readouterr() == ("", "") and "Retrying" not in caplog.text


def test_an_absent_set_is_downloaded(tmp_path, fake_download):
    (domain,) = load("mnist", data_dir=tmp_path)
    assert domain.size == 20 and fake_download == ["mnist"]
    # The set and nothing that it was made of.
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_every_set_that_is_downloaded_says_from_where():
    for source in SOURCES.values():
        assert bool(source.tfds) == bool(source.host) == bool(source.read_tfds), source.name
    for dataset in DATASETS.values():
        assert not DATASETS[dataset.instead[-1]].sources


def test_who_gives_no_answer_is_known_within_seconds(monkeypatch):
    """Any answer counts; a name that resolves for ever does not stop the others."""
    asked = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        if "slow" in request.full_url:
            time.sleep(30)
        if "refuses" in request.full_url:
            raise urllib.error.HTTPError(request.full_url, 404, "not found", {}, None)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(network.urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(network, "PATIENCE", 0.2)
    monkeypatch.setattr(network, "_silent", {})
    urls = (
        "https://slow.org/a/b",
        "https://refuses.org/c",
        "http://nobody.org:8080",
        *2 * ("https://slow.org/d",),
    )
    for _ in range(2):
        began = time.monotonic()
        assert network.unreachable(urls) == ["slow.org", "nobody.org:8080"]
        assert time.monotonic() - began < 5
    # Who was silent is not asked again at once.
    assert sorted(asked) == [
        "http://nobody.org:8080",
        *2 * ["https://refuses.org"],
        "https://slow.org",
    ]
    assert network.unreachable([]) == []


# ------------------------------------------------------------------------------ check and prepare


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(EMBEDDED)))
def test_check_of_a_whole_and_of_an_absent_set(originals, tmp_path, name):
    report = check(name, originals, image_size=16)
    assert report.complete and report.lines[-1].strip() == "ready"
    report = check(name, tmp_path, image_size=16)
    text = str(report)
    assert not report.complete and "missing" in text and "layout" in text
    for source in DATASETS[name].sources:
        assert SOURCES[source].layout in text and SOURCES[source].homepage in text


def test_check_names_every_damaged_file(tmp_path):
    write_images(tmp_path / "maps" / "trainA", [f"{n}.png" for n in range(40)])
    write_images(tmp_path / "maps" / "trainB", ("1.png", "2.png"))
    for number in (3, 7, 20):
        (tmp_path / "maps" / "trainA" / f"{number}.png").write_bytes(b"\x89PNG")
    report = check("maps", tmp_path)
    assert not report.complete
    for number in (3, 7, 20):
        assert str(tmp_path / "maps" / "trainA" / f"{number}.png") in str(report)
    report = check(f"folder:{tmp_path / 'maps' / 'trainA'}", tmp_path)
    assert not report.complete and str(report).count("not a readable image") == 3


@pytest.mark.parametrize(
    "spoiled",
    (
        "mnist/train-images-idx3-ubyte.gz",
        "mnist/t10k-labels-idx1-ubyte.gz",
        "svhn/test_32x32.mat",
        "usps/usps.bz2",
        "celeba/list_attr_celeba.txt",
        "celeba/img_align_celeba/000017.jpg",
        "cifar10/cifar-10-batches-bin/data_batch_2.bin",
    ),
)
@pytest.mark.parametrize("content", (b"", b"\x1f\x8b\0\0garbage", b"\xff" * 3000))
def test_check_of_a_spoiled_file_is_a_report(originals, spoiled, content):
    path = originals / spoiled
    whole = path.read_bytes()
    name = "mnist2svhn" if spoiled.startswith(("mnist", "svhn")) else spoiled.partition("/")[0]
    try:
        path.write_bytes(content)
        report = check(name, originals, image_size=16)
        path.unlink()
        missing = check(name, originals, image_size=16)
    finally:
        path.write_bytes(whole)
    for found in (report, missing):
        assert not found.complete and path.name.removesuffix(".gz") in str(found)
    assert check(name, originals, image_size=16).complete


def test_prepare_downloads_what_is_absent(tmp_path, fake_download):
    assert prepare("mnist2edge", tmp_path).complete
    assert fake_download == ["mnist"]
    assert prepare("mnist2edge", tmp_path).complete
    assert fake_download == ["mnist"]
    first, second = load("mnist2edge", data_dir=tmp_path, offline=True)
    assert first.size == second.size == 10
    refused(lambda: prepare("mnist2svhn", tmp_path), "svhn", "failed")


def test_prepare_of_an_embedded_set_generates_it(tmp_path):
    assert prepare("pen2street", tmp_path).complete
    assert len(list((tmp_path / "generated").iterdir())) == 4


def test_the_table_of_data_sets_names_them_all():
    table = (Path(__file__).parents[1] / "data" / "README.md").read_text()
    assert [name for name in NAMES if f"`{name}`" not in table] == []
    for source in SOURCES.values():
        assert source.homepage in table and source.licence in table
