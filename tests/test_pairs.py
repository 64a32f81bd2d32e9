"""Pairs in training: the same pair at every position, crops and mirroring that nothing freezes."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from test_data_readers import write_images, write_pairs
from tiny import refused

from gantrain import images
from gantrain.data import pairs
from gantrain.data.batches import Batches
from gantrain.data.check import check
from gantrain.data.datasets import load
from gantrain.data.domain import Domain, FileImages, cut, held_out, scale
from gantrain.data.transforms import contours, left_half
from gantrain.images import resize, to_uint8

SEED, BATCH, PER_STEP = 7, 6, 2
POSITIONS = tf.range(400, dtype=tf.int64)


def coordinates(count, height, width):
    """Images whose pixels say where they come from: [number, row, column]."""
    grid = np.meshgrid(np.arange(count), np.arange(height), np.arange(width), indexing="ij")
    return np.stack(grid, -1).astype(np.uint8)


def paired_set(count=11, load=9, side=6, targets=1):
    """Two domains of coordinates; pair p is example p of one and the others of the second.

    The second domain lies in reverse, and has two examples that are in no pair.
    """
    rows = np.arange(count * targets, dtype=np.int32)[::-1].reshape(count, targets)
    crop = None if load == side else side
    return [
        Domain("a", coordinates(count, load, load), rows=np.arange(count, dtype=np.int32)[:, None],
               crop=crop),
        Domain("b", coordinates(count * targets + 2, load, load), rows=rows, crop=crop),
    ]  # fmt: skip


def on_disk(domain, folder):
    """The same domain as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.png" for number in range(domain.size)]
    for path, pixels in zip(paths, domain.images, strict=True):
        cv2.imwrite(str(path), pixels[..., ::-1])
    files = FileImages(paths, domain.images.shape[1], domain.images.shape[-1])
    return Domain(domain.name, files, domain.labels, rows=domain.rows, crop=domain.crop)


def drawn(batches, steps=3, start=0):
    """uint8 images of some steps, one array [steps * per_step * B, ...] per domain."""
    hosts = batches.host(start)
    numbers = (tf.constant(start + step, tf.int64) for step in range(steps))
    made = [batches.batch(number, next(hosts)) for number in numbers]
    hosts.close()
    return [
        np.concatenate([to_uint8(step[number].images) for step in made]).reshape(
            -1, *made[0][number].images.shape[2:]
        )
        for number in range(len(made[0]))
    ]


def places(images):
    """(number, top, left, mirrored) of each crop of `coordinates` [N, H, W, 3]."""
    mirrored = images[:, 0, 0, 2] > images[:, 0, -1, 2]
    left = np.where(mirrored, images[:, 0, -1, 2], images[:, 0, 0, 2])
    return np.stack([images[:, 0, 0, 0], images[:, 0, 0, 1], left, mirrored], 1).astype(int)


def assert_crops(images):
    """Every image is a whole square of one image of `coordinates`, mirrored or not."""
    size = images.shape[1]
    for image, (number, top, left, mirrored) in zip(images, places(images), strict=True):
        expected = coordinates(int(number) + 1, top + size, left + size)[number, top:, left:]
        np.testing.assert_array_equal(image, expected[:, ::-1] if mirrored else expected)


# ---------------------------------------------------------------------------------------- batches


def test_a_position_is_the_same_pair_in_every_domain():
    first, second = drawn(Batches(paired_set(load=6), BATCH, PER_STEP, SEED, paired=True))
    assert len(np.unique(first[:, 0, 0, 0])) == 11
    np.testing.assert_array_equal(first[:, 0, 0, 0], 10 - second[:, 0, 0, 0])


