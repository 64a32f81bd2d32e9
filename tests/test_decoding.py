"""Every kind of image file: what is read of it, to the level, or the line that refuses it."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, features

from gantrain import decoding, images
from gantrain.errors import UserError

SIZE = (6, 9)
RGB = (200, 100, 40)
COLOUR = np.full((*SIZE, 3), RGB, np.uint8)
DEEP = np.full((*SIZE, 4), [257 * v for v in (*RGB, 128)], np.uint16)
ON_WHITE = [227, 177, 147]  # RGB with opacity 128
RNG = np.random.default_rng(0)


def pil(image, kind="PNG", **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def tif(array, photometric="rgb", **options):
    data = io.BytesIO()
    tifffile.imwrite(data, array, photometric=photometric, **options)
    return data.getvalue()


def opencv(extension, array):
    """A file by OpenCV, which takes RGB order here."""
    order = [2, 1, 0, 3][: array.shape[-1]] if array.ndim == 3 else slice(None)
    return cv2.imencode(extension, np.ascontiguousarray(array[..., order]))[1].tobytes()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(array, kind, *chunks, interlaced=False):
    """A PNG of 16 bits by hand: colour type 0, 2, 4 or 6."""
    height, width = array.shape[:2]
    passes = [array]
    if interlaced:
        starts = (
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        )
        passes = [array[top::down, left::across] for top, left, down, across in starts]
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes() for part in passes for row in part if row.size
    )
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def refused(data, *words, **options):
    with pytest.raises(UserError) as error:
        images.decode(data, "photo.x", **options)
    message = str(error.value)
    assert message.startswith("photo.x: ") and "\n" not in message
    assert all(word in message for word in words), message


palette = Image.fromarray(COLOUR).quantize(8)
BMP = (
    b"BM"
    + struct.pack("<IHHIIiiHHIIiiII", 354, 0, 0, 138, 124, 9, 6, 1, 32, 3, 216, 0, 0, 0, 0)
    + struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    + bytes(68)
    + bytes((*RGB[::-1], 128)) * 54
)
LA = Image.new("LA", SIZE[::-1], (77, 128))
RGBA = Image.new("RGBA", SIZE[::-1], (*RGB, 128))
BLUE = Image.new("RGB", SIZE[::-1], (0, 0, 255))
GRAY = COLOUR[..., 0]
BITS = GRAY > 50
PLANES = np.moveaxis(np.dstack([COLOUR, GRAY * 0 + 128]), -1, 0)
READ = {
    "png of 1 bit": (pil(BITS), [255]),
    "png": (pil(COLOUR), RGB),
    "gray png": (pil(GRAY), [200]),
    "gray + alpha": (pil(LA), [166]),
    "rgba": (pil(RGBA), ON_WHITE),
    "palette": (pil(palette), RGB),
    "palette, colour transparent": (pil(palette, transparency=0), [255] * 3),
    "palette with opacities": (pil(palette, transparency=bytes([128] * 8)), ON_WHITE),
    "gray, level transparent": (pil(GRAY, transparency=200), [255]),
    "colour, colour transparent": (pil(COLOUR, transparency=RGB), [255] * 3),
    "1 bit, level transparent": (pil(~BITS, transparency=0), [255]),
    "gray 16": (png(DEEP[..., :1], 0), [200]),
    "gray 16, level transparent": (png(DEEP[..., :1], 0, chunk(b"tRNS", b"\xc8\xc8")), [255]),
    "colour 16": (png(DEEP[..., :3], 2), RGB),
    "gray + alpha 16": (png(DEEP[..., [0, 3]], 4), [227]),
    "rgba 16": (png(DEEP, 6), ON_WHITE),
    "animated png": (pil(COLOUR, save_all=True, append_images=[BLUE]), RGB),
    "jpeg": (pil(COLOUR, "JPEG", quality=95), RGB),
    "gray jpeg": (pil(GRAY, "JPEG"), [200]),
    "progressive jpeg": (pil(COLOUR, "JPEG", quality=95, progressive=True), RGB),
    "cmyk jpeg": (pil(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=95), RGB),
    "webp": (pil(COLOUR, "WEBP", lossless=True), RGB),
    "animated webp": (pil(COLOUR, "WEBP", lossless=True, save_all=True, append_images=[BLUE]), RGB),
    "gif": (pil(COLOUR, "GIF"), RGB),
    "animated gif": (pil(COLOUR, "GIF", save_all=True, append_images=[BLUE]), RGB),
    "bmp": (pil(COLOUR, "BMP"), RGB),
    "gray bmp": (pil(GRAY, "BMP"), [200]),
    "bmp of a palette": (pil(palette, "BMP"), RGB),
    "bmp with an alpha mask": (BMP, ON_WHITE),
    "bmp, fourth byte unused": (pil(RGBA, "BMP"), RGB),
    "ppm": (pil(COLOUR, "PPM"), RGB),
    "pgm": (pil(GRAY, "PPM"), [200]),
    "pbm": (pil(BITS, "PPM"), [255]),
    "pgm 16": (b"P5 9 6 65535\n" + DEEP[..., 0].astype(">u2").tobytes(), [200]),
    "ppm 16": (b"P6 9 6 65535\n" + DEEP[..., :3].astype(">u2").tobytes(), RGB),
    "ppm 10": (b"P6\n# 10 bits\n9 6\n1023\n" + (DEEP[..., :3] // 64).astype(">u2").tobytes(), RGB),
    "ppm 16 in text": (b"P3\n9 6\n65535\n" + b"51400 25700 #\n10280 " * 54, RGB),
    "jpeg 2000": (pil(COLOUR, "JPEG2000"), RGB),
    "jpeg 2000, rgba": (pil(RGBA, "JPEG2000"), ON_WHITE),
    "tiff": (pil(COLOUR, "TIFF"), RGB),
    "tiff of 1 bit": (pil(BITS, "TIFF"), [255]),
    "tiff, gray + alpha": (pil(LA, "TIFF"), [166]),
    "tiff of a palette": (pil(palette, "TIFF"), RGB),
    "tiff, cmyk, lzw": (pil(Image.fromarray(COLOUR).convert("CMYK"), "TIFF",
                            compression="tiff_lzw"), RGB),
    "tiff, jpeg": (pil(COLOUR, "TIFF", compression="jpeg"), RGB),
    "tiff, several pages": (tif(np.stack([COLOUR, COLOUR // 2])), RGB),
    "tiff, large": (tif(COLOUR, bigtiff=True), RGB),
    "tiff, 0 is white": (tif(GRAY, "miniswhite"), [55]),
    "tiff, 0 is white, 16": (tif(DEEP[..., 0], "miniswhite"), [55]),
    "tiff, near infrared": (tif(PLANES.transpose(1, 2, 0), extrasamples=[0]), RGB),
    "tiff, 7 bands": (tif(np.dstack([COLOUR, COLOUR, GRAY]), planarconfig="contig",
                          extrasamples=[0] * 4), RGB),
    "tiff, planes": (tif(PLANES[:3], planarconfig="separate"), RGB),
    "tiff, planes, rgba": (tif(PLANES, planarconfig="separate", extrasamples=[2]), ON_WHITE),
    "tiff, premultiplied": (tif(np.dstack([DEEP[..., :3] // 257 * 128 // 255, GRAY * 0 + 128])
                                .astype(np.uint8), extrasamples=[1]), ON_WHITE),
    "tiff 16": (tif(DEEP[..., :3]), RGB),
    "tiff 16, big-endian": (tif(DEEP[..., :3], byteorder=">"), RGB),
    "tiff 16, near infrared": (tif(DEEP, extrasamples=[0]), RGB),
    "tiff 16, rgba": (tif(DEEP, extrasamples=[2]), ON_WHITE),
    "tiff 16, premultiplied": (tif(np.dstack([DEEP[..., :3] // 255 * 128, DEEP[..., 3]]),
                                   extrasamples=[1]), ON_WHITE),
    "tiff 16, planes": (tif(np.moveaxis(DEEP, -1, 0), planarconfig="separate",
                            extrasamples=[2]), ON_WHITE),
    "tiff 16, gray + alpha": (tif(DEEP[..., [0, 3]], "minisblack", planarconfig="contig",
                                  extrasamples=[2]), [227]),
    "tiff 16, tiles": (tif(np.tile(DEEP[..., :3], (5, 5, 1)), tile=(16, 16), compression="zlib",
                           predictor=True), RGB),
    "tiff 16, lzw by OpenCV": (opencv(".tiff", DEEP[..., :3]), RGB),
    "tiff 16, lzw, rgba": (opencv(".tiff", DEEP), ON_WHITE),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name):
    data, expected = READ[name]
    said, made = images.header(data, name), images.decode(data, name)
    assert made.dtype == np.uint8 and made.shape == (said.height, said.width, len(expected))
    assert said.channels == len(expected)
    np.testing.assert_allclose(made.astype(int), np.broadcast_to(expected, made.shape), atol=2)
    colour, alpha = decoding.samples(data, name)
    assert said.alpha == (alpha is not None) and said.bits == 8 * colour.itemsize


@pytest.mark.parametrize("kind", ("PNG", "WEBP", "TIFF", "JPEG", "AVIF"))
def test_pixels_are_those_that_were_written(kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    smooth = cv2.resize(RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8), (40, 32))
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    made = images.decode(pil(smooth, kind, **options.get(kind, {})), kind)
    assert np.abs(made.astype(int) - smooth).max() <= (3 if kind in ("JPEG", "AVIF") else 0)


@pytest.mark.parametrize(
    "kind, channels", ((0, [0]), (2, [0, 1, 2]), (4, [0, 1]), (6, [0, 1, 2, 3]))
)
@pytest.mark.parametrize("interlaced", (False, True))
def test_sixteen_bits_of_png_are_lossless(kind, channels, interlaced):
    array = RNG.integers(0, 65536, (13, 11, 4), dtype=np.uint16)[..., channels]
    colour, alpha = decoding.samples(png(array, kind, interlaced=interlaced), "deep")
    found = colour if alpha is None else np.dstack([colour, alpha])
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("write", (tif, lambda a: opencv(".tiff", a)))
def test_sixteen_bits_of_tiff_are_lossless(write):
    array = RNG.integers(0, 65536, (13, 11, 3), dtype=np.uint16)
    np.testing.assert_array_equal(decoding.samples(write(array), "deep")[0], array)


def test_jpegs_have_the_bits_that_pillow_gives_them():
    smooth = cv2.resize(RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8), (61, 47))
    for source in (smooth, smooth[..., 0]):
        for options in ({"subsampling": 0}, {"subsampling": 2}, {"progressive": True}):
            data = pil(source, "JPEG", **options)
            expected = np.asarray(Image.open(io.BytesIO(data))).reshape(47, 61, -1)
            np.testing.assert_array_equal(images.decode(data, "photo"), expected)


def test_modes_without_a_mapping_are_refused_by_name():
    lab = ImageCms.profileToProfile(
        Image.fromarray(COLOUR),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    refused(pil(lab, "TIFF"), "LAB", "convert")
    for kind in (np.int8, np.int16, np.uint32, np.int32, np.complex64):
        refused(tif(np.ones(SIZE, kind), "minisblack"), np.dtype(kind).name, "convert")
    refused(
        tif(
            np.concatenate([COLOUR] * 4, -1),
            "minisblack",
            planarconfig="contig",
            extrasamples=[0] * 11,
        ),
        "12 x 8 bits",
    )


def test_files_that_are_no_images_are_refused():
    for data in (
        b"",
        b"\xff\xd8",
        b"<html>404</html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(99),
        b"8BPS\0\1" + bytes(99),
        pil(COLOUR, "ICO"),
    ):
        refused(data, "not a readable image", "replace or remove")
    if decoding.pillow_heif is None:
        refused(b"\0\0\0\x18ftypheic" + bytes(99), "HEIC", "pillow-heif")


def test_too_many_pixels_are_refused_before_they_are_decoded(recwarn):
    png_head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bmp = struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 70_000, 70_000, 1, 24, *[0] * 6)
    jpeg = pil(COLOUR, "JPEG").replace(struct.pack(">HH", *SIZE), b"\xff" * 4)
    for data in (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", png_head) + chunk(b"IDAT", b""),
        b"BM" + bmp,
        jpeg,
    ):
        refused(data, "too many pixels")
    # Between the size of which Pillow warns and the limit.
    assert images.decode(pil(Image.new("1", (10_000, 9_500))), "large").shape == (9_500, 10_000, 1)
    assert not recwarn.list


noise = RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)
KINDS = {
    "png": pil(noise), "jpeg": pil(noise, "JPEG"), "bmp": pil(noise, "BMP"),
    "progressive": pil(noise, "JPEG", progressive=True), "gif": pil(noise, "GIF"),
    "webp": pil(noise, "WEBP"), "tiff": pil(noise, "TIFF"), "jp2": pil(noise, "JPEG2000"),
    "deflate": pil(noise, "TIFF", compression="tiff_adobe_deflate"), "ppm": pil(noise, "PPM"),
    "tiff16": tif(noise.astype(np.uint16) * 257, compression="zlib"),
    "png16": png(noise.astype(np.uint16) * 257, 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", (0, 2, 30, 0.5, 0.9, 0.99))
def test_a_file_that_is_cut_is_refused(kind, kept):
    data = KINDS[kind]
    refused(
        data[: kept if isinstance(kept, int) else int(len(data) * kept)], "not a readable image"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_behind_the_end_are_left_alone(kind):
    more = RNG.integers(0, 256, 50_000, dtype=np.uint8).tobytes()
    np.testing.assert_array_equal(
        images.decode(KINDS[kind] + more + b"\xff\xda\xff\xd9", "photo"),
        images.decode(KINDS[kind], "photo"),
    )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"bmp", "ppm"}))
def test_a_file_whose_middle_is_lost_is_refused(kind):
    data = KINDS[kind]
    refused(data[: len(data) // 2] + data[-150:], "not a readable image")


def test_a_gray_jpeg_that_ends_in_middle_gray_is_whole():
    for level in (127, 128):
        for shape in ((24, 40), (24, 40, 3)):
            made = images.decode(pil(np.full(shape, level, np.uint8), "JPEG"), "gray")
            np.testing.assert_array_equal(made, level)


def profile(*, gamma=None, green=None):
    """An ICC profile by changing numbers in that of sRGB: its curves, or the green primary."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    for number in range(count):
        tag, place, _ = struct.unpack_from(">4sII", data, 132 + 12 * number)
        if gamma and tag in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">4sIHHi", data, place, b"para", 0, 0, 0, int(gamma * 65536))
        if green and tag == b"gXYZ":
            struct.pack_into(">3i", data, place + 8, *(int(v * 65536) for v in green))
    return bytes(data)


