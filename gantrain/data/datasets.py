"""Data sets by name: which domains, from which sources, at which size."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path

import numpy as np

from gantrain.data import digits, folders, npz, paired_folders, raster, sources
from gantrain.data.domain import FITS, Domain, FileImages, content_hash, of_array
from gantrain.data.pairs import paired
from gantrain.data.palettes import PALETTES, find_palette
from gantrain.data.ring import COUNT as RING_POINTS
from gantrain.data.ring import MODES, ring
from gantrain.data.sources import CYCLEGAN_LICENCES, DIGITS, PIX2PIX_LICENCES, SOURCES
from gantrain.data.transforms import TRANSFORMS, contours, luma
from gantrain.errors import UserError
from gantrain.options import unknown
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


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a data set.

    Attributes:
      data_dir: folder with one folder per source.
      image_size: side of the examples in pixels; None for points.
      split: "train" or "test".
      seed: seed of generated sets; others do not depend on it.
      load_size: what images are scaled to before they are cropped to `image_size`; None is
        `image_size`.
      fit: a name in `gantrain.data.domain.FITS`, how they are scaled.
      as_they_lie: True leaves the scaling to who asks, for whom label maps among the images may
        not be scaled like the others.
    """

    data_dir: Path
    image_size: int | None
    split: str
    seed: int
    load_size: int | None = None
    fit: str = "squeeze"
    as_they_lie: bool = False

    @property
    def side(self) -> int:
        """Side of the square that an image becomes before it is cropped.

        Test images are squeezed whole to `image_size`, as pix2pix tests.
        """
        whole = self.split == "test" and self.fit == "squeeze"
        return self.image_size if whole else self.load_size or self.image_size

    @property
    def reader_side(self) -> int | None:
        """What a reader scales to; None leaves the scaling to `fitted`."""
        return self.side if self.fit == "squeeze" and not self.as_they_lie else None

    def open(self, source: str) -> list[Domain]:
        """The domains of a source, fitted."""
        domains = SOURCES[source].open(self.data_dir, self.split, self.reader_side)
        return [self.fitted(domain) for domain in domains]

    def fitted(self, domain: Domain) -> Domain:
        """A domain scaled to `load_size`: cropped at random for training, centrally for tests."""
        if self.as_they_lie:
            return domain
        return domain.fitted(self.fit, self.side, self.image_size, self.split == "train")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A named set of one or more domains.

    Attributes:
      summary: one line for `list`.
      load: Request to the domains.
      image_size: default side in pixels; None for points.
      sources: names in SOURCES of the files it needs.
      prune_domain: number of the domain from which a classifier shall remove the images it is
        unsure of (`gantrain.data.domain.prune`), or None.
      instead: sets that come nearest where these files cannot be had; the last one needs none.
    """

    summary: str
    load: Callable[[Request], list[Domain]]
    image_size: int | None = 32
    sources: tuple[str, ...] = ()
    prune_domain: int | None = None
    instead: tuple[str, ...] = ("mnist2street", "pen2street")

    @property
    def unread(self) -> tuple[str, ...]:
        """Options of the data that say nothing of a set of points."""
        return ("image_size", "load_size", "fit", "flip") if self.image_size is None else ()

    def is_here(self, data_dir: Path) -> bool:
        """Whether all files that it needs can be read without a download."""
        return all(SOURCES[name].is_here(data_dir) for name in self.sources)

    def nearest(self, data_dir: Path) -> str:
        """The first set in its stead that needs no download."""
        return next(name for name in self.instead if DATASETS[name].is_here(data_dir))


def load(
    name: str,
    *,
    data_dir: str | PathLike,
    place: str | None = None,
    offline: bool = False,
    image_size: int | None = None,
    load_size: int | None = None,
    fit: str = "squeeze",
    same_channels: bool = True,
    split: str = "train",
    seed: int = 0,
    decoded: bool = True,
) -> list[Domain]:
    """Load the domains of a data set.

    Args:
      name: a name in DATASETS, or one that `find` makes a set of.
      data_dir: folder with one folder per source.
      place: where the folders of `name` lie, if not there: a name of the same kind.
      offline: never touch the network.
      image_size: side of the examples in pixels; None takes the set's default.
      load_size: side that training images are scaled to before they are cropped at random; None
        takes `image_size`.
      fit: how they are scaled, a name in `gantrain.data.domain.FITS`. Test images are squeezed
        whole under `squeeze`, else cropped in the middle.
      same_channels: whether all domains get the channels of the one that has most; False leaves
        each its own.
      split: "train" or "test"; the parts are disjoint.
      seed: seed of generated sets (`ring`, `pen`, `street`); a set from files does not depend on
        it.
      decoded: False leaves all image files encoded.

    Returns:
      List of domains with equal example shapes, save for channels of their own. Sets above 4 GiB
      stay encoded, and so do training images that keep their aspect: their crops differ each time.

    Raises:
      UserError: the set is unknown, absent or damaged.
    """
    dataset = find(name, place)
    if dataset.image_size is None:
        for flag, asked in (
            ("image_size", image_size is not None),
            ("load_size", load_size is not None),
            ("fit", fit != "squeeze"),
        ):
            if asked:
                raise UserError(f"--{flag}: {name} has points, not images; leave the flag out")
    size = image_size or dataset.image_size
    if fit not in FITS:
        raise UserError(f"--fit {fit}: unknown; one of {', '.join(FITS)}")
    if load_size is not None and fit == "none":
        raise UserError("--load_size scales images, which --fit none leaves as they are; drop one")
    if load_size is not None and load_size < size:
        raise UserError(
            f"--load_size {load_size} is smaller than --image_size {size}, which is cropped from "
            "it; give a larger one or leave it out"
        )
    folder = Path(data_dir).expanduser()
    fetch([name], folder, offline)
    request = Request(folder, size, split, seed, load_size, fit)
    domains = [
        request.fitted(_with_fingerprint(domain))
        for domain in label_maps(place or name, dataset, request)
    ]
    if same_channels:
        channels = max(domain.shape[-1] for domain in domains)
        domains = [domain.with_channels(channels) for domain in domains]
    return [domain.in_memory() for domain in domains] if decoded else domains


def fetch(names: Iterable[str], data_dir: Path, offline: bool = False) -> None:
    """Download what these data sets need and is not here, or refuse all of it at once.

    Args:
      names: data sets, as `find` knows them.
      data_dir: folder with one folder per source.
      offline: never touch the network.

    Raises:
      UserError: one line, within seconds: what is absent, why it cannot be downloaded, what to do.
    """
    absent = {name: find(name) for name in names if not find(name).is_here(data_dir)}
    try:
        sources.fetch((name for s in absent.values() for name in s.sources), data_dir, offline)
    except UserError as error:
        which = ", ".join(absent)
        name = which if len(absent) == 1 else "NAME"
        near = next(iter(absent.values())).nearest(data_dir)
        raise UserError(
            f"--dataset {which}: {error}; `gantrain check {name}` lists the files, `gantrain "
            f"prepare {name}` downloads where there is a network; --dataset {near} needs neither"
        ) from None


def label_maps(name: str, dataset: Dataset, request: Request) -> list[Domain]:
    """The domains of a request, those of label maps with their palette and not yet scaled.

    Which these are the training part decides, for the test part too.
    """
    palette = find_palette(name, request.data_dir)
    if palette is None:
        return dataset.load(request)
    request = dataclasses.replace(request, as_they_lie=True)
    domains = dataset.load(request)
    if any(domain.palette for domain in domains):
        return domains
    training = dataclasses.replace(request, split="train")
    looked_at = domains if request.split == "train" else dataset.load(training)
    return [
        domain.with_palette(palette) if palette.fits(of_training) else domain
        for domain, of_training in zip(domains, looked_at, strict=True)
    ]


def _with_fingerprint(domain):
    """The domain with a hash of its content; a reader that scales arrays has taken it before."""
    if domain.fingerprint is not None:
        return domain
    files = isinstance(domain.images, FileImages)
    found = domain.images.fingerprint if files else functools.partial(content_hash, domain.images)
    return dataclasses.replace(domain, fingerprint=found(domain.labels))


def find(name: str, place: str | None = None) -> Dataset:
    """The data set of a name.

    Args:
      name: a name in DATASETS, or `KIND:REST` with a kind in MAKERS: `folder:PATH[,PATH...]`,
        `pairs:PATH`, and `gray2color:` or `edge2photo:` with a folder or the name of a set of one
        domain.
      place: where the folders of `name` lie, if not there; the domains keep their names.

    Returns:
      A Dataset.

    Raises:
      UserError: there is none.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind in MAKERS:
        return MAKERS[kind](rest, (place or name).removeprefix(kind + colon))
    if place:
        raise UserError(
            f"--place {place}: --dataset {name} is no folder; drop it, or give --data_dir"
        )
    if name not in DATASETS:
        raise UserError(
            f"{unknown('--dataset', name, DATASETS)} Images of your own are folder:PATH[,PATH...], "
            f"pairs:PATH, gray2color:PATH or edge2photo:PATH"
        )
    return DATASETS[name]


