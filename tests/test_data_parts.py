"""What a set is, decided by its training part: parts, classes, channels, value range, content."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_data_readers import pixels, refused, write_celeba

from gantrain.commands import evaluate as evaluate_command
from gantrain.commands import train as train_command
from gantrain.data import levels, parts, stored
from gantrain.data.batches import Batches
from gantrain.data.check import check
from gantrain.data.datasets import load
from gantrain.data.domain import Domain, held_out
from gantrain.data.transforms import TRANSFORMS, contours, luma
from gantrain.images import Levels, to_float
from gantrain.runs.directory import RunDirectory
from gantrain.use.files import translate_files


def put(path, image=None, shape=(8, 8, 3)):
    """An image file; different noise at every path, as long as no image is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if image is None:
        rng = np.random.default_rng(list(str(path.relative_to(path.parents[2])).encode()))
        image = rng.integers(0, 256, shape, dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def read(name, size=8, **options):
    """Training and test part of a set."""
    return [
        load(str(name), data_dir="nowhere", offline=True, image_size=size, split=split, **options)
        for split in ("train", "test")
    ]


# -------------------------------------------------------------------------------------- hold-out


def test_what_is_held_out_never_changes():
    """A part that was trained on may not be tested on after an update."""
    assert held_out(30, "test").tolist() == [3, 21, 24]
    assert held_out(24, "test", np.arange(24) % 3).tolist() == [13, 23]


@pytest.mark.parametrize("count", (1, 2, 9, 10, 11, 200))
def test_parts_are_disjoint_and_whole(count):
    train, test = held_out(count, "train"), held_out(count, "test")
    assert len(test) == max(1, count // 10)
    together = np.sort(np.concatenate([train, test]))
    np.testing.assert_array_equal(together, np.arange(count) if count > 1 else [0, 0])


@pytest.mark.parametrize("period", (2, 5, 10, 20))
def test_every_class_is_held_out_in_its_share(period):
    labels = np.arange(400) % period
    counts = np.bincount(labels[held_out(400, "test", labels)], minlength=period)
    assert counts.tolist() == [40 // period] * period
    # Without labels nothing periodic is left either.
    assert len(set(held_out(400, "test") % period)) > period // 2


def test_a_class_of_one_example_is_trained_on():
    labels = np.array([0] * 12 + [1, 2, 3])
    assert set(labels[held_out(15, "train", labels)]) == {0, 1, 2, 3}
    assert held_out(2, "test", np.array([0, 1])).size == 1


# ------------------------------------------------------------------------------ parts that exist


@pytest.mark.parametrize("part", ("test", "val", "valid", "validation", "Test", "testing"))
@pytest.mark.parametrize("layout", ("{part}", "{part}/cat", "{part}A", "A/{part}"))
def test_a_part_that_is_there_is_used(tmp_path, layout, part):
    kind = "pairs" if "A/" in layout else "folder"
    for name, count in (("train", 11), (part, 3)):
        for letter in "AB":
            for number in range(count):
                put(tmp_path / layout.format(part=name).replace("A", letter) / f"{number}.png")
    train, test = read(f"{kind}:{tmp_path}")
    assert {d.size for d in train} == {11} and {d.size for d in test} == {3}


def test_a_test_part_alone_is_refused(tmp_path):
    put(tmp_path / "test" / "1.png")
    put(tmp_path / "val" / "1.png")
    refused(lambda: read(f"folder:{tmp_path}"), str(tmp_path), "train/")


@pytest.mark.parametrize("name", ("set/digits.npz", "mnist/mnist.npz", "mnist/train.npz"))
def test_archives_are_parted_once(tmp_path, name):
    """Keras's names are parts of their own; without them a share is held out."""
    images, numbers = pixels(60, 8, 8), np.arange(60) % 3
    path = tmp_path / name
    path.parent.mkdir()
    where = dict(data_dir=tmp_path, offline=True, image_size=8)
    dataset = f"folder:{path}" if "set" in name else "mnist"
    np.savez(path, images=images, labels=numbers)
    train, test = (load(dataset, split=split, **where)[0] for split in ("train", "test"))
    assert (train.size, test.size) == (54, 6) and np.bincount(test.labels).tolist() == [2, 2, 2]
    assert not {i.tobytes() for i in train.images} & {i.tobytes() for i in test.images}
    np.savez(
        path, x_train=images[:40], y_train=numbers[:40], x_test=images[40:], y_test=numbers[40:]
    )
    train, test = (load(dataset, split=split, **where)[0] for split in ("train", "test"))
    np.testing.assert_array_equal(train.images[..., 0], images[:40])
    np.testing.assert_array_equal(test.images[..., 0], images[40:])


# --------------------------------------------------------------------------- channels and classes


@pytest.mark.parametrize("trained, tested", (((8, 8, 3), (8, 8)), ((8, 8), (8, 8, 3))))
@pytest.mark.parametrize("layout", ("train/{n}", "train/cat/{n}", "trainA/{n}", "A/train/{n}"))
def test_the_training_part_decides_the_channels(tmp_path, layout, trained, tested):
    kind = "pairs" if "A/train" in layout else "folder"
    for part, shape in (("train", trained), ("test", tested)):
        for letter in "AB":
            for n in range(3):
                name = layout.format(n=n).replace("train", part).replace("A", letter)
                put(tmp_path / f"{name}.png", shape=shape)
    channels = 3 if len(trained) == 3 else 1
    for part in read(f"{kind}:{tmp_path}"):
        assert {d.images.shape for d in part} == {(3, 8, 8, channels)}
    assert f"the training part is {'colour' if channels == 3 else 'gray'}" in str(
        check(f"{kind}:{tmp_path}", tmp_path)
    )


def test_one_colour_image_of_many_makes_a_colour_set(tmp_path):
    for n in range(150):
        put(tmp_path / f"{n:03}.png", shape=(2, 2) if n != 77 else (2, 2, 3))
    assert [part[0].shape[-1] for part in read(f"folder:{tmp_path}", 2)] == [3, 3]


def test_classes_are_numbered_by_the_training_part(tmp_path):
    for name in ("bird", "cat", "dog"):
        for n in range(3):
            put(tmp_path / "train" / name / f"{n}.png")
    put(tmp_path / "test" / "dog" / "0.png")
    train, test = read(f"folder:{tmp_path}")
    assert train[0].classes == test[0].classes == ("bird", "cat", "dog")
    assert test[0].labels.tolist() == [2]
    put(tmp_path / "test" / "wolf" / "0.png")
    refused(lambda: read(f"folder:{tmp_path}"), str(tmp_path / "test" / "wolf"), "wolf", "training")


def test_domains_share_one_list_of_classes(tmp_path):
    for domain, names in (("P", ("10", "9")), ("Q", ("9", "11"))):
        for name in names:
            for n in range(2):
                put(tmp_path / domain / name / f"{n}.png")
    p, q = read(f"folder:{tmp_path / 'P'},{tmp_path / 'Q'}")[0]
    # In numeric order, where names are numbers.
    assert p.classes == q.classes == ("9", "10", "11")
    assert (set(p.labels), set(q.labels)) == ({0, 1}, {0, 2})
    assert "P has no images of class 11" in parts.remarks([p, q])


def test_whole_numbers_become_classes_from_zero(tmp_path):
    np.savez(tmp_path / "a.npz", images=pixels(100, 8, 8), labels=np.arange(100) % 10 + 1)
    np.savez(
        tmp_path / "b.npz",
        x_train=pixels(4, 8, 8),
        y_train=[7, -1, 7, 20],
        x_test=pixels(2, 8, 8),
        y_test=[20, 3],
    )
    (domain,), _ = read(f"folder:{tmp_path / 'a.npz'}")
    assert domain.classes == tuple(map(str, range(1, 11))) and set(domain.labels) == set(range(10))
    train = load(f"folder:{tmp_path / 'b.npz'}", data_dir="", image_size=8)
    assert train[0].classes == ("-1", "7", "20") and train[0].labels.tolist() == [1, 0, 1, 2]
    refused(lambda: read(f"folder:{tmp_path / 'b.npz'}"), "class 3", "training part")


def test_an_archive_of_another_machine_and_numbers_too_large(tmp_path):
    """Big-endian samples are read; a label that int32 would turn into another is refused."""
    values = np.arange(1000, 1192).reshape(3, 8, 8)
    np.savez(tmp_path / "big.npz", images=values.astype(">u2"))
    np.savez(tmp_path / "little.npz", images=values.astype("<u2"))
    big, little = (read(f"folder:{tmp_path / name}.npz")[0][0] for name in ("big", "little"))
    assert big.fingerprint == little.fingerprint
    np.testing.assert_array_equal(big.images, little.images)
    np.savez(tmp_path / "a.npz", images=pixels(2, 8, 8), labels=np.array([0, 2**32]))
    refused(lambda: read(f"folder:{tmp_path / 'a.npz'}"), "a.npz", "beyond 32 bits")


def test_a_known_set_keeps_its_classes(tmp_path):
    """Crops of some digits are those digits."""
    for n in (3, 7, 8):
        put(tmp_path / "svhn_crops" / f"image_{n}_class_{n}.png")
    (crops,) = load("svhn_crops", data_dir=tmp_path, image_size=8)
    assert crops.classes == tiny.DIGITS and set(crops.labels) < {3, 7, 8}
    (tmp_path / "mnist").mkdir()
    np.savez(tmp_path / "mnist" / "mnist.npz", images=pixels(3, 8, 8), labels=[0, 3, 10])
    refused(lambda: load("mnist", data_dir=tmp_path), "mnist.npz", "label 10", "0 to 9")


# ------------------------------------------------------------------------------- what is left out


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    for n in range(4):
        put(tmp_path / "train" / "cat" / f"{n}.png")
        put(tmp_path / "test" / "cat" / f"{n}.png")
    put(tmp_path / "train" / "cat" / "more" / "1.png")
    put(tmp_path / "val" / "cat" / "1.png")
    put(tmp_path / "loose.png")
    for name in (
        "notes.txt",
        "train/list.csv",
        "train/cat/raw.CR2",
        ".DS_Store",
        "Thumbs.db",
        "train/._1.png",
        "train/cat/desktop.ini",
        "LICENCE",
    ):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "1.png").write_text("x")
    (domain,), _ = read(f"folder:{tmp_path}")
    assert domain.left_out == {
        ".csv": 1, ".cr2": 1, "in more/": 1, "in val/": 1, ".txt": 1, "without suffix": 1,
        "images beside test/": 1}  # fmt: skip
    (line,) = [line for line in check(f"folder:{tmp_path}", tmp_path).lines if "left out" in line]
    assert "1 in val/" in line and "1 .txt" in line


def test_more_left_out_than_read_is_a_problem(tmp_path):
    put(tmp_path / "stray.png")
    for n in range(3):
        put(tmp_path / "cat" / f"{n}.png")
    report = check(f"folder:{tmp_path}", tmp_path)
    assert not report.complete and "3 in cat/" in str(report)


def test_kaggles_celeba(tmp_path):
    values = write_celeba(tmp_path / "celeba", names=("Smiling", "Male"))
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.rename(tmp_path / "inner")
    folder.mkdir()
    (tmp_path / "inner").rename(folder / "img_align_celeba")
    listed = tmp_path / "celeba" / "list_attr_celeba.txt"
    rows = [line.split() for line in listed.read_text().splitlines()[1:]]
    rows[0].insert(0, "image_id")
    listed.with_suffix(".csv").write_text("\n".join(map(",".join, rows)))
    listed.unlink()
    from gantrain.data.celeba import read_celeba

    (train,) = read_celeba(tmp_path / "celeba", "train", 8)
    np.testing.assert_array_equal(train.labels, values[held_out(12, "train")])
    assert train.classes == ("Smiling", "Male")
    refused(lambda: load("celeba", data_dir=tmp_path), "csv", "Arched_Eyebrows")


def test_paths_with_commas_and_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / "a, b" / "0.png")
    put(tmp_path / "c" / "0.png")
    domains = read(f"folder:~/a, b,{tmp_path / 'c'}")[0]
    assert [d.name for d in domains] == ["a, b", "c"]
    refused(lambda: read("folder:~/a,~/c"), str(tmp_path / "a"))


# --------------------------------------------------------------------------- more than eight bits


def deep(*values):
    """uint16 image whose values are these."""
    return np.resize(np.array(values, np.uint16), (8, 8))


@pytest.mark.parametrize("values, expected", (
    (np.arange(400, 4121, 60), Levels(400, 4120, "uint16")),
    (np.arange(256) * 257, None), (np.arange(256) * 256, None), ((0, 65535), None), ((7, 7), None),
    ((0, 1), Levels(0, 1, "uint16")), ((0, 300, 65535), None),
    (np.arange(4096), Levels(0, 4095, "uint16")),
))  # fmt: skip
def test_values_keep_their_range_where_8_bits_would_lose_some(values, expected):
    assert levels.of_array(np.array(values, np.uint16)) == expected


@pytest.mark.parametrize("form", ("png", "tiff", "npz"))
def test_the_training_part_decides_the_range(tmp_path, form):
    trained, tested = deep(*range(1000, 1064)), deep(900, 1001, 1031, 1063, 1200)
    if form == "npz":
        np.savez(tmp_path / "d.npz", x_train=trained[None], x_test=tested[None])
        name = f"folder:{tmp_path / 'd.npz'}"
    else:
        for part, image in (("train", trained), ("test", tested)):
            put(tmp_path / "d" / part / f"1.{form}", image)
        name = f"folder:{tmp_path / 'd'}"
    (train,), (test,) = read(name)
    assert train.levels == test.levels == Levels(1000, 1063, "uint16")
    assert train.images.dtype == np.uint16
    np.testing.assert_array_equal(train.images[0, ..., 0], np.rint((trained - 1000.0) * 65535 / 63))
    wanted = np.clip((tested - 1000.0) * 65535 / 63, 0, 65535)
    np.testing.assert_array_equal(test.images[0, ..., 0], np.rint(wanted))
    report = check(name, tmp_path)
    # Of an archive only what is trained on is looked at.
    assert form == "npz" or (not report.complete and "from 900 to 1200" in str(report))
    assert "in 16 bits: values 1000 to 1063" in str(report)


def test_eight_and_sixteen_bits_together_are_a_problem(tmp_path):
    put(tmp_path / "1.png", deep(*range(1000, 1064)))
    for n in range(2, 5):
        put(tmp_path / f"{n}.png", shape=(8, 8))
    report = check(f"folder:{tmp_path}", tmp_path)
    assert not report.complete and "8 and 16 bits" in str(report)


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_floating_points_in_an_archive_have_a_remedy(tmp_path, dtype):
    path = tmp_path / "a.npz"
    for images, remedy in ((np.zeros((2, 4, 4)), "x * 255"), (-np.ones((2, 4, 4)), "(x + 1) *")):
        np.savez(path, images=images.astype(dtype))
        refused(lambda: read(f"folder:{path}"), "a.npz", remedy)


def test_batches_of_16_bits_are_the_values_themselves(tmp_path):
    codes = np.random.default_rng(0).integers(0, 65536, (5, 3, 3, 1), dtype=np.uint16)
    held = Domain("a", codes)
    for n, image in enumerate(codes):
        put(tmp_path / f"{n}.png", image)
    names = sorted(tmp_path.iterdir())
    files = dataclasses.replace(held, images=tiny.encoded(names, 3, Levels(0, 65535, "uint16")))
    for domain in (held, files):
        batches = Batches([domain], 4, 2, 3)
        step = tf.constant(2, tf.int64)
        index = batches.indices(0, 16 + tf.reshape(tf.range(8, dtype=tf.int64), [2, 4])).numpy()
        (batch,) = batches.batch(step, next(batches.host(2)))
        np.testing.assert_array_equal(batch.images, to_float(codes[index]))


@pytest.mark.parametrize("function", (*TRANSFORMS.values(), luma, contours))
def test_maps_of_16_bits_are_those_of_8(function):
    image = cv2.GaussianBlur(pixels(16, 16, 3), (0, 0), 2)[None]
    made = function(image.astype(np.uint16) * 257)
    assert made.dtype == np.uint16
    # Luma is rounded more finely.
    near = 128 if function is luma else 0
    np.testing.assert_allclose(made.astype(int), function(image).astype(int) * 257, atol=near)


# ------------------------------------------------------------------------------------------ check


def test_check_tells_what_the_files_are(tmp_path):
    for n in range(30):
        put(tmp_path / "cat" / f"{n}.png", shape=(8, 6 + n % 2, 3))
        put(tmp_path / "dog" / f"{n}.png", shape=(9, 9))
    put(tmp_path / "dog" / "clear.png", np.dstack([pixels(9, 9, 3), pixels(9, 9)]))
    text = str(check(f"folder:{tmp_path}", tmp_path, image_size=16))
    for part in ("8x6 to 9x9", "gray", "colour", "8 bits, values 0 to 255", "1 with transparency",
                 "cat 27 + 3, dog 28 + 3", "0 of 6 test", "16x16x3, 2 classes"):  # fmt: skip
        assert part in text, part


def test_check_finds_training_images_in_the_test_part(tmp_path):
    for n in range(10):
        put(tmp_path / "train" / f"{n}.png")
        put(tmp_path / "test" / f"{n}.bmp")
    name = f"folder:{tmp_path}"
    assert check(name, tmp_path).complete
    # The same pixels in another format and under another name.
    put(tmp_path / "test" / "other.bmp", cv2.imread(str(tmp_path / "train" / "3.png")))
    report = check(name, tmp_path)
    assert not report.complete and "1 of 11 test" in str(report)


# ---------------------------------------------------------------------------- the data of a run


def entries(domains):
    return json.loads(json.dumps([stored.entry(d) for d in domains]))


def test_content_is_known_by_its_hash_and_not_by_its_place(tmp_path):
    for n in range(12):
        put(tmp_path / "job1" / "a" / f"{n}.png")
    first = read(f"folder:{tmp_path / 'job1' / 'a'}")[0]
    (tmp_path / "job1").rename(tmp_path / "job2")
    moved = load(
        f"folder:{tmp_path / 'job1' / 'a'}",
        data_dir="",
        image_size=16,
        place=f"folder:{tmp_path / 'job2' / 'a'}",
    )
    assert first[0].fingerprint == moved[0].fingerprint and len(first[0].fingerprint) == 16
    put(tmp_path / "job2" / "a" / "4.png", pixels(8, 8, 3))
    other = load(f"folder:{tmp_path / 'job2' / 'a'}", data_dir="", image_size=8)
    refused(
        lambda: stored.refuse_other(entries(first), other, "run"),
        "--run_dir run",
        "other content",
        "--data_dir",
    )


@pytest.mark.parametrize("change, said", (
    (dict(images=np.zeros((23, 32, 32, 3), np.uint8)), "size 24 -> 23"),
    (dict(images=np.zeros((24, 32, 32, 1), np.uint8)), "shape"),
    (dict(classes=tiny.DIGITS[::-1]), "classes"), (dict(name="b"), "domains a -> b"),
    (dict(levels=Levels(0, 9, "uint16")), "levels"), (dict(fingerprint="0" * 16), "content"),
))  # fmt: skip
def test_other_data_are_refused_by_what_differs(change, said):
    domain = dataclasses.replace(tiny.domain("a"), fingerprint="1" * 16)
    old = entries([domain])
    stored.refuse_other(old, [domain], "run")
    other = dataclasses.replace(domain, **change)
    refused(lambda: stored.refuse_other(old, [other], "run"), said)
    # Runs of earlier versions know less.
    old[0].pop("fingerprint")
    stored.refuse_other(old, [dataclasses.replace(domain, fingerprint="2" * 16)], "run")


@pytest.mark.parametrize("key, value", (
    ("name", 3), ("name", ""), ("shape", [8, 8]), ("shape", [8, 8, 2]), ("shape", "8"),
    ("shape", [8, 0, 3]), ("size", -1), ("size", True), ("classes", "ab"), ("classes", [1, 2]),
    ("classes", ["a", "a"]), ("multi_label", None), ("targets", -1), ("levels", [1, 2]),
    ("levels", [2, 1, "uint16"]), ("levels", [0, 1, "int8"]), ("levels", 5), ("fingerprint", 3),
    ("left_out", []), ("left_out", {"a": "b"}), ("palette", {"classes": 1}), ("palette", 7),
    ("palette", {"classes": ["a"], "colours": [[0, 0, 999]], "ids": False}),
))  # fmt: skip
def test_domains_json_is_read_strictly(tmp_path, key, value):
    (entry,) = entries([tiny.domain("a")])
    path = tmp_path / "domains.json"
    path.write_text(json.dumps([entry]))
    assert RunDirectory(tmp_path).domains()[0].shape == (32, 32, 3)
    path.write_text(json.dumps([entry | {key: value}]))
    refused(RunDirectory(tmp_path).domains, "domains.json", "not readable")


def test_a_run_goes_on_and_is_measured_where_its_data_have_moved(tmp_path, capsys):
    for letter in "AB":
        for n in range(12):
            put(tmp_path / "job1" / letter / f"{n}.png", shape=(16, 16, 3))
    options = dict(
        gan_type="pix2pix",
        image_size=16,
        width=1 / 16,
        generator="plain",
        patch="1",
        lr_decay=0.0,
        run_dir=str(tmp_path / "run"),
    )

    def train(place, steps):
        return train_command(options | dict(dataset=f"pairs:{tmp_path / place}", steps=steps))

    assert train("job1", 1) == 0
    (tmp_path / "job1").rename(tmp_path / "job2")
    assert train("job2", 2) == 0
    assert RunDirectory(tmp_path / "run").summary()["steps"] == 2
    measured = dict(run_dir=str(tmp_path / "run"), metrics="pixels", num=10)
    assert evaluate_command(measured) == 0
    (tmp_path / "job2").rename(tmp_path / "job3")
    refused(lambda: evaluate_command(measured), "job2")
    assert evaluate_command(measured | dict(dataset=f"pairs:{tmp_path / 'job3'}")) == 0
    put(tmp_path / "job3" / "A" / "12.png")
    put(tmp_path / "job3" / "B" / "12.png")
    # A finished run too says that it does not know these data, and one that would go on.
    for steps in (2, 3):
        refused(lambda steps=steps: train("job3", steps), "A: size 11 -> 12")
    refused(lambda: train_command(options | dict(dataset="mnist", steps=3)), "--dataset")


def test_a_translated_depth_map_is_in_the_units_of_its_set(tmp_path):
    """Millimetres in, millimetres out, by the range of the training part."""
    for n in range(4):
        put(tmp_path / "d" / "A" / f"{n}.png")
        put(tmp_path / "d" / "B" / f"{n}.png", np.arange(400, 464).reshape(8, 8).astype(np.uint16))
    (photo, depth), _ = read(f"pairs:{tmp_path / 'd'}", same_channels=False)
    assert photo.levels is None and photo.images.dtype == np.uint8
    assert depth.levels == Levels(400, 463, "uint16")
    (blank,) = (stored.blank(e) for e in entries([depth]))
    assert blank.levels == depth.levels and blank.images.dtype == np.uint16
    report = translate_files(
        lambda x: x,
        tmp_path / "d" / "B",
        tmp_path / "out",
        channels=1,
        levels=(depth.levels, depth.levels),
    )
    made = cv2.imread(str(tmp_path / "out" / "2.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(made.ravel(), np.arange(400, 464))
    translate_files(
        lambda x: x * 0 + 1,
        tmp_path / "d" / "A",
        tmp_path / "out",
        channels=1,
        levels=(None, depth.levels),
    )
    made = cv2.imread(str(tmp_path / "out" / "2.png"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16 and (made == 463).all()
    assert report == (4, [], {})


def test_translate_says_what_it_leaves_out(tmp_path):
    put(tmp_path / "in" / "1.png")
    put(tmp_path / "in" / "more" / "1.png")
    (tmp_path / "in" / "notes.txt").write_text("x")
    for _ in range(2):  # The second time its own output lies there.
        report = translate_files(lambda x: x, tmp_path / "in", tmp_path / "in" / "out", channels=3)
        assert report.done == 1 and report.left_out == {".txt": 1}
        assert len(report.skipped) == 1 and "1 files in more/" in report.skipped[0]
