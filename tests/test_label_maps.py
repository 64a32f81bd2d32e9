"""Label maps through the loader: classes at the file's own size, scaled as classes, never mixed."""

import dataclasses
import io
import json

import cv2
import numpy as np
import pytest
import tiny
from PIL import Image

from gantrain.data.batches import Batches
from gantrain.data.check import check
from gantrain.data.datasets import load
from gantrain.data.domain import FileImages
from gantrain.data.palettes import FAR, PALETTES, Palette, majority
from gantrain.images import to_float
from gantrain.inversion import Inverted
from gantrain.measures.fcn import fcn_score
from gantrain.runs.directory import RunDirectory
from gantrain.stages import prepare
from gantrain.use.directions import translation
from gantrain.use.files import translate_files
from gantrain.use.samples import noise

GRAY = {**{f"class {i}": i for i in range(19)}, "void": 255}


def drawn(seed, side=64, used=(0, 1, 2, 5, 11)):
    """A map of classes: rectangles at any place, odd and even."""
    rng = np.random.default_rng(seed)
    classes = np.full((side, side), used[0])
    for _ in range(14):
        (x, y), (w, h) = rng.integers(0, side - 8, 2), rng.integers(4, side // 2, 2)
        classes[y : y + h, x : x + w] = used[rng.integers(len(used))]
    return classes


def by_area(classes, height, width):
    """Brute force: the class with most of the area that a pixel covers; None where two have it."""
    rows, columns = classes.shape
    made = np.empty((height, width), object)

    def covered(number, new, old):
        low, high = number * old / new, (number + 1) * old / new
        return {
            i: min(i + 1, high) - max(i, low)
            for i in range(int(low), -int(-high // 1))
            if min(i + 1, high) > max(i, low)
        }

    for i, j in np.ndindex(height, width):
        votes = {}
        for r, a in covered(i, height, rows).items():
            for c, b in covered(j, width, columns).items():
                votes[classes[r, c]] = votes.get(classes[r, c], 0) + a * b
        most = max(votes.values())
        first = [k for k, v in votes.items() if v > most - 1e-9]
        made[i, j] = first[0] if len(first) == 1 else None
    return made


@pytest.mark.parametrize("size", [(32, 32), (31, 17), (9, 40), (64, 20), (5, 5)])
def test_the_majority_of_the_area_wins(size):
    classes = drawn(0, 64)
    made, expected = majority(classes, *size), by_area(classes, *size)
    clear = expected != None  # noqa: E711
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(made[clear], expected[clear].astype(int))
    # Even areas are those of plain sampling, where it picks one of them.
    sampled = cv2.resize(classes.astype(np.int32), size[::-1], interpolation=cv2.INTER_NEAREST)
    assert (made == sampled)[~clear].mean() > 0.5 or clear.all()


def test_straight_edges_are_halved_as_plain_sampling_halves_them():
    for axis in (0, 1):
        for edge in (8, 9):
            classes = np.zeros((16, 16), int)
            classes.swapaxes(0, axis)[edge:] = 3
            np.testing.assert_array_equal(majority(classes, 8, 8), classes[::2, ::2])


def test_what_grows_is_sampled():
    classes = drawn(1, 16)
    np.testing.assert_array_equal(majority(classes, 48, 32), classes.repeat(3, 0).repeat(2, 1))
    # One axis grows, the other shrinks by two, on stripes that the halving leaves.
    stripes = np.arange(8).repeat(2)[None].repeat(5, 0)
    np.testing.assert_array_equal(majority(stripes, 10, 8), np.arange(8)[None].repeat(10, 0))
    assert set(np.unique(majority(classes, 23, 23))) <= set(np.unique(classes))


# ------------------------------------------------------------------------------------- the loader


def write_set(folder, maps, suffix=".png"):
    """A paired set in parallel folders: photographs in A, label maps, uint8 pixels, in B."""
    for part in ("train", "test"):
        for letter in "AB":
            (folder / f"{part}{letter}").mkdir(parents=True, exist_ok=True)
        for n, pixels in enumerate(maps):
            noise = np.random.default_rng(n).integers(0, 256, (*pixels.shape[:2], 3), np.uint8)
            Image.fromarray(noise).save(folder / f"{part}A" / f"{n}.png")
            Image.fromarray(pixels).save(folder / f"{part}B" / f"{n}{suffix}")
    return f"pairs:{folder}"


def named(name, folder):
    """A palette by its name, put beside the data as a user does."""
    if name == "gray ids":
        (folder / "palette.json").write_text(json.dumps(GRAY))
        return Palette(
            tuple(GRAY)[:-1], np.repeat(np.array([*range(19), 255], np.uint8)[:, None], 3, 1), True
        )
    palette = PALETTES[name]
    entries = dict(zip(palette.classes, palette.colours.tolist(), strict=False))
    void = palette.colours[len(palette.classes) :].tolist()
    (folder / "palette.json").write_text(json.dumps(entries | ({"void": void} if void else {})))
    return palette


def loaded(dataset, split="test", size=32, **options):
    return load(
        dataset, data_dir="unused", image_size=size, same_channels=False, split=split, **options
    )


@pytest.mark.parametrize("name", ["cityscapes", "facades", "gray ids"])
@pytest.mark.parametrize("size", [32, 64, 48, 100])
def test_the_right_classes_score_one(tmp_path, name, size):
    """FCN score of the very classes, at half, own, odd and larger size, with void."""
    palette = named(name, tmp_path)
    used = (0, 1, 2, 5, len(palette.colours) - 1)
    maps = [drawn(seed, used=used) for seed in range(4)]
    pixels = [palette.colours[m] for m in maps]
    dataset = write_set(tmp_path, [p[..., 0] for p in pixels] if palette.ids else pixels)
    photos, labels = loaded(dataset, size=size)
    assert photos.palette is None and labels.palette.classes == palette.classes
    assert not photos.left_out and not labels.left_out
    assert labels.shape[-1] == (1 if palette.ids else 3)
    count = len(palette.classes)
    expected = np.stack([majority(np.minimum(m, count), size, size) for m in maps])
    np.testing.assert_array_equal(palette.indices(to_float(labels.images)), expected)
    right = np.eye(count + 1, dtype=np.float32)[expected][..., :count]
    pairs = [
        (r[None], np.asarray(to_float(m))[None]) for r, m in zip(right, labels.images, strict=True)
    ]
    assert set(fcn_score(lambda x: x, pairs, labels.palette).values()) == {1.0}
    # Plain sampling differs at corners only.
    sampled = [
        cv2.resize(
            np.minimum(m, count).astype(np.int32), (size, size), interpolation=cv2.INTER_NEAREST
        )
        for m in maps
    ]
    assert (expected == np.stack(sampled)).mean() > 0.93


def as_gray(ids, path):
    Image.fromarray(ids).save(path)


def as_colour(ids, path):
    Image.fromarray(np.repeat(ids[..., None], 3, -1)).save(path)


def as_sixteen_bits(ids, path):
    Image.fromarray(np.where(ids == 255, 26001, ids).astype(np.uint16)).save(path)


def as_indices(ids, path):
    """Numbers are indices of the file's own palette, whose colours say nothing of them."""
    image = Image.fromarray(ids, "L").copy()
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    image.save(path)


@pytest.mark.parametrize("save", [as_gray, as_colour, as_sixteen_bits, as_indices])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_label_numbers_of_every_kind_of_file(tmp_path, save, suffix):
    palette = named("gray ids", tmp_path)
    maps = [drawn(seed, used=(0, 1, 2, 5, 19)) for seed in range(3)]
    dataset = write_set(tmp_path, [palette.colours[m] for m in maps])
    for part in ("trainB", "testB"):
        for n, m in enumerate(maps):
            (tmp_path / part / f"{n}.png").unlink()
            save(palette.colours[m][..., 0], tmp_path / part / f"{n}{suffix}")
    labels = loaded(dataset)[1]
    assert labels.shape == (32, 32, 1) and labels.images.dtype == np.uint8
    np.testing.assert_array_equal(
        palette.indices(to_float(labels.images)), [majority(m, 32, 32) for m in maps]
    )


def test_plain_colours_of_a_file_count(tmp_path):
    """A transparent pixel is of no class, and a palette of the file's own means its colours."""
    palette = PALETTES["facades"]
    pixels = palette.colours[drawn(4)]
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:9] = 0
    Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "a.png")
    made = palette.classify(palette.read(tmp_path / "a.png", "a.png"))
    assert (made[:9] == len(palette.classes)).all()
    np.testing.assert_array_equal(made[9:], drawn(4)[9:])
    small = Image.fromarray(pixels).quantize(8, dither=Image.Dither.NONE)
    small.save(tmp_path / "p.png")
    np.testing.assert_array_equal(
        palette.classify(palette.read(tmp_path / "p.png", "p.png")), drawn(4)
    )


@pytest.mark.parametrize("name", ["facades", "gray ids"])
@pytest.mark.parametrize("memory", [True, False])
def test_crops_and_flips_move_classes_and_mix_none(tmp_path, name, memory):
    """Every batch of cropped and mirrored pairs holds a part of the scaled map, exactly."""
    palette = named(name, tmp_path)
    maps = [drawn(seed) for seed in range(3)]
    pixels = [palette.colours[m] for m in maps]
    dataset = write_set(tmp_path, [p[..., 0] for p in pixels] if palette.ids else pixels)
    domains = load(dataset, data_dir="unused", image_size=24, load_size=30, same_channels=False)
    if not memory:
        fit = [
            d.images
            for d in load(
                dataset,
                data_dir="unused",
                image_size=24,
                fit="short_side",
                load_size=30,
                same_channels=False,
            )
        ]
        assert all(isinstance(files, FileImages) for files in fit)
        domains = [dataclasses.replace(d, images=f) for d, f in zip(domains, fit, strict=True)]
    batches = Batches(domains, 4, 1, seed=1, paired=True, flip=True)
    scaled = [majority(m, 30, 30) for m in maps]
    host, seen = batches.host(0), set()
    for step in range(6):
        _, labels = batches.batch(step, next(host))
        for made in np.asarray(palette.indices(labels.images[0])):
            places = {
                (n, top, left, way)
                for n, whole in enumerate(scaled)
                for top in range(7)
                for left in range(7)
                for way in (1, -1)
                if (whole[top : top + 24, left : left + 24][:, ::way] == made).all()
            }
            assert places
            seen |= places
    assert len({s[0] for s in seen}) == 3 and len({s[3] for s in seen}) == 2 and len(seen) > 6


def test_a_photograph_is_left_as_it_is(tmp_path):
    maps = [PALETTES["facades"].colours[drawn(seed)] for seed in range(2)]
    dataset = write_set(tmp_path, maps)
    before = loaded(dataset)[0].images
    named("facades", tmp_path)
    photos, labels = loaded(dataset)
    np.testing.assert_array_equal(photos.images, before)
    assert photos.palette is None and labels.palette is not None


def test_check_names_label_maps_and_damaged_ones(tmp_path):
    palette = named("facades", tmp_path)
    dataset = write_set(tmp_path, [palette.colours[drawn(seed)] for seed in range(3)])
    assert str(check(dataset, tmp_path)).count("label maps in 12 classes") == 2
    (tmp_path / "trainB" / "0.png").write_bytes(b"damaged")
    report = check(dataset, tmp_path)
    assert not report.complete and "0.png" in str(report)
    assert "label maps in 12 classes" in str(report)


def test_the_training_part_says_which_domain_has_label_maps(tmp_path):
    """A test part of one void map would not look like one by itself."""
    palette = named("facades", tmp_path)
    dataset = write_set(tmp_path, [palette.colours[drawn(seed)] for seed in range(2)])
    for path in (tmp_path / "testB").iterdir():
        Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(path)
    labels = loaded(dataset)[1]
    assert labels.palette is not None
    assert (np.asarray(palette.indices(to_float(labels.images))) == len(palette.classes)).all()


# ----------------------------------------------------------------------- noise and foreign colours


def blurred(palette, classes, quality):
    """What a JPEG keeps of a map that was blurred, as CMP's files are."""
    pixels = cv2.GaussianBlur(palette.colours[classes], (0, 0), 1.2)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


@pytest.mark.parametrize("quality", [75, 92])
def test_edges_of_a_jpeg_get_no_third_class(quality):
    """The blend of blue and red is nearest to a dark red, a class that is nowhere in the map."""
    palette = PALETTES["facades"]
    classes = np.zeros((96, 96), int)
    classes[20:70, 16:60] = 10
    classes[40:90, 50:90] = 5
    pixels = blurred(palette, classes, quality)
    plain, _ = palette._nearest(pixels.reshape(-1, 3).astype(np.int32))
    assert len(np.setdiff1d(plain, [0, 5, 10])) > 0
    made = palette.classify(pixels)
    assert set(np.unique(made)) == {0, 5, 10}
    assert (made == classes).mean() > 0.98


def test_foreign_colours_are_void_and_no_class():
    palette = PALETTES["facades"]
    classes = drawn(3, 96, (1, 2, 5))
    for colour in ((128, 128, 128), (0, 0, 0), (255, 255, 255), (255, 0, 255), (40, 20, 160)):
        pixels = palette.colours[classes]
        pixels[30:60, 20:70] = colour
        made = palette.classify(pixels)
        expected = classes.copy()
        expected[30:60, 20:70] = len(palette.classes)
        np.testing.assert_array_equal(made, expected)
        # What JPEG blurs into the neighbours stays a rim.
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=90)
        made = palette.classify(np.asarray(Image.open(data)))
        far = min(np.abs(palette.colours.astype(int) - colour).max(1)) > FAR
        assert (made[36:54, 26:64] == len(palette.classes)).all() == far


