"""Confusion by hand, palettes by brute force, the segmenter's loss, and the judge that is found."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import consulted
from gantrain.data import facades
from gantrain.data.batches import Batch
from gantrain.data.palettes import CMP, PALETTES, Palette, find_palette, label_palette, read_palette
from gantrain.images import to_float
from gantrain.measures.fcn import Confusion, fcn_score
from gantrain.runs.consult import consult
from gantrain.runs.plan import need, own_run
from gantrain.stages import open_run, prepare, train
from gantrain.trainers.segmenter import mean_where
from gantrain.use.directions import translation
from gantrain.use.measured import judging_segmenter
from gantrain.use.samples import noise

NAMES = ("pixel_accuracy", "class_accuracy", "class_iou")


def confusion(truth, predicted, classes=3):
    counted = Confusion(classes)
    counted.add(np.array(truth), np.array(predicted))
    return counted


def scores(*parts, **options):
    return tuple(confusion(*parts, **options).scores()[name] for name in NAMES)


# --------------------------------------------------------------------------------------- confusion


def test_a_matrix_made_by_hand():
    counted = confusion([[0, 0, 0, 0], [1, 1, 1, 2]], [[0, 0, 1, 2], [1, 1, 0, 2]])
    np.testing.assert_array_equal(counted.counts, [[2, 1, 1], [1, 2, 0], [0, 0, 1]])
    assert tuple(counted.scores().values()) == pytest.approx(
        (5 / 8, (2 / 4 + 2 / 3 + 1) / 3, (2 / 5 + 2 / 4 + 1 / 2) / 3)
    )
    assert tuple(counted.scores()) == NAMES
    assert all(type(value) is float for value in counted.scores().values())


def test_many_images_against_sets_of_pixels():
    """Each score from sets of pixel numbers, and parts that add up to the whole."""
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 6, (2, 7, 9, 5))
    counted = Confusion(6)
    for t, p in zip(truth, predicted, strict=True):
        counted.add(t, p)
    accuracies, ious = [], []
    for c in range(6):
        true = set(np.flatnonzero(truth.ravel() == c))
        found = set(np.flatnonzero(predicted.ravel() == c))
        accuracies.append(len(true & found) / len(true))
        ious.append(len(true & found) / len(true | found))
    expected = ((truth == predicted).mean(), np.mean(accuracies), np.mean(ious))
    assert tuple(counted.scores().values()) == pytest.approx(expected)
    assert counted.counts.dtype == np.int64 and counted.counts.sum() == truth.size


def test_the_ends_of_the_scale():
    truth = np.random.default_rng(1).integers(0, 4, (100, 100))
    assert scores(truth, truth, classes=4) == (1, 1, 1)
    assert scores(truth, (truth + 1) % 4, classes=4) == (0, 0, 0)
    # Independent of the truth: 1/K, 1/K and (1/K^2) / (2/K - 1/K^2) = 1 / (2K - 1).
    guess = np.random.default_rng(2).integers(0, 4, (100, 100))
    assert scores(truth, guess, classes=4) == pytest.approx((1 / 4, 1 / 4, 1 / 7), abs=0.02)


def test_one_answer_for_everything_scores_as_it_should():
    truth = np.repeat([0, 1, 2], [80, 15, 5])
    assert scores(truth, np.zeros(100, int)) == pytest.approx((0.8, 1 / 3, 0.8 / 3))


def test_means_are_over_the_classes_that_occur():
    """Class 2 is predicted but never true, class 3 neither: the means are over 0 and 1."""
    truth, predicted = [0, 0, 0, 1], [0, 0, 2, 1]
    assert scores(truth, predicted, classes=4) == pytest.approx(
        (3 / 4, (2 / 3 + 1) / 2, (2 / 3 + 1) / 2)
    )
    assert scores(truth, predicted, classes=3) == scores(truth, predicted, classes=4)


def test_void_pixels_are_left_out():
    truth, predicted = [0, 1, 3, 255, -1, 2], [0, 1, 1, 0, 2, 1]
    assert confusion(truth, predicted).counts.sum() == 3
    assert scores(truth, predicted) == scores([0, 1, 2], [0, 1, 1])
    assert confusion([3, 3], [0, 1]).scores() == {}


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="differ"):
        confusion([0, 1], [[0, 1]])
    with pytest.raises(ValueError, match="none of 3 classes"):
        confusion([0, 1], [0, 3])


# ---------------------------------------------------------------------------------------- palettes


def test_the_nearest_colour_by_brute_force_and_void_where_it_is_far():
    palette = PALETTES["cityscapes"]
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 6, 5, 3), np.uint8)
    near = palette.colours[rng.integers(0, 29, (6, 5))].astype(int)
    pictures[0] = (near + rng.integers(-30, 31, near.shape)).clip(0, 255)
    expected = np.empty(pictures.shape[:-1], int)
    for place in np.ndindex(expected.shape):
        off = [
            sum((int(a) - int(b)) ** 2 for a, b in zip(pictures[place], colour, strict=True))
            for colour in palette.colours
        ]
        number = int(np.argmin(off))
        far = np.abs(pictures[place].astype(int) - palette.colours[number]).max() > 24
        expected[place] = 19 if far else min(number, 19)
    assert (expected[1] == 19).mean() > 0.5 and (expected[0] < 19).any()
    made = palette.indices(to_float(pictures))
    assert made.dtype == tf.int32
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("name", PALETTES)
def test_indices_and_pictures_are_each_other_s_inverse(name):
    palette = PALETTES[name]
    count = len(palette.classes)
    assert palette.colours.dtype == np.uint8 and len(palette.colours) >= count
    assert len(np.unique(palette.colours, axis=0)) == len(palette.colours)
    assert len(set(palette.classes)) == count
    indices = np.random.default_rng(0).integers(0, count, (2, 4, 6))
    pictures = palette.pictures(indices)
    assert pictures.dtype == tf.float32 and np.abs(pictures).max() <= 1
    np.testing.assert_array_equal(palette.indices(pictures), indices)
    # JPEG and scaling move a colour a little.
    noise = np.random.default_rng(1).uniform(-0.06, 0.06, pictures.shape)
    np.testing.assert_array_equal(palette.indices(tf.cast(pictures + noise, tf.float32)), indices)


def test_void_colours_are_one_index_and_drawn_black():
    palette = tiny.PALETTE
    maps, _ = tiny.maps(void=2)
    indices = np.asarray(palette.indices(to_float(maps.images)))
    assert (indices[:2, :16, :16] == 3).all() and (indices[2:] < 3).all()
    np.testing.assert_array_equal(palette.pictures(indices), to_float(maps.images))


def test_gray_label_maps():
    levels = np.array([0, 100, 200], np.uint8)
    palette = Palette(("a", "b", "c"), np.repeat(levels[:, None], 3, axis=1))
    gray = np.array([[[3], [90], [160], [210]]], np.uint8)
    np.testing.assert_array_equal(palette.indices(to_float(gray)), [[0, 1, 3, 2]])
    # Numbers that follow each other leave no room for noise.
    numbers = Palette(("a", "b"), np.array([[7] * 3, [8] * 3], np.uint8), ids=True)
    gray = np.array([[[7], [8], [9], [6]]], np.uint8)
    np.testing.assert_array_equal(numbers.indices(to_float(gray)), [[0, 1, 2, 2]])


def test_the_embedded_plans_are_read_exactly():
    plans, _ = facades.facade_pairs(2, 0, 64)
    palette = find_palette("plan2facade", "nowhere")
    assert palette.classes == facades.CLASSES
    np.testing.assert_array_equal(facades.PALETTE[palette.indices(to_float(plans))], plans)


def test_official_classes():
    assert list(CMP) == [
        "background",
        "facade",
        "window",
        "door",
        "cornice",
        "sill",
        "balcony",
        "blind",
        "deco",
        "molding",
        "pillar",
        "shop",
    ]
    city = PALETTES["cityscapes"]
    assert len(city.classes) == 19 and city.classes[:2] == ("road", "sidewalk")
    assert city.classes[13] == "car" and tuple(city.colours[13]) == (0, 0, 142)


def write(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def test_a_palette_of_one_s_own_lies_with_the_data(tmp_path):
    entries = {"road": [1, 2, 3], "void": [[9, 9, 9], [8, 8, 8]], "tree": [4, 5, 6]}
    write(tmp_path / "mine" / "palette.json", entries)
    palette = find_palette(f"pairs:{tmp_path / 'mine'}", "unused")
    assert palette.classes == ("road", "tree")
    np.testing.assert_array_equal(palette.colours, [[1, 2, 3], [4, 5, 6], [9, 9, 9], [8, 8, 8]])
    # A named set's own file comes before the table.
    entries = {"a": [0, 0, 0], "b": [1, 1, 1], "void": [7, 7, 7]}
    write(tmp_path / "facades" / "palette.json", entries)
    own = find_palette("facades", tmp_path)
    assert own.classes == ("a", "b") and len(own.colours) == 3
    assert find_palette("facades", tmp_path / "elsewhere").classes == tuple(CMP)


@pytest.mark.parametrize(
    "void, levels",
    [
        (None, []),
        (255, [255]),
        ([255, 9], [255, 9]),
        ([9, 10, 11], [9, 10, 11]),
        ([9, 9, 9], [9]),
        ([[9, 9, 9], 10], [9, 10]),
    ],
)
def test_gray_levels_are_colours_of_three_equal_channels(tmp_path, void, levels):
    entries = {"road": 7, "tree": 0} | ({} if void is None else {"void": void})
    palette = read_palette(write(tmp_path / "palette.json", entries))
    assert palette.classes == ("road", "tree") and palette.ids
    np.testing.assert_array_equal(palette.colours, [[v] * 3 for v in (7, 0, *levels)])
    colour = read_palette(write(tmp_path / "palette.json", {"a": [1, 1, 1], "b": [2, 2, 2]}))
    assert not colour.ids


@pytest.mark.parametrize(
    "dataset, parts",
    [
        ("pairs:somewhere", ["--dataset pairs:somewhere", "palette.json", "cityscapes, facades"]),
        ("maps", ["--dataset maps", "palette.json"]),
        ("gray2color:faces", ["--dataset gray2color:faces", "paired set", "plan2facade"]),
    ],
)
def test_no_palette(dataset, parts, tmp_path):
    assert find_palette(dataset, tmp_path) is None
    tiny.refused(lambda: label_palette(tiny.maps()[0], dataset, tmp_path), *parts)


@pytest.mark.parametrize(
    "entries",
    [
        "no json",
        "[1, 2]",
        {"a": [0, 0, 0]},
        {"a": [0, 0], "b": [1, 1, 1]},
        {"a": "red", "b": "blue"},
        {"a": [0, 0, 256], "b": [1, 1, 1]},
        {"a": [0, 0, -1], "b": [1, 1, 1]},
        {},
        {"a": [0, 0, 0], "b": [1, 1, 1], "void": [[1, 1]]},
        {"void": [1, 1, 1]},
        {"a": 1, "b": 256},
        {"a": 1, "b": 2.5},
        {"a": 1, "b": "2"},
        {"a": 1, "b": None},
        {"a": 1, "b": 2, "void": -1},
    ],
)
def test_not_a_palette(entries, tmp_path):
    path = write(tmp_path / "palette.json", entries)
    tiny.refused(lambda: read_palette(path), str(path), "not a palette", '{"class": [r, g, b]')


def test_a_missing_file_and_a_colour_of_two_classes(tmp_path):
    tiny.refused(lambda: read_palette(tmp_path / "palette.json"), "not a palette")
    path = write(tmp_path / "palette.json", {"a": [0, 0, 0], "b": [1, 1, 1], "void": [0, 0, 0]})
    tiny.refused(lambda: read_palette(path), str(path), "two classes")


# --------------------------------------------------------------------------------------- FCN score


def by_colour(photos):
    """Reads tiny photographs by their brightest channel."""
    return tf.gather(photos, [2, 0, 1], axis=-1)


def stream(maps, photos, sizes=(5, 5, 2)):
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        yield (np.asarray(to_float(photos.images[part])), np.asarray(to_float(maps.images[part])))
        start += size


def test_a_perfect_reader_and_shuffled_pairs():
    maps, photos = tiny.maps(void=3)
    perfect = fcn_score(by_colour, stream(maps, photos), tiny.PALETTE)
    assert perfect == dict.fromkeys(NAMES, 1.0)
    shuffled = dataclasses.replace(photos, images=np.roll(photos.images, 5, axis=0))
    score = fcn_score(by_colour, stream(maps, shuffled), tiny.PALETTE)
    assert 0.2 < score["pixel_accuracy"] < 0.5 and 0.1 < score["class_iou"] < 0.35


def test_a_generator_that_always_gives_the_same_scores_as_one_answer():
    maps, photos = tiny.maps()
    one = dataclasses.replace(photos, images=np.repeat(photos.images[:1], 12, axis=0))
    truth = np.asarray(tiny.PALETTE.indices(to_float(maps.images)))
    expected = Confusion(3)
    expected.add(truth, np.repeat(truth[:1], 12, axis=0))
    made = fcn_score(by_colour, stream(maps, one), tiny.PALETTE)
    assert made == expected.scores() and made["pixel_accuracy"] < 0.7


def test_the_stream_is_one_confusion_and_not_a_mean_of_images():
    maps, photos = tiny.maps()
    half = dataclasses.replace(
        photos, images=np.concatenate([photos.images[:6], np.zeros_like(photos.images[6:])])
    )
    whole = fcn_score(by_colour, stream(maps, half, (12,)), tiny.PALETTE)
    assert whole == fcn_score(by_colour, stream(maps, half, (1,) * 12), tiny.PALETTE)
    assert whole["class_accuracy"] < 1


def test_scores_of_other_classes_or_sizes_are_refused():
    maps, photos = tiny.maps()
    for reader in (lambda x: by_colour(x)[..., :2], lambda x: by_colour(x)[:, ::2, ::2]):
        tiny.refused(
            lambda r=reader: fcn_score(r, stream(maps, photos), tiny.PALETTE),
            "--fcn_weights",
            "3 classes",
        )


# ------------------------------------------------------------------------------------- the trainer


def session(domains=None, **options):
    config = tiny.config("unused", gan_type="segmenter", **options)
    return prepare(config, domains=domains or tiny.maps(void=2))


def test_the_loss_by_hand():
    trainer = session().trainer
    maps = np.asarray(to_float(tiny.maps(void=1)[0].images[:2]))
    logits = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
    terms = trainer.of_logits(maps, tf.constant(logits, tf.float32))
    truth = np.asarray(tiny.PALETTE.indices(maps))
    entropies, rights = [], []
    for of_image, t in zip(logits, truth, strict=True):
        t, scored = t[t < 3], of_image[t < 3]
        own = scored[np.arange(len(t)), t]
        entropies.append((np.log(np.exp(scored).sum(-1)) - own).mean())
        rights.append((scored.argmax(-1) == t).mean())
    assert {name: weight for name, (weight, _) in terms.items()} == {
        "cross_entropy": 1.0,
        "pixel_accuracy": 0.0,
    }
    assert float(terms["cross_entropy"][1]) == pytest.approx(np.mean(entropies), rel=1e-5)
    assert float(terms["pixel_accuracy"][1]) == pytest.approx(np.mean(rights), rel=1e-5)


def test_void_pixels_pull_nothing():
    """Whatever is said of them changes neither loss nor accuracy; an image of them alone is 0."""
    trainer = session().trainer
    maps = np.asarray(to_float(tiny.maps(void=1)[0].images[:1]))
    logits = np.zeros((1, 32, 32, 3), np.float32)
    other = logits.copy()
    other[:, :16, :16] = [50, -50, 9]
    for name in ("cross_entropy", "pixel_accuracy"):
        assert float(trainer.of_logits(maps, logits)[name][1]) == pytest.approx(
            float(trainer.of_logits(maps, other)[name][1])
        )
    nothing = np.full_like(maps, -1)
    assert float(trainer.of_logits(nothing, logits)["cross_entropy"][1]) == 0
    assert float(mean_where(tf.ones((2, 1, 2)), tf.constant([[[1.0, 1.0]], [[0.0, 0.0]]]))) == 0.5


def test_photographs_are_read_and_label_maps_are_the_truth(monkeypatch):
    """Not the other way round: with --direction a2b label maps are domain A."""
    made, (maps, photos) = session(), tiny.maps(void=2)
    assert [d.name for d in made.domains] == ["a", "b"]
    seen = []
    monkeypatch.setattr(made.trainer, "of_logits", lambda m, logits: seen.append(m) or {})
    monkeypatch.setattr(made.trainer, "S", lambda x, training: seen.append((x, training)))
    monkeypatch.setattr(made.trainer.players["segmenter"], "descend", lambda objective: objective())
    made.trainer.train_step([Batch(d.images[None], None) for d in (maps, photos)], None)
    (x, training), m = seen
    np.testing.assert_array_equal(x, photos.images)
    np.testing.assert_array_equal(m, maps.images)
    assert training is True


def test_a_segmenter_learns_its_pairs_and_scores_the_test_part(tmp_path):
    config = tiny.config(
        tmp_path,
        gan_type="segmenter",
        steps=60,
        width=0.0625,
        batch_size=6,
        dropout=0.0,
        c_lr=1e-2,
        sample_every=60,
        log_every=30,
    )
    summary = train(config).directory.summary()
    assert summary["pixel_accuracy"] > 0.9 and summary["class_iou"] > 0.8
    assert summary["last"]["held_out/pixel_accuracy"] == pytest.approx(
        summary["pixel_accuracy"], abs=1e-4
    )
    assert (tmp_path / "models" / "segmenter.keras").is_file()
    assert (tmp_path / "samples" / "000060.png").is_file()
    opened = open_run(tmp_path)
    photo, found, truth = (
        np.asarray(row)
        for row in opened.trainer.gallery(*(to_float(d.images[:2]) for d in tiny.maps()))
    )
    np.testing.assert_array_equal(photo, to_float(tiny.maps()[1].images[:2]))
    np.testing.assert_array_equal(truth, to_float(tiny.maps()[0].images[:2]))
    assert (found == truth).all(-1).mean() > 0.85
    tiny.refused(lambda: translation(opened), "segmenter", "pix2pix, cyclegan")
    tiny.refused(lambda: noise(opened, 1), "segmenter makes no images")


def test_the_wrong_direction_is_refused():
    """Photographs in the place of the label maps, with the remedy."""
    tiny.refused(lambda: session(tiny.maps()[::-1]), "--direction", "domain b", "palette.json")


def test_one_label_map_for_every_photograph():
    maps, photos = tiny.maps()
    for pair in (
        [dataclasses.replace(maps, rows=None), photos],
        [maps, dataclasses.replace(photos, rows=np.zeros((12, 2), np.int32))],
    ):
        tiny.refused(lambda pair=pair: session(pair), "--gan_type segmenter", "paired set")


def test_what_is_left_open():
    options = dict(dataset="facades", image_size=128, load_size=None, flip=None, batch_size=None)
    flat = tiny.config("unused", gan_type="segmenter", **options).flat()
    assert {
        name: flat[name]
        for name in ("load_size", "flip", "batch_size", "norm", "dropout", "lr_decay")
    } == dict(load_size=143, flip=True, batch_size=8, norm="batch", dropout=0.5, lr_decay=0.5)


def test_a_segmenter_says_its_network():
    said = session().trainer.described()
    assert "strides 2, 4, 8" in said and "3 classes" in said


# --------------------------------------------------------------------------------------- the judge


def run_config(run_dir, **options):
    return tiny.config(run_dir, **dict(gan_type="pix2pix", dataset="tiny_maps") | options)


@pytest.fixture
def judge(tmp_path, monkeypatch):
    """(run's options) -> (what finds its judge), and the list of configs that were trained."""
    monkeypatch.setitem(consulted.SEGMENTER, "steps", 2)
    monkeypatch.setitem(consulted.SEGMENTER, "width", tiny.WIDTH)
    trained = []

    def learn(config, domains):
        trained.append(config)
        train(config, domains)

    def make(name="run", **options):
        config = run_config(tmp_path / name, **options)
        return lambda domains, direction, given=None: judging_segmenter(
            config,
            domains,
            direction,
            given,
            lambda _, wanted: consult(need(config, wanted), learn),
        )

    return make, trained


def test_the_judge_is_trained_once_for_all_runs(judge, tmp_path, capsys):
    make, trained = judge
    model, description = make()(tiny.maps(), "a2b")
    again, same = make("other", seed=7, load_size=36, flip=True, width=0.5)(tiny.maps(), "a2b")
    assert len(trained) == 1 and description == same
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert trained[0].run.gan_type == "segmenter" and trained[0].data.load_size == 36
    assert trained[0].run.run_dir.startswith(str(tmp_path / "classifiers" / "tiny_maps_segmenter_"))
    assert set(description) == {"network", "version", "weights", "sha256"}
    assert description["weights"] == "segmenter.keras" and len(description["sha256"]) == 64
    assert description["version"] in trained[0].run.run_dir
    printed = capsys.readouterr().out
    assert printed.count("training a segmenter of tiny_maps in") == 1
    assert printed.count("class_iou") == 1


def test_the_other_direction_is_refused_by_its_colours(judge):
    make, trained = judge
    tiny.refused(lambda: make()(tiny.maps()[::-1], "b2a"), "--direction", "domain b")
    assert not trained


def test_a_judge_of_one_s_own(judge, tmp_path):
    make, trained = judge
    image = keras.Input((None, None, 3))
    keras.Model(image, keras.layers.Conv2D(3, 1)(image)).save(tmp_path / "own.keras")
    model, description = make()(tiny.maps(), "a2b", tmp_path / "own.keras")
    assert not trained and model.output_shape[-1] == 3
    assert description["version"] == "given" and description["weights"] == "own.keras"
    tiny.refused(
        lambda: make()(tiny.maps(), "a2b", tmp_path / "nowhere.keras"),
        "nowhere.keras",
        "--gan_type segmenter",
    )
    # A finished run of a segmenter will do too.
    train(tiny.config(tmp_path / "seg", gan_type="segmenter", steps=1))
    _, description = make()(tiny.maps(), "a2b", tmp_path / "seg")
    assert description["weights"] == "segmenter.keras"


@pytest.mark.parametrize(
    "shape, layer",
    [
        ((None, None, 1), lambda x: keras.layers.Conv2D(3, 1)(x)),
        ((None, None, 3), lambda x: keras.layers.Conv2D(4, 1)(x)),
        ((64, 64, 3), lambda x: keras.layers.Conv2D(3, 1)(x)),
        ((32, 32, 3), lambda x: keras.layers.Conv2D(3, 1, strides=2)(x)),
        ((32, 32, 3), lambda x: keras.layers.Dense(3)(keras.layers.Flatten()(x))),
    ],
)
def test_a_judge_of_other_images_or_classes_is_refused(judge, tmp_path, shape, layer):
    make, _ = judge
    image = keras.Input(shape)
    keras.Model(image, layer(image)).save(tmp_path / "own.keras")
    tiny.refused(
        lambda: make()(tiny.maps(), "a2b", tmp_path / "own.keras"),
        "--fcn_weights",
        "own.keras",
        "(32, 32, 3)",
        "3 classes",
    )


def directory(direction="a2b", count=12, palette=tiny.PALETTE, **options):
    config, (maps, photos) = run_config("runs/main", **options), tiny.maps(count)
    domains = [dataclasses.replace(maps, palette=palette), photos]
    return own_run(config, consulted.segmenter(config, domains, direction)).run.run_dir


@pytest.mark.parametrize(
    "change",
    [
        dict(image_size=64, load_size=64),
        dict(dataset="tiny_pairs"),
        dict(direction="b2a"),
        dict(count=14),
        dict(palette=tiny.PALETTE._replace(classes=("a", "b", "c"))),
        dict(palette=tiny.PALETTE._replace(colours=tiny.PALETTE.colours[::-1])),
        dict(fit="none", load_size=None),
    ],
)
def test_whatever_changes_the_judge_changes_its_name(change):
    assert directory(**change) != directory()


@pytest.mark.parametrize(
    "same",
    [
        dict(seed=5),
        dict(width=0.5),
        dict(steps=9),
        dict(batch_size=2),
        dict(data_dir="elsewhere"),
        dict(load_size=40),
        dict(flip=True),
        dict(gan_type="cyclegan"),
        dict(offline=True),
        dict(g_lr=0.5),
        dict(norm="none"),
    ],
)
def test_what_does_not_change_it_finds_it_again(same):
    assert directory(**same) == directory()


def test_a_set_in_a_folder_names_a_directory_too(tmp_path):
    path = directory(dataset=f"pairs:{tmp_path}")
    assert path.startswith("runs/classifiers/pairs_") and ":" not in path
