"""Pixels in and out: every format, the range, the grid."""

import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf

from gantrain import images
from gantrain.errors import UserError

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")


def encoded(extension, pixels, *options):
    """Bytes of an image file; `pixels` in OpenCV's channel order."""
    done, data = cv2.imencode(extension, pixels, list(options))
    assert done
    return data.tobytes()


def colours(height=6, width=9):
    """A colour image whose channels all differ, uint8 RGB."""
    ramp = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    return np.stack([ramp * 4, 255 - ramp, ramp // 2], -1)


@pytest.mark.parametrize("extension", (".jpg", ".webp"))
def test_lossy_colour_is_read_nearly_as_written(tmp_path, extension):
    smooth = cv2.GaussianBlur(cv2.resize(colours(), (64, 48)), (9, 9), 0)
    path = tmp_path / f"image{extension}"
    path.write_bytes(encoded(extension, smooth[..., ::-1]))
    read = images.read_image(path)
    assert read.shape == smooth.shape
    assert np.abs(read.astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("extension", LOSSLESS)
def test_gray_keeps_one_channel(tmp_path, extension):
    gray = colours()[..., 0]
    path = tmp_path / f"image{extension}"
    path.write_bytes(encoded(extension, gray))
    read = images.read_image(path)
    if read.shape[-1] == 3:  # A BMP of gray levels has a palette, which reads as colour.
        assert extension == ".bmp"
        read = read[..., :1]
    np.testing.assert_array_equal(read[..., 0], gray)


def test_sixteen_bits_round_to_the_nearest_level():
    wide = np.array([[0, 128, 129, 65535 - 129, 65535]], np.uint16)
    read = images.decode(encoded(".png", wide), "wide")[0, :, 0]
    np.testing.assert_array_equal(read, np.rint(wide[0] / 65535 * 255))


@pytest.mark.parametrize("extension", (".png", ".webp", ".tiff"))
def test_transparency_is_blended_on_white(extension):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[..., 2] = 200  # Red, in OpenCV's order.
    pixels[0, :, 3] = (255, 0, 51)
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if extension == ".webp" else ()
    read = images.decode(encoded(extension, pixels, *options), "transparent")
    np.testing.assert_array_equal(read[0, 0], [200, 0, 0])
    np.testing.assert_array_equal(read[0, 1], [255, 255, 255])
    np.testing.assert_allclose(read[0, 2], [244, 204, 204], atol=1)


def test_jpeg_orientation_is_applied():
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    data = encoded(".jpg", pixels)
    # An EXIF block with one entry: tag 0x112, orientation 6 (turn right by 90 degrees).
    entry = struct.pack("<HHHIHHI", 1, 0x112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    read = images.decode(turned, "photo")
    assert read.shape == (32, 16, 3)
    assert read[:14].min() > 240 and read[18:].max() < 15


@pytest.mark.parametrize("channels", (1, 3))
def test_channels_are_converted_when_asked(channels):
    gray = images.decode(encoded(".png", colours()[..., 0]), "gray", channels)
    colour = images.decode(encoded(".png", colours()), "colour", channels)
    assert gray.shape[-1] == colour.shape[-1] == channels


def test_luma_agrees_with_opencv():
    expected = cv2.cvtColor(colours(), cv2.COLOR_RGB2GRAY)[..., None]
    np.testing.assert_allclose(images.to_channels(colours(), 1).astype(int), expected, atol=1)


@pytest.mark.parametrize("extension", (".png", ".jpg", ".webp", ".bmp", ".tiff"))
@pytest.mark.parametrize("kept", (0, 2, 30, 0.5, 0.9))
def test_a_damaged_image_is_named(tmp_path, extension, kept):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(extension, noise)
    path = tmp_path / f"broken{extension}"
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(UserError, match=f"broken{extension}.*replace or remove") as error:
        images.read_image(path)
    assert "\n" not in str(error.value)


def test_a_text_file_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    with pytest.raises(UserError, match="page.jpg"):
        images.read_image(tmp_path / "page.jpg")
    with pytest.raises(UserError, match="absent.png"):
        images.read_image(tmp_path / "absent.png")


def test_resize_of_a_stack_is_resize_of_each():
    stack = np.random.default_rng(0).integers(0, 256, (2, 3, 28, 28, 1), dtype=np.uint8)
    scaled = images.resize(stack, 32)
    assert scaled.shape == (2, 3, 32, 32, 1)
    np.testing.assert_array_equal(scaled[1, 2], images.resize(stack[1, 2], 32))


def test_resize_squeezes_what_is_not_square():
    face = np.zeros((218, 178, 3), np.uint8)
    face[:109] = 255
    small = images.resize(face, 128)
    assert small[:63].min() == 255 and small[65:].max() == 0


def test_range_and_its_inverse():
    levels = np.arange(256, dtype=np.uint8)
    floats = images.to_float(levels).numpy()
    assert floats.dtype == np.float32
    assert floats[0] == -1 and floats[255] == 1
    np.testing.assert_allclose(floats, levels / 127.5 - 1, atol=1e-7)
    np.testing.assert_array_equal(images.to_uint8(floats), levels)


@pytest.mark.parametrize("xla", (False, True))
def test_range_has_the_same_bits_compiled(xla):
    levels = tf.range(256)
    compiled = tf.function(images.to_float, jit_compile=xla)(tf.cast(levels, tf.uint8))
    np.testing.assert_array_equal(compiled, images.to_float(levels))


def test_values_outside_the_range_are_clipped():
    outside = np.array([-7.0, 1.5, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(images.to_uint8(outside), [0, 255, 128, 255, 0])


def test_grid_stands_the_domains_above_each_other():
    def tiles(channels, offset):
        values = (np.arange(6) + offset) / 127.5 - 1
        return np.broadcast_to(values[:, None, None, None], (6, 2, 2, channels))

    picture = images.grid([tiles(1, 10), tiles(3, 100)], columns=3, gap=2)
    assert picture.shape == (4 + 2 + 4, 6, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0, ::2, 0], [10, 11, 12])
    np.testing.assert_array_equal(picture[2, ::2, 0], [13, 14, 15])
    np.testing.assert_array_equal(picture[4:6], np.full((2, 6, 3), 255))
    np.testing.assert_array_equal(picture[6, ::2, 2], [100, 101, 102])
    np.testing.assert_array_equal(picture[8, ::2, 2], [103, 104, 105])


def test_grid_fills_the_last_row_with_white():
    picture = images.grid([-np.ones((5, 2, 2, 1))], columns=3)
    assert picture.shape == (4, 6, 3)
    assert picture[2:, 4:].min() == 255 and picture[2:, :4].max() == 0


@pytest.mark.parametrize("channels", (1, 3))
def test_png_is_written_whole_and_read_back(tmp_path, channels):
    pixels = colours()[..., :channels]
    path = tmp_path / "samples" / "000100.png"
    images.write_png(path, pixels)
    np.testing.assert_array_equal(images.read_image(path), pixels)
    assert [entry.name for entry in path.parent.iterdir()] == ["000100.png"]


def test_png_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="000100.png"):
        images.write_png(tmp_path / "taken" / "000100.png", colours())