def test_void_is_shown_in_a_colour_of_no_class():
    for palette in (*PALETTES.values(), tiny.PALETTE):
        count = len(palette.classes)
        assert palette.shown.shape == (count + 1, 3)
        everything = np.arange(count + 1)[None]
        np.testing.assert_array_equal(
            palette.indices(to_float(palette.shown[everything])), everything
        )
        np.testing.assert_array_equal(palette.classify(palette.shown[everything]), everything)
        np.testing.assert_array_equal(
            palette.pictures(everything), to_float(palette.shown[everything])
        )
    black = Palette(("a", "b"), np.array([[0] * 3, [1] * 3], np.uint8), True)
    assert black.shown[-1].tolist() == [255] * 3


def test_a_run_remembers_its_palette(tmp_path):
    config = tiny.config(tmp_path / "run")
    domains = [dataclasses.replace(tiny.maps()[0], palette=tiny.PALETTE), tiny.maps()[1]]
    run = RunDirectory(tmp_path / "run")
    run.begin(config, {}, domains)
    one, other = run.domains()
    assert other.palette is None and one.palette.classes == tiny.PALETTE.classes
    np.testing.assert_array_equal(one.palette.colours, tiny.PALETTE.colours)
    assert one.palette.ids is False


# ------------------------------------------------------------------------------------- translation


