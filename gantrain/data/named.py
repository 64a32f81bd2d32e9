"""The data sets that have names: what each is made of, drawn or read."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from gantrain.data import digits, npz, raster
from gantrain.data.domain import Domain, of_array
from gantrain.data.pairs import paired
from gantrain.data.palettes import PALETTES
from gantrain.data.request import Dataset
from gantrain.data.ring import COUNT as RING_POINTS
from gantrain.data.ring import MODES, ring
from gantrain.data.sources import CYCLEGAN_LICENCES, DIGITS, PIX2PIX_LICENCES
from gantrain.data.transforms import TRANSFORMS
from gantrain.errors import UserError
from gantrain.progress import phase

# The attributes that at least 50,000 faces have (thesis section 5.3).
ATTRIBUTES = (
    "Arched_Eyebrows", "Attractive", "Heavy_Makeup", "High_Cheekbones", "Male",
    "Mouth_Slightly_Open", "No_Beard", "Oval_Face", "Pointy_Nose", "Smiling", "Wavy_Hair",
    "Wearing_Lipstick", "Young",
)  # fmt: skip

EMBEDDED_COUNT = {"train": 20_000, "test": 4_000}
FACADE_COUNT = {"train": 2_000, "test": 200}

# Seeds of one draw of a generated domain lie this far apart; the parts take the places between.
_DRAWS = 4


def _from_source(name):
    return lambda request: request.open(name)


def _pair(*names):
    """One domain from each source."""
    return lambda request: [domain for name in names for domain in request.open(name)]


def _derived(*transforms):
    """MNIST and maps of it, on disjoint parts of equal size (thesis section 2.7)."""

    def load_domains(request):
        (mnist,) = request.open("mnist")
        count = len(transforms) + 1
        domains = []
        for number, transform in enumerate(("mnist", *transforms)):
            # Interleaved, because the first half of MNIST's test images is the cleaner one.
            part = mnist.subset(np.arange(number, mnist.size - mnist.size % count, count))
            if transform != "mnist":
                part = part.derived(transform, TRANSFORMS[transform])
            domains.append(part)
        return domains

    return load_domains


def _celeba(request):
    (faces,) = request.open("celeba")
    return [_with_attributes(faces)]


def _attribute(name):
    """Faces without and with an attribute."""

    def load_domains(request):
        (faces,) = request.open("celeba")
        has = faces.labels[:, _column(faces, name)] == 1
        if has.all() or not has.any():
            raise UserError(
                f"{request.data_dir / 'celeba'}: all faces are alike in {name}; use more images"
            )
        kept = _with_attributes(faces)
        return [
            dataclasses.replace(kept.subset(np.flatnonzero(chosen)), name=domain)
            for domain, chosen in ((f"not_{name.lower()}", ~has), (name.lower(), has))
        ]

    return load_domains


def _with_attributes(faces):
    """The faces, labelled with the thesis's 13 of their attributes."""
    columns = [_column(faces, name) for name in ATTRIBUTES]
    return dataclasses.replace(faces, labels=faces.labels[:, columns], classes=ATTRIBUTES)


def _column(faces, attribute):
    """The place of an attribute among the labels."""
    if attribute not in faces.classes:
        raise UserError(
            f"celeba: list_attr_celeba.txt (or .csv) has no attribute {attribute}; "
            "download it again"
        )
    return faces.classes.index(attribute)


def _ring(request):
    points, modes = ring(RING_POINTS, _draw(request, 0))
    return [Domain("ring", points, modes, tuple(f"mode {mode}" for mode in range(MODES)))]


def _pen(request):
    return _digits(request, "pen", 0, digits.pen_digits)


def _street(request):
    return _digits(request, "street", 1, digits.street_digits)


def _digits(request, name, number, generate):
    images, labels = _generated(request, name, number, EMBEDDED_COUNT, digits, generate)
    return of_array(name, images, None, labels, DIGITS)


def _plan2facade(request):
    # Only who asks for facades waits for what the module prepares.
    from gantrain.data import facades

    def generate(count, seed, size):
        return np.concatenate(facades.facade_pairs(count, seed, size)), None

    # One file holds both: the plans, then the renderings.
    both, _ = _generated(request, "plan2facade", 0, FACADE_COUNT, facades, generate)
    plans, renderings = np.split(both, 2)
    plans = of_array("plan", plans, None)
    plans = dataclasses.replace(plans, palette=PALETTES["plan2facade"])
    return paired(plans, of_array("facade", renderings, None))


def _generated(request, name, number, counts, module, generate):
    """Images drawn by the program, kept under the data directory for the next run.

    They are drawn at the size that they are used at, never scaled. The file's name holds a hash of
    all that decides pixels, so that a change of it is never missed.

    Args:
      request: a Request.
      name: name of the file.
      number: number of the domain among those that share `generate`'s module.
      counts: {split: number of examples}.
      module: where the code is.
      generate: (count, seed, size) to images uint8 [N, H, W, C] and labels or None.

    Returns:
      The images and the labels.
    """
    seed = _draw(request, number)
    count = counts[request.split]
    parts = (module.__file__, raster.__file__, digits.GLYPHS)
    code = hashlib.sha256(b"".join(Path(part).read_bytes() for part in parts)).hexdigest()[:12]
    path = request.data_dir / "generated" / f"{name}-{count}-{request.side}-{seed}-{code}.npz"
    if path.is_file():
        return npz.read_npz(path, request.split)
    with phase("data", f"drawing {name}, kept in {path.parent} for the next run"):
        images, labels = generate(count, seed, request.side)
    npz.write_npz(path, images, labels)
    return images, labels