def _in_folders(rest, place):
    """`folder:PATH[,PATH...]`: one domain per folder or archive, or CycleGAN's layout."""
    paths = _paths(place)
    words = [Path(word) for word in rest.split(",")]
    named = words if len(words) == len(paths) else [Path(rest)] if len(paths) == 1 else paths
    return Dataset(
        f"images in {', '.join(map(str, paths))}",
        lambda request: folders.read_paths(paths, request.split, request.reader_side, named),
        image_size=128,
    )


def _in_pairs(rest, place):
    """`pairs:PATH`: any of the paired layouts."""
    return Dataset(
        f"pairs in {rest}",
        lambda request: paired_folders.read_pairs(_path(place), request.split, request.reader_side),
        image_size=128,
    )


def _paths(rest):
    """The paths of a list with commas, of which some may be part of a name."""
    words = rest.split(",")
    paths = []
    while words:
        # The longest that is there; else the first word, which is then named as missing.
        joined = itertools.accumulate(words, lambda left, right: f"{left},{right}")
        there = [(number, path) for number, path in enumerate(map(_path, joined), 1)
                 if path.exists()]  # fmt: skip
        count, path = there[-1] if there else (1, _path(words[0]))
        paths.append(path)
        words = words[count:]
    return paths


def _path(text):
    """A path that may begin with `~`, which no shell has expanded behind a colon."""
    return Path(text).expanduser()


