"""Translation of files: every kind of file, any size, tiles without seams, what is skipped."""

import io
import itertools
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile

from gantrain import images
from gantrain.core import RuntimeOptions
from gantrain.errors import UserError
from gantrain.runtime import start
from gantrain.use import files as translate
from gantrain.use.files import translate_files, translate_images

PIL = pytest.importorskip("PIL.Image")  # an encoder that is not ours; matplotlib brings it


def identity(batch):
    return batch


def noise(*shape, seed=0, kind=np.uint8):
    top = np.iinfo(kind).max
    return np.random.default_rng(seed).integers(0, top + 1, shape, dtype=kind)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def one(network, image, **options):
    (made,) = translate_images(network, [image], **options)
    return made


class Recorder:
    """A network that changes nothing and notes what it was given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, batch):
        assert isinstance(batch, np.ndarray) and batch.dtype == np.float32
        self.shapes.append(batch.shape)
        return batch


def save(path, pixels, **options):
    PIL.fromarray(pixels).save(path, **options)
    return path


def on_white(pixels):
    """Colour of pixels whose last channel is alpha, in floats, on a white ground."""
    top = np.iinfo(pixels.dtype).max
    share = pixels[..., -1:] / top
    return (pixels[..., :-1] / top * share + 1 - share) * 2 - 1


# ----------------------------------------------------------------------- images.Pixels in and out


@pytest.mark.parametrize("extension", (".png", ".tif", ".tiff"))
@pytest.mark.parametrize("kind", (np.uint8, np.uint16))
@pytest.mark.parametrize("channels, alpha", ((1, False), (3, False), (3, True)))
def test_pixels_survive_a_file(tmp_path, extension, kind, channels, alpha):
    colour = noise(5, 7, channels, kind=kind)
    scaled = (colour / (np.iinfo(kind).max / 2) - 1).astype(np.float32)
    opacity = noise(5, 7, seed=1, kind=kind) if alpha else None
    path = tmp_path / f"image{extension}"
    images.write_pixels(path, images.Pixels(scaled, opacity, 8 * np.dtype(kind).itemsize))
    read = images.read_pixels(path)
    seen = on_white(np.dstack([colour, opacity])) if alpha else scaled
    half = 1.01 / np.iinfo(kind).max if alpha else 1e-6  # half a level
    np.testing.assert_allclose(read.colour, seen, atol=half)
    assert read.bits == 8 * np.dtype(kind).itemsize and read.colour.dtype == np.float32
    if alpha:
        np.testing.assert_array_equal(read.alpha, opacity)
    else:
        assert read.alpha is None
    # An independent decoder sees the same samples in the same order.
    if kind == np.uint8:
        stored = np.asarray(PIL.open(path)).reshape(5, 7, -1)
        np.testing.assert_array_equal(stored[..., :channels], colour)


def test_every_level_of_sixteen_bits_survives(tmp_path):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    cv2.imwrite(str(tmp_path / "a.tiff"), levels)
    read = images.read_pixels(tmp_path / "a.tiff")
    assert read.colour.min() == -1 and read.colour.max() == 1
    images.write_pixels(tmp_path / "b.png", read)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED), levels)


@pytest.mark.parametrize("extension", (".png", ".webp", ".tiff"))
def test_colour_is_on_white_as_in_training_and_alpha_is_kept(tmp_path, extension):
    pixels = noise(6, 8, 4)
    pixels[0, :3, 3] = (0, 1, 128)
    options = {"lossless": True, "exact": True} if extension == ".webp" else {}
    path = save(tmp_path / f"a{extension}", pixels, **options)
    read = images.read_pixels(path)
    np.testing.assert_allclose(read.colour, on_white(pixels), atol=1.01 / 255)
    np.testing.assert_array_equal(images.to_uint8(read.colour), images.read_image(path))
    np.testing.assert_array_equal(read.alpha, pixels[..., 3])


def test_gray_with_alpha(tmp_path):
    pixels = noise(6, 8, 2)
    path = save(tmp_path / "a.png", pixels)
    read = images.read_pixels(path, channels=1)
    np.testing.assert_allclose(read.colour, on_white(pixels), atol=1.01 / 255)
    np.testing.assert_array_equal(read.alpha, pixels[..., 1])
    images.write_pixels(tmp_path / "b.png", read)
    written = images.to_uint8(read.colour)[..., [0, 0, 0]]
    np.testing.assert_array_equal(
        np.asarray(PIL.open(tmp_path / "b.png")), np.dstack([written, pixels[..., 1]])
    )


def test_palettes_are_colour(tmp_path):
    picture = PIL.fromarray(noise(6, 8, 3)).quantize(20)
    picture.save(tmp_path / "a.png")
    read = images.read_pixels(tmp_path / "a.png")
    np.testing.assert_array_equal(images.to_uint8(read.colour), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("channels, expected", ((1, 0.299 * 0.5 - 0.587), (3, None)))
def test_channels_are_what_the_network_takes(tmp_path, channels, expected):
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((2, 2), 51, np.uint8))
    gray = images.read_pixels(tmp_path / "gray.png", channels).colour
    np.testing.assert_allclose(gray, np.full((2, 2, channels), -0.6), atol=1e-6)
    if channels == 1:
        colour = np.array([[[0.5, -1.0, 0.0]]], np.float32)
        np.testing.assert_allclose(images.to_channels(colour, 1), [[[expected]]], atol=1e-6)


@pytest.mark.parametrize("extension", (".png", ".webp", ".tiff", ".jpg"))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, extension, orientation):
    """The corner that the tag calls top left ends there (EXIF 2.3, tag 0x112)."""
    ops = pytest.importorskip("PIL.ImageOps")
    exif = PIL.Exif()
    exif[0x112] = orientation
    mode = "RGB" if extension == ".jpg" else "RGBA"
    blocks = np.kron(noise(2, 3, 4), np.ones((16, 16, 1), np.uint8))
    blocks[..., 3] |= 1  # WebP forgets the colour of what cannot be seen
    options = {"lossless": True} if extension == ".webp" else {}
    path = tmp_path / f"a{extension}"
    PIL.fromarray(blocks).convert(mode).save(path, exif=exif, **options)
    # From memory: Pillow turns a TIFF that it maps from a file twice.
    expected = np.asarray(ops.exif_transpose(PIL.open(io.BytesIO(path.read_bytes()))))
    read = images.read_pixels(path)
    made = images.to_uint8(read.colour)
    assert made.shape[:2] == expected.shape[:2]
    seen = expected if mode == "RGB" else images.to_uint8(on_white(expected))
    np.testing.assert_allclose(made.astype(int), seen, atol=20 if mode == "RGB" else 1)
    if mode == "RGBA":
        np.testing.assert_array_equal(read.alpha, expected[..., 3])
        assert images.read_image(path).shape == made.shape


def test_an_orientation_that_is_damaged_is_none(tmp_path):
    pixels = noise(2, 3, 3)
    data = io.BytesIO()
    PIL.fromarray(pixels).save(data, "PNG")
    data = data.getvalue()
    block = b"II*\0" + struct.pack("<IH", 8, 40)  # 40 entries are said to follow, and none does
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize(
    "suffix, alpha, bits, expected",
    (
        (".PNG", True, 16, True),
        (".tiff", True, 16, True),
        (".jpg", False, 8, True),
        (".jpeg", True, 8, False),
        (".jpg", False, 16, False),
        (".webp", True, 8, True),
        (".webp", False, 16, False),
        (".bmp", False, 16, False),
        (".gif", False, 8, False),
    ),
)
def test_what_a_suffix_can_hold(suffix, alpha, bits, expected):
    pixels = images.Pixels(None, np.zeros((1, 1), np.uint8) if alpha else None, bits)
    assert images.can_hold(suffix, pixels) is expected


@pytest.mark.parametrize(
    "name, pixels, message",
    (
        ("a.gif", images.Pixels(floats(2, 2, 3)), "cannot hold 8 bits"),
        ("a.jpg", images.Pixels(floats(2, 2, 3), bits=16), "cannot hold 16 bits"),
        ("a.jpg", images.Pixels(floats(2, 2, 3), noise(2, 2)), "cannot hold 8 bits, alpha"),
        ("a.webp", images.Pixels(floats(2, 20_000, 1)), "too large"),
    ),
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, pixels, message):
    with pytest.raises(UserError, match=f"{name}: .*{message}.*use .png"):
        images.write_pixels(tmp_path / name, pixels)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------- sizes and tiles


@pytest.mark.parametrize("shape", ((1, 1, 3), (1, 40, 1), (3, 2, 3), (17, 31, 3), (64, 64, 1)))
@pytest.mark.parametrize("multiple", (1, 4, 32))
def test_any_size_is_padded_to_the_multiple_and_cropped_back(shape, multiple):
    network, image = Recorder(), floats(*shape)
    np.testing.assert_array_equal(one(network, image, multiple=multiple), image)
    (given,) = network.shapes
    assert all(
        side % multiple == 0 and own <= side < own + multiple
        for side, own in zip(given[1:3], shape[:2], strict=True)
    )


def test_the_border_is_a_reflection():
    seen = []
    image = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    one(lambda batch: seen.append(batch) or batch, image, multiple=8)
    np.testing.assert_array_equal(seen[0][0, :, :, 0], np.tile([2, 1, 0, 1, 2, 1, 0, 1], (8, 1)))


@pytest.mark.parametrize("size", ((100, 100), (64, 64), (65, 33), (7, 300), (129, 128)))
@pytest.mark.parametrize("multiple, tile", ((1, 32), (4, 30), (32, 32), (1, 3), (1, 1), (8, 64)))
def test_tiles_of_the_identity_are_the_identity_to_the_bit(size, multiple, tile):
    image = floats(*size, 3)
    network = Recorder()
    made = one(network, image, multiple=multiple, tile=tile)
    np.testing.assert_array_equal(made, image)
    side = -(-tile // multiple) * multiple
    assert all(max(shape[1:3]) <= side for shape in network.shapes)


def test_neighbouring_tiles_overlap_by_a_quarter_on_the_raster_of_the_network():
    for side, tile, multiple in itertools.product((512, 1000, 1024), (64, 128, 256), (1, 4, 8)):
        side = side // multiple * multiple
        starts = translate._starts(side, tile, multiple)
        assert starts[0] == 0 and starts[-1] == side - tile
        assert all(start % multiple == 0 for start in starts)
        assert all(
            0 < after - before <= tile * 3 // 4 for before, after in itertools.pairwise(starts)
        )
    # A network whose multiple is the tile itself: off its raster rather than without overlap.
    assert translate._starts(1024, 256, 256) == [0, 192, 384, 576, 768]


def test_a_blend_rises_linearly_from_one_tile_to_the_next():
    levels = iter((0.0, 1.0))

    def network(batch):
        return np.stack([np.full_like(tile, next(levels)) for tile in batch])

    made = one(network, np.zeros((16, 28, 1), np.float32), tile=16)
    assert made.shape == (16, 28, 1)
    expected = np.clip((np.arange(28) - 11.5) / 4, 0, 1)
    np.testing.assert_allclose(made[:, :, 0], np.tile(expected, (16, 1)), atol=1e-6)


@pytest.mark.parametrize("along", (0, 1))
def test_tiles_that_differ_leave_no_seam(along):
    """Every tile shifts by its own mean, as instance norm does; steps stay as small as the ramp."""
    y, x = np.mgrid[:96, :160] / 160
    image = np.sin(3 * x + 2 * y).astype(np.float32)[..., None]
    made = one(lambda batch: batch - batch.mean((1, 2), keepdims=True), image, tile=32)
    means = np.abs(np.diff(image, axis=along)).max() * 32  # how far the means of neighbours differ
    assert np.abs(np.diff(made, axis=along)).max() < 2 * means / 8


def test_a_convolution_in_tiles_is_the_convolution_of_the_whole():
    """Inside, where the overlap is wider than the kernel, only the outermost pixels can differ."""
    image = floats(90, 120, 1)

    def blur(batch):
        return np.stack([cv2.blur(tile[..., 0], (3, 3))[..., None] for tile in batch])

    whole, tiled = one(blur, image), one(blur, image, tile=32)
    # The border pixel of a tile has the weight 1/16 in the blend and a kernel of 9 pixels.
    assert np.abs(whole - tiled).max() < 2 / 16
    assert np.mean(whole != tiled) < 0.3


def test_large_images_are_tiled_and_small_ones_go_together():
    network = Recorder()
    sizes = [(20, 20), (20, 20), (20, 20), (90, 90), (20, 17), (20, 20)]
    sources = [floats(*size, 3, seed=i) for i, size in enumerate(sizes)]
    made = list(translate_images(network, iter(sources), multiple=4, pixels=1000))
    for result, source in zip(made, sources, strict=True):
        np.testing.assert_array_equal(result, source)
    assert network.shapes[:2] == [(2, 20, 20, 3), (1, 20, 20, 3)]
    assert network.shapes[-1] == (2, 20, 20, 3)  # 17 is padded to 20
    assert set(network.shapes[2:-1]) == {(1, 28, 28, 3)}
    assert all(np.prod(shape[:3]) <= 1000 for shape in network.shapes)


def test_one_image_per_call_where_neighbours_would_change_it():
    network = Recorder()
    list(translate_images(network, [floats(8, 8, 1)] * 3, batch_size=1))
    assert network.shapes == [(1, 8, 8, 1)] * 3


def test_images_are_not_read_further_than_the_batch_needs():
    read = []

    def sources():
        for number in range(50):
            read.append(number)
            yield floats(10, 10, 1)

    stream = translate_images(identity, sources(), pixels=300)
    next(stream)
    assert len(read) == 3


def test_a_compiled_network_is_traced_a_few_times_for_any_number_of_sizes():
    traces = []

    def network(batch):
        traces.append(batch.shape)
        return -batch

    compiled = start(RuntimeOptions(), 0).function(network)
    sources = [floats(2 + 3 * i, 90 - 7 * i % 50, 3) for i in range(30)] + [floats(5, 5, 3)] * 4
    made = list(translate_images(compiled, sources, multiple=4))
    np.testing.assert_array_equal(made[4], -sources[4])
    assert len(traces) <= 4  # one per axis that turns out to vary: batch, height, width


# --------------------------------------------------------------------------------------- folders


def test_a_folder_is_translated_and_what_cannot_be_read_is_said(tmp_path, monkeypatch):
    source, output = tmp_path / "in", tmp_path / "out" / "deep"
    source.mkdir()
    pixels = {
        "a.png": noise(30, 45, 4),
        "b.tiff": noise(9, 8, kind=np.uint16),
        "c.PNG": noise(1, 1, 3),
        "e.png": noise(12, 10),
    }
    for name, values in pixels.items():
        save(source / name, values)
    (source / "d.png").write_bytes((source / "a.png").read_bytes()[:200])
    (source / "f.jpg").write_text("a page")
    (source / ".hidden.png").write_text("not an image")
    (source / "notes.txt").write_text("not an image")
    progress = []
    monkeypatch.setattr(translate, "at", lambda *state: progress.append(state))
    report = translate_files(lambda x: -x, source, output, channels=3, multiple=4)
    assert report.done == 4 and len(report.skipped) == 2
    assert "d.png: not a readable image" in report.skipped[0] and "f.jpg" in report.skipped[1]
    assert progress == [(n, 6) for n in range(1, 7)]
    assert sorted(path.name for path in output.iterdir()) == sorted(pixels)
    made = {name: cv2.imread(str(output / name), cv2.IMREAD_UNCHANGED) for name in pixels}
    seen = images.to_uint8(on_white(pixels["a.png"]))
    np.testing.assert_allclose(made["a.png"][..., 2::-1].astype(int), 255 - seen, atol=1)
    np.testing.assert_array_equal(made["a.png"][..., 3], pixels["a.png"][..., 3])
    assert made["b.tiff"].dtype == np.uint16
    np.testing.assert_array_equal(
        made["b.tiff"], np.repeat(65535 - pixels["b.tiff"][..., None], 3, -1)
    )
    np.testing.assert_array_equal(made["e.png"][..., 1], 255 - pixels["e.png"])


def test_a_gray_network_keeps_gray_sixteen_bits(tmp_path):
    pixels = noise(30, 21, kind=np.uint16)
    cv2.imwrite(str(tmp_path / "scan.tif"), pixels)
    report = translate_files(
        identity, tmp_path / "scan.tif", tmp_path / "out", channels=1, multiple=16, tile=16
    )
    assert report[:2] == (1, [])
    made = cv2.imread(str(tmp_path / "out" / "scan.tif"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(made, pixels)


def test_a_jpeg_stays_a_jpeg(tmp_path):
    smooth = cv2.resize(noise(3, 4, 3), (64, 48), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "photo.jpeg"), smooth)
    assert translate_files(identity, tmp_path, tmp_path / "out", channels=3).done == 1
    data = (tmp_path / "out" / "photo.jpeg").read_bytes()
    assert data[:2] == b"\xff\xd8"
    made = images.read_image(tmp_path / "out" / "photo.jpeg")
    assert np.abs(made.astype(int) - smooth[..., ::-1]).mean() < 4


@pytest.mark.parametrize("alpha, channels", (("keep", 4), ("drop", 3)))
def test_alpha_is_kept_or_dropped_and_seen_on_white(tmp_path, alpha, channels):
    pixels = noise(6, 8, 4)
    save(tmp_path / "a.png", pixels)
    seen = []
    translate_files(
        lambda x: seen.append(x[0]) or x,
        tmp_path / "a.png",
        tmp_path / "out",
        channels=3,
        alpha=alpha,
    )
    np.testing.assert_array_equal(images.to_uint8(seen[0]), images.read_image(tmp_path / "a.png"))
    made = np.asarray(PIL.open(tmp_path / "out" / "a.png"))
    assert made.shape == (6, 8, channels)
    np.testing.assert_array_equal(made[..., :3], images.to_uint8(seen[0]))
    np.testing.assert_array_equal(made[..., 3:], pixels[..., 3:channels])


def test_levels_are_those_of_training_and_of_the_result(tmp_path):
    """Depth of 400 to 4100 mm in, its double in metres out, as floats."""
    depth = np.linspace(400, 4100, 48).astype(np.uint16).reshape(6, 8)
    save(tmp_path / "a.png", depth)
    source, target = images.Levels(400, 4100, "uint16"), images.Levels(0.8, 8.2, "float32")
    seen = []
    for number, levels in enumerate(((source, target), (source, source), (source, None))):
        report = translate_files(
            lambda x: seen.append(x[0]) or x,
            tmp_path / "a.png",
            tmp_path / str(number),
            channels=1,
            levels=levels,
        )
        assert report[:2] == (1, [])
    np.testing.assert_allclose(seen[0][..., 0], (depth.astype(float) - 2250) / 1850, atol=1e-4)
    metres = tifffile.imread(tmp_path / "0" / "a.tif")
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, depth / 500, atol=1e-3)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "1" / "a.png"), -1), depth)
    assert cv2.imread(str(tmp_path / "2" / "a.png"), -1).dtype == np.uint8


def test_the_longest_name_of_a_file_is_written(tmp_path):
    name = "n" * 251 + ".png"
    save(tmp_path / name, noise(2, 2, 3))
    assert translate_files(identity, tmp_path, tmp_path / "out", channels=3).done == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_a_suffix_that_cannot_hold_the_result_becomes_png(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    pixels = noise(4, 4, 4)
    for name in ("a.jpg", "b.jpg"):  # PNG files under another name
        save(source / name, pixels, format="PNG")
    save(source / "b.png", pixels[..., :3])
    assert translate_files(identity, source, tmp_path / "out", channels=3).done == 3
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.png", "b.jpg.png", "b.png"]
    written = np.asarray(PIL.open(tmp_path / "out" / "b.jpg.png"))
    seen = images.to_uint8(on_white(pixels))
    np.testing.assert_allclose(written[..., :3].astype(int), seen, atol=1)
    np.testing.assert_array_equal(written[..., 3], pixels[..., 3])


def test_what_there_is_to_read_is_checked(tmp_path):
    with pytest.raises(UserError, match="--input .*absent: there is no such file or folder"):
        translate_files(identity, tmp_path / "absent", tmp_path / "out", channels=3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="--input .*empty: holds no images"):
        translate_files(identity, tmp_path / "empty", tmp_path / "out", channels=3)
    assert not (tmp_path / "out").exists()


def test_the_input_is_never_overwritten(tmp_path):
    path = save(tmp_path / "a.png", noise(4, 4, 3))
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for source in (path, tmp_path):
        for output in (tmp_path, tmp_path / "link", tmp_path / "x" / ".."):
            with pytest.raises(UserError, match="--output .*folder of the input") as error:
                translate_files(lambda x: -x, source, output, channels=3)
            assert "\n" not in str(error.value)
    assert path.read_bytes() == before


def test_the_output_has_to_be_a_folder(tmp_path):
    path = save(tmp_path / "a.png", noise(4, 4, 3))
    with pytest.raises(UserError, match="--output .*b.png: is the name of an image"):
        translate_files(identity, path, tmp_path / "b.png", channels=3)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="--output .*taken: cannot be made"):
        translate_files(identity, path, tmp_path / "taken", channels=3)


def test_a_result_that_cannot_be_written_ends_it(tmp_path):
    path = save(tmp_path / "a.png", noise(4, 4, 3))
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    with pytest.raises(UserError, match="a.png: cannot be written"):
        translate_files(identity, path, tmp_path / "out", channels=3)


def test_the_same_files_come_out_whatever_the_batches(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number in range(9):
        save(source / f"{number}.png", noise(10 + number // 3, 12, 3, seed=number))
    for name, options in (("one", {"batch_size": 1}), ("many", {}), ("two", {"pixels": 300})):
        translate_files(
            lambda x: np.tanh(3 * x), source, tmp_path / name, channels=3, multiple=2, **options
        )
    for number in range(9):
        first, *others = (
            images.read_image(tmp_path / name / f"{number}.png") for name in ("one", "many", "two")
        )
        for other in others:
            np.testing.assert_array_equal(first, other)
