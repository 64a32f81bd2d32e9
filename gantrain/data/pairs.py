"""Pairs: which examples of two or more domains show the same thing.

A paired set has `Domain.rows`; row p of every domain names its examples of pair p. Whatever ignores
the rows uses the set unpaired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from gantrain.data.domain import Domain
from gantrain.errors import UserError


def pair_count(domains: Sequence[Domain]) -> int:
    """Number of pairs of a set; 0 if it is unpaired.

    Args:
      domains: list of `gantrain.data.domain.Domain`.

    Returns:
      An integer.
    """
    counts = {0 if domain.rows is None else len(domain.rows) for domain in domains}
    return counts.pop() if len(counts) == 1 else 0


def require_pairs(domains: Sequence[Domain], dataset: str) -> None:
    """Refuse a set without pairs.

    Args:
      domains: list of `gantrain.data.domain.Domain`.
      dataset: what `--dataset` says.

    Raises:
      UserError: it is unpaired, or has no second domain.
    """
    if len(domains) < 2 or not pair_count(domains):
        raise UserError(
            f"--gan_type pix2pix needs pairs, and --dataset {dataset} gives none; use --gan_type "
            "cyclegan or cut, or a paired set: plan2facade, facades in pix2pix's layout, "
            "pairs:PATH, gray2color:PATH, edge2photo:PATH"
        )


def examples(domains: Sequence[Domain], numbers: Any) -> list[np.ndarray]:
    """Chosen pairs, such as the fixed held-out pictures of a sample grid.

    Args:
      domains: list of `gantrain.data.domain.Domain`.
      numbers: integers [n], numbers of pairs; of an unpaired set, numbers of examples of each.

    Returns:
      One array per domain, as trained on and cropped in the middle: uint8 [n, H, W, C], or
      [n, T, H, W, C] where an input has T targets.

    Raises:
      UserError: an image cannot be read.
    """
    numbers = np.asarray(numbers)
    if not pair_count(domains):
        return [domain.pixels(numbers) for domain in domains]
    chosen = []
    for domain in domains:
        rows = domain.rows[numbers]
        pixels = domain.pixels(rows.ravel())
        targets = rows.shape if rows.shape[1] > 1 else rows.shape[:1]
        chosen.append(pixels.reshape(*targets, *pixels.shape[1:]))
    return chosen


def paired(*domains: Domain) -> list[Domain]:
    """Pair domains example by example: example i of all of them is pair i.

    Args:
      domains: Domains of one size.

    Returns:
      List of Domains.
    """
    rows = np.arange(domains[0].size, dtype=np.int32)[:, None]
    return [dataclasses.replace(domain, rows=rows) for domain in domains]