def test_every_pair_comes_once_an_epoch_however_many_images_there_are():
    domains = paired_set(count=11)
    # Fewer pairs than images in one domain, more than in another, whose images are shared.
    few = Domain("c", coordinates(3, 9, 9), rows=(np.arange(11, dtype=np.int32) % 3)[:, None])
    batches = Batches([*domains, few], BATCH, PER_STEP, SEED, paired=True)
    first, second, third = (batches.indices(number, POSITIONS[:33]).numpy() for number in range(3))
    np.testing.assert_array_equal(np.sort(first.reshape(3, 11)), np.tile(np.arange(11), (3, 1)))
    np.testing.assert_array_equal(second, 10 - first)
    np.testing.assert_array_equal(third, first % 3)
    assert second.max() < domains[1].size - 2


def test_rows_are_ignored_unpaired():
    domains = paired_set(count=200)
    plain = [Domain(d.name, d.images, crop=d.crop) for d in domains]
    unpaired = Batches(domains, BATCH, PER_STEP, SEED)
    for number in (0, 1):
        np.testing.assert_array_equal(
            unpaired.indices(number, POSITIONS),
            Batches(plain, BATCH, PER_STEP, SEED).indices(number, POSITIONS),
        )
    first, second = (unpaired.indices(number, POSITIONS).numpy() for number in (0, 1))
    assert (first == 199 - second).sum() < 10
    assert set(second[:202]) == set(range(202))


@pytest.mark.parametrize("flip", (False, True))
def test_both_halves_of_a_pair_are_cropped_and_mirrored_alike(flip):
    first, second = drawn(Batches(paired_set(), BATCH, PER_STEP, SEED, paired=True, flip=flip))
    assert first.shape[1:] == (6, 6, 3)
    assert_crops(first)
    assert_crops(second)
    one, other = places(first), places(second)
    np.testing.assert_array_equal(one[:, 1:], other[:, 1:])
    np.testing.assert_array_equal(one[:, 0], 10 - other[:, 0])
    assert len(np.unique(one[:, 1])) == len(np.unique(one[:, 2])) == 4
    assert 0 < one[:, 3].sum() < len(one) if flip else not one[:, 3].any()


def test_unpaired_domains_have_crops_of_their_own():
    one, other = map(places, drawn(Batches(paired_set(), BATCH, PER_STEP, SEED, flip=True), 8))
    for column in (1, 2, 3):
        assert (one[:, column] != other[:, column]).any()


def test_mirroring_without_a_crop():
    first, _ = drawn(Batches(paired_set(load=6), BATCH, PER_STEP, SEED, flip=True))
    assert_crops(first)
    mirrored = places(first)[:, 3]
    assert 0 < mirrored.sum() < len(mirrored)


def test_nothing_freezes_a_crop():
    """The same image is cropped and mirrored differently in every epoch."""
    one = Domain("one", coordinates(1, 40, 40), crop=20)
    (images,) = drawn(Batches([one], BATCH, PER_STEP, SEED, flip=True), 10)
    assert len(np.unique(places(images), axis=0)) > 100