def _draw(request, number):
    """A seed that no other domain, part or draw of the generators uses."""
    return _DRAWS * request.seed + 2 * number + (request.split == "test")


DATASETS = {
    "ring": Dataset("ten clusters of points on a circle (thesis figure 2.9)", _ring, None),
    "pen2street": Dataset(
        "embedded: pen digits and street-number digits, generated, no files",
        lambda request: [_pen(request), _street(request)],
    ),
    "plan2facade": Dataset(
        "embedded, paired: plans of facades and renderings of them, generated, no files",
        _plan2facade,
        64,
    ),
    "mnist": Dataset("handwritten digits", _from_source("mnist"), sources=("mnist",)),
    "usps": Dataset("handwritten digits of envelopes", _from_source("usps"), sources=("usps",)),
    "fashion_mnist": Dataset(
        "garments, gray", _from_source("fashion_mnist"), sources=("fashion_mnist",)
    ),
    "cifar10": Dataset("ten kinds of objects", _from_source("cifar10"), sources=("cifar10",)),
    "svhn": Dataset("street-view house numbers", _from_source("svhn"), sources=("svhn",)),
    "svhn_crops": Dataset(
        "a folder of labelled house-number crops",
        _from_source("svhn_crops"),
        sources=("svhn_crops",),
    ),
    "celeba": Dataset("faces, 13 attributes", _celeba, 128, sources=("celeba",)),
    "mnist2edge": Dataset("MNIST and its outlines", _derived("edge"), sources=("mnist",)),
    "mnist2negative": Dataset("MNIST and its negative", _derived("negative"), sources=("mnist",)),
    "mnist2rotate": Dataset("MNIST and MNIST turned by 90 degrees", _derived("rotate"),
                            sources=("mnist",)),
    "mnist2edge2negative": Dataset(
        "three domains: MNIST, its outlines, its negative",
        _derived("edge", "negative"),
        sources=("mnist",),
    ),
    "mnist2svhn": Dataset("MNIST and SVHN", _pair("mnist", "svhn"), sources=("mnist", "svhn")),
    "mnist2svhn_prune": Dataset(
        "MNIST and SVHN without the images a classifier is unsure of",
        _pair("mnist", "svhn"),
        sources=("mnist", "svhn"),
        prune_domain=1,
    ),
    "mnist2street": Dataset(
        "MNIST and the embedded street-number digits",
        lambda request: [*request.open("mnist"), _street(request)],
        sources=("mnist",),
    ),
    "mnist2pen": Dataset(
        "MNIST and the embedded pen digits",
        lambda request: [*request.open("mnist"), _pen(request)],
        sources=("mnist",),
    ),
    "svhn2mnist": Dataset("SVHN and MNIST: for adaptation, the source first",
                          _pair("svhn", "mnist"), sources=("svhn", "mnist")),
    "mnist2usps": Dataset("MNIST and USPS", _pair("mnist", "usps"), sources=("mnist", "usps")),
    "usps2mnist": Dataset("USPS and MNIST: for adaptation, the source first",
                          _pair("usps", "mnist"), sources=("usps", "mnist")),
    "mnist2fashion": Dataset(
        "MNIST and Fashion-MNIST",
        _pair("mnist", "fashion_mnist"),
        sources=("mnist", "fashion_mnist"),
    ),
    **{
        f"celeb_{name}": Dataset(
            f"faces without and with {attribute}", _attribute(attribute), 128, sources=("celeba",)
        )
        for name, attribute in (
            ("smiling", "Smiling"), ("blond", "Blond_Hair"), ("eyeglasses", "Eyeglasses"),
        )
    },
    **{
        name: Dataset(
            f"CycleGAN's {name.replace('2', ' and ')}, unpaired"
            + ("; paired where the files are pix2pix's" if name in PIX2PIX_LICENCES else ""),
            _from_source(name), 256, sources=(name,), instead=("plan2facade",),
        )
        for name in CYCLEGAN_LICENCES
    },
    **{
        name: Dataset(
            f"pix2pix's {name.replace('2', ' and ')}, paired",
            _from_source(name), 256, sources=(name,), instead=("plan2facade",),
        )
        for name in PIX2PIX_LICENCES if name not in CYCLEGAN_LICENCES
    },
    "photo_sketch": Dataset("photographs with five contour drawings each, paired",
                            _from_source("photo_sketch"), 256, sources=("photo_sketch",),
                           instead=("plan2facade",)),
    "sketchy": Dataset("ten categories of photographs with five drawings each, paired",
                       _from_source("sketchy"), 256, sources=("sketchy",),
                      instead=("plan2facade",)),
    "cuhk_faces": Dataset("students' faces and artists' sketches of them, paired",
                          _from_source("cuhk_faces"), 256, sources=("cuhk_faces",),
                         instead=("plan2facade",)),
}  # fmt: skip
