"""What is asked of a data set, and what a data set is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from gantrain.data.domain import Domain
from gantrain.data.sources import SOURCES


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