def test_colours_are_brought_to_srgb():
    linear = images.decode(pil(COLOUR, icc_profile=profile(gamma=1.0)), "linear")[0, 0]
    share = np.array(RGB) / 255
    expected = 255 * np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(linear, expected, atol=2)
    for kind in ("JPEG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {"quality": 100}
        data = pil(COLOUR, kind, icc_profile=profile(gamma=1.0), **options)
        np.testing.assert_allclose(images.decode(data, kind)[0, 0], expected, atol=3)
    alpha = images.decode(pil(RGBA, icc_profile=profile(gamma=1.0)), "rgba")[0, 0]
    np.testing.assert_allclose(alpha, 255 + (expected - 255) * 128 / 255, atol=2)
    deep = images.decode(tif(DEEP[..., :3], iccprofile=profile(gamma=1.0)), "deep")[0, 0]
    np.testing.assert_allclose(deep, expected, atol=2)
    # Values that are measured have no colour.
    levels = images.Levels(0, 65535, "uint16")
    data = tif(DEEP[..., :3], iccprofile=profile(gamma=1.0))
    np.testing.assert_array_equal(images.decode(data, "deep", levels=levels)[0, 0], DEEP[0, 0, :3])


@pytest.mark.parametrize(
    "data",
    (
        b"broken" * 30,
        profile(),
        b"",
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ),
)
def test_a_profile_that_says_nothing_changes_nothing(data):
    gradient = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for pixels in (gradient, gradient[..., 0]):
        made = images.decode(pil(pixels, icc_profile=data), "photo")
        np.testing.assert_array_equal(made.squeeze(), pixels)


def test_an_orientation_behind_the_pixels_is_found():
    exif = Image.Exif()
    exif[0x112] = 6
    data = pil(COLOUR)
    data = data[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + data[-12:]
    assert images.header(data, "a")[:2] == images.decode(data, "a").shape[:2] == SIZE[::-1]


# ------------------------------------------------------------------------------------------ levels


def test_levels_spread_their_range_over_sixteen_bits():
    depth = np.array([[0, 400, 401, 1200, 4100, 9000]], np.uint16)
    made = images.decode(pil(depth), "depth", levels=images.Levels(400, 4100, "uint16"))
    expected = np.rint(65535 * np.clip((depth[0] - 400.0) / 3700, 0, 1))
    np.testing.assert_array_equal(made[0, :, 0], expected)
    assert made.dtype == np.uint16
    eight = images.decode(pil(GRAY), "eight", levels=images.Levels(0, 65535, "uint16"))
    np.testing.assert_array_equal(eight, 200 * 257)


@pytest.mark.parametrize("kind", (np.float16, np.float32, np.float64))
def test_floats_need_levels(kind):
    values = np.array([[-1.0, 0.0, 0.25, 0.5, 3.0]])
    data = tif(values.astype(kind), "minisblack")
    assert images.header(data, "a") == (1, 5, 1, False, 32)
    refused(data, np.dtype(kind).name, "range")
    made = images.decode(data, "a", levels=images.Levels(0.0, 0.5, "float32"))
    np.testing.assert_array_equal(made[0, :, 0], [0, 0, 32768, 65535, 65535])
    refused(data, "set holds uint16", levels=images.Levels(0, 9, "uint16"))
    refused(pil(DEEP[..., 0]), "set holds float32", levels=images.Levels(0, 9, "float32"))
    for bad in (np.nan, np.inf):
        refused(
            tif(np.full(SIZE, bad, kind), "minisblack"),
            "no numbers",
            levels=images.Levels(0.0, 1.0, "float32"),
        )


def test_a_pfm_is_floats():
    data = b"Pf\n9 6\n-1.0\n" + np.full(SIZE, 0.5, "<f4").tobytes()
    np.testing.assert_array_equal(
        images.decode(data, "flow", levels=images.Levels(0.0, 1.0, "float32")), 32768
    )


@pytest.mark.parametrize(
    "levels, suffix",
    (
        (images.Levels(400, 4100, "uint16"), ".png"),
        (images.Levels(400, 4100, "uint16"), ".tif"),
        (images.Levels(-0.5, 1.5, "float32"), ".tif"),
    ),
)
@pytest.mark.parametrize("opacity", (None, np.uint8, np.uint16))
def test_results_are_written_in_the_units_of_their_levels(tmp_path, levels, suffix, opacity):
    colour = RNG.uniform(-1, 1, (5, 4, 3)).astype(np.float32)
    alpha = None if opacity is None else np.full((5, 4), np.iinfo(opacity).max, opacity)
    pixels = images.Pixels(colour, alpha, 16, levels)
    images.write_pixels(tmp_path / f"a{suffix}", pixels)
    found, seen = decoding.samples(tmp_path / f"a{suffix}", "a")
    expected = levels.low + (levels.high - levels.low) * (colour / 2 + 0.5)
    assert found.dtype == levels.kind and (seen is None) == (alpha is None)
    np.testing.assert_allclose(found, expected, atol=1e-6 if levels.kind == "float32" else 0.51)
    again = images.read_pixels(tmp_path / f"a{suffix}", levels=levels)
    np.testing.assert_allclose(again.colour, colour, atol=3e-4)
    if levels.kind == "float32":
        assert images.sure_suffix(pixels) == ".tif"
        with pytest.raises(UserError, match="cannot hold floats.*use .tif"):
            images.write_pixels(tmp_path / "a.png", pixels)


# ----------------------------------------------------------------------------------------- scaling


def weights(old, new):
    """Of the pixels of one axis in each new one: shares of its area, or its two neighbours."""
    found = np.zeros((new, old))
    for k in range(new):
        if new <= old:
            first, last = k * old / new, (k + 1) * old / new
            for j in range(old):
                found[k, j] = max(0.0, min(last, j + 1) - max(first, j)) * new / old
        else:
            middle = min(max((k + 0.5) * old / new - 0.5, 0), old - 1)
            j = int(middle)
            found[k, j] += 1 - (middle - j)
            found[k, min(j + 1, old - 1)] += middle - j
    return found


PAIRS = [
    ((28, 28), (32, 32)),
    ((218, 178), (128, 128)),
    ((64, 1024), (128, 128)),
    ((32, 96), (64, 64)),
    ((32, 100), (64, 64)),
    ((32, 355), (64, 64)),
    ((1, 1), (5, 7)),
    ((3, 1), (2, 2)),
    ((7, 5), (13, 3)),
    ((13, 17), (1, 1)),
    ((2, 2), (1, 3)),
    ((60, 40), (16, 16)),
    ((16, 16), (60, 40)),
    ((101, 103), (97, 107)),
    ((33, 50), (33, 20)),
    ((50, 33), (50, 66)),
    ((300, 200), (299, 201)),
    ((9, 8), (8, 9)),
    ((1, 640), (64, 64)),
    ((640, 1), (64, 64)),
    ((11, 11), (7, 7)),
]


@pytest.mark.parametrize("old, new", PAIRS)
def test_each_axis_is_scaled_by_its_own_rule(old, new):
    for channels in (1, 3):
        pattern = RNG.random((*old, channels))
        pattern[::3], pattern[:, ::4] = 0, 1  # strokes
        for kind, top, near in ((np.uint8, 255, 1), (np.uint16, 65535, 1), (np.float32, 1, 1e-6)):
            source = (pattern * top).astype(kind)
            across = np.einsum("kj,ijc->ikc", weights(old[1], new[1]), source.astype(np.float64))
            expected = np.einsum("ki,ijc->kjc", weights(old[0], new[0]), across)
            made = images.scale(source, *new)
            assert made.dtype == kind and made.shape == (*new, channels)
            assert np.abs(made - expected).max() <= (near if kind == np.float32 else 0.55)


def test_nearest_takes_the_pixel_at_the_centre():
    codes = np.arange(12, dtype=np.uint16).reshape(1, 3, 4, 1)
    np.testing.assert_array_equal(images.scale(codes, 3, 2, nearest=True)[0, 0, :, 0], [1, 3])
    np.testing.assert_array_equal(
        images.scale(codes, 3, 8, nearest=True)[0, 0, :, 0], np.repeat(np.arange(4), 2)
    )