def _made_of(kind, names, function):
    """Maker of pairs of which the program draws the first half from the second.

    Both are made of the same pixels, at the size of training, so that they are exactly aligned.
    """

    def make(rest, place):
        named = rest in DATASETS
        base = (
            find(rest, None if place == rest else place)
            if named
            else find(f"folder:{rest}", f"folder:{place}")
        )

        def load_domains(request):
            domains = base.load(request)
            if len(domains) != 1 or len(domains[0].images.shape) != 4:
                raise UserError(
                    f"--dataset {kind}:{rest}: needs one domain of images; give one folder, or a "
                    "set of one"
                )
            photo = request.fitted(domains[0])
            if kind == "gray2color" and photo.shape[-1] == 1:
                raise UserError(f"--dataset {kind}:{rest}: has no colour; give images that do")
            made = photo.derived(names[0], function)
            return paired(made, dataclasses.replace(photo, name=names[1]))

        summary = f"{names[0]} and {names[1]}, paired: {base.summary}"
        return dataclasses.replace(
            base, summary=summary, load=load_domains, prune_domain=None, instead=("plan2facade",)
        )

    return make


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

MAKERS = {
    "folder": _in_folders,
    "pairs": _in_pairs,
    "gray2color": _made_of("gray2color", ("gray", "color"), luma),
    "edge2photo": _made_of("edge2photo", ("edge", "photo"), contours),
}