@pytest.mark.parametrize("gan_type", ["pix2pix", "scogan"])
def test_translate_shows_the_network_what_training_shows_it(tmp_path, gan_type, monkeypatch):
    """Label maps as JPEG files: exact colours at their own size, and scaled as classes."""
    classes = drawn(2, 64, (0, 1, 2))
    (tmp_path / "in").mkdir()
    Image.fromarray(tiny.PALETTE.colours[classes]).save(
        tmp_path / "in" / "a.jpg", quality=90, subsampling=0
    )
    session = prepare(tiny.config(tmp_path / "run", gan_type=gan_type, dataset="tiny_maps"))
    assert [d.palette is None for d in session.domains] == [False, True]
    seen = []
    if gan_type == "scogan":
        monkeypatch.setattr(
            "gantrain.use.directions.Inverter",
            lambda *a, **o: (
                lambda x, start: (
                    seen.append(x) or Inverted(noise(session, len(x)), np.zeros(len(x)))
                )
            ),
        )
    way = translation(session, "a2b")
    apply = way.apply
    if gan_type == "pix2pix":

        def apply(x):
            seen.append(x)
            return way.apply(x)

    translate_files(
        apply,
        tmp_path / "in",
        tmp_path / "out",
        channels=way.channels,
        multiple=way.multiple,
        palette=way.palette,
    )
    size = 32 if gan_type == "scogan" else 64
    np.testing.assert_array_equal(
        seen[0][0], to_float(tiny.PALETTE.shown[majority(classes, size, size)])
    )
    assert Image.open(tmp_path / "out" / "a.jpg").size == (64, 64)
    assert translation(session, "b2a" if gan_type == "scogan" else "a2b").palette is (
        None if gan_type == "scogan" else session.domains[0].palette
    )
