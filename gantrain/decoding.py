"""What image files hold, as arrays: Pillow and `tifffile` decode, and nothing is guessed.

Pillow opens every format and decodes all but three kinds. PNG colour of 16 bits, which Pillow would
cut to 8 without a word, and JPEG without CMYK, for its speed, get their samples from OpenCV, TIFF
of more than 8 bits from tifffile. A mode that is not mapped here is refused by its name, a file
that lacks data is refused, and bytes behind an image are left alone.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import struct
import warnings
import zlib
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms

from gantrain.errors import UserError
from gantrain.reading import opened

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

# Pillow's formats that are opened, and no others. HEIC is among them where pillow-heif is.
FORMATS = {
    "PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "WEBP": (".webp",), "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"), "GIF": (".gif",), "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k"), "AVIF": (".avif",), "HEIF": (".heic", ".heif"),
}  # fmt: skip
EXTENSIONS = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# More pixels than these are refused before they are decoded.
MOST_PIXELS = 2**28

# What Pillow's modes become. "I" is refused but for PGM, whose 16 bits come in it.
_MODES = {
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB",
    "RGBX": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "CMYK": "RGB", "YCbCr": "RGB",
    "I;16": "L", "I;16L": "L", "I;16B": "L", "F": "L",
}  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC = (b"ftypheic", b"ftypheix", b"ftypheim", b"ftypheis", b"ftyphevc", b"ftyphevx")
_ORIENTATION, _PROFILE = 0x112, 0x8773

Image.init()
# What they warn of is metadata; what concerns pixels they raise.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
for library in ("PIL", "tifffile"):
    logging.getLogger(library).addHandler(logging.NullHandler())
if pillow_heif is not None:
    pillow_heif.register_heif_opener()


class Header(NamedTuple):
    """What a file says of its image.

    Attributes:
      height, width: in pixels, of the upright image.
      channels: 1 or 3.
      alpha: whether it has transparency.
      bits: 8 or 16 bits per sample; 32 for floats of any precision.
    """

    height: int
    width: int
    channels: int
    alpha: bool
    bits: int


def header(source: Any, name: str | None = None) -> Header:
    """What a file says without decoding its pixels, where its format allows that.

    Args:
      source: path of an image file, or its bytes.
      name: what to call the image in an error message; default: the path.

    Returns:
      `Header`.

    Raises:
      UserError: the file cannot be read or is no image of a supported kind.
    """
    with _stream(source) as stream:
        return _guarded(lambda: _open(stream, name or source)[0], name or source)


def samples(source: Any, name: str, plain: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples of a whole image file, upright.

    Args:
      source: path of an image file, or its bytes.
      name: what to call the image in an error message.
      plain: leave colours as the file has them; else they come in sRGB, of 8 bits, where a profile
        of other colours is embedded. CMYK always becomes RGB.

    Returns:
      Colour [H, W, 1 or 3] and opacity [H, W] or None: uint8, uint16 or float.

    Raises:
      UserError: the file cannot be read or is no whole image of a supported kind.
    """
    with _stream(source) as file:
        stream = io.BytesIO(file.read())
    found = _guarded(lambda: _open(stream, name)[1](plain), name)
    if found.shape[-1] in (1, 3):
        return found, None
    return found[..., :-1], found[..., -1]


def palette_indices(source: Any, name: str) -> np.ndarray | None:
    """The indices of an image file that has a palette of its own.

    Args:
      source, name: as for `samples`.

    Returns:
      uint8 [H, W, 1], upright; None for a file without a palette.

    Raises:
      UserError: the file cannot be read or is no whole image of a supported kind.
    """

    def read(stream):
        start = stream.read(32)
        stream.seek(0)
        if start[:4] in _TIFF and tifffile.TiffFile(stream).pages[0].photometric != 3:
            return None
        stream.seek(0)
        image = _recognised(stream, start, name)
        if image.mode != "P":
            return None
        image.load()
        return _upright(np.asarray(image)[..., None], _orientation(image))

    with _stream(source) as stream:
        return _guarded(lambda: read(stream), name)


