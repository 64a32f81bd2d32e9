"""Data sets by name: found, fetched and loaded."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from gantrain.data import folders, paired_folders, sources
from gantrain.data.domain import FITS, Domain, FileImages, content_hash
from gantrain.data.named import DATASETS
from gantrain.data.pairs import paired
from gantrain.data.palettes import find_palette
from gantrain.data.request import Dataset, Request
from gantrain.data.transforms import contours, luma
from gantrain.errors import UserError
from gantrain.options import unknown


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
        near = nearest(next(iter(absent.values())), data_dir)
        raise UserError(
            f"--dataset {which}: {error}; `gantrain check {name}` lists the files, `gantrain "
            f"prepare {name}` downloads where there is a network; --dataset {near} needs neither"
        ) from None


def nearest(dataset: Dataset, data_dir: Path) -> str:
    """The first set in the stead of one that needs no download."""
    return next(name for name in dataset.instead if DATASETS[name].is_here(data_dir))


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


MAKERS = {
    "folder": _in_folders,
    "pairs": _in_pairs,
    "gray2color": _made_of("gray2color", ("gray", "color"), luma),
    "edge2photo": _made_of("edge2photo", ("edge", "photo"), contours),
}