def test_crops_and_mirroring_are_as_even_as_chance():
    batches = Batches(paired_set(), BATCH, PER_STEP, SEED, flip=True)
    count = 40_000
    row, column, flip = map(np.asarray, batches.placements(0, tf.range(count, dtype=tf.int64)))
    cells = np.bincount(row * 8 // 65536 * 16 + column * 8 // 65536 * 2 + flip)
    expected = count / 128
    chi_squared = ((cells - expected) ** 2 / expected).sum()
    assert len(cells) == 128 and abs(chi_squared - 127) < 5 * np.sqrt(2 * 127)
    for values in (row, column, flip):
        values = values.astype(float)
        # Neither neighbours nor the same position of another domain tell anything.
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.02
    other = batches.placements(1, tf.range(count, dtype=tf.int64))
    assert abs(np.corrcoef(row, other.row)[0, 1]) < 0.02
    assert abs(np.corrcoef(flip, other.flip)[0, 1]) < 0.02
    # Positions beyond 32 bits are not those below.
    far = batches.placements(0, tf.range(count, dtype=tf.int64) + 2**32)
    assert abs(np.corrcoef(row, far.row)[0, 1]) < 0.02


def test_crops_are_a_function_of_seed_and_step():
    def made(seed, start):
        return drawn(Batches(paired_set(), BATCH, PER_STEP, seed, True, True), 2, start)

    straight = drawn(Batches(paired_set(), BATCH, PER_STEP, SEED, True, True), 7)
    resumed = made(SEED, 5)
    for whole, part in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(whole[5 * BATCH * PER_STEP :], part)
    assert not np.array_equal(places(resumed[0])[:, 1:3], places(made(SEED + 1, 5)[0])[:, 1:3])


@pytest.mark.parametrize("replicas", (2, 3, 6))
def test_replicas_share_pairs_and_crops(replicas):
    batches = Batches(paired_set(targets=2), BATCH, PER_STEP, SEED, paired=True, flip=True)
    step = tf.constant(3, tf.int64)
    whole = batches.batch(step)
    shares = [batches.batch(step, (), tf.constant(r), replicas) for r in range(replicas)]
    for number, domain in enumerate(whole):
        together = tf.concat([share[number].images for share in shares], 1)
        np.testing.assert_array_equal(together, domain.images)


def test_targets_of_an_input_share_its_crop():
    domains = paired_set(targets=3)
    first, second = drawn(Batches(domains, BATCH, PER_STEP, SEED, paired=True, flip=True))
    assert second.shape[1:] == (3, 6, 6, 3)
    source = places(first)
    for target in range(3):
        assert_crops(second[:, target])
        found = places(second[:, target])
        np.testing.assert_array_equal(found[:, 1:], source[:, 1:])
        np.testing.assert_array_equal(found[:, 0], domains[1].rows[source[:, 0], target])


def test_labels_of_pairs():
    first, second = paired_set(load=6, targets=3)
    first = Domain("a", first.images, np.arange(11, dtype=np.int32), rows=first.rows)
    second = Domain("b", second.images, np.arange(35, dtype=np.int32), rows=second.rows)
    batches = Batches([first, second], BATCH, PER_STEP, SEED, paired=True)
    one, other = batches.batch(tf.constant(0, tf.int64))
    assert one.labels.shape == (PER_STEP, BATCH) and other.labels.shape == (PER_STEP, BATCH, 3)
    np.testing.assert_array_equal(to_uint8(other.images)[..., 0, 0, 0], other.labels)
    np.testing.assert_array_equal(second.rows[one.labels.numpy()], other.labels)


@pytest.mark.parametrize("targets", (1, 3))
def test_streamed_pairs_equal_those_in_memory(tmp_path, targets):
    memory = paired_set(targets=targets)
    disk = [on_disk(domain, tmp_path / domain.name) for domain in memory]
    for chosen in (disk, [memory[0], disk[1]]):
        expected = drawn(Batches(memory, BATCH, PER_STEP, SEED, paired=True, flip=True))
        streamed = drawn(Batches(chosen, BATCH, PER_STEP, SEED, paired=True, flip=True))
        for one, other in zip(expected, streamed, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("targets", (1, 2))
def test_crops_of_the_decoder_equal_those_of_the_step(tmp_path, targets):
    """Non-square images: cropped from an array inside the step, or while they are decoded."""
    memory = [
        Domain(domain.name, coordinates(domain.size, 9, 14), rows=domain.rows, crop=6)
        for domain in paired_set(targets=targets)
    ]
    disk = [on_disk(domain, tmp_path / domain.name).fitted("none", 6, 6, True) for domain in memory]
    assert all(domain.images.crops and domain.crop == 6 for domain in disk)
    expected = drawn(Batches(memory, BATCH, PER_STEP, SEED, paired=True, flip=True))
    streamed = drawn(Batches(disk, BATCH, PER_STEP, SEED, paired=True, flip=True))
    for one, other in zip(expected, streamed, strict=True):
        np.testing.assert_array_equal(one, other)
    lefts = places(expected[0])[:, 2]
    assert lefts.max() > 4 and lefts.min() == 0  # The longer side is used up to its end.


@pytest.mark.parametrize("xla", (False, True))
def test_compiled_pairs_equal_eager_ones(xla):
    batches = Batches(paired_set(targets=2), BATCH, PER_STEP, SEED, paired=True, flip=True)
    compiled = tf.function(batches.batch, jit_compile=xla)
    for step in (tf.constant(step, tf.int64) for step in (0, 9, 123_456_789_012)):
        for one, other in zip(compiled(step), batches.batch(step), strict=True):
            np.testing.assert_array_equal(one.images, other.images)
    assert compiled.experimental_get_tracing_count() == 1


def test_what_cannot_be_paired_or_mirrored_is_refused():
    domains = [Domain("a", coordinates(3, 4, 4)), Domain("b", coordinates(3, 4, 4))]
    refused(lambda: Batches(domains, 2, 1, SEED, paired=True), "a, b", "no pairs")
    points = Domain("ring", np.zeros((4, 2), np.float32))
    refused(lambda: Batches([points], 2, 1, SEED, flip=True), "--flip", "ring")


# ----------------------------------------------------------------------------- functions of pairs


def test_counting_pairs():
    domains = paired_set(targets=2)
    assert pairs.pair_count(domains) == 11
    assert pairs.pair_count([domains[0], Domain("c", coordinates(11, 4, 4))]) == 0
    assert pairs.pair_count([domain.subset(range(5)) for domain in domains]) == 0
    assert pairs.require_pairs(domains, "facades") is None


@pytest.mark.parametrize("unpaired", (paired_set()[:1], [Domain("x", coordinates(3, 4, 4))] * 2))
def test_pix2pix_needs_pairs(unpaired):
    refused(
        lambda: pairs.require_pairs(unpaired, "horse2zebra"),
        "--gan_type pix2pix needs pairs, and --dataset horse2zebra gives none",
        "--gan_type cyclegan", "plan2facade", "pairs:PATH", "gray2color:PATH",
    )  # fmt: skip


def test_examples_are_pairs_cropped_in_the_middle(tmp_path):
    domains = paired_set(targets=3)
    first, second = pairs.examples(domains, [4, 0])
    assert first.shape == (2, 6, 6, 3) and second.shape == (2, 3, 6, 6, 3)
    np.testing.assert_array_equal(places(first), [[4, 2, 2, 0], [0, 2, 2, 0]])
    np.testing.assert_array_equal(second[:, :, 0, 0, 0], domains[1].rows[[4, 0]])
    disk = [on_disk(domain, tmp_path / domain.name) for domain in domains]
    for one, other in zip((first, second), pairs.examples(disk, [4, 0]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [d.shape for d in pairs.examples(paired_set(), [1])] == [(1, 6, 6, 3)] * 2


def test_examples_of_unpaired_domains():
    domains = [Domain("a", coordinates(5, 4, 4)), Domain("b", coordinates(7, 6, 6))]
    first, second = pairs.examples(domains, [3, 1])
    assert first.shape == (2, 4, 4, 3) and second.shape == (2, 6, 6, 3)
    assert first[:, 0, 0, 0].tolist() == second[:, 0, 0, 0].tolist() == [3, 1]


# --------------------------------------------------------------------------- scaling and cropping


def test_fits():
    wide = np.random.default_rng(0).integers(0, 256, (30, 61, 3), dtype=np.uint8)
    np.testing.assert_array_equal(scale(wide, "squeeze", 12, 12), resize(wide, 12))
    assert scale(wide, "short_side", 12, 8).shape == (12, 24, 3)
    assert scale(wide.transpose(1, 0, 2), "short_side", 12, 8).shape == (24, 12, 3)
    assert scale(wide, "none", 12, 12) is wide
    assert scale(wide, "none", 40, 40).shape == (40, 81, 3)
    np.testing.assert_array_equal(images.scale(wide, 12, 12), resize(wide, 12))
    assert images.scale(wide[None, :, :, :1], 5, 7).shape == (1, 5, 7, 1)


def test_cut():
    pixels = coordinates(1, 9, 14)
    assert cut(pixels, 6, (0, 0))[0, 0, 0].tolist() == [0, 0, 0]
    assert cut(pixels, 6, (1, 1))[0, -1, -1].tolist() == [0, 8, 13]
    assert cut(pixels, 6)[0, 0, 0].tolist() == [0, 2, 4]
    shares = np.arange(1000) / 1000
    tops = [cut(pixels, 6, (share, 0))[0, 0, 0, 1] for share in shares]
    assert np.bincount(tops).tolist() == [250] * 4


def write_wide(folder, count=20, height=24, width=40):
    """Pictures of coordinates, [number, row, column]."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(coordinates(count, height, width)):
        cv2.imwrite(str(folder / f"{number:02}.png"), pixels[..., ::-1])
    return f"folder:{folder}"


def test_squeezed_images_are_scaled_then_cropped(tmp_path):
    name = write_wide(tmp_path / "wide")
    (train,) = load(name, data_dir=tmp_path, image_size=16, load_size=20)
    assert train.images.shape == (18, 20, 20, 3) and train.shape == (16, 16, 3) and train.crop == 16
    lying, kept, tested = coordinates(20, 24, 40), held_out(20, "train"), held_out(20, "test")
    np.testing.assert_array_equal(train.images[3], resize(lying[kept[3]], 20))
    (test,) = load(name, data_dir=tmp_path, image_size=16, load_size=20, split="test")
    assert test.crop is None and test.images.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(test.images[0], resize(lying[tested[0]], 16))
    (whole,) = load(name, data_dir=tmp_path, image_size=16)
    assert whole.crop is None and whole.images.shape == (18, 16, 16, 3)


@pytest.mark.parametrize("fit, load_size, height", (("short_side", 12, 12), ("none", None, 24)))
def test_images_that_keep_their_aspect(tmp_path, fit, load_size, height):
    name = write_wide(tmp_path / "wide")
    arguments = dict(data_dir=tmp_path, image_size=8, load_size=load_size, fit=fit)
    (train,) = load(name, **arguments)
    # Never decoded to memory: that would freeze the crops.
    assert isinstance(train.images, FileImages) and train.crop == 8 and train.shape == (8, 8, 3)
    assert train.in_memory() is train
    (images,) = drawn(Batches([train], BATCH, PER_STEP, SEED), 10)
    scaled = scale(coordinates(20, 24, 40), fit, load_size or 8, 8)
    assert scaled.shape[1] == height
    for image in images:
        windows = np.lib.stride_tricks.sliding_window_view(scaled, (8, 8), (1, 2))
        windows = windows.transpose(0, 1, 2, 4, 5, 3)
        assert (windows == image).all((-1, -2, -3)).any()
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) > 60
    (test,) = load(name, split="test", **arguments)
    assert test.crop is None and test.images.shape == (2, 8, 8, 3)
    np.testing.assert_array_equal(test.images, cut(scaled[held_out(20, "test")], 8))


def test_a_small_image_is_enlarged_where_pixels_are_kept(tmp_path):
    write_images(tmp_path / "small", ("1.png", "2.png"), (5, 11, 3))
    (train,) = load(f"folder:{tmp_path / 'small'}", data_dir=tmp_path, image_size=16, fit="none")
    assert train.images[0].shape == (16, 16, 3)


def test_arrays_that_keep_their_aspect(tmp_path):
    np.savez(tmp_path / "wide.npz", images=coordinates(20, 24, 40))
    arguments = dict(data_dir=tmp_path, image_size=8, load_size=12, fit="short_side")
    (train,) = load(f"folder:{tmp_path / 'wide.npz'}", **arguments)
    assert train.images.shape == (18, 12, 20, 3) and train.crop == 8
    (images,) = drawn(Batches([train], BATCH, PER_STEP, SEED))
    assert images.shape[1:] == (8, 8, 3)
    (test,) = load(f"folder:{tmp_path / 'wide.npz'}", split="test", **arguments)
    assert test.images.shape == (2, 8, 8, 3) and test.crop is None


def test_sizes_that_contradict_each_other(tmp_path):
    name = write_wide(tmp_path / "wide")
    refused(lambda: load(name, data_dir=tmp_path, image_size=16, load_size=12), "--load_size 12",
            "--image_size 16")  # fmt: skip
    refused(lambda: load(name, data_dir=tmp_path, load_size=200, fit="none"), "--load_size",
            "--fit none")  # fmt: skip
    refused(lambda: load(name, data_dir=tmp_path, fit="stretch"), "--fit stretch", "short_side")
    refused(lambda: load("ring", data_dir=tmp_path, load_size=16), "--load_size", "points")


def test_file_images_keep_what_they_are_made_of(tmp_path):
    write_pairs(tmp_path, ("1.png", "2.png", "3.png"), side=10)
    files = FileImages(sorted(tmp_path.iterdir()), 8, 3, pick=left_half)
    cropping = files.fitted("none", 8, 4).subset([2, 0]).with_channels(1)
    assert cropping.shape == (2, 4, 4, 1) and cropping[0][0, 0, 0] == 20
    assert cropping.decoded().shape == (2, 4, 4, 1)
    drawn_from = files.derived(lambda pixels: pixels[..., :1] // 2, 1)
    assert drawn_from[2].shape == (8, 8, 1) and drawn_from[2].max() == 10
    # Channels are repeated after what is derived, so that no colour comes back.
    np.testing.assert_array_equal(drawn_from.with_channels(3)[2], np.full((8, 8, 3), 10))


# ----------------------------------------------------------------------------------- sets by name


def colourful(folder, count=20):
    """Random pictures of smooth colour."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(count):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number:02}.png"), cv2.resize(coarse, (30, 30)))


@pytest.mark.parametrize("same", (False, True))
def test_gray_to_colour(tmp_path, same):
    colourful(tmp_path / "x")
    gray, colour = load(f"gray2color:{tmp_path / 'x'}", data_dir=tmp_path, image_size=16,
                        same_channels=same)  # fmt: skip
    assert (gray.name, colour.name) == ("gray", "color") and pairs.pair_count([gray, colour]) == 18
    assert gray.shape == (16, 16, 3 if same else 1) and colour.shape == (16, 16, 3)
    luma = np.rint(colour.images @ np.array([0.299, 0.587, 0.114], np.float32))
    np.testing.assert_allclose(gray.images[..., 0], luma)
    np.testing.assert_array_equal(gray.images.max(-1), gray.images.min(-1))
    assert (colour.images.max(-1) > colour.images.min(-1) + 20).mean() > 0.5


@pytest.mark.parametrize("fit, load_size", (("squeeze", 20), ("short_side", 20), ("none", None)))
def test_derived_halves_are_aligned_under_every_fit(tmp_path, fit, load_size):
    colourful(tmp_path / "x")
    domains = load(f"gray2color:{tmp_path / 'x'}", data_dir=tmp_path, image_size=16, fit=fit,
                   load_size=load_size, same_channels=False)  # fmt: skip
    gray, colour = drawn(Batches(domains, BATCH, PER_STEP, SEED, paired=True, flip=True))
    luma = np.rint(colour @ np.array([0.299, 0.587, 0.114], np.float32))
    np.testing.assert_allclose(gray[..., 0], luma)


def test_edges_of_photographs(tmp_path):
    colourful(tmp_path / "x")
    edge, photo = load(f"edge2photo:{tmp_path / 'x'}", data_dir=tmp_path, image_size=32,
                       same_channels=False, split="test")  # fmt: skip
    assert (edge.name, photo.name) == ("edge", "photo") and edge.shape == (32, 32, 1)
    np.testing.assert_array_equal(edge.images, contours(photo.images))


def test_contours_are_black_lines_on_white():
    flat = np.full((1, 40, 40, 3), 100, np.uint8)
    assert (contours(flat) == 255).all()
    noise = flat + np.random.default_rng(0).integers(0, 3, flat.shape, dtype=np.uint8)
    assert (contours(noise) == 255).all()
    for dark, bright in ((90, 110), (0, 255)):
        square = np.full((1, 40, 40, 3), dark, np.uint8)
        square[:, 10:30, 10:30] = bright
        drawing = contours(square)
        assert set(np.unique(drawing)) == {0, 255}
        rows, columns = np.nonzero(drawing[0, :, :, 0] == 0)
        # The outline, one pixel wide, and nothing else.
        assert 60 < len(rows) < 90
        distance = np.maximum(abs(rows - 19.5), abs(columns - 19.5))
        assert (abs(distance - 10) <= 1).all()


def test_derived_sets_of_known_ones(tmp_path):
    from test_data_readers import write_cifar

    write_cifar(tmp_path / "cifar10")
    gray, colour = load("gray2color:cifar10", data_dir=tmp_path, offline=True, same_channels=False)
    assert gray.shape == (32, 32, 1) and colour.shape == (32, 32, 3)
    np.testing.assert_array_equal(gray.labels, colour.labels)
    assert "cifar10" in str(check("edge2photo:cifar10", tmp_path))
    refused(lambda: load("gray2color:ring", data_dir=tmp_path), "gray2color:ring", "one domain")


def test_derived_sets_that_cannot_be(tmp_path):
    write_images(tmp_path / "gray", ("1.png", "2.png"), (8, 8))
    refused(lambda: load(f"gray2color:{tmp_path / 'gray'}", data_dir=tmp_path), "no colour")
    for letter in "AB":
        write_images(tmp_path / "two" / f"train{letter}", ("1.png", "2.png"))
    refused(lambda: load(f"edge2photo:{tmp_path / 'two'}", data_dir=tmp_path), "one domain")
    refused(lambda: load("edge2photo:absent", data_dir=tmp_path), "absent", "--dataset")


def test_pairs_of_ones_own(tmp_path):
    write_pairs(tmp_path / "own" / "train", [f"{n:02}.png" for n in range(10)])
    left, right = load(f"pairs:{tmp_path / 'own'}", data_dir="nowhere", image_size=16)
    assert pairs.pair_count([left, right]) == 9 and left.shape == (16, 16, 3)
    refused(lambda: load("pairs:absent", data_dir=tmp_path), "absent")
    report = check(f"pairs:{tmp_path / 'own'}", tmp_path)
    assert report.complete and "; 9 pairs" in str(report) and "; 1 pairs" in str(report)
    write_images(tmp_path / "own" / "train", ("11.png",), (8, 8, 3))
    report = check(f"pairs:{tmp_path / 'own'}", tmp_path)
    assert not report.complete and str(report).count("11.png") == 1


@pytest.mark.parametrize("name", ("facades", "maps", "cityscapes"))
def test_sets_in_the_layout_of_pix2pix_or_of_cyclegan(tmp_path, name):
    write_pairs(tmp_path / name / "train", ("1.jpg", "2.jpg"))
    write_pairs(tmp_path / name / "test", ("1.jpg",), first=2)
    domains = load(name, data_dir=tmp_path, offline=True, image_size=16)
    assert [d.name for d in domains] == ["A", "B"] and pairs.pair_count(domains) == 2
    report = check(name, tmp_path, image_size=16)
    assert report.complete and "; 2 pairs" in str(report)
    for part in ("trainA", "trainB"):
        write_images(tmp_path / name / part, ("1.jpg", "2.jpg", "3.jpg"))
    domains = load(name, data_dir=tmp_path, offline=True, image_size=16)
    assert pairs.pair_count(domains) == 0 and domains[0].size == 2  # one is held out


def test_targets_are_told_by_check(tmp_path):
    write_images(tmp_path / "A", ("a.png", "b.png"))
    write_images(tmp_path / "B", [f"{letter}_{n}.png" for letter in "ab" for n in range(1, 4)])
    assert "; 1 pairs with 3 targets each" in str(check(f"pairs:{tmp_path}", tmp_path))