def to_eight_bits(samples: np.ndarray) -> np.ndarray:
    """uint16 to uint8, rounded."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _stream(source):
    try:
        return io.BytesIO(source) if isinstance(source, bytes) else opened(source)
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from None


def _guarded(function, name):
    """Result of a function that decodes; what a library raises becomes a message."""
    try:
        return function()
    except UserError:
        raise
    except Exception as error:  # Which one depends on the library and on the byte that is wrong.
        if isinstance(error, MemoryError):
            raise UserError(f"{name}: too large for the memory of this machine") from None
        raise UserError(
            f"{name}: not a readable image (damaged, or none of "
            f"{' '.join(EXTENSIONS)}); replace or remove the file"
        ) from None


def _open(stream, name):
    """(`Header`, function that gives the samples of the upright image) of an open file.

    The function takes whether the colours stay as the file has them, without its profile. It
    returns [H, W, C], 2 or 4 channels where the last is alpha, uint8, uint16 or float.
    """
    start = stream.read(32)
    stream.seek(0)
    if start[:4] in _TIFF:
        return _open_tiff(stream, name)
    return _open_pillow(_recognised(stream, start, name), stream, start, name)


def _recognised(stream, start, name):
    """The image as Pillow opens it, not yet decoded; `Image.open` would warn of many pixels."""
    for kind in FORMATS:
        factory, accept = Image.OPEN.get(kind, (None, None))
        accepted = factory is not None and accept(start)
        if isinstance(accepted, str):
            raise UserError(f"{name}: {accepted}; convert it to .png")
        if accepted:
            image = factory(stream, None)
            _refuse_giants(image.width, image.height, name)
            return image
    if start[4:12] in _HEIC:
        raise UserError(
            f"{name}: HEIC is read where the package pillow-heif is installed; install "
            f"it, or convert the file to .png or .jpg"
        )
    raise ValueError("unknown format")


def _refuse_giants(width, height, name):
    if width * height > MOST_PIXELS:
        raise UserError(
            f"{name}: too large, {width} x {height} are too many pixels (at most "
            f"{MOST_PIXELS:,}); scale it down or cut it into tiles"
        )


def _open_pillow(image, stream, start, name):
    tile = image.tile[0] if image.tile else None
    wide_pnm = image.format == "PPM" and image.mode == "RGB" and _maximum(tile) > 255
    wide_png = image.format == "PNG" and start[24] == 16 and image.mode != "I;16"
    wide_gray = image.mode.startswith("I;16") or (image.format == "PPM" and image.mode == "I")
    mode = "L" if wide_gray else _MODES.get(image.mode)
    if mode is None:
        raise UserError(
            f"{name}: holds {image.mode} samples; convert it to gray or RGB of 8 or 16 "
            f"bits per channel"
        )
    if wide_png:
        mode = {2: "RGB", 4: "LA", 6: "RGBA"}[start[25]]
    alpha = mode.endswith("A") or "transparency" in image.info
    if image.format == "PNG" and "exif" not in image.info and b"eXIf" in _tail(stream):
        image.load()
    # Pillow turns a TIFF by itself.
    orientation = 1 if image.format == "TIFF" else _orientation(image)
    height, width = image.size if orientation > 4 else image.size[::-1]
    bits = 32 if image.mode == "F" else 16 if wide_pnm or wide_png or wide_gray else 8

    def load(plain):
        jpeg = image.format in ("JPEG", "MPO")
        if image.format == "PNG":
            _check_png(_all(stream))
        if not jpeg:
            image.load()
        if jpeg:
            samples = _jpeg(image, _all(stream))
        elif wide_png:
            samples = cv2.imdecode(np.frombuffer(_all(stream), np.uint8), cv2.IMREAD_UNCHANGED)
            samples = samples[..., {"RGB": [2, 1, 0], "LA": [0, 3], "RGBA": [2, 1, 0, 3]}[mode]]
        elif wide_pnm:
            samples = _wide_pnm(tile, image.size, _all(stream))
        elif bits != 8:
            samples = np.asarray(image, np.float32 if bits == 32 else np.uint16)
        else:
            made = mode + "A" * (alpha and image.mode == "P" and not mode.endswith("A"))
            made = image.mode if image.mode == "CMYK" else made
            samples = np.asarray(image if image.mode == made else image.convert(made))
        samples = samples.reshape(*samples.shape[:2], -1)
        if alpha and image.mode != "P" and "transparency" in image.info:
            samples = _keyed(samples, image.info["transparency"])
        profile = None if plain else image.info.get("icc_profile")
        if (profile and bits < 32) or image.mode == "CMYK":
            samples = _in_srgb(samples, profile, image.mode == "CMYK")
        return _upright(samples, orientation)

    return Header(height, width, 3 if mode.startswith("RGB") else 1, alpha, bits), load


def _orientation(image):
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Damaged blocks, which say nothing, are met with many kinds of exception.
        return 1


def _all(stream):
    stream.seek(0)
    return stream.read()


def _tail(stream):
    stream.seek(-min(2**17, stream.seek(0, 2)), 2)
    return stream.read()


def _maximum(tile):
    """The greatest value that the header of a PNM names."""
    return tile[3][1] if isinstance(tile[3], tuple) else 255


def _wide_pnm(tile, size, data):
    """Colour of a PNM with more than 8 bits, uint16 [H, W, 3]; its greatest value becomes 65535."""
    count, body = 3 * size[0] * size[1], data[tile[2] :]
    if tile[0] == "ppm_plain":
        samples = np.array(re.sub(rb"#[^\r\n]*", b"", body).split()[:count], np.float64)
    else:
        samples = np.frombuffer(body, ">u2", count)
    samples = np.rint(samples * (65535 / _maximum(tile))).astype(np.uint16)
    return samples.reshape(size[1], size[0], 3)


def _keyed(samples, key):
    """Adds the alpha of an image in which one colour is transparent."""
    alpha = (samples != np.asarray(key)).any(-1, keepdims=True) * np.iinfo(samples.dtype).max
    return np.concatenate([samples, alpha.astype(samples.dtype)], axis=-1)


def _in_srgb(samples, profile, cmyk):
    """Colours by their ICC profile, if it is one, in sRGB of 8 bits; all others as they are."""
    count = 4 if cmyk else 3 if samples.shape[-1] > 2 else 1
    kind = {1: "L", 3: "RGB", 4: "CMYK"}[count]
    transform = _transform(profile, kind) if profile else None
    if transform is None and not cmyk:
        return samples
    samples = to_eight_bits(samples) if samples.dtype == np.uint16 else samples
    colour = Image.frombytes(kind, samples.shape[1::-1], samples[..., :count].tobytes())
    colour = colour.convert("RGB") if transform is None else transform.apply(colour)
    colour = np.asarray(colour)[..., : 1 if kind == "L" else 3]
    return np.concatenate([colour, samples[..., count:]], axis=-1)


@functools.lru_cache(maxsize=32)
def _transform(profile, kind):
    """Transform from a profile to sRGB; None for a broken one, or one that moves no colour."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != kind.replace("L", "GRAY"):
            return None
        made = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), kind, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if kind == "CMYK":
        return made
    steps = np.arange(0, 256, 15 if kind == "RGB" else 1, dtype=np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * len(kind)), -1).reshape(1, -1, len(kind))
    moved = np.asarray(made.apply(Image.frombytes(kind, colours.shape[1::-1], colours.tobytes())))
    return made if np.abs(moved.astype(int) - colours).max() > 1 else None


