"""Data sets by name: which domains, from which sources, at which size."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gantrain.data import digits, folders, npz
from gantrain.data.domain import Domain
from gantrain.data.ring import COUNT as RING_POINTS
from gantrain.data.ring import MODES, ring
from gantrain.data.sources import CYCLEGAN_LICENCES, DIGITS, SOURCES
from gantrain.data.transforms import TRANSFORMS
from gantrain.errors import UserError

# The attributes that at least 50,000 faces have (thesis section 5.3).
ATTRIBUTES = (
    "Arched_Eyebrows", "Attractive", "Heavy_Makeup", "High_Cheekbones", "Male",
    "Mouth_Slightly_Open", "No_Beard", "Oval_Face", "Pointy_Nose", "Smiling", "Wavy_Hair",
    "Wearing_Lipstick", "Young",
)  # fmt: skip

EMBEDDED_COUNT = {"train": 20_000, "test": 4_000}

# Seeds of one draw of a generated domain lie this far apart; the parts take the places between.
_DRAWS = 4


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a data set.

    Attributes:
      data_dir: folder with one folder per source.
      offline: never touch the network.
      image_size: side of the images in pixels.
      split: "train" or "test".
      seed: seed of generated sets; others do not depend on it.
    """

    data_dir: Path
    offline: bool
    image_size: int
    split: str
    seed: int

    def open(self, source):
        """The domains of a source."""
        return SOURCES[source].open(self.data_dir, self.offline, self.split, self.image_size)


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
    """

    summary: str
    load: Callable[[Request], list[Domain]]
    image_size: int | None = 32
    sources: tuple[str, ...] = ()
    prune_domain: int | None = None


def load(name, *, data_dir, offline=False, image_size=None, split="train", seed=0):
    """Load the domains of a data set.

    Args:
      name: a name in DATASETS, or `folder:PATH[,PATH...]`.
      data_dir: folder with one folder per source.
      offline: never touch the network.
      image_size: side of the images in pixels; None takes the set's default.
      split: "train" or "test"; the parts are disjoint.
      seed: seed of generated sets (`ring`, `pen`, `street`); a set from files does not depend on
        it.

    Returns:
      List of domains with equal image shapes: all gray, or all of three channels. Sets above
      4 GiB stay encoded.

    Raises:
      UserError: the set is unknown, absent or damaged.
    """
    dataset = find(name)
    if dataset.image_size is None and image_size is not None:
        raise UserError(f"--image_size: {name} has points, not images; leave the flag out")
    request = Request(Path(data_dir), offline, image_size or dataset.image_size, split, seed)
    domains = dataset.load(request)
    channels = max(domain.shape[-1] for domain in domains)
    return [domain.with_channels(channels).in_memory() for domain in domains]


def find(name):
    """The data set of a name; `folder:PATH[,PATH...]` makes one.

    Raises:
      UserError: there is none.
    """
    if name.startswith("folder:"):
        paths = [Path(path) for path in name.removeprefix("folder:").split(",")]
        return Dataset(
            f"images in {', '.join(map(str, paths))}",
            lambda request: folders.read_paths(paths, request.split, request.image_size),
            image_size=128,
        )
    if name not in DATASETS:
        raise UserError(
            f"--dataset {name}: unknown; choose folder:PATH[,PATH...] or one of "
            f"{', '.join(sorted(DATASETS))}"
        )
    return DATASETS[name]


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
                images = TRANSFORMS[transform](part.in_memory().images)
                part = dataclasses.replace(part, name=transform, images=images)
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
        has = faces.labels[:, faces.classes.index(name)] == 1
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
    columns = [faces.classes.index(name) for name in ATTRIBUTES]
    return dataclasses.replace(faces, labels=faces.labels[:, columns], classes=ATTRIBUTES)


def _ring(request):
    points, modes = ring(RING_POINTS, _draw(request, 0))
    return [Domain("ring", points, modes, tuple(f"mode {mode}" for mode in range(MODES)))]


def _pen(request):
    return _generated(request, "pen", 0, digits.pen_digits)


def _street(request):
    return _generated(request, "street", 1, digits.street_digits)


def _generated(request, name, number, generate):
    """A domain drawn by the program, kept under the data directory for the next run.

    The file's name holds a hash of the generator's code, so that a change of it is never missed.
    """
    seed = _draw(request, number)
    count = EMBEDDED_COUNT[request.split]
    code = hashlib.sha256(Path(digits.__file__).read_bytes()).hexdigest()[:12]
    file = f"{name}-{count}-{request.image_size}-{seed}-{code}.npz"
    path = request.data_dir / "generated" / file
    if path.is_file():
        images, labels = npz.read_npz(path, request.split)
    else:
        images, labels = generate(count, seed, request.image_size)
        npz.write_npz(path, images, labels)
    return Domain(name, images, labels, DIGITS)


def _draw(request, number):
    """A seed that no other domain, part or draw of the generators uses."""
    return _DRAWS * request.seed + 2 * number + (request.split == "test")


DATASETS = {
    "ring": Dataset("ten clusters of points on a circle (thesis figure 2.9)", _ring, None),
    "pen2street": Dataset(
        "embedded: pen digits and street-number digits, generated, no files",
        lambda request: [_pen(request), _street(request)],
    ),
    "mnist": Dataset("handwritten digits", _from_source("mnist"), sources=("mnist",)),
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
            f"CycleGAN's {name.replace('2', ' and ')}, unpaired",
            _from_source(name), 256, sources=(name,),
        )
        for name in CYCLEGAN_LICENCES
    },
}  # fmt: skip