def _check_png(data):
    """Raises an error for a PNG with a lost or changed byte: Pillow leaves checksums of pixels."""
    place, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, place)
        (checksum,) = struct.unpack_from(">I", data, place + 8 + length)
        if zlib.crc32(data[place + 4 : place + 8 + length]) != checksum:
            raise ValueError("checksum")
        place += 12 + length


# What ends the data of a scan: a marker that is neither a stuffed byte nor a restart.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Bytes for a scan that has too few.
_FILLING = bytes(range(1, 250)) * 4


def _jpeg(image, data):
    """Samples of a whole JPEG. OpenCV gives Pillow's bits in two thirds of its time, but no CMYK.

    libjpeg fills what a sequential scan lacks with mid-gray. An image that ends in mid-gray is
    decoded again with more data before the marker: one that is whole does not need it. The scans
    of a progressive file have to give every coefficient to its last bit.
    """

    def decoded(data):
        if image.mode == "CMYK":
            again = Image.OPEN["JPEG"][0](io.BytesIO(data), None)
            return np.asarray(again)
        flags = cv2.IMREAD_COLOR if image.mode == "RGB" else cv2.IMREAD_GRAYSCALE
        made = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
        return (
            made[..., None] if made.ndim == 2 else cv2.cvtColor(made, cv2.COLOR_BGR2RGB, dst=made)
        )

    scans = list(_scans(data))
    samples = decoded(data)
    if image.info.get("progressive"):
        missing = {(layer[0], k) for layer in image.layer for k in range(64)}
        for scan, _ in scans:
            first, last, bits = scan[-3:]
            if not bits & 15:
                missing -= {(part, k) for part in scan[1:-3:2] for k in range(first, last + 1)}
        if missing:
            raise ValueError("scans are missing")
    elif set(samples[-1, -1].tolist()) <= {127, 128}:
        for _, end in reversed(scans):
            data = data[:end] + _FILLING + data[end:]
        if not np.array_equal(decoded(data), samples):
            raise ValueError("the scan ends early")
    return samples


def _scans(data):
    """Yields (header, where its data end) of every scan of a JPEG."""
    place = 2
    while data[place + 1] != 0xD9:
        if data[place + 1] == 0xFF:
            place += 1
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        body, marker = data[place + 4 : place + 2 + length], data[place + 1]
        place += 2 + length
        if marker == 0xDA:
            end = _SCAN_END.search(data, place)
            if end is None:
                raise ValueError("a scan has no end")
            place = end.start()
            yield body, place


def _open_tiff(stream, name):
    """As `_open`. Pillow reads what has 8 bits, tifffile what has more or is beyond Pillow."""
    file = tifffile.TiffFile(stream)
    page = file.pages[0]
    _refuse_giants(page.imagewidth, page.imagelength, name)
    ends = np.add(page.dataoffsets, page.databytecounts)
    if not len(ends) or min(page.databytecounts) < 1 or max(ends) > stream.seek(0, 2):
        raise ValueError("strips are missing")
    stream.seek(0)
    layout = (
        f"a TIFF of {page.samplesperpixel} x {page.bitspersample} bits, photometric "
        f"interpretation {int(page.photometric)}, compression {int(page.compression)}"
    )
    deep = page.dtype in (np.uint16, np.float16, np.float32, np.float64)
    plain = page.photometric in (0, 1, 2)
    if not (deep and plain):
        try:
            if page.samplesperpixel > 6 or (
                page.photometric != 5 and page.dtype not in (np.bool_, np.uint8)
            ):
                raise ValueError("beyond Pillow, or a guess of it")
            image = Image.OPEN["TIFF"][0](stream, None)
            return _open_pillow(image, stream, b"", name)
        except (SyntaxError, ValueError):
            if not (plain and page.dtype == np.uint8 and page.bitspersample == 8):
                raise UserError(
                    f"{name}: {layout} holds {page.dtype} samples in a way that is "
                    f"not read; convert it to gray or RGB of 8 or 16 bits"
                ) from None
    colours = 3 if page.photometric == 2 else 1
    extra = [int(kind) for kind in page.extrasamples]
    if not extra and page.samplesperpixel == colours + 1:
        extra = [2]  # as OpenCV writes alpha
    if (
        page.axes not in ("YX", "YXS", "SYX")
        or colours + len(extra) != page.samplesperpixel
        or (page.dtype.itemsize * 8 != page.bitspersample)
        or (colours == 1 and len(extra) > 1)
    ):
        raise UserError(f"{name}: {layout} is not read; convert it to gray or RGB of 8 or 16 bits")
    alpha = next((number for number, kind in enumerate(extra) if kind in (1, 2)), None)
    orientation = int(page.tags.valueof(_ORIENTATION, default=1))

    def load(plain):
        samples = _tiff_samples(page, stream, layout, name)
        samples = np.moveaxis(samples, 0, -1) if page.axes == "SYX" else samples
        samples = samples.reshape(page.imagelength, page.imagewidth, -1)
        colour = samples[..., :colours]
        top = 1 if bits == 32 else np.iinfo(page.dtype).max
        if page.photometric == 0:
            colour = top - colour
        if alpha is not None:
            opacity = samples[..., colours + alpha, None]
            if extra[alpha] == 1:
                # Colours were multiplied with it.
                share = np.maximum(opacity.astype(np.float64), 1e-9) / top
                colour = np.clip(colour / share, 0, top)
                colour = colour if bits == 32 else np.rint(colour)
            colour = np.concatenate([colour.astype(page.dtype), opacity], axis=-1)
        profile = None if plain else page.tags.valueof(_PROFILE)
        if profile and bits < 32:
            colour = _in_srgb(colour, profile, cmyk=False)
        return _upright(colour, orientation)

    height, width = (page.imagelength, page.imagewidth)[:: -1 if orientation > 4 else 1]
    bits = 32 if page.dtype.kind == "f" else 8 * page.dtype.itemsize
    return Header(height, width, colours, alpha is not None, bits), load


def _tiff_samples(page, stream, layout, name):
    try:
        return page.asarray()
    except (ValueError, KeyError) as error:
        if "imagecodecs" not in str(error):
            raise
    # A compression beyond tifffile alone; OpenCV has it, and is right about the plainest layouts.
    if page.photometric in (1, 2) and page.samplesperpixel in (1, 3, 4) and page.axes != "SYX":
        samples = cv2.imdecode(np.frombuffer(_all(stream), np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is not None and samples.dtype == page.dtype and samples.size == page.size:
            return samples if samples.ndim == 2 else samples[..., [2, 1, 0, 3][: samples.shape[2]]]
    raise UserError(
        f"{name}: {layout} needs the package imagecodecs; install it, or save the file "
        f"without compression"
    )


def _upright(samples, orientation):
    """Apply an EXIF orientation, 1 to 8 (EXIF 2.3, tag 0x112)."""
    # 5 to 8 swap the axes, then rows or columns turn round.
    samples = samples.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else samples
    samples = samples[::-1] if orientation in (3, 4, 7, 8) else samples
    samples = samples[:, ::-1] if orientation in (2, 3, 6, 7) else samples
    return np.ascontiguousarray(samples)
